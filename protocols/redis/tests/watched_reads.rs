//! Who watches a key reads it where it is watched: a replica may be behind, and what it says would be written back.

mod common;

use serde_json::json;
use tidegate_kit::{Flavour, Redis, RedisCluster, Resp, RespClient, eventually};

/// How many GETs a server has done.
fn gets(server: &Redis) -> u64 {
    let stats = server.ask(&["INFO", "commandstats"]).text();
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
    let calls = line.and_then(|line| line.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

fn replicas_gets(cluster: &RedisCluster) -> u64 {
    cluster.nodes()[3..].iter().map(gets).sum()
}

#[test]
fn a_watched_key_is_read_from_its_primary() {
    let cluster = RedisCluster::of(Flavour::Redis, 3, 1);
    let trust = json!({ "login": { "method": "trust" } });
    // Replicas that have no data yet are not told of, so it is looked again soon.
    let topology = json!({ "kind": "cluster", "refresh": "300ms" });
    let wanted = json!({ "topology": topology, "reads": { "from": "prefer_replica" } });
    let house = common::gateway(&cluster.addresses()[..1], &trust, &wanted, Vec::new());
    let mut client = RespClient::connect(house.address());
    assert_eq!(client.ask(&["SET", "key", "1"]), Resp::Simple("OK".to_owned()));
    eventually("a replica is read", || {
        client.ask(&["GET", "key"]);
        replicas_gets(&cluster) > 0
    });
    let before = replicas_gets(&cluster);
    assert_eq!(client.ask(&["WATCH", "key"]), Resp::Simple("OK".to_owned()));
    for _ in 0..10 {
        assert_eq!(client.ask(&["GET", "key"]), Resp::Bulk(b"1".to_vec()));
    }
    assert_eq!(replicas_gets(&cluster), before, "a replica was read");
    assert_eq!(client.ask(&["UNWATCH"]), Resp::Simple("OK".to_owned()));
    for _ in 0..10 {
        client.ask(&["GET", "key"]);
    }
    assert!(replicas_gets(&cluster) > before, "replicas are read again");
}
