//! Prepared statements follow their client from server to server, by whatever way they were prepared.

mod common;

use common::{ByHand, Subjected};
use serde_json::json;
use tidegate_conformance::{Client as _, Subject as _};
use tidegate_kit::{RawClient, Reply, eventually, message};

fn start(size: u32) -> Subjected {
    Subjected::with_pool(Vec::new(), &json!({ "mode": "transaction", "size": size }))
}

#[track_caller]
fn ask(client: &mut ByHand, bytes: &[u8]) -> Reply {
    client.send(bytes);
    client.0.reply()
}

/// Makes clients take turns on all servers of a pool of two.
fn occupy(subject: &Subjected) -> RawClient {
    let mut other = subject.connect().0;
    assert_eq!(other.query("BEGIN; SELECT 1").status(), Some('T'));
    other
}

#[test]
fn sql_prepare_holds_no_server_and_follows_its_client() {
    let subject = start(2);
    let (mut one, mut two) = (subject.connect().0, subject.connect().0);
    assert_eq!(one.query("PREPARE p (int) AS SELECT 'one', $1 + 1").tags(), "CZ");
    assert_eq!(two.query("prepare P(int) as select 'two', $1 + 2;").tags(), "CZ");
    assert_eq!(subject.house().lent(), 0);
    let busy = occupy(&subject);
    for turn in 0..3 {
        assert_eq!(
            one.query(&format!("EXECUTE p({turn})")).rows(),
            [["one", &format!("{}", turn + 1)]]
        );
        assert_eq!(
            two.query(&format!("EXECUTE p ({turn})")).rows(),
            [["two", &format!("{}", turn + 2)]]
        );
    }
    busy.terminate();
    let _busy = occupy(&subject);
    assert_eq!(one.query("EXPLAIN EXECUTE p(1)").tags(), "TDCZ");
    assert_eq!(one.query("DEALLOCATE p").tags(), "CZ");
    assert_eq!(one.query("EXECUTE p(1)").sqlstate(), "26000");
    assert_eq!(two.query("EXECUTE p(1)").rows(), [["two", "3"]]);
    assert_eq!(one.query("DEALLOCATE p").sqlstate(), "26000");
    one.terminate();
    two.terminate();
}

#[test]
fn sql_prepare_fails_as_it_does_on_the_server() {
    let subject = start(1);
    let mut client = subject.connect().0;
    assert_eq!(
        client.query("PREPARE p AS SELECT * FROM nothing_here").sqlstate(),
        "42P01"
    );
    assert_eq!(client.query("EXECUTE p").sqlstate(), "26000");
    assert_eq!(client.query("PREPARE p AS SELECT 1").tags(), "CZ");
    assert_eq!(client.query("PREPARE p AS SELECT 2").sqlstate(), "42P05");
    assert_eq!(client.query("EXECUTE p").value(), "1");
    client.query("BEGIN");
    assert_eq!(client.query("SELECT 1/0").sqlstate(), "22012");
    assert_eq!(client.query("EXECUTE p").sqlstate(), "25P02");
    assert_eq!(client.query("DEALLOCATE p").sqlstate(), "25P02");
    client.query("ROLLBACK");
    assert_eq!(client.query("EXECUTE p").value(), "1");
    eventually("the server is given back", || subject.house().lent() == 0);
}

/// What is prepared within a transaction outlives its rollback, as it does on the server.
#[test]
fn sql_prepare_is_not_rolled_back() {
    let subject = start(1);
    let mut client = subject.connect().0;
    for text in ["BEGIN", "PREPARE p AS SELECT 7", "ROLLBACK"] {
        client.query(text);
    }
    assert_eq!(client.query("EXECUTE p").value(), "7");
    assert_eq!(client.query("DEALLOCATE ALL").tags(), "CZ");
    assert_eq!(client.query("EXECUTE p").sqlstate(), "26000");
    assert_eq!(subject.house().lent(), 0);
}

#[test]
fn sql_prepare_works_in_a_pipeline_and_beside_parse() {
    let subject = start(1);
    let mut client = subject.connect();
    let texts = [
        "PREPARE p AS SELECT 5",
        "EXECUTE p",
        "DEALLOCATE p",
        "PREPARE p AS SELECT 6",
        "EXECUTE p",
    ];
    client.send(&texts.map(message::query).concat());
    let replies: Vec<_> = texts.iter().map(|_| client.0.reply()).collect();
    assert_eq!((replies[1].value().as_str(), replies[4].value().as_str()), ("5", "6"));
    let run = [message::bind("", "p", &[]), message::execute("", 0), message::sync()].concat();
    assert_eq!(ask(&mut client, &run).value(), "6");
    assert_eq!(
        ask(&mut client, &[message::close(b'S', "p"), message::sync()].concat()).tags(),
        "3Z"
    );
    assert_eq!(client.0.query("EXECUTE p").sqlstate(), "26000");
}

/// Equal statements of many clients are one on the server, and no client can name another's.
#[test]
fn a_clients_own_name_never_hits_the_gateways() {
    let subject = start(1);
    let (mut one, mut two) = (subject.connect().0, subject.connect().0);
    one.query("PREPARE mine AS SELECT 'secret'");
    two.query("PREPARE mine AS SELECT 'secret'");
    let names = two.query("SELECT name FROM pg_prepared_statements").rows();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(two.query(&format!("EXECUTE \"{}\"", names[0][0])).sqlstate(), "26000");
}

/// Several statements in one text are the server's own business: it holds the client until they are gone.
#[test]
fn sql_prepare_among_others_holds_its_server() {
    let subject = start(2);
    let mut client = subject.connect().0;
    assert_eq!(
        client.query("PREPARE a AS SELECT 1; PREPARE b AS SELECT 2").tags(),
        "CCZ"
    );
    assert_eq!(subject.house().lent(), 1);
    assert_eq!(client.query("EXECUTE b").value(), "2");
    client.query("DEALLOCATE a");
    client.query("DEALLOCATE b");
    eventually("the server is given back", || subject.house().lent() == 0);
}

/// A statement that the server has already is answered for without a word to it: at once, also where only a Flush asks.
#[test]
fn a_known_statement_is_answered_at_once() {
    let subject = start(1);
    for _ in 0..2 {
        let mut client = subject.connect().0;
        client.send(&[message::parse("s", "SELECT 8"), message::flush()].concat());
        assert_eq!(client.frame().tag, b'1');
        client.send(&[message::close(b'S', "s"), message::flush()].concat());
        assert_eq!(client.frame().tag, b'3');
        client.send(&message::sync());
        assert_eq!(client.frame().tag, b'Z');
    }
    eventually("the server is given back", || subject.house().lent() == 0);
}
