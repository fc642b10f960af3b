//! What a step may do to an exchange.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_base::{Reason, Refusal};
use tidegate_chain::{Flow, Need, Part, Reply, Verdict};
use tidegate_kit::eventually;

use super::{ask, holds};
use crate::{Client, Recorder, Script, Subject};

/// Refuses what holds the word `forbidden`.
fn refusing() -> Recorder {
    Recorder::new(Script::pass().on_request(|bytes, exchange| {
        if holds(bytes, "forbidden") {
            exchange.refuse(Refusal::new(Reason::Denied, "not in this house"));
            return Flow::Stop;
        }
        Flow::Next { reply: Need::Body }
    }))
}

/// The client is told, and the session goes on.
pub fn a_refusal_is_said_in_the_protocols_own_words<S: Subject>() {
    let subject = S::start(refusing().chain());
    let mut client = subject.connect();
    for _ in 0..2 {
        let refused = ask::<S>(&mut client, &S::echo("forbidden", 0));
        assert!(S::is_error(&refused) && holds(&refused, "not in this house"));
        let served = ask::<S>(&mut client, &S::echo("allowed", 0));
        assert!(!S::is_error(&served) && holds(&served, "allowed"));
    }
    assert_eq!(subject.house().lent(), 0);
}

/// Refusals in the midst of a pipeline come in their place.
pub fn a_refusal_keeps_the_order_of_a_pipeline<S: Subject>() {
    const DEPTH: usize = 100;
    let recorder = refusing();
    let subject = S::start(recorder.chain());
    let mut client = subject.connect();
    let word = |turn: usize| if turn % 3 == 1 { "forbidden" } else { "allowed" };
    let text = |turn: usize| format!("{} <{turn}>", word(turn));
    let requests: Vec<u8> = (0..DEPTH).flat_map(|turn| S::echo(&text(turn), 0)).collect();
    client.send(&requests);
    for turn in 0..DEPTH {
        let reply = client.reply().unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        if word(turn) == "forbidden" {
            assert!(S::is_error(&reply), "turn {turn} is refused");
        } else {
            assert!(holds(&reply, &text(turn)), "turn {turn} got another's reply");
        }
    }
    assert_eq!(recorder.seen().len(), DEPTH);
    eventually("every server is given back", || subject.house().lent() == 0);
}

/// A recorded reply is given again without a word to the server.
pub fn a_recorded_reply_is_replayed<S: Subject>() {
    let kept = Arc::new(Mutex::new(Vec::<u8>::new()));
    let (reader, writer) = (Arc::clone(&kept), Arc::clone(&kept));
    let script = Script::pass()
        .on_request(move |_, exchange| {
            let kept = reader.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.is_empty() {
                return Flow::Next { reply: Need::Body };
            }
            exchange.replay(&kept);
            Flow::Stop
        })
        .on_reply(move |part| {
            let mut kept = writer.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(part.bytes);
            Reply::Pass
        });
    let subject = S::start(Recorder::new(script).chain());
    let first = ask::<S>(&mut subject.connect(), &S::varying());
    let again = ask::<S>(&mut subject.connect(), &S::varying());
    assert!(!S::is_error(&first));
    assert_eq!(first, again);
    assert_ne!(
        first,
        ask::<S>(&mut subject.direct(), &S::varying()),
        "the server itself would say another"
    );
}

/// A step puts other bytes in the place of a part, and holds parts back for a later one.
pub fn a_reply_is_replaced<S: Subject>() {
    let held = Arc::new(Mutex::new(Vec::<u8>::new()));
    let script = Script::pass().on_reply(move |part: Part<'_>| {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(part.bytes.iter().map(|byte| if *byte == b'~' { b'+' } else { *byte }));
        if part.end.is_none() {
            return Reply::Hold;
        }
        Reply::Replace(std::mem::take(&mut *held))
    });
    let subject = S::start(Recorder::new(script).chain());
    let mut client = subject.connect();
    for _ in 0..2 {
        let reply = ask::<S>(&mut client, &S::echo("a~b", 0));
        assert!(holds(&reply, "a+b") && !holds(&reply, "a~b"));
    }
}

/// While a step waits, the replies to earlier requests flow; then its own request goes on.
pub fn earlier_replies_flow_while_a_step_waits<S: Subject>() {
    let script = Script::pass().on_request(|bytes, _| {
        if holds(bytes, "patience") {
            return Flow::Wait(Box::pin(async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Verdict::default()
            }));
        }
        Flow::Next { reply: Need::Body }
    });
    let recorder = Recorder::new(script);
    let subject = S::start(recorder.chain());
    let mut client = subject.connect();
    let requests = [S::echo("first", 0), S::echo("patience", 0), S::echo("last", 0)].concat();
    client.send(&requests);
    let replies: Vec<_> = ["first", "patience", "last"]
        .iter()
        .map(|text| {
            let reply = client.reply().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(holds(&reply, text));
            recorder.seen().len()
        })
        .collect();
    assert!(
        replies[0] <= 2,
        "the last request was shown before the one that waits went on"
    );
    eventually("all exchanges end", || recorder.ended() == 3);
}
