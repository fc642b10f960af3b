//! Fowler, Noll and Vo's hashes, with the widths that twemproxy gives them.

use super::widened;

const START_32: u32 = 0x811c_9dc5;
const PRIME_32: u32 = 0x0100_0193;
const START_64: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME_64: u64 = 0x0000_0100_0000_01b3;
const LOW: u64 = 0xffff_ffff;

pub(super) fn fnv1_32(key: &[u8]) -> u32 {
    key.iter()
        .fold(START_32, |hash, byte| hash.wrapping_mul(PRIME_32) ^ widened(*byte))
}

pub(super) fn fnv1a_32(key: &[u8]) -> u32 {
    key.iter()
        .fold(START_32, |hash, byte| (hash ^ widened(*byte)).wrapping_mul(PRIME_32))
}

/// Only the lower halves ever meet, so 32 bits are enough.
pub(super) fn fnv1_64(key: &[u8]) -> u32 {
    key.iter().fold(low(START_64), |hash, byte| {
        hash.wrapping_mul(low(PRIME_64)) ^ widened(*byte)
    })
}

pub(super) fn fnv1a_64(key: &[u8]) -> u32 {
    key.iter().fold(low(START_64), |hash, byte| {
        (hash ^ widened(*byte)).wrapping_mul(low(PRIME_64))
    })
}

fn low(number: u64) -> u32 {
    u32::try_from(number & LOW).unwrap_or(u32::MAX)
}
