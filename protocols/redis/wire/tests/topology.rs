//! What Redis 7.0 and Valkey 8.0 tell of who serves what, in RESP2 and in RESP3: `golden/topology/*.server` are their
//! replies to [`asked`], one after another. `RECORD=1 cargo test --test topology record` records them again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use std::fs;

use tidegate_kit::{Flavour, Redis, RedisCluster, RedisSentinels, eventually};
use tidegate_redis_wire::ReplyError;
use tidegate_redis_wire::reply::{SlotRange, Value};
use tidegate_redis_wire::topology::{
    ClusterInfo, Link, Master, Replication, Role, fields, place, slot_ranges, watched,
};

const RECORDED: [&[u8]; 4] = [
    include_bytes!("golden/topology/redis-2.server"),
    include_bytes!("golden/topology/redis-3.server"),
    include_bytes!("golden/topology/valkey-2.server"),
    include_bytes!("golden/topology/valkey-3.server"),
];

/// In this order: a cluster's node 0, which names itself and prefers addresses, names, or neither; its replica;
/// a sentinel.
fn asked(cluster: &RedisCluster, set: &RedisSentinels, version: &str) -> Vec<u8> {
    let (primary, replica, sentinel) = (&cluster.nodes()[0], &cluster.nodes()[3], &set.sentinels()[0]);
    let ask = |server: &Redis, words: &[&str]| {
        let mut client = server.client();
        client.ask(&["HELLO", version]);
        client.command(words);
        client.raw().1
    };
    let mut bytes = ask(primary, &["CLUSTER", "SLOTS"]);
    primary.ask(&["CONFIG", "SET", "cluster-announce-hostname", "zero.example"]);
    for preferred in ["hostname", "unknown-endpoint"] {
        primary.ask(&["CONFIG", "SET", "cluster-preferred-endpoint-type", preferred]);
        bytes.extend(ask(primary, &["CLUSTER", "SLOTS"]));
    }
    primary.ask(&["CONFIG", "SET", "cluster-preferred-endpoint-type", "ip"]);
    primary.ask(&["CONFIG", "SET", "cluster-announce-hostname", ""]);
    bytes.extend(ask(primary, &["CLUSTER", "INFO"]));
    for server in [primary, replica] {
        bytes.extend(ask(server, &["INFO", "replication"]));
        bytes.extend(ask(server, &["ROLE"]));
    }
    for words in [
        &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"][..],
        &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "other"],
        &["SENTINEL", "MASTER", "mymaster"],
        &["SENTINEL", "REPLICAS", "mymaster"],
        &["ROLE"],
    ] {
        bytes.extend(ask(sentinel, words));
    }
    bytes
}

#[test]
fn record() {
    if std::env::var_os("RECORD").is_none() {
        return;
    }
    for (flavour, name) in [(Flavour::Redis, "redis"), (Flavour::Valkey, "valkey")] {
        let (cluster, set) = (RedisCluster::start(flavour), RedisSentinels::start(flavour));
        // `bar` has the slot 5061, of the first primary.
        assert_eq!(cluster.nodes()[0].ask(&["SET", "bar", "1"]).text(), "OK");
        eventually("the replicas are known", || {
            let slots = cluster.nodes()[0].ask(&["CLUSTER", "SLOTS"]);
            slots.items().iter().all(|range| range.items().len() == 4)
                && cluster.nodes()[3].info("slave_repl_offset") != "0"
        });
        for version in ["2", "3"] {
            let path = format!(
                "{}/tests/golden/topology/{name}-{version}.server",
                env!("CARGO_MANIFEST_DIR")
            );
            fs::write(path, asked(&cluster, &set, version)).unwrap();
        }
    }
}

fn values(mut bytes: &[u8]) -> Vec<Value<'_>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let (value, used) = Value::read(bytes).unwrap();
        values.push(value);
        bytes = &bytes[used..];
    }
    values
}

#[test]
fn a_cluster_tells_who_serves_which_slots() {
    for recorded in RECORDED {
        let values = values(recorded);
        let [plain, named, unsaid] = [0, 1, 2].map(|at| slot_ranges(&values[at]).unwrap());
        for ranges in [&plain, &named, &unsaid] {
            let mut ranges: Vec<&SlotRange> = ranges.iter().collect();
            ranges.sort_by_key(|range| range.first);
            let bounds: Vec<_> = ranges.iter().map(|r| (r.first.number(), r.last.number())).collect();
            assert_eq!(bounds, [(0, 5460), (5461, 10_921), (10_922, 16_383)]);
            for range in ranges {
                assert_eq!(range.nodes.len(), 2, "a primary and its replica");
                assert!(
                    range
                        .nodes
                        .iter()
                        .all(|node| node.id.len() == 40 && node.port >= 20_000)
                );
            }
        }
        let first = |ranges: &[SlotRange]| {
            let range = ranges.iter().find(|range| range.first.number() == 0).unwrap();
            range.nodes.clone()
        };
        assert!(
            first(&plain)
                .iter()
                .all(|node| node.endpoint == "127.0.0.1" && node.metadata.is_empty())
        );
        let by_name = first(&named);
        assert_eq!(by_name[0].endpoint, "zero.example");
        assert_eq!(by_name[1].endpoint, "?", "it has told no name");
        let address = ("ip".to_owned(), "127.0.0.1".to_owned());
        assert!(by_name.iter().all(|node| node.metadata.contains(&address)));
        assert!(first(&unsaid).iter().all(|node| node.endpoint.is_empty()));
    }
}

#[test]
fn servers_tell_how_they_stand() {
    for recorded in RECORDED {
        let values = values(recorded);
        let info = ClusterInfo::read(values[3].text().unwrap()).unwrap();
        assert!(info.is_ok && info.current_epoch >= 6 && info.known_nodes == 6);
        let [primary, replica] = [4, 6].map(|at| Replication::read(values[at].text().unwrap()).unwrap());
        assert!(primary.is_master && primary.followers == 1 && primary.history.len() == 40);
        assert!(!replica.is_master && replica.link_up && !replica.is_syncing);
        assert_eq!(replica.history, primary.history);
        assert!(replica.offset > 0 && replica.offset <= primary.offset + 100);
        assert!(replica.silent_seconds.is_some() && replica.down_seconds.is_none());
        assert!(matches!(Role::read(&values[5]).unwrap(), Role::Master { replicas: 1, offset } if offset > 0));
        let Role::Replica {
            host,
            port,
            link,
            offset,
        } = Role::read(&values[7]).unwrap()
        else {
            panic!("a replica");
        };
        assert_eq!((host, link), (&b"127.0.0.1"[..], Link::Connected));
        assert!(port >= 20_000 && offset > 0);
    }
}

#[test]
fn sentinels_tell_whom_they_watch() {
    for recorded in RECORDED {
        let values = values(recorded);
        let primary = place(&values[8]).unwrap().unwrap();
        assert_eq!(primary.host, "127.0.0.1");
        assert_eq!(place(&values[9]).unwrap(), None);
        let master = Master::read(&values[10]).unwrap();
        assert_eq!(master.config_epoch, 0);
        let replicas: Vec<_> = watched(&values[11]).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(replicas.len(), 2);
        assert!(
            replicas
                .iter()
                .all(|r| r.is_up && r.place.host == "127.0.0.1" && r.place != primary)
        );
        assert_eq!(Role::read(&values[12]), Ok(Role::Sentinel));
        assert_eq!(values.len(), 13);
    }
}

#[test]
fn what_is_something_else_is_an_error() {
    for wrong in [
        "+OK\r\n",
        "_\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*2\r\n:5\r\n:4\r\n",
        "*1\r\n*2\r\n:0\r\n:16384\r\n",
    ] {
        let (value, _) = Value::read(wrong.as_bytes()).unwrap();
        assert_eq!(slot_ranges(&value), Err(ReplyError::Value), "{wrong:?}");
    }
    for wrong in [
        "*2\r\n$1\r\na\r\n$5\r\n65536\r\n",
        "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
        "*2\r\n$1\r\na\r\n:0\r\n",
        "+a\r\n",
    ] {
        let (value, _) = Value::read(wrong.as_bytes()).unwrap();
        assert_eq!(place(&value), Err(ReplyError::Value), "{wrong:?}");
    }
}

#[test]
fn anything_may_arrive() {
    bolero::check!().for_each(read);
}

/// Recorded bytes with some changed and a cut: closer to the edges than noise comes.
#[test]
fn damaged_replies() {
    bolero::check!()
        .with_type::<(u8, u16, Vec<(u16, u8)>)>()
        .for_each(|(which, start, changes)| {
            let recorded = RECORDED[usize::from(*which) % RECORDED.len()];
            let mut bytes = recorded[usize::from(*start) % recorded.len()..].to_vec();
            for (at, byte) in changes {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *byte;
            }
            read(&bytes);
        });
}

fn read(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok((value, used)) = Value::read(rest) {
        rest = &rest[used..];
        for range in slot_ranges(&value).into_iter().flatten() {
            assert!(range.first <= range.last);
        }
        let _ = (Role::read(&value), Master::read(&value));
        assert!(
            place(&value)
                .ok()
                .flatten()
                .is_none_or(|place| place.port > 0 && !place.host.is_empty())
        );
        let _ = watched(&value).into_iter().flatten().flatten().count();
    }
    let _ = (ClusterInfo::read(bytes), Replication::read(bytes));
    assert!(fields(bytes).all(|(name, value)| name.len() + value.len() < bytes.len()));
}
