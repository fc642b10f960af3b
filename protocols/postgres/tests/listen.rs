//! LISTEN in transaction mode: one connection to the server hears for all clients, and each is told exactly what it asked
//! for.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{ByHand, Subjected};
use serde_json::json;
use tidegate_conformance::{Client as _, Recorder, Script, Subject as _};
use tidegate_kit::{Postgres, eventually, message};

fn start(size: u32) -> Subjected {
    Subjected::with_pool(Vec::new(), &json!({ "mode": "transaction", "size": size }))
}

fn listener(subject: &Subjected, channel: &str) -> ByHand {
    let mut client = subject.connect();
    assert_eq!(client.0.query(&format!("LISTEN {channel}")).tags(), "CZ");
    client
}

/// The channel and the payload of the next notification; anything else fails.
#[track_caller]
fn heard(client: &mut ByHand) -> (String, String) {
    let frame = client.0.frame();
    assert_eq!(char::from(frame.tag), 'A');
    let mut texts = frame.body[4..].split(|byte| *byte == 0);
    let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
    (text(), text())
}

#[track_caller]
fn hears_nothing(client: &mut ByHand) {
    assert_eq!(client.0.query("SELECT 1").tags(), "TDCZ");
}

fn listens_upstream(server: &Postgres) -> usize {
    let texts = server.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'");
    texts.parse().expect("a number")
}

#[test]
fn many_listen_over_one_connection_and_hold_no_server() {
    let subject = start(1);
    let mut news: Vec<_> = (0..20).map(|_| listener(&subject, "news")).collect();
    let mut other = listener(&subject, "\"Other\"");
    assert_eq!(subject.house().lent(), 0);
    assert_eq!(listens_upstream(subject.server()), 1);
    let mut teller = subject.connect();
    for turn in 0..3 {
        assert_eq!(teller.0.query(&format!("NOTIFY news, 'turn {turn}'")).tags(), "CZ");
    }
    assert_eq!(teller.0.query("SELECT pg_notify('Other', 'x')").tags(), "TDCZ");
    for client in &mut news {
        for turn in 0..3 {
            assert_eq!(heard(client), ("news".to_owned(), format!("turn {turn}")));
        }
        hears_nothing(client);
    }
    assert_eq!(heard(&mut other), ("Other".to_owned(), "x".to_owned()));
}

/// What is told after the answer to LISTEN is never missed, however busy the others are.
#[test]
fn an_answered_listen_misses_nothing() {
    let subject = start(2);
    let mut teller = subject.direct();
    for turn in 0..50 {
        let channel = format!("c{turn}");
        let mut client = listener(&subject, &channel);
        teller.0.query(&format!("NOTIFY {channel}"));
        assert_eq!(heard(&mut client).0, channel);
        assert_eq!(client.0.query(&format!("UNLISTEN {channel}")).tags(), "CZ");
        teller.0.query(&format!("NOTIFY {channel}"));
        hears_nothing(&mut client);
    }
}

#[test]
fn drivers_that_listen_by_the_extended_protocol_share_too() {
    let subject = start(1);
    let mut client = subject.connect();
    let batch = [
        message::parse("", "listen Ch"),
        message::bind("", "", &[]),
        message::describe(b'P', ""),
        message::execute("", 0),
        message::sync(),
    ];
    client.send(&batch.concat());
    assert_eq!(client.0.reply().tags(), "12nCZ");
    assert_eq!(subject.house().lent(), 0);
    subject.direct().0.query("NOTIFY ch, 'p'");
    assert_eq!(heard(&mut client), ("ch".to_owned(), "p".to_owned()));
}

/// Within a transaction LISTEN takes effect when it commits: the server is held until the client listens no more.
#[test]
fn a_listen_within_a_transaction_holds_its_server() {
    let subject = start(2);
    let mut client = subject.connect();
    assert_eq!(client.0.query("BEGIN").status(), Some('T'));
    client.0.query("LISTEN held");
    subject.direct().0.query("NOTIFY held, 'early'");
    assert_eq!(client.0.query("COMMIT").status(), Some('I'));
    assert_eq!(subject.house().lent(), 1);
    subject.direct().0.query("NOTIFY held, 'p'");
    assert_eq!(heard(&mut client), ("held".to_owned(), "p".to_owned()));
    client.0.query("UNLISTEN *");
    eventually("the server is given back", || subject.house().lent() == 0);
    subject.direct().0.query("NOTIFY held");
    hears_nothing(&mut client);
}

/// The connection that listens is lost: it is opened again, listens again, and everybody is told of the gap.
#[test]
fn a_lost_connection_listens_again() {
    let mut subject = start(1);
    let mut client = listener(&subject, "news");
    subject.kill_server();
    subject.revive_server();
    assert_eq!(char::from(client.0.frame().tag), 'N');
    eventually("it listens again", || listens_upstream(subject.server()) == 1);
    subject.direct().0.query("NOTIFY news, 'again'");
    assert_eq!(heard(&mut client).1, "again");
}

#[test]
fn a_server_that_is_down_refuses_a_listen() {
    let mut subject = start(1);
    let mut client = subject.connect();
    subject.kill_server();
    assert_eq!(client.0.query("LISTEN news").sqlstate(), "57P03");
    subject.revive_server();
    eventually("it can listen", || client.0.query("LISTEN news").tags() == "CZ");
    subject.direct().0.query("NOTIFY news, 'p'");
    assert_eq!(heard(&mut client).1, "p");
}

/// Whoever does not read is closed, and is not skipped; others hear everything.
#[test]
fn a_listener_that_does_not_read_is_closed() {
    const TOLD: usize = 4000;
    let subject = start(1);
    let mut lazy = listener(&subject, "news");
    let mut eager = listener(&subject, "news");
    let read = AtomicUsize::new(0);
    let told = std::thread::scope(|scope| {
        let (count, eager) = (&read, &mut eager);
        let reader = scope.spawn(move || {
            for turn in 0..TOLD {
                assert!(heard(eager).1.starts_with(&format!("{turn} ")));
                count.fetch_add(1, Ordering::Relaxed);
            }
            TOLD
        });
        let mut teller = subject.direct();
        for turn in 0..TOLD {
            // The eager one is never far behind, however slow the machine is.
            eventually("it is read", || {
                turn < read.load(Ordering::Relaxed) + 64 || reader.is_finished()
            });
            teller.0.query(&format!("NOTIFY news, '{turn} {}'", "x".repeat(7000)));
        }
        reader.join().expect("the reader")
    });
    assert_eq!(told, TOLD);
    eventually("the lazy one is gone", || subject.house().clients().len() == 1);
    lazy.0.patience(Duration::from_secs(5));
    let mut read = 0;
    while let Ok(frame) = lazy.0.try_frame() {
        if frame.tag == b'E' {
            assert_eq!(frame.sqlstate(), "54000");
            break;
        }
        assert!(heard_as(&frame.body, read), "what it is told has no holes");
        read += 1;
    }
    assert!(read < TOLD);
}

fn heard_as(body: &[u8], turn: usize) -> bool {
    body[4..].starts_with(format!("news\0{turn} ").as_bytes())
}

#[test]
fn notifications_are_shown_to_the_chain() {
    let recorder = Recorder::new(Script::pass());
    let subject = Subjected::start(recorder.chain());
    let mut client = listener(&subject, "news");
    subject.direct().0.query("NOTIFY news, 'by hub'");
    assert_eq!(heard(&mut client).1, "by hub");
    client.0.query("BEGIN; LISTEN held; COMMIT");
    subject.direct().0.query("NOTIFY held, 'by server'");
    assert_eq!(heard(&mut client).1, "by server");
    let pushes = recorder.pushes();
    assert_eq!(pushes.len(), 2);
    assert!(pushes[0].ends_with(b"by hub\0") && pushes[1].ends_with(b"by server\0"));
}
