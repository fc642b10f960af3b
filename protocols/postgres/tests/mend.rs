//! What goes wrong on the server, and what of it a client need not notice.

mod common;

use common::{ByHand, Subjected};
use serde_json::json;
use tidegate_conformance::{Client as _, Subject as _};
use tidegate_kit::{Reply, eventually, message};

fn start(size: u32) -> Subjected {
    Subjected::with_pool(Vec::new(), &json!({ "mode": "transaction", "size": size }))
}

fn run(statement: &str) -> Vec<u8> {
    let parts = [
        message::bind("", statement, &[]),
        message::execute("", 0),
        message::sync(),
    ];
    parts.concat()
}

#[track_caller]
fn ask(client: &mut ByHand, bytes: &[u8]) -> Reply {
    client.send(bytes);
    client.0.reply()
}

/// A cached plan that does not fit any more is prepared anew, and the batch is said again.
#[test]
fn a_stale_plan_is_prepared_anew() {
    let subject = start(1);
    let mut owner = subject.direct();
    owner.0.query("CREATE TABLE stale AS SELECT 1 AS a");
    let mut client = subject.connect();
    let prepare = [message::parse("s", "SELECT * FROM stale"), message::sync()].concat();
    assert_eq!(ask(&mut client, &prepare).tags(), "1Z");
    for column in ["b", "c", "d"] {
        let before = ask(&mut client, &run("s"));
        assert_eq!(before.tags(), "2DCZ");
        owner
            .0
            .query(&format!("ALTER TABLE stale ADD COLUMN {column} int DEFAULT 2"));
        let after = ask(&mut client, &run("s"));
        assert_eq!(after.tags(), "2DCZ");
        assert_eq!(after.rows()[0].len(), before.rows()[0].len() + 1);
    }
    assert_eq!(
        client.0.query("SELECT count(*) FROM pg_prepared_statements").value(),
        "1"
    );
    eventually("the server is given back", || subject.house().lent() == 0);
}

/// Within a transaction nothing can be said again: the client is told what the server says.
#[test]
fn a_stale_plan_within_a_transaction_is_an_error() {
    let subject = start(1);
    let mut owner = subject.direct();
    owner.0.query("CREATE TABLE stale AS SELECT 1 AS a");
    let mut client = subject.connect();
    let prepare = [message::parse("s", "SELECT * FROM stale"), run("s")].concat();
    assert_eq!(ask(&mut client, &prepare).tags(), "12DCZ");
    owner.0.query("ALTER TABLE stale ADD COLUMN b int");
    client.0.query("BEGIN");
    let refused = ask(&mut client, &run("s"));
    assert_eq!((refused.tags().as_str(), refused.sqlstate().as_str()), ("EZ", "0A000"));
    assert_eq!(refused.status(), Some('E'));
    client.0.query("ROLLBACK");
    // It was told once: the next transaction finds the statement prepared anew.
    client.0.query("BEGIN");
    assert_eq!(ask(&mut client, &run("s")).tags(), "2DCZ");
    client.0.query("COMMIT");
    eventually("the server is given back", || subject.house().lent() == 0);
}

/// The same by SQL, where nothing is ever said again.
#[test]
fn a_stale_plan_of_a_prepare_is_told_once() {
    let subject = start(1);
    let mut owner = subject.direct();
    owner.0.query("CREATE TABLE stale AS SELECT 1 AS a");
    let mut client = subject.connect();
    client.0.query("PREPARE s AS SELECT * FROM stale");
    assert_eq!(client.0.query("EXECUTE s").rows()[0].len(), 1);
    owner.0.query("ALTER TABLE stale ADD COLUMN b int");
    assert_eq!(client.0.query("EXECUTE s").sqlstate(), "0A000");
    assert_eq!(client.0.query("EXECUTE s").rows()[0].len(), 2);
    eventually("the server is given back", || subject.house().lent() == 0);
}

/// The server ends a connection at work: one error, in the server's words, and the session goes on with another.
#[test]
fn a_session_outlives_the_server_that_it_had() {
    let subject = start(2);
    let mut client = subject.connect();
    client.send(&message::query("SELECT pg_sleep(60)"));
    eventually("it runs", || subject.server().value(RUNNING) == "1");
    subject
        .server()
        .value(&RUNNING.replace("count(*)", "pg_terminate_backend(pid)"));
    let told = client.0.reply();
    // The description of the rows was on its way already.
    assert_eq!((told.tags().as_str(), told.sqlstate().as_str()), ("TEZ", "57P01"));
    let error = told.error().expect("an error");
    assert_eq!(
        (error.field('S').as_str(), error.field('V').as_str()),
        ("ERROR", "ERROR")
    );
    assert_eq!(client.0.query("SELECT 1").value(), "1");
}

const RUNNING: &str = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'";

/// What a transaction has done is lost with its server: the client learns at once, once, and is closed.
#[test]
fn an_open_transaction_dies_with_its_server() {
    let subject = start(2);
    let mut client = subject.connect();
    let pid = client.0.query("BEGIN; SELECT pg_backend_pid()").value();
    subject.server().value(&format!("SELECT pg_terminate_backend({pid})"));
    let told = client.0.frame();
    assert_eq!(
        (told.tag, told.sqlstate().as_str(), told.field('V').as_str()),
        (b'E', "57P01", "FATAL")
    );
    assert!(client.0.try_frame().is_err(), "nothing comes behind a FATAL");
    eventually("the session is over", || subject.house().clients().is_empty());
}
