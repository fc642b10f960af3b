#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

mod server;

use proptest::prelude::*;
use tidegate_redis_wire::reply::{Cursor, Version};
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

fn shown(count: u16, this: usize, shards: &[Vec<(u16, u16)>]) -> Shown {
    let gateways = gateways(count);
    Shown::new(&gateways[this], &gateways, shards)
}

fn ranges(shown: &Shown) -> Vec<(u16, u16, u16)> {
    shown
        .ranges()
        .map(|(first, last, gateway)| (first, last, gateway.unwrap().port))
        .collect()
}

#[test]
fn shards_are_dealt_out_evenly() {
    let three = [vec![(0, 5460)], vec![(10922, 16383)], vec![(5461, 10921)]];
    assert_eq!(ranges(&shown(1, 0, &three)), [(0, 16383, 7000)]);
    assert_eq!(ranges(&shown(2, 1, &three)), [(0, 10921, 7000), (10922, 16383, 7001)]);
    let each = [(0, 5460, 7000), (5461, 10921, 7001), (10922, 16383, 7002)];
    assert_eq!(ranges(&shown(3, 0, &three)), each);
    let own = |count, this| shown(count, this, &three).shards().to_vec();
    assert_eq!([own(1, 0), own(2, 0), own(2, 1)], [vec![0, 2, 1], vec![0, 2], vec![1]]);
    assert_eq!([own(3, 0), own(3, 1), own(3, 2)], [vec![0], vec![2], vec![1]]);
    // A slot that has moved, one that two claim, and a shard without any.
    let moved = [vec![(0, 9), (12, 12)], vec![], vec![(10, 11), (9, 9), (13, 20)]];
    assert_eq!(
        ranges(&shown(2, 0, &moved)),
        [(0, 9, 7000), (10, 11, 7001), (12, 12, 7000), (13, 20, 7001)]
    );
    assert_eq!(ranges(&shown(2, 0, &[])), []);
    assert_eq!(
        ranges(&shown(1, 0, &[vec![(5, 3), (16000, u16::MAX)]])),
        [(16000, 16383, 7000)]
    );
}

#[test]
fn gateways_beyond_the_shards_are_replicas() {
    let shards = [vec![(0, 8191)], vec![(8192, 16383)]];
    let all: Vec<_> = (0..5).map(|this| shown(5, this, &shards)).collect();
    let follows = |shown: &Shown| {
        shown
            .nodes()
            .map(|node| node.follows.map(|gateway| gateway.port))
            .collect::<Vec<_>>()
    };
    let own: Vec<_> = all.iter().map(|shown| shown.shards().to_vec()).collect();
    assert_eq!(own, [vec![0], vec![], vec![1], vec![], vec![]]);
    for shown in &all {
        assert_eq!(follows(shown), [None, Some(7000), None, Some(7002), Some(7000)]);
        assert_eq!(ranges(shown), [(0, 8191, 7000), (8192, 16383, 7002)]);
    }
    let ask =
        |this: usize, words: &[&str]| ask(Seen::Gateways(&all[this]), Servers::VALKEY, Version::Resp2, words).unwrap();
    let gateways = gateways(5);
    let nodes = ask(4, &["CLUSTER", "NODES"]);
    let line = format!(
        "{} 10.0.0.1:7004@17004 myself,slave {} 0 0 1 connected\n",
        gateways[4].id, gateways[0].id
    );
    assert!(nodes.contains(&line), "{nodes}");
    assert_eq!(ask(4, &["CLUSTER", "MYSHARDID"]), ask(0, &["CLUSTER", "MYSHARDID"]));
    assert_ne!(ask(4, &["CLUSTER", "MYSHARDID"]), ask(3, &["CLUSTER", "MYSHARDID"]));
    let refused = ask(0, &["CLUSTER", "REPLICAS", &gateways[3].id]);
    assert_eq!(refused, "-ERR The specified node is not a master\r\n");
    assert!(ask(0, &["CLUSTER", "REPLICAS", &gateways[2].id]).starts_with("*1\r\n"));
    assert_eq!(all[3].gateway(Slot::new(0).unwrap()).unwrap().port, 7000);
}

/// Shards by slot: some slots are nobody's.
fn shards() -> impl Strategy<Value = Vec<Vec<(u16, u16)>>> {
    prop::collection::vec((0..SLOTS, 0..6_usize), 0..30).prop_map(|mut ends| {
        ends.sort_unstable();
        let mut shards = vec![Vec::new(); 5];
        let mut first = 0;
        for (end, shard) in ends {
            if let Some(ranges) = shards.get_mut(shard).filter(|_| first <= end) {
                ranges.push((first, end));
            }
            first = end + 1;
        }
        shards
    })
}

proptest! {
    /// Each slot is shown once, in order, at the gateway that has its shard; every shard is one gateway's; every gateway
    /// shows the same.
    #[test]
    fn every_shard_is_one_gateways(shards in shards(), count in 1..9_u16) {
        let all: Vec<_> = (0..count.into()).map(|this| shown(count, this, &shards)).collect();
        let first = &all[0];
        let mut own: Vec<(usize, usize)> = Vec::new();
        for (place, shown) in all.iter().enumerate() {
            prop_assert_eq!(ranges(shown), ranges(first));
            own.extend(shown.shards().iter().map(|shard| (*shard, place)));
        }
        own.sort_unstable();
        let with_slots: Vec<_> = (0..shards.len()).filter(|shard| !shards[*shard].is_empty()).collect();
        prop_assert_eq!(own.iter().map(|(shard, _)| *shard).collect::<Vec<_>>(), with_slots);
        let counts: Vec<_> = all.iter().map(|shown| shown.shards().len()).collect();
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
        let mut before = None;
        let mut served = 0;
        for (from, to, _) in ranges(first) {
            prop_assert!(from <= to && before < Some(from));
            before = Some(to);
            served += usize::from(to - from) + 1;
        }
        prop_assert_eq!(served, first.served());
        for (shard, place) in own {
            for slot in shards[shard].iter().flat_map(|(from, to)| *from..=*to) {
                served -= 1;
                let gateway = first.gateway(Slot::new(slot).unwrap()).unwrap();
                prop_assert_eq!(usize::from(gateway.port - 7000), place);
            }
        }
        prop_assert_eq!(served, 0);
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
    let shown = shown(2, 0, &[vec![(0, 16383)]]);
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
fn names_and_tls_are_told() {
    let gateway = Gateway::new("gate.example", 6380);
    let shown = Shown::new(&gateway, &[], &[vec![(7, 7)]]).over_tls(true);
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
