pub mod bad_day;
pub mod chain;
pub mod messages;

use crate::{Client, Subject};

/// Asks and reads one reply.
#[track_caller]
fn ask<S: Subject>(client: &mut S::Client, request: &[u8]) -> Vec<u8> {
    client.send(request);
    let reply = client.reply();
    reply.unwrap_or_else(|error| panic!("no reply: {error}"))
}

/// Whether a reply holds a text.
fn holds(reply: &[u8], text: &str) -> bool {
    reply.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Clients are served.
#[track_caller]
fn serves<S: Subject>(subject: &S) {
    let reply = ask::<S>(&mut subject.connect(), &S::echo("still here", 0));
    assert!(holds(&reply, "still here"));
}

/// Numbers that only look random, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}
