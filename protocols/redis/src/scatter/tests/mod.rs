//! What is split and merged, by hand, against models and against real clusters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

mod cluster;
mod merges;
mod model;
mod ways;

use tidegate_redis_wire::request::{self, Limits, Splitter, Step};
use tidegate_redis_wire::slot::Slot;
use tidegate_redis_wire::table;

use super::{Buckets, Way, way};

/// A Redis Cluster.
struct Slots;

/// Plain servers, so many.
struct Servers(u16);

impl Buckets for Slots {
    fn bucket(&self, key: &[u8]) -> u16 {
        Slot::of(key).number()
    }

    fn is_slots(&self) -> bool {
        true
    }
}

impl Buckets for Servers {
    fn bucket(&self, key: &[u8]) -> u16 {
        u16::try_from(tidegate_redis_wire::hash::Hash::Fnv1a64.of(key) % u32::from(self.0)).unwrap()
    }

    fn is_slots(&self) -> bool {
        false
    }
}

fn encode(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    request::command(&mut bytes, words);
    bytes
}

/// Where these words go.
fn way_of(words: &[impl AsRef<[u8]>], buckets: &impl Buckets) -> Way {
    let bytes = encode(words);
    let limits = Limits {
        arguments: 1 << 20,
        ..Limits::default()
    };
    match Splitter::new(limits, false).next(&bytes) {
        Ok(Step::Command(command)) => way(table::resolve(&command).unwrap(), &command, buckets),
        other => panic!("{other:?}"),
    }
}

/// The words of a command.
fn words(bytes: &[u8]) -> Vec<Vec<u8>> {
    match Splitter::new(Limits::default(), false).next(bytes) {
        Ok(Step::Command(command)) => {
            assert_eq!(command.bytes(), bytes);
            command.arguments().map(<[u8]>::to_vec).collect()
        }
        other => panic!("{other:?}"),
    }
}
