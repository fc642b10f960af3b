//! The hashes and distributions of twemproxy, number for number, so that keys stay where it put them.

mod crc;
mod fnv;
mod mixed;
mod ring;

use md5::{Digest as _, Md5};

pub use ring::{Distribution, Member, Ring};

/// CRC-16/XMODEM: what hash slots are made of (cluster specification, appendix).
#[inline]
pub fn crc16(bytes: &[u8]) -> u16 {
    crc::crc16(bytes)
}

/// A hash by twemproxy's name (`hash:` of a pool).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// Jenkins' one at a time.
    OneAtATime,
    /// The first four bytes of MD5.
    Md5,
    /// CRC-16/XMODEM kept in 32 bits, the upper ones never cleared.
    Crc16,
    /// Fifteen bits of CRC-32, as memcached's clients took them.
    Crc32,
    /// CRC-32.
    Crc32a,
    /// FNV-1 in 64 bits, the lower 32 of them.
    Fnv1_64,
    /// FNV-1a with the lower halves of the 64-bit constants. twemproxy's default.
    Fnv1a64,
    /// FNV-1 in 32 bits.
    Fnv1_32,
    /// FNV-1a in 32 bits.
    Fnv1a32,
    /// Hsieh's `SuperFastHash`.
    Hsieh,
    /// `MurmurHash2` with a seed made of the length.
    Murmur,
    /// Jenkins' lookup3.
    Jenkins,
}

impl Hash {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::OneAtATime,
        Self::Md5,
        Self::Crc16,
        Self::Crc32,
        Self::Crc32a,
        Self::Fnv1_64,
        Self::Fnv1a64,
        Self::Fnv1_32,
        Self::Fnv1a32,
        Self::Hsieh,
        Self::Murmur,
        Self::Jenkins,
    ];

    /// Its name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneAtATime => "one_at_a_time",
            Self::Md5 => "md5",
            Self::Crc16 => "crc16",
            Self::Crc32 => "crc32",
            Self::Crc32a => "crc32a",
            Self::Fnv1_64 => "fnv1_64",
            Self::Fnv1a64 => "fnv1a_64",
            Self::Fnv1_32 => "fnv1_32",
            Self::Fnv1a32 => "fnv1a_32",
            Self::Hsieh => "hsieh",
            Self::Murmur => "murmur",
            Self::Jenkins => "jenkins",
        }
    }

    /// The hash of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.name() == name)
    }

    /// The number of a key. An empty one is never hashed: it is 0.
    pub fn of(self, key: &[u8]) -> u32 {
        if key.is_empty() {
            return 0;
        }
        match self {
            Self::OneAtATime => mixed::one_at_a_time(key),
            Self::Md5 => md5_words(key)[0],
            Self::Crc16 => crc::crc16_wide(key),
            Self::Crc32 => (crc::crc32(key) >> 16) & 0x7fff,
            Self::Crc32a => crc::crc32(key),
            Self::Fnv1_64 => fnv::fnv1_64(key),
            Self::Fnv1a64 => fnv::fnv1a_64(key),
            Self::Fnv1_32 => fnv::fnv1_32(key),
            Self::Fnv1a32 => fnv::fnv1a_32(key),
            Self::Hsieh => mixed::hsieh(key),
            Self::Murmur => mixed::murmur(key),
            Self::Jenkins => mixed::jenkins(key),
        }
    }
}

/// A byte as C widens a plain `char` on x86: with its sign. It tells for keys that are not ASCII.
fn widened(byte: u8) -> u32 {
    i32::from(byte.cast_signed()).cast_unsigned()
}

/// MD5 as four numbers, their lowest bytes first.
fn md5_words(bytes: &[u8]) -> [u32; 4] {
    let digest = Md5::digest(bytes);
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hash: Hash, key: &str, number: u32) {
        assert_eq!(hash.of(key.as_bytes()), number, "{} of {key}", hash.name());
    }

    /// The check values of the public definitions.
    #[test]
    fn public_vectors() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        check(Hash::Crc32a, "123456789", 0xcbf4_3926);
        check(Hash::Crc32, "123456789", (0xcbf4_3926 >> 16) & 0x7fff);
        check(Hash::Md5, "abc", u32::from_le_bytes([0x90, 0x01, 0x50, 0x98]));
        check(Hash::Fnv1_32, "a", 0x050c_5d7e);
        check(Hash::Fnv1_32, "foobar", 0x31f0_b262);
        check(Hash::Fnv1a32, "a", 0xe40c_292c);
        check(Hash::Fnv1a32, "foobar", 0xbf9c_f968);
        // FNV-1 of "foobar" in 64 bits is 340d8765a4dda9c2.
        check(Hash::Fnv1_64, "foobar", 0xa4dd_a9c2);
        // lookup3's own: hashlittle("Four score and seven years ago", 0) is 17770551; twemproxy begins with 13.
        check(Hash::OneAtATime, "a", 0xca2e_9442);
        check(
            Hash::OneAtATime,
            "The quick brown fox jumps over the lazy dog",
            0x519e_91f5,
        );
    }

    #[test]
    fn names_are_read_again() {
        for hash in Hash::ALL {
            assert_eq!(Hash::by_name(hash.name()), Some(hash));
            assert_eq!(hash.of(b""), 0);
        }
        assert_eq!(Hash::by_name("sha1"), None);
    }
}
