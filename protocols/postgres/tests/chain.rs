//! What a step sees and does where PostgreSQL's protocol has ways of its own: batches that are sent piece by piece,
//! statements that were prepared before, notifications.

mod common;

use std::sync::{Arc, Mutex, PoisonError};

use common::{ByHand, Subjected};
use serde_json::json;
use tidegate_base::{Reason, Refusal};
use tidegate_chain::{Flow, Need};
use tidegate_conformance::{Client as _, Recorder, Script, Subject as _};
use tidegate_kit::{eventually, message};

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn refusing(word: &'static str) -> Recorder {
    Recorder::new(Script::pass().on_request(move |bytes, exchange| {
        if holds(bytes, word) {
            exchange.refuse(Refusal::new(Reason::Denied, "no"));
            return Flow::Stop;
        }
        Flow::Next { reply: Need::Body }
    }))
}

fn tags(reply: &[u8]) -> String {
    let frames = Subjected::messages(reply);
    frames.iter().map(|range| char::from(reply[range.start])).collect()
}

#[track_caller]
fn ask(client: &mut ByHand, parts: &[Vec<u8>]) -> String {
    client.send(&parts.concat());
    tags(&client.reply().expect("a reply"))
}

/// A step that refuses a piece of a batch is answered with one error, and what follows up to the Sync is thrown away.
#[test]
fn the_rest_of_a_refused_batch_is_skipped() {
    let subject = Subjected::start(refusing("forbidden").chain());
    let mut client = subject.connect();
    let describe = message::describe(b'S', "");
    client.send(&[message::parse("", "SELECT 'forbidden'"), describe, message::flush()].concat());
    assert_eq!(client.0.frame().tag, b'E');
    let rest = [message::bind("", "", &[]), message::execute("", 0), message::sync()];
    assert_eq!(ask(&mut client, &rest), "Z");
    assert_eq!(ask(&mut client, &[message::query("SELECT 1")]), "TDCZ");
    assert_eq!(subject.house().lent(), 0);
}

/// The server has the beginning of the batch: it gets the Sync too, and is given back.
#[test]
fn a_batch_that_is_refused_late_ends_on_the_server_too() {
    let recorder = refusing("forbidden");
    let subject = Subjected::start(recorder.chain());
    let mut client = subject.connect();
    for _ in 0..3 {
        let parse = message::parse("", "SELECT $1::text");
        client.send(&[parse, message::describe(b'S', ""), message::flush()].concat());
        assert_eq!([(); 3].map(|()| client.0.frame().tag), *b"1tT");
        let rest = [
            message::bind("", "", &[Some("forbidden")]),
            message::execute("", 0),
            message::sync(),
        ];
        assert_eq!(ask(&mut client, &rest), "EZ");
        assert_eq!(ask(&mut client, &[message::query("SELECT 1")]), "TDCZ");
    }
    eventually("the server is given back", || subject.house().lent() == 0);
    eventually("all exchanges end", || recorder.ended() == 6);
    let ends: Vec<_> = recorder.seen().into_iter().filter_map(|seen| seen.end).collect();
    assert_eq!(
        ends.iter().filter(|end| end.is_some()).count(),
        3,
        "three have failed: {ends:?}"
    );
}

/// A Bind says nothing of what it runs; the facts do.
#[test]
fn facts_tell_what_a_prepared_statement_is() {
    for mode in ["transaction", "session"] {
        let texts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&texts);
        let script = Script::pass().on_request(move |_, exchange| {
            let facts = exchange.facts();
            assert_eq!(facts.user, "app");
            let found: Vec<_> = facts
                .statements
                .iter()
                .map(|statement| (statement.verb, String::from_utf8_lossy(statement.text).into_owned()))
                .collect();
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(found);
            Flow::Next { reply: Need::Head }
        });
        let pool = json!({ "mode": mode, "size": 1 });
        let subject = Subjected::with_pool(Recorder::new(script).chain(), &pool);
        let mut client = subject.connect();
        let run = |statement| {
            [
                message::bind("", statement, &[]),
                message::execute("", 0),
                message::sync(),
            ]
            .concat()
        };
        assert_eq!(
            ask(&mut client, &[message::parse("s1", "SELECT 1"), message::sync()]),
            "1Z"
        );
        assert_eq!(ask(&mut client, &[run("s1")]), "2DCZ");
        assert_eq!(
            ask(&mut client, &[message::parse("", "TABLE pg_class LIMIT 1"), run("")]),
            "12DCZ"
        );
        assert_eq!(ask(&mut client, &[message::close(b'S', "s1"), message::sync()]), "3Z");
        assert_eq!(ask(&mut client, &[run("s1")]), "EZ");
        let texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Vec<Vec<&str>> = texts
            .iter()
            .map(|found| found.iter().map(|(_, text)| text.as_str()).collect())
            .collect();
        let expected: [&[&str]; 5] = [&["SELECT 1"], &["SELECT 1"], &["TABLE pg_class LIMIT 1"], &[], &[]];
        assert_eq!(found, expected, "{mode}");
    }
}
