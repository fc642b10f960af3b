//! Sentinels tell the gateway who the primary is: clients see one server that does not go away.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::load::{LOST, Watch, load};
use serde_json::{Value as Json, json};
use tidegate_conformance::House;
use tidegate_kit::{Flavour, RedisSentinels, Resp, RespClient, eventually, wait_until};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

fn before(set: &RedisSentinels, more: &Json) -> House {
    let mut wanted = json!({ "topology": { "kind": "sentinel", "master": RedisSentinels::NAME } });
    if let (Some(wanted), Some(more)) = (wanted.as_object_mut(), more.as_object()) {
        wanted.extend(more.clone());
    }
    let trust = json!({ "login": { "method": "trust" } });
    common::gateway(&set.addresses(), &trust, &wanted, Vec::new())
}

/// Writes what must outlive any failover: both replicas have confirmed it.
fn keep(client: &mut RespClient, what: &str) {
    for number in 0..200 {
        client.command(&["SET", &format!("kept:{number}"), what]);
    }
    for _ in 0..200 {
        assert_eq!(client.reply(), simple("OK"));
    }
    assert_eq!(client.ask(&["WAIT", "2", "10000"]), Resp::Integer(2));
}

fn is_kept(client: &mut RespClient, what: &str) {
    for number in 0..200 {
        assert_eq!(client.ask(&["GET", &format!("kept:{number}")]), bulk(what), "{number}");
    }
}

/// A sentinel's failover stops nobody from writing to the old primary until that is told, and then closes its clients:
/// what is written meanwhile may be lost, and writes under way may not be answered. Nothing else is seen: reads do not
/// fail, what replicas had is there, and what is acknowledged once the sentinels agree stays.
#[test]
fn the_primary_moves_under_load() {
    for flavour in Flavour::ALL {
        let set = RedisSentinels::start(flavour);
        let house = before(&set, &json!({}));
        let mut keeper = RespClient::connect(house.address());
        keep(&mut keeper, "1");
        let watch = Arc::new(Watch::default());
        let start = |name| load(house.address(), name, &watch, &[LOST]);
        let clients: Vec<_> = (0..3).map(start).collect();
        watch.wait(500);
        let old = set.primary().expect("a primary");
        watch.forgetful.store(true, Ordering::Relaxed);
        set.fail_over();
        let new = set.primary().expect("a primary");
        assert_ne!(old, new);
        // The old one takes writes for some ten seconds more, until the sentinels turn it round; nobody asks it any more.
        watch.wait(500);
        watch.forgetful.store(false, Ordering::Relaxed);
        watch.wait(2000);
        is_kept(&mut keeper, "1");
        assert_eq!(keeper.ask(&["SET", "late", "1"]), simple("OK"));
        assert_eq!(set.servers()[new].ask(&["GET", "late"]), bulk("1"));
        watch.end(clients);
    }
}

#[test]
fn the_primary_is_killed_under_load() {
    for flavour in Flavour::ALL {
        let mut set = RedisSentinels::start(flavour);
        let house = before(&set, &json!({}));
        let mut keeper = RespClient::connect(house.address());
        keep(&mut keeper, "1");
        let watch = Arc::new(Watch::default());
        let start = |name| load(house.address(), name, &watch, &[LOST]);
        let clients: Vec<_> = (0..3).map(start).collect();
        watch.wait(500);
        let old = set.primary().expect("a primary");
        watch.forgetful.store(true, Ordering::Relaxed);
        set.server(old).kill();
        // Commands wait meanwhile, and none is refused: `timeouts.failover` is longer than a failover takes.
        let is_over = wait_until(Duration::from_secs(20), || set.primary().is_some_and(|now| now != old));
        assert!(is_over, "the sentinels choose nobody");
        watch.wait(500);
        watch.forgetful.store(false, Ordering::Relaxed);
        watch.wait(2000);
        is_kept(&mut keeper, "1");
        let refused = watch.end(clients);
        assert!(refused <= 3 * 8, "{refused} writes were lost: more than were under way");
    }
}

/// Sentinels come and go, and a majority of them is gone; clients have the primary all the same.
#[test]
fn sentinels_may_die() {
    let mut set = RedisSentinels::start(Flavour::Valkey);
    let house = before(
        &set,
        &json!({ "topology": {
        "kind": "sentinel", "master": RedisSentinels::NAME, "refresh": "200ms",
    } }),
    );
    let mut client = RespClient::connect(house.address());
    assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
    set.sentinel(0).kill();
    set.sentinel(1).kill();
    for _ in 0..50 {
        assert_eq!(
            client.ask(&["INCR", "a"]).text().parse::<u32>().map(|n| n > 1),
            Ok(true)
        );
    }
    set.sentinel(2).kill();
    for _ in 0..50 {
        assert!(matches!(client.ask(&["INCR", "a"]), Resp::Integer(_)));
    }
    for at in 0..3 {
        set.sentinel(at).run();
    }
    set.wait_ok();
    let old = set.primary().expect("a primary");
    set.fail_over();
    let new = set.primary().expect("a primary");
    assert_ne!(old, new);
    eventually("writes go to the new one", || {
        let _lost = client.ask(&["SET", "b", "2"]);
        set.servers()[new].ask(&["GET", "b"]) == bulk("2")
    });
    assert!(
        set.servers()[new]
            .ask(&["GET", "a"])
            .text()
            .parse::<u32>()
            .is_ok_and(|n| n == 101)
    );
}

/// Reads go to replicas, and to others when those die or take over.
#[test]
fn replicas_are_read() {
    for flavour in Flavour::ALL {
        let mut set = RedisSentinels::start(flavour);
        let house = before(&set, &json!({ "reads": { "from": "prefer_replica" } }));
        let mut client = RespClient::connect(house.address());
        keep(&mut client, "1");
        let primary = set.primary().expect("a primary");
        let gets = |at: usize| -> u64 {
            let info = set.servers()[at].ask(&["INFO", "commandstats"]).text();
            let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
            line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
        };
        let mut before = 0;
        eventually("replicas are read", || {
            before = gets(primary);
            is_kept(&mut client, "1");
            gets(primary) == before
        });
        let replicas: Vec<usize> = (0..3).filter(|at| *at != primary).collect();
        assert!(replicas.iter().all(|at| gets(*at) >= 50), "reads are shared out");
        set.server(replicas[0]).kill();
        is_kept(&mut client, "1");
        set.server(replicas[0]).run();
        set.server(primary).kill();
        // No read waits for the failover, or fails in it.
        for _ in 0..10 {
            is_kept(&mut client, "1");
        }
        assert_eq!(
            client.ask(&["SET", "b", "2"]),
            simple("OK"),
            "the write waits for the failover"
        );
        assert_ne!(set.primary(), Some(primary));
    }
}
