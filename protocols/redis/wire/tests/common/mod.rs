//! What several tests use.

#![allow(dead_code, reason = "each test uses its part")]

use tidegate_redis_wire::request::{Command, Limits, Splitter, Step};

/// Numbers that look random and are the same in every run (`SplitMix64`).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The command that these words are, as a view.
pub(crate) fn with_command<T>(words: &[impl AsRef<[u8]>], see: impl FnOnce(&Command<'_>) -> T) -> T {
    let mut bytes = Vec::new();
    tidegate_redis_wire::request::command(&mut bytes, words);
    match Splitter::new(Limits::default(), false).next(&bytes) {
        Ok(Step::Command(command)) => see(&command),
        other => panic!("{other:?}"),
    }
}
