#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

mod server;

use proptest::prelude::*;
use tidegate_redis_wire::reply::{Cursor, Failure, Version};
use tidegate_redis_wire::request::{self, Limits, Splitter, Step};
use tidegate_redis_wire::slot::{SLOTS, Slot};
use tidegate_redis_wire::table::Servers;

use super::*;

/// What is answered; `None` where a server answers.
fn ask(seen: Seen<'_>, server: Servers, version: Version, words: &[&str]) -> Option<String> {
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    request::command(&mut bytes, words);
    let answered = match Splitter::new(Limits::default(), false).next(&bytes) {
        Ok(Step::Command(command)) => answer(&command, seen, server, version, &mut out),
        other => panic!("{other:?}"),
    };
    let walk = Cursor::new().walk(&out).unwrap();
    assert_eq!((walk.run, walk.ended), (out.len(), !out.is_empty()), "{words:?}");
    (answered == Answer::Gateway).then(|| String::from_utf8(out).unwrap())
}

fn gateways(count: u16) -> Vec<Gateway> {
    (0..count)
        .map(|number| Gateway::new("10.0.0.1", 7000 + number))
        .collect()
}

fn shown(count: u16, this: usize, served: &[(u16, u16)]) -> Shown {
    let gateways = gateways(count);
    Shown::new(&gateways[this], &gateways, served)
}

fn ranges(shown: &Shown) -> Vec<(u16, u16, u16)> {
    shown
        .ranges()
        .map(|(first, last, gateway)| (first, last, gateway.unwrap().port))
        .collect()
}

#[test]
fn slots_are_dealt_out_evenly() {
    let all = &[(0, 16383)];
    assert_eq!(ranges(&shown(1, 0, all)), [(0, 16383, 7000)]);
    assert_eq!(ranges(&shown(2, 1, all)), [(0, 8191, 7000), (8192, 16383, 7001)]);
    let three = [(0, 5460, 7000), (5461, 10921, 7001), (10922, 16383, 7002)];
    assert_eq!(ranges(&shown(3, 0, all)), three);
    // However the servers have them.
    assert_eq!(
        ranges(&shown(3, 2, &[(8000, 16383), (0, 100), (101, 7999), (50, 60)])),
        three
    );
    assert_eq!(
        ranges(&shown(2, 0, &[(0, 3), (10, 13)])),
        [(0, 3, 7000), (10, 13, 7001)]
    );
    assert_eq!(
        ranges(&shown(2, 0, &[(0, 1), (10, 15)])),
        [(0, 1, 7000), (10, 11, 7000), (12, 15, 7001)]
    );
    assert_eq!(ranges(&shown(3, 0, &[(5, 5)])), [(5, 5, 7002)]);
    assert_eq!(ranges(&shown(2, 0, &[])), []);
}

proptest! {
    /// Each slot that is served is shown once, in order, and parts differ by one slot at most; every gateway shows the
    /// same.
    #[test]
    fn parts_are_equal(served in prop::collection::vec((0..SLOTS, 0..SLOTS), 0..9), count in 1..9_u16) {
        let shown = shown(count, 0, &served);
        let mut slots = vec![false; SLOTS.into()];
        for (first, last) in served.iter().filter(|(first, last)| first <= last) {
            slots[usize::from(*first)..=usize::from(*last)].fill(true);
        }
        let mut parts = vec![0; count.into()];
        let mut before = None;
        for (first, last, port) in ranges(&shown) {
            prop_assert!(first <= last && before < Some(first));
            before = Some(last);
            for slot in first..=last {
                prop_assert!(std::mem::take(&mut slots[usize::from(slot)]));
                prop_assert_eq!(shown.gateway(Slot::new(slot).unwrap()).unwrap().port, port);
                parts[usize::from(port - 7000)] += 1;
            }
        }
        prop_assert!(!slots.contains(&true));
        prop_assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        let mut peers = gateways(count);
        peers.reverse();
        let other = Shown::new(&peers[0], &peers[1..], &served);
        prop_assert_eq!(ranges(&other), ranges(&shown));
    }
}

#[test]
fn ids_are_those_of_host_and_port() {
    let gateway = Gateway::new("gate-1.example", 6379);
    assert_eq!(gateway, Gateway::new("gate-1.example", 6379));
    let ids = [&gateway.id, &gateway.shard, &Gateway::new("gate-1.example", 6380).id];
    for (at, id) in ids.iter().enumerate() {
        assert!(id.len() == 40 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        assert!(!ids[..at].contains(id));
    }
}

#[test]
fn who_would_change_the_cluster_is_told_where() {
    let shown = shown(2, 0, &[(0, 16383)]);
    let ask = |words: &[&str]| ask(Seen::Gateways(&shown), Servers::REDIS, Version::Resp2, words);
    for words in [
        &["CLUSTER", "MEET", "a", "1"][..],
        &["CLUSTER", "RESET"],
        &["cluster", "setslot", "1", "stable"],
    ] {
        assert_eq!(ask(words).unwrap(), format!("-{ADMINISTERED}\r\n"), "{words:?}");
    }
    for words in [
        &["CLUSTER", "COUNTKEYSINSLOT", "1"][..],
        &["CLUSTER", "GETKEYSINSLOT", "1", "2"],
        &["CLUSTER", "HELP"],
    ] {
        assert_eq!(ask(words), None, "{words:?}");
    }
}

#[test]
fn redirects_lead_to_gateways() {
    let shown = shown(2, 0, &[(0, 9), (8000, 8009)]);
    let redirect = |text: &str| {
        let mut out = Vec::new();
        shown.redirect(
            &Failure::new(text.as_bytes()).redirect().unwrap(),
            Version::Resp2,
            &mut out,
        );
        String::from_utf8(out).unwrap()
    };
    assert_eq!(redirect("MOVED 8001 127.0.0.1:6379"), "-MOVED 8001 10.0.0.1:7001\r\n");
    assert_eq!(redirect("ASK 3 redis-3.internal:6379"), "-ASK 3 10.0.0.1:7000\r\n");
    assert_eq!(redirect("MOVED 100 ?:6379"), "-MOVED 100 10.0.0.1:7000\r\n");
}

#[test]
fn names_and_tls_are_told() {
    let gateway = Gateway::new("gate.example", 6380);
    let shown = Shown::new(&gateway, &[], &[(7, 7)]).over_tls(true);
    let ask = |words: &[&str]| ask(Seen::Gateways(&shown), Servers::VALKEY, Version::Resp3, words).unwrap();
    let id = &gateway.id;
    assert_eq!(
        ask(&["CLUSTER", "SHARDS"]),
        format!(
            "*1\r\n%2\r\n$5\r\nslots\r\n*2\r\n:7\r\n:7\r\n$5\r\nnodes\r\n*1\r\n%8\r\n$2\r\nid\r\n$40\r\n{id}\r\n\
             $8\r\ntls-port\r\n:6380\r\n$2\r\nip\r\n$12\r\ngate.example\r\n$8\r\nendpoint\r\n$12\r\ngate.example\r\n\
             $8\r\nhostname\r\n$12\r\ngate.example\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:0\r\n\
             $6\r\nhealth\r\n$6\r\nonline\r\n"
        )
    );
    let nodes = format!("{id} gate.example:6380@16380 myself,master - 0 0 1 connected 7\n");
    assert_eq!(
        ask(&["CLUSTER", "NODES"]),
        format!("={}\r\ntxt:{nodes}\r\n", nodes.len() + 4)
    );
}
