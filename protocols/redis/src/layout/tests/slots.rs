use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_redis_wire::slot::{SLOTS, Slot};

use super::super::{Bucket, Shard};
use super::*;

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn shard(primary: &Arc<Node>, replicas: &[Arc<Node>]) -> Shard {
    Shard {
        primary: Some(Arc::clone(primary)),
        replicas: replicas.to_vec(),
    }
}

fn owner(layout: &Layout, number: u16) -> Option<u16> {
    let at = layout.shard(Bucket::slot(slot(number)))?;
    layout.shards[at].primary.as_ref().map(|node| port(node))
}

/// What holds of any layout: no node is there twice, and every slot's shard exists.
fn check_sound(layout: &Layout) {
    let mut ports: Vec<u16> = layout.nodes().map(|node| port(node)).collect();
    let count = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), count, "a node is there once");
    assert!(layout.is_same(layout));
    assert_eq!(
        layout.is_whole(),
        (0..SLOTS).all(|number| owner(layout, number).is_some()),
        "whole means that every slot has a primary"
    );
}

/// Three primaries, 1 to 3, with replicas 11 to 13, and two strangers, 21 and 22.
fn start() -> (Vec<Arc<Node>>, Layout, BTreeMap<u16, u16>) {
    let nodes: Vec<_> = [1, 2, 3, 11, 12, 13, 21, 22].map(node).into();
    let shards = (0..3).map(|at| shard(&nodes[at], &nodes[at + 3..at + 4])).collect();
    let ranges = [(0, 4999, 0), (5000, 9999, 1), (11_000, 16_383, 2)];
    let ranges = ranges.map(|(first, last, shard)| (slot(first), slot(last), shard));
    let layout = Layout::slots(shards, &ranges);
    let mut model = BTreeMap::new();
    for (first, last, shard) in ranges {
        model.extend((first.number()..=last.number()).map(|number| (number, u16::try_from(shard + 1).unwrap())));
    }
    (nodes, layout, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Against a model in which a slot is at a node, and a node that follows another takes over all of its slots.
    #[test]
    fn redirections_move_slots_and_promote_replicas(moves in proptest::collection::vec((0..SLOTS, 0_usize..8), 0..40)) {
        let (nodes, mut layout, mut model) = start();
        let mut follows: BTreeMap<u16, u16> = BTreeMap::from([(11, 1), (12, 2), (13, 3)]);
        for (number, to) in moves {
            layout = layout.moved(slot(number), &nodes[to]);
            let to = port(&nodes[to]);
            let from = model.get(&number).copied();
            match (from, follows.get(&to).copied()) {
                (Some(from), Some(followed)) if from == followed => {
                    for owner in model.values_mut().filter(|owner| **owner == from) {
                        *owner = to;
                    }
                    follows.remove(&to);
                    for followed in follows.values_mut().filter(|followed| **followed == from) {
                        *followed = to;
                    }
                    follows.insert(from, to);
                }
                _ => {
                    follows.remove(&to);
                    model.insert(number, to);
                }
            }
            check_sound(&layout);
            prop_assert_eq!(owner(&layout, number), Some(to));
        }
        for number in 0..SLOTS {
            prop_assert_eq!(owner(&layout, number), model.get(&number).copied());
        }
        for (follower, followed) in follows {
            let shard = layout.shards.iter().find(|shard| shard.primary.as_ref().is_some_and(|node| port(node) == followed));
            prop_assert!(shard.unwrap().replicas.iter().any(|node| port(node) == follower));
        }
    }

    #[test]
    fn keys_of_one_tag_share_a_bucket(tag in "[a-z]{1,8}", before in "[a-z]{0,4}", behind in "[a-z{}]{0,4}") {
        let (_, layout, _) = start();
        let key = format!("{before}{{{tag}}}{behind}");
        prop_assert_eq!(layout.bucket(key.as_bytes()), layout.bucket(tag.as_bytes()));
        prop_assert_eq!(layout.bucket(key.as_bytes()), Bucket::slot(Slot::of(key.as_bytes())));
    }
}

#[test]
fn slots_that_nobody_serves() {
    let (nodes, layout, _) = start();
    assert_eq!(owner(&layout, 10_500), None);
    assert!(!layout.is_whole());
    assert!(!layout.moved(slot(10_500), &nodes[0]).is_whole());
    assert_eq!(layout.primaries().count(), 3);
    let nothing = Layout::unknown(layout.kind);
    assert_eq!(nothing.shard(Bucket::slot(slot(1))), None);
    let known = nothing.moved(slot(1), &nodes[7]);
    assert_eq!((owner(&known, 1), owner(&known, 2)), (Some(22), None));
}

#[test]
fn only_a_difference_is_a_difference() {
    let (nodes, layout, _) = start();
    let (_, others, _) = start();
    assert!(!layout.is_same(&others), "other nodes");
    assert!(layout.is_same(&layout.moved(slot(1), &nodes[0])), "it is there already");
    assert!(!layout.is_same(&layout.moved(slot(1), &nodes[1])));
    assert!(!layout.is_same(&layout.moved(slot(1), &nodes[3])));
}
