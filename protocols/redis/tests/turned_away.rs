//! What servers turn away is done elsewhere or later: in order, once, and never because of somebody's own words.

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tidegate_conformance::House;
use tidegate_kit::{Flavour, Redis, RedisCluster, Resp, RespClient, eventually};
use tidegate_redis_wire::slot::Slot;

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

fn before(cluster: &RedisCluster, more: &Json) -> House {
    let mut wanted = json!({ "topology": { "kind": "cluster" } });
    if let (Some(wanted), Some(more)) = (wanted.as_object_mut(), more.as_object()) {
        wanted.extend(more.clone());
    }
    let trust = json!({ "login": { "method": "trust" } });
    common::gateway(&cluster.addresses()[..1], &trust, &wanted, Vec::new())
}

/// A key for every node, in their order.
fn keys(cluster: &RedisCluster) -> [String; 3] {
    std::array::from_fn(|node| {
        let mut names = (0..).map(|number| format!("key:{number}"));
        let is_there = |name: &String| cluster.owner(Slot::of(name.as_bytes()).number()) == node;
        names.find(is_there).expect("every node has keys")
    })
}

/// A script answers with what looks like a redirection to somebody's own server: nobody goes there, with a password or
/// with commands, and the layout stays.
#[test]
fn a_scripts_words_lead_nobody_away() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let house = before(&cluster, &json!({ "timeouts": { "failover": "300ms" } }));
        let trap = TcpListener::bind("127.0.0.1:0").expect("a port");
        trap.set_nonblocking(true).expect("a listener");
        let trap_port = trap.local_addr().expect("an address").port();
        let (mut client, mut other) = (
            RespClient::connect(house.address()),
            RespClient::connect(house.address()),
        );
        for key in ["none", "a"] {
            for word in ["MOVED", "ASK"] {
                let slot = Slot::of(b"a").number();
                let text = format!("{word} {slot} 127.0.0.1:{trap_port}");
                let script = format!("return redis.error_reply('{text}')");
                let told = if key == "none" {
                    client.ask(&["EVAL", &script, "0"])
                } else {
                    client.ask(&["EVAL", &script, "1", key])
                };
                let expected = if key == "none" {
                    text.as_str()
                } else {
                    "CLUSTERDOWN Hash slot not served"
                };
                assert_eq!(told.text(), expected);
                assert_eq!(other.ask(&["SET", "a", word]), simple("OK"));
                assert_eq!(other.ask(&["GET", "a"]), bulk(word));
            }
        }
        assert!(trap.accept().is_err(), "somebody went where a script said");
    }
}

/// A script that has run is not run again, whatever it answers.
#[test]
fn a_script_that_ran_is_not_run_again() {
    let cluster = RedisCluster::start(Flavour::Redis);
    let server = Redis::start(Flavour::Valkey);
    let trust = json!({ "login": { "method": "trust" } });
    let replicated = json!({ "topology": { "kind": "replicated" } });
    let houses = [
        before(&cluster, &json!({})),
        common::gateway(&[server.address()], &trust, &replicated, Vec::new()),
    ];
    for house in &houses {
        let mut client = RespClient::connect(house.address());
        let mut ran = 0;
        for text in [
            "TRYAGAIN later",
            "CLUSTERDOWN not now",
            "LOADING it",
            "READONLY it is",
            "MASTERDOWN or so",
        ] {
            let script = format!("redis.call('INCR', KEYS[1]) return redis.error_reply('{text}')");
            assert_eq!(client.ask(&["EVAL", &script, "1", "ran"]).text(), text);
            ran += 1;
            assert_eq!(client.ask(&["GET", "ran"]), bulk(&ran.to_string()));
        }
    }
}

/// What could not be done is not done behind what came after it.
#[test]
fn what_was_turned_away_does_not_come_later() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let house = before(&cluster, &json!({}));
        let mut client = RespClient::connect(house.address());
        let slot = Slot::of(b"t").number();
        let from = cluster.owner(slot);
        assert_eq!(client.ask(&["SET", "{t}a", "0"]), simple("OK"));
        // One key of two is there: the server does neither, and asks to try again.
        cluster.open_slot(slot, from, (from + 1) % 3);
        // In one write: alone it would wait.
        let together: [&[&str]; 3] = [
            &["MSET", "{t}a", "1", "{t}b", "1"],
            &["SET", "{t}a", "2"],
            &["GET", "{t}a"],
        ];
        client.send(&together.map(RespClient::encode).concat());
        std::thread::sleep(Duration::from_millis(200));
        cluster.move_keys(slot, from, (from + 1) % 3);
        cluster.close_slot(slot, from, (from + 1) % 3);
        assert!(client.reply().text().starts_with("TRYAGAIN"));
        assert_eq!((client.reply(), client.reply()), (simple("OK"), bulk("2")));
        // Alone it waits until it can be done.
        cluster.open_slot(slot, (from + 1) % 3, from);
        client.command(&["MSET", "{t}a", "3", "{t}c", "3"]);
        std::thread::sleep(Duration::from_millis(200));
        cluster.move_keys(slot, (from + 1) % 3, from);
        cluster.close_slot(slot, (from + 1) % 3, from);
        assert_eq!(client.reply(), simple("OK"));
        assert_eq!(
            client.ask(&["MGET", "{t}a", "{t}c"]),
            Resp::Array(vec![bulk("3"), bulk("3")])
        );
    }
}

/// EXEC at a server that has lost the slot meanwhile: the client hears of no other server.
#[test]
fn a_transaction_whose_slot_has_moved_is_told_so() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let house = before(&cluster, &json!({}));
        let mut client = RespClient::connect(house.address());
        let slot = Slot::of(b"t").number();
        assert_eq!(client.ask(&["MULTI"]), simple("OK"));
        assert_eq!(client.ask(&["SET", "{t}a", "1"]), simple("QUEUED"));
        cluster.move_slot(slot, (cluster.owner(slot) + 1) % 3);
        let told = client.ask(&["EXEC"]).text();
        assert!(!told.contains("MOVED") && !told.contains("127.0.0.1"), "{told}");
        assert!(told.starts_with("TRYAGAIN"), "{told}");
        eventually("its connection is given back", || house.lent() == 0);
        assert_eq!(client.ask(&["SET", "{t}a", "2"]), simple("OK"));
    }
}

/// Every piece of a read is sent again where its connection was lost.
#[test]
fn all_pieces_of_a_read_outlive_a_connection() {
    let cluster = RedisCluster::start(Flavour::Redis);
    let house = before(&cluster, &json!({}));
    let mut client = RespClient::connect(house.address());
    let names = (0..).map(|number| format!("key:{number}"));
    let at_first = names.filter(|name| cluster.owner(Slot::of(name.as_bytes()).number()) == 0);
    let keys: Vec<String> = at_first.take(6).collect();
    for key in &keys {
        assert_eq!(client.ask(&["SET", key, key]), simple("OK"));
    }
    // The server is busy, and closes all other connections before it looks at them again.
    let mut direct = cluster.nodes()[0].client();
    let busy = "local t = redis.call('TIME')[1] repeat until redis.call('TIME')[1] - t > 1";
    let busy = RespClient::encode(&["EVAL", busy, "0"]);
    direct.send(&[busy, RespClient::encode(&["CLIENT", "KILL", "TYPE", "normal"])].concat());
    std::thread::sleep(Duration::from_millis(100));
    let words: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
    let expected: Vec<Resp> = keys.iter().map(|key| bulk(key)).collect();
    assert_eq!(client.ask(&words), Resp::Array(expected));
}

/// What all servers are asked is asked of who has taken over, too.
#[test]
fn what_goes_to_all_follows_a_failover() {
    let mut cluster = RedisCluster::start(Flavour::Valkey);
    let house = before(&cluster, &json!({ "timeouts": { "failover": "60s" } }));
    let mut client = RespClient::connect(house.address());
    for key in keys(&cluster) {
        assert_eq!(client.ask(&["SET", &key, "v"]), simple("OK"));
    }
    assert_eq!(client.ask(&["DBSIZE"]), Resp::Integer(3));
    cluster.node(0).pause();
    let start = Instant::now();
    client.command(&["DBSIZE"]);
    client.command(&["SCAN", "0"]);
    std::thread::sleep(Duration::from_millis(100));
    cluster.node(0).kill();
    assert_eq!(client.reply(), Resp::Integer(3));
    assert_eq!(client.reply().items().len(), 2);
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}

/// What waits at one server does not keep the client from another.
#[test]
fn what_is_under_way_decides_nothing_yet() {
    let cluster = RedisCluster::start(Flavour::Redis);
    let house = before(&cluster, &json!({}));
    let mut client = RespClient::connect(house.address());
    let [one, two, three] = keys(&cluster);
    for key in [&one, &two] {
        assert_eq!(client.ask(&["RPUSH", key, "v", "w"]), Resp::Integer(2));
    }
    client.command(&["BLPOP", &one, "1"]);
    client.command(&["BLPOP", &two, "1"]);
    client.command(&["BLPOP", &one, "1"]);
    client.command(&["MULTI"]);
    client.command(&["SET", &three, "x"]);
    client.command(&["EXEC"]);
    client.command(&["WATCH", &two]);
    client.command(&["MULTI"]);
    client.command(&["LLEN", &two]);
    client.command(&["EXEC"]);
    let popped = |key: &str, value: &str| Resp::Array(vec![bulk(key), bulk(value)]);
    assert_eq!(client.reply(), popped(&one, "v"));
    assert_eq!(client.reply(), popped(&two, "v"));
    assert_eq!(client.reply(), popped(&one, "w"));
    let (ok, queued) = (simple("OK"), simple("QUEUED"));
    assert_eq!([client.reply(), client.reply()], [ok.clone(), queued.clone()]);
    assert_eq!(client.reply(), Resp::Array(vec![ok.clone()]));
    assert_eq!(
        [client.reply(), client.reply(), client.reply()],
        [ok.clone(), ok, queued]
    );
    assert_eq!(client.reply(), Resp::Array(vec![Resp::Integer(1)]));
}

/// WAIT within a transaction is queued as it is, also when all comes in one write.
#[test]
fn wait_in_a_transaction_is_one_command() {
    for flavour in Flavour::ALL {
        let both = common::Both::start(flavour);
        let mut client = both.client();
        let words: [&[&str]; 4] = [&["MULTI"], &["SET", "a", "1"], &["WAIT", "0", "0"], &["EXEC"]];
        client.send(&words.map(RespClient::encode).concat());
        assert_eq!(client.reply(), simple("OK"));
        assert_eq!([client.reply(), client.reply()], [simple("QUEUED"), simple("QUEUED")]);
        assert_eq!(client.reply(), Resp::Array(vec![simple("OK"), Resp::Integer(0)]));
    }
}
