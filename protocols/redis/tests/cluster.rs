//! A Redis Cluster behind the gateway: clients see one server.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::load::{LOST, Watch, load};
use serde_json::{Value as Json, json};
use tidegate_conformance::House;
use tidegate_kit::{Flavour, RedisCluster, Resp, RespClient, eventually};

fn hiding(cluster: &RedisCluster, more: &Json) -> House {
    let mut wanted = json!({ "topology": { "kind": "cluster" } });
    if let (Some(wanted), Some(more)) = (wanted.as_object_mut(), more.as_object()) {
        wanted.extend(more.clone());
    }
    let trust = json!({ "login": { "method": "trust" } });
    common::gateway(&cluster.addresses()[..1], &trust, &wanted, Vec::new())
}

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

#[test]
fn all_slots_are_one_server() {
    for flavour in [Flavour::Redis, Flavour::Valkey] {
        let cluster = RedisCluster::start(flavour);
        let house = hiding(&cluster, &json!({}));
        let mut client = RespClient::connect(house.address());
        keys_and_parts(&mut client);
        aggregates(&mut client);
        transactions(&mut client, &house);
        what_is_hidden(&mut client, flavour);
        who_blocks(&house);
        eventually("every connection is given back", || house.lent() == 0);
    }
}

fn keys_and_parts(client: &mut RespClient) {
    for turn in 0..300 {
        client.command(&["SET", &format!("k{turn}"), &turn.to_string()]);
    }
    for turn in 0..300 {
        assert_eq!(client.reply(), simple("OK"), "{turn}");
    }
    for turn in 0..300 {
        client.command(&["GET", &format!("k{turn}")]);
    }
    for turn in 0..300 {
        assert_eq!(client.reply(), bulk(&turn.to_string()), "a pipeline keeps its order");
    }
    let keys: Vec<String> = (0..100).map(|turn| format!("k{turn}")).collect();
    let words = |name: &str| -> Vec<String> { std::iter::once(name.to_owned()).chain(keys.clone()).collect() };
    let values: Vec<Resp> = (0..100).map(|turn| bulk(&turn.to_string())).collect();
    assert_eq!(client.ask(&words("MGET")), Resp::Array(values));
    assert_eq!(client.ask(&words("EXISTS")), Resp::Integer(100));
    assert_eq!(client.ask(&words("TOUCH")), Resp::Integer(100));
    assert_eq!(client.ask(&words("DEL")), Resp::Integer(100));
    let pairs: Vec<String> = keys
        .iter()
        .flat_map(|key| [key.clone(), format!("again {key}")])
        .collect();
    let mset: Vec<String> = std::iter::once("MSET".to_owned()).chain(pairs).collect();
    assert_eq!(client.ask(&mset), simple("OK"));
    assert_eq!(client.ask(&["GET", "k42"]), bulk("again k42"));
    assert_eq!(
        client.ask(&["SINTER", "k1", "k2"]).text(),
        "CROSSSLOT Keys in request don't hash to the same slot"
    );
    assert_eq!(client.ask(&["LPUSH", "{list}1", "a", "b"]), Resp::Integer(2));
    assert_eq!(client.ask(&["RPOPLPUSH", "{list}1", "{list}2"]), bulk("a"));
    assert_eq!(client.ask(&["DEL", "{list}1", "{list}2"]), Resp::Integer(2));
}

fn aggregates(client: &mut RespClient) {
    assert_eq!(client.ask(&["DBSIZE"]), Resp::Integer(300));
    assert_eq!(client.ask(&["KEYS", "k*"]).items().len(), 300);
    let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeSet::new());
    loop {
        let page = client.ask(&["SCAN", &cursor, "COUNT", "50"]);
        seen.extend(page.items()[1].items().iter().map(Resp::text));
        cursor = page.items()[0].text();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 300);
    let sha = client
        .ask(&["SCRIPT", "LOAD", "return redis.call('GET', KEYS[1])"])
        .text();
    for key in ["k7", "k8", "k9", "k10"] {
        assert_eq!(client.ask(&["EVALSHA", &sha, "1", key]), bulk(&format!("again {key}")));
    }
    assert_eq!(
        client.ask(&["SCRIPT", "EXISTS", &sha]),
        Resp::Array(vec![Resp::Integer(1)])
    );
    assert!(client.ask(&["INFO"]).text().contains("keys=300"));
    assert!(client.ask(&["RANDOMKEY"]).text().starts_with('k'));
    assert_eq!(client.ask(&["PING"]), simple("PONG"));
}

fn transactions(client: &mut RespClient, house: &House) {
    let queued = simple("QUEUED");
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["EXEC"]), Resp::Array(Vec::new()));
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["PING"]), queued);
    assert_eq!(client.ask(&["SET", "t", "1"]), queued);
    assert_eq!(client.ask(&["INCR", "t"]), queued);
    let done = Resp::Array(vec![simple("PONG"), simple("OK"), Resp::Integer(2)]);
    assert_eq!(client.ask(&["EXEC"]), done);
    eventually("it is given back", || house.lent() == 0);
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    for key in ["a", "b", "c"] {
        assert_eq!(client.ask(&["SET", key, "never"]), queued);
    }
    let crossed = "CROSSSLOT Keys in request don't hash to the same slot";
    assert_eq!(client.ask(&["EXEC"]).text(), crossed);
    assert_eq!(client.ask(&["EXISTS", "a", "b", "c"]), Resp::Integer(0));
    // Somebody else changes what is watched; other keys go elsewhere meanwhile.
    let mut other = RespClient::connect(house.address());
    for interferes in [false, true] {
        assert_eq!(client.ask(&["WATCH", "t"]), simple("OK"));
        assert_eq!(client.ask(&["GET", "k5"]), bulk("again k5"));
        assert_eq!(client.ask(&["GET", "k6"]), bulk("again k6"));
        if interferes {
            assert_eq!(other.ask(&["SET", "t", "other"]), simple("OK"));
        }
        assert_eq!(client.ask(&["MULTI"]), simple("OK"));
        assert_eq!(client.ask(&["SET", "t", "mine"]), queued);
        let done = if interferes {
            Resp::Null
        } else {
            Resp::Array(vec![simple("OK")])
        };
        assert_eq!(client.ask(&["EXEC"]), done);
    }
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["DISCARD"]), simple("OK"));
    assert_eq!(client.ask(&["EXEC"]).text(), "ERR EXEC without MULTI");
    let pipeline: Vec<u8> = [["MULTI", ""], ["INCR", "n"], ["INCR", "n"], ["EXEC", ""]]
        .iter()
        .flat_map(|words| RespClient::encode(&words.iter().filter(|word| !word.is_empty()).collect::<Vec<_>>()))
        .collect();
    client.send(&pipeline.repeat(20));
    for turn in 0..20 {
        assert_eq!(client.reply(), simple("OK"), "{turn}");
        assert_eq!((client.reply(), client.reply()), (queued.clone(), queued.clone()));
        let done = vec![Resp::Integer(turn * 2 + 1), Resp::Integer(turn * 2 + 2)];
        assert_eq!(client.reply(), Resp::Array(done));
    }
}

fn what_is_hidden(client: &mut RespClient, flavour: Flavour) {
    let disabled = "ERR This instance has cluster support disabled";
    for words in [&["CLUSTER", "SLOTS"][..], &["CLUSTER", "NODES"], &["ASKING"]] {
        assert_eq!(client.ask(words).text(), disabled, "{words:?}");
    }
    // A Valkey without cluster support takes it.
    let told = if flavour == Flavour::Valkey { "OK" } else { disabled };
    assert_eq!(client.ask(&["READONLY"]).text(), told);
    assert!(client.ask(&["CLIENT", "TRACKING", "ON"]).text().starts_with("ERR"));
    assert!(client.ask(&["SELECT", "1"]).text().starts_with("ERR"));
    let hello = client.ask(&["HELLO", "3"]);
    assert_eq!(hello.get("mode"), Some(&bulk("standalone")));
    assert_eq!(client.ask(&["GET", "k20"]), bulk("again k20"));
    assert!(matches!(client.ask(&["HELLO", "2"]), Resp::Array(_)));
}

fn who_blocks(house: &House) {
    let (mut one, mut two) = (
        RespClient::connect(house.address()),
        RespClient::connect(house.address()),
    );
    for key in ["x", "y", "z"] {
        one.command(&["BLPOP", key, "5"]);
        let start = Instant::now();
        assert_eq!(two.ask(&["LPUSH", key, "v"]), Resp::Integer(1));
        assert_eq!(one.reply(), Resp::Array(vec![bulk(key), bulk("v")]));
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

/// SH-13: slots move for a minute, then a replica takes over as planned.
fn slots_move_and_a_replica_takes_over(flavour: Flavour) {
    let cluster = RedisCluster::start(flavour);
    // On a loaded machine nodes take one another for dead, and then it takes long.
    let house = hiding(&cluster, &json!({ "timeouts": { "failover": "60s" } }));
    let watch = Arc::new(Watch::default());
    let clients: Vec<_> = (0..4).map(|name| load(house.address(), name, &watch, &[])).collect();
    let begin = Instant::now();
    let mut moves = 0;
    while begin.elapsed() < Duration::from_secs(60) {
        for slot in 0..4_u16 {
            let slot = slot * 4000 + moves % 300;
            cluster.move_slot(slot, usize::from(moves) % 3);
        }
        moves += 1;
    }
    cluster.fail_over(3);
    watch.wait(1000);
    assert_eq!(watch.end(clients), 0, "no client sees anything");
}

#[test]
fn slots_of_redis_move_unseen() {
    slots_move_and_a_replica_takes_over(Flavour::Redis);
}

#[test]
fn slots_of_valkey_move_unseen() {
    slots_move_and_a_replica_takes_over(Flavour::Valkey);
}

/// SH-13: a primary is killed; reads see nothing, and writes that may have been lost are told so.
#[test]
fn a_killed_primary_is_followed() {
    let mut cluster = RedisCluster::start(Flavour::Valkey);
    let house = hiding(&cluster, &json!({}));
    let watch = Arc::new(Watch::default());
    let clients: Vec<_> = (0..3)
        .map(|name| load(house.address(), name, &watch, &[LOST]))
        .collect();
    watch.wait(1000);
    cluster.node(0).kill();
    watch.wait(2000);
    watch.end(clients);
}
