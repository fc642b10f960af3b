//! Hash slots of a cluster (cluster specification, "Key distribution model").

use memchr::memchr;

use crate::hash::crc16;

/// How many slots there are.
pub const SLOTS: u16 = 16_384;

/// One of the 16,384 slots that keys are spread over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The slot of this number, up to 16,383.
    pub fn new(number: u16) -> Option<Self> {
        (number < SLOTS).then_some(Self(number))
    }

    /// The slot of a key: of what stands in its first braces, if anything does, otherwise of all of it.
    #[inline]
    pub fn of(key: &[u8]) -> Self {
        Self(crc16(hash_tag(key, b"{}")) % SLOTS)
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The part of a key that is hashed, where tags are marked by these two bytes: what is between the first of the one
/// and the next of the other, when that is not empty.
#[inline]
pub fn hash_tag<'a>(key: &'a [u8], marks: &[u8; 2]) -> &'a [u8] {
    let inside = memchr(marks[0], key).and_then(|open| key.get(open + 1..));
    let tag = inside.and_then(|inside| inside.get(..memchr(marks[1], inside)?));
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, slot: u16) {
        assert_eq!(Slot::of(key.as_bytes()).number(), slot, "{key}");
    }

    /// Numbers from `CLUSTER KEYSLOT` of Redis 7.0.
    #[test]
    fn slots_are_those_of_redis() {
        check("123456789", 0x31c3);
        check("foo", 12182);
        check("bar", 5061);
        check("", 0);
    }

    #[test]
    fn only_the_tag_is_hashed() {
        let same = |a: &str, b: &str| assert_eq!(Slot::of(a.as_bytes()), Slot::of(b.as_bytes()), "{a} {b}");
        same("{user1000}.following", "user1000");
        same("{user1000}.followers", "user1000");
        same("foo{bar}{zap}", "bar");
        same("foo{{bar}}zap", "{bar");
        for whole in ["foo{}{bar}", "foo{bar", "foo}bar{", "{}", "{"] {
            assert_eq!(hash_tag(whole.as_bytes(), b"{}"), whole.as_bytes());
        }
        assert_eq!(hash_tag(b"a<b>c", b"<>"), b"b");
        assert_eq!(hash_tag(b"a|b|c", b"||"), b"b");
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(Slot::new(16_383).map(Slot::number), Some(16_383));
        assert_eq!(Slot::new(16_384), None);
    }
}
