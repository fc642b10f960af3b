/// A set of message kinds: 256 bits, built at compile time, asked once per header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindSet([u64; 4]);

impl KindSet {
    /// No kind.
    pub const EMPTY: Self = Self([0; 4]);
    /// Every kind.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// The kinds listed, as in `KindSet::of(b"QPB")`.
    pub const fn of(kinds: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        let mut at = 0;
        while at < kinds.len() {
            set = set.with(kinds[at]);
            at += 1;
        }
        set
    }

    /// With one more kind.
    #[must_use]
    pub const fn with(mut self, kind: u8) -> Self {
        self.0[(kind >> 6) as usize] |= 1 << (kind & 63);
        self
    }

    /// Without one kind.
    #[must_use]
    pub const fn without(mut self, kind: u8) -> Self {
        self.0[(kind >> 6) as usize] &= !(1 << (kind & 63));
        self
    }

    /// Everything in either.
    #[must_use]
    pub const fn union(mut self, other: Self) -> Self {
        let mut word = 0;
        while word < self.0.len() {
            self.0[word] |= other.0[word];
            word += 1;
        }
        self
    }

    /// Whether the kind is in the set. The two top bits choose one of four words, so no bounds check is left.
    #[inline]
    pub const fn contains(&self, kind: u8) -> bool {
        (self.0[(kind >> 6) as usize] >> (kind & 63)) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in() {
        const SET: KindSet = KindSet::of(b"QPB\0\xff?@");
        for kind in 0..=u8::MAX {
            assert_eq!(SET.contains(kind), b"QPB\0\xff?@".contains(&kind), "{kind}");
            assert!(KindSet::ALL.contains(kind) && !KindSet::EMPTY.contains(kind));
        }
        let both = SET.union(KindSet::of(b"Z"));
        assert!(both.contains(b'Z') && both.contains(b'Q') && !both.contains(b'E'));
        let rest = KindSet::ALL.without(b'd');
        assert!(!rest.contains(b'd') && rest.contains(b'e') && rest.contains(b'c') && rest.contains(b'$'));
    }
}
