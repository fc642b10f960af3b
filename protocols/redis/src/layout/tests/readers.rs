use proptest::prelude::*;
use tidegate_cluster::Balance;

use super::super::{Reads, RedisKind, RedisReadsFrom, Shard};
use super::*;

fn reads(from: RedisReadsFrom, max_lag: u64, balance: Balance) -> Reads {
    Reads {
        from,
        max_lag: (max_lag > 0).then(|| Duration::from_millis(max_lag)),
        balance,
        slow_start: None,
    }
}

/// A replica with a weight, as far behind as this.
fn replica(port: u16, weight: u32, lag: Option<u64>) -> Arc<Node> {
    let address = format!("h:{port}").parse().unwrap();
    let node = Node::nameless(&Arc::new(Endpoint::new(address, None, Role::Replica, weight)));
    node.set_lag(lag.map(Duration::from_millis));
    node
}

fn layout(primary: Option<Arc<Node>>, replicas: Vec<Arc<Node>>) -> Layout {
    Layout::one(RedisKind::Replicated, Shard { primary, replicas })
}

#[derive(Debug, Clone)]
struct Server {
    is_ill: bool,
    lag: Option<u64>,
    round_trip: Option<u64>,
}

fn server() -> impl Strategy<Value = Server> {
    let lag = proptest::option::of(0_u64..3000);
    (any::<bool>(), lag, proptest::option::of(0_u64..5000)).prop_map(|(is_ill, lag, round_trip)| Server {
        is_ill,
        lag,
        round_trip,
    })
}

fn from() -> impl Strategy<Value = RedisReadsFrom> {
    prop::sample::select(vec![
        RedisReadsFrom::Primary,
        RedisReadsFrom::PreferReplica,
        RedisReadsFrom::Nearest,
    ])
}

fn balance() -> impl Strategy<Value = Balance> {
    prop::sample::select(vec![Balance::LeastConnections, Balance::RoundRobin, Balance::Random])
}

proptest! {
    #[test]
    fn a_reader_is_fresh_and_well_where_one_is(
        primary in proptest::option::of(server()),
        replicas in proptest::collection::vec(server(), 0..5),
        from in from(),
        max_lag in 0_u64..3000,
        balance in balance(),
        turn: u64,
    ) {
        let make = |port: u16, server: &Server| {
            let node = replica(port, 1, server.lag);
            if server.is_ill {
                node.endpoint.failed(1);
            }
            if let Some(taken) = server.round_trip {
                node.note_round_trip(Duration::from_micros(taken));
            }
            node
        };
        let nodes = replicas.iter().zip(1..).map(|(server, port)| make(port, server)).collect();
        let layout = layout(primary.as_ref().map(|server| make(100, server)), nodes);
        let reads = reads(from, max_lag, balance);
        let fresh = |server: &&Server| server.lag.is_some_and(|lag| max_lag == 0 || lag <= max_lag);
        let usable: Vec<_> = replicas.iter().filter(fresh).collect();
        let any_well = usable.iter().any(|server| !server.is_ill);
        match layout.reader(0, &reads, turn).map(|node| port(node)) {
            None => prop_assert!(primary.is_none() && (usable.is_empty() || from == RedisReadsFrom::Primary)),
            Some(100) => {
                let is_well = primary.is_some_and(|server| !server.is_ill);
                let is_right = match from {
                    RedisReadsFrom::Primary => true,
                    RedisReadsFrom::PreferReplica => !any_well,
                    RedisReadsFrom::Nearest => is_well || !any_well,
                };
                prop_assert!(is_right);
            }
            Some(at) => {
                let chosen = &replicas[usize::from(at) - 1];
                prop_assert!(fresh(&chosen) && from != RedisReadsFrom::Primary);
                prop_assert!(!chosen.is_ill || (!any_well && primary.is_none()));
            }
        }
        prop_assert!(layout.reader(1, &reads, turn).is_none());
    }
}

#[track_caller]
fn shares(layout: &Layout, reads: &Reads) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for turn in 0..7000 {
        *counts.entry(port(layout.reader(0, reads, turn).unwrap())).or_insert(0) += 1;
    }
    counts
}

#[test]
fn reads_spread_by_weight() {
    let replicas = vec![replica(1, 1, Some(0)), replica(2, 2, Some(0)), replica(3, 4, Some(0))];
    let layout = layout(Some(node(100)), replicas);
    for (balance, slack) in [
        (Balance::RoundRobin, 5),
        (Balance::LeastConnections, 5),
        (Balance::Random, 250),
    ] {
        let counts = shares(&layout, &reads(RedisReadsFrom::PreferReplica, 1, balance));
        for (port, expected) in [(1, 1000_usize), (2, 2000), (3, 4000)] {
            assert!(counts[&port].abs_diff(expected) <= slack, "{balance:?} {counts:?}");
        }
    }
}

#[test]
fn the_least_at_work_is_read() {
    let replicas = vec![replica(1, 1, Some(0)), replica(2, 1, Some(0))];
    replicas[0].endpoint.begin();
    let layout = layout(None, replicas);
    let counts = shares(
        &layout,
        &reads(RedisReadsFrom::PreferReplica, 1, Balance::LeastConnections),
    );
    assert_eq!(counts, HashMap::from([(2, 7000)]));
}

#[test]
fn the_nearest_is_read_and_who_is_as_near() {
    let measured = |port: u16, micros: u64| {
        let node = replica(port, 1, Some(0));
        node.note_round_trip(Duration::from_micros(micros));
        node
    };
    let layout = layout(Some(measured(100, 1000)), vec![measured(1, 1300), measured(2, 9000)]);
    let counts = shares(&layout, &reads(RedisReadsFrom::Nearest, 1, Balance::RoundRobin));
    assert!(
        !counts.contains_key(&2) && counts[&1].abs_diff(3500) < 5 && counts[&100].abs_diff(3500) < 5,
        "{counts:?}"
    );
}

#[test]
fn round_trips_are_smoothed() {
    let node = node(1);
    assert_eq!(node.round_trip(), None);
    node.note_round_trip(Duration::from_micros(800));
    assert_eq!(node.round_trip(), Some(Duration::from_micros(800)));
    node.note_round_trip(Duration::from_micros(1600));
    assert_eq!(node.round_trip(), Some(Duration::from_micros(900)));
    node.note_round_trip(Duration::MAX);
    assert!(node.round_trip().is_some());
}
