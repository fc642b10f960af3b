use std::fmt;

/// A protocol version, as in the first field of a startup packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 3 since PostgreSQL 7.4.
    pub major: u16,
    /// 0, or 2 since PostgreSQL 18.
    pub minor: u16,
}

impl Version {
    /// What every client and server speaks.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// Cancel keys of up to 256 bytes (PostgreSQL 18).
    pub const V3_2: Self = Self { major: 3, minor: 2 };
    /// The newest that this crate speaks.
    pub const NEWEST: Self = Self::V3_2;

    /// From the number on the wire: the major version in the upper half.
    pub const fn from_code(code: u32) -> Self {
        let [a, b, c, d] = code.to_be_bytes();
        Self {
            major: u16::from_be_bytes([a, b]),
            minor: u16::from_be_bytes([c, d]),
        }
    }

    /// The number on the wire.
    pub const fn code(self) -> u32 {
        let ([a, b], [c, d]) = (self.major.to_be_bytes(), self.minor.to_be_bytes());
        u32::from_be_bytes([a, b, c, d])
    }

    /// Whether BackendKeyData and CancelRequest carry a secret of variable length (55.7, "BackendKeyData").
    pub fn has_long_cancel_keys(self) -> bool {
        self >= Self::V3_2
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}
