//! What clients and servers do to one another when things go wrong: nothing.

use std::time::{Duration, Instant};

use tidegate_kit::{Proc, eventually};

use super::{ask, holds, serves};
use crate::{Client, Subject};

/// It gets what it asked for or a clean end, and gives its server back.
pub fn a_client_that_half_closes_harms_nobody<S: Subject>() {
    let subject = S::start(Vec::new());
    let mut others = [subject.connect(), subject.connect()];
    for pause in [0, 20] {
        let mut leaver = subject.connect();
        leaver.send(&S::slow(200));
        std::thread::sleep(Duration::from_millis(pause));
        leaver.half_close();
        while leaver.reply().is_ok() {}
        for other in &mut others {
            assert!(holds(&ask::<S>(other, &S::echo("unharmed", 0)), "unharmed"));
        }
    }
    eventually("its server is given back", || subject.house().lent() == 0);
    eventually("the session is over", || {
        subject.house().clients().len() == others.len()
    });
}

/// A reply much larger than any buffer, which nobody reads: the gateway stops reading the server, and others are served.
pub fn a_client_that_does_not_read_is_bounded<S: Subject>() {
    const SIZE: usize = 96 << 20;
    let subject = S::start(Vec::new());
    serves(&subject);
    let process = Proc::new(std::process::id());
    let before = process.rss_kib();
    let mut lazy = subject.connect();
    lazy.send(&S::long(SIZE));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        serves(&subject);
    }
    let grown = process.rss_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "grew by {grown} KiB for a reply that nobody reads");
    let reply = lazy.reply().unwrap_or_else(|error| panic!("{error}"));
    assert!(reply.len() >= SIZE);
}

/// Whoever was being served is told or closed; everybody else, and all who come later, are served again.
pub fn a_dying_server_ends_only_what_it_held<S: Subject>() {
    let mut subject = S::start(Vec::new());
    let (mut idle, mut busy) = (subject.connect(), subject.connect());
    assert!(holds(&ask::<S>(&mut idle, &S::echo("before", 0)), "before"));
    busy.send(&S::slow(60_000));
    eventually("the slow request runs", || subject.house().lent() == 1);
    subject.kill_server();
    let told = busy.reply();
    assert!(
        told.is_err() || told.is_ok_and(|reply| S::is_error(&reply)),
        "a slow reply came out of nowhere"
    );
    subject.revive_server();
    eventually("clients are served again", || {
        let mut client = subject.connect();
        client.send(&S::echo("after", 0));
        client.reply().is_ok_and(|reply| holds(&reply, "after"))
    });
    assert!(
        holds(&ask::<S>(&mut idle, &S::echo("idle", 0)), "idle"),
        "an idle client noticed"
    );
    eventually("every server is given back", || subject.house().lent() == 0);
}

/// What is under way when the gateway goes down ends as it should; then the session does.
pub fn a_drain_lets_the_exchange_end<S: Subject>() {
    let subject = S::start(Vec::new());
    let mut idle = subject.connect();
    let mut busy = subject.connect();
    busy.send(&S::slow(300));
    eventually("the slow request runs", || subject.house().lent() == 1);
    assert!(subject.house().drain(Duration::from_secs(20)), "sessions are left");
    let reply = busy
        .reply()
        .unwrap_or_else(|error| panic!("the exchange was cut: {error}"));
    assert!(!S::is_error(&reply));
    idle.send(&S::echo("too late", 0));
    assert!(idle.reply().is_err() || subject.house().clients().is_empty());
}
