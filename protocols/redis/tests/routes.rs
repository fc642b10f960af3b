//! Where commands go: by who the client is, what it calls itself, and what its keys begin with.

mod common;

use serde_json::json;
use tidegate_base::{Reason, Refusal};
use tidegate_chain::{Flow, Need};
use tidegate_conformance::{Recorder, Script};
use tidegate_kit::{Flavour, Redis, Resp, RespClient};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

const APART: &str = "ERR the keys of this command belong to different clusters";

#[test]
fn keys_and_names_say_where() {
    let servers: Vec<Redis> = (0..3).map(|_| Redis::start(Flavour::Redis)).collect();
    let house = common::clusters(
        &servers.iter().map(Redis::address).collect::<Vec<_>>(),
        &json!({
            "login": { "method": "trust" },
            "routes": [
                { "keys": ["a:", "aa:"], "cluster": "c1" },
                { "match": { "application_name": "batch*" }, "cluster": "c2" },
                { "cluster": "c0" },
            ],
        }),
        Vec::new(),
    );
    let mut client = RespClient::connect(house.address());
    for (key, at) in [("a:1", 1), ("aa:1", 1), ("b:1", 0), ("a", 0)] {
        assert_eq!(client.ask(&["SET", key, "v"]), simple("OK"));
        for (number, server) in servers.iter().enumerate() {
            let there = Resp::Integer(i64::from(number == at));
            assert_eq!(server.ask(&["EXISTS", key]), there, "{key} at {number}");
        }
    }
    assert_eq!(
        client.ask(&["MGET", "a:1", "aa:1"]),
        Resp::Array(vec![bulk("v"), bulk("v")])
    );
    assert_eq!(client.ask(&["MGET", "a:1", "b:1"]).text(), APART);
    assert_eq!(client.ask(&["DBSIZE"]), Resp::Integer(2));
    transactions(&mut client);
    // A pipeline over both keeps its order.
    for turn in 0..200 {
        client.command(&["INCR", if turn % 3 == 0 { "a:n" } else { "n" }]);
    }
    for turn in 0..200 {
        let so_far = if turn % 3 == 0 { turn / 3 + 1 } else { turn - turn / 3 };
        assert_eq!(client.reply(), Resp::Integer(so_far), "{turn}");
    }
    assert_eq!(client.ask(&["CLIENT", "SETNAME", "batch-7"]), simple("OK"));
    assert_eq!(client.ask(&["SET", "b:2", "v"]), simple("OK"));
    assert_eq!(servers[2].ask(&["EXISTS", "b:2"]), Resp::Integer(1));
    assert_eq!(
        client.ask(&["GET", "a:1"]),
        bulk("v"),
        "rules before the one that holds still do"
    );
    assert_eq!(client.ask(&["CLIENT", "SETNAME", ""]), simple("OK"));
    assert_eq!(client.ask(&["GET", "b:1"]), bulk("v"));
}

fn transactions(client: &mut RespClient) {
    let queued = simple("QUEUED");
    for (key, value) in [("a:t", "1"), ("t", "2")] {
        assert_eq!(client.ask(&["MULTI"]), simple("OK"));
        assert_eq!(client.ask(&["PING"]), queued);
        assert_eq!(client.ask(&["SET", key, value]), queued);
        assert_eq!(client.ask(&["EXEC"]), Resp::Array(vec![simple("PONG"), simple("OK")]));
        assert_eq!(client.ask(&["GET", key]), bulk(value));
    }
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["SET", "a:t", "3"]), queued);
    assert_eq!(client.ask(&["SET", "t", "3"]), queued);
    assert!(client.ask(&["EXEC"]).text().starts_with("EXECABORT"));
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["MGET", "a:t", "t"]).text(), APART);
    assert_eq!(client.ask(&["SET", "t", "3"]), queued);
    let aborted = "EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(client.ask(&["EXEC"]).text(), aborted);
    assert_eq!(client.ask(&["WATCH", "a:t"]), simple("OK"));
    assert_eq!(client.ask(&["GET", "t"]), bulk("2"), "others are elsewhere meanwhile");
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["INCR", "a:t"]), queued);
    assert_eq!(client.ask(&["EXEC"]), Resp::Array(vec![Resp::Integer(2)]));
    assert_eq!(client.ask(&["GET", "a:t"]), bulk("2"));
}

/// What a step refuses within a transaction makes the transaction fail, whether its server is known already or not.
#[test]
fn a_refusal_spoils_a_transaction() {
    let script = Script::pass().on_request(|bytes, exchange| {
        if bytes.windows(9).any(|window| window == b"forbidden") {
            exchange.refuse(Refusal::new(Reason::Denied, "no"));
            return Flow::Stop;
        }
        Flow::Next { reply: Need::Body }
    });
    let server = Redis::start(Flavour::Valkey);
    let house = common::clusters(
        &[server.address(), server.address()],
        &json!({
            "login": { "method": "trust" },
            "routes": [{ "keys": ["a:"], "cluster": "c1" }, { "cluster": "c0" }],
        }),
        Recorder::new(script).chain(),
    );
    let mut client = RespClient::connect(house.address());
    for before in [&["PING"][..], &["SET", "k", "1"]] {
        assert_eq!(client.ask(&["MULTI"]), simple("OK"));
        assert_eq!(client.ask(before), simple("QUEUED"));
        assert_eq!(client.ask(&["SET", "k", "forbidden"]).text(), "ERR no");
        assert_eq!(client.ask(&["SET", "k", "2"]), simple("QUEUED"));
        assert!(client.ask(&["EXEC"]).text().starts_with("EXECABORT"));
        assert_eq!(client.ask(&["EXISTS", "k"]), Resp::Integer(0));
    }
    assert_eq!(house.lent(), 0);
}
