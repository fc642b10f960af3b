//! What is shown of requests and replies is whole, and belongs together.

use super::{Dice, ask, holds};
use crate::{Client, Recorder, Script, Subject};
use tidegate_kit::eventually;

/// Sizes at which buffers begin and end.
const SIZES: [usize; 6] = [0, 8191, 8192, 8193, 16_384, 1_000_000];

/// However requests are cut on their way, a step sees whole messages, once each, and the client sees what the server
/// itself would have said, byte for byte.
pub fn whole_messages_whatever_the_cuts<S: Subject>() {
    let recorder = Recorder::new(Script::pass());
    let subject = S::start(recorder.chain());
    let (mut client, mut direct) = (subject.connect(), subject.direct());
    let mut dice = Dice(0x7469_6465);
    let mut received = Vec::new();
    for (turn, size) in SIZES.iter().cycle().take(24).enumerate() {
        let request = if turn % 2 == 0 {
            S::echo(&format!("turn {turn}"), *size)
        } else {
            S::long(*size)
        };
        let mut rest = &request[..];
        for _ in 0..4 {
            let (piece, later) = rest.split_at(dice.below(rest.len()));
            client.send(piece);
            std::thread::yield_now();
            rest = later;
        }
        client.send(rest);
        let reply = client.reply().unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        assert!(
            reply == ask::<S>(&mut direct, &request),
            "turn {turn} differs from a direct reply"
        );
        received.push((request, reply));
    }
    eventually("all exchanges end", || recorder.ended() == received.len());
    for (seen, (request, reply)) in recorder.seen().iter().zip(&received) {
        assert!(seen.request == *request, "the request is shown whole");
        assert!(!seen.truncated && !seen.cut && seen.end == Some(None));
        assert_eq!(seen.parts.concat(), *reply);
        for part in &seen.parts {
            assert_eq!(S::messages(part), vec![0..part.len()], "a part is one whole message");
        }
    }
}

/// A thousand requests in one go: each is shown with its own reply.
pub fn a_pipeline_keeps_its_pairs<S: Subject>() {
    const DEPTH: usize = 1000;
    let recorder = Recorder::new(Script::pass());
    let subject = S::start(recorder.chain());
    let mut client = subject.connect();
    let requests: Vec<u8> = (0..DEPTH).flat_map(|turn| S::echo(&format!("<{turn}>"), 0)).collect();
    client.send(&requests);
    for turn in 0..DEPTH {
        let reply = client.reply().unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        assert!(holds(&reply, &format!("<{turn}>")), "turn {turn} got another's reply");
    }
    eventually("all exchanges end", || recorder.ended() == DEPTH);
    for (turn, seen) in recorder.seen().iter().enumerate() {
        let text = format!("<{turn}>");
        assert!(
            holds(&seen.request, &text) && holds(&seen.parts.concat(), &text),
            "{turn}: {seen:?}"
        );
    }
}

/// What is longer than what is held goes by all the same; a step is told that it saw the beginning only, and stretches
/// of the reply.
pub fn a_request_longer_than_the_bound_flows<S: Subject>() {
    const SIZE: usize = 3_000_000;
    let recorder = Recorder::new(Script::pass());
    let subject = S::start(recorder.chain());
    let (mut client, mut direct) = (subject.connect(), subject.direct());
    for request in [S::echo("long", SIZE), S::long(SIZE), S::echo("short", 0)] {
        client.send(&request);
        let reply = client.reply().unwrap_or_else(|error| panic!("{error}"));
        assert!(reply == ask::<S>(&mut direct, &request));
    }
    eventually("all exchanges end", || recorder.ended() == 3);
    let seen = recorder.seen();
    assert!(seen[0].truncated && seen[0].request.len() < SIZE);
    assert!(!seen[1].truncated && seen[1].parts.concat().len() >= SIZE);
    assert!(!seen[2].truncated && !seen[2].cut);
}
