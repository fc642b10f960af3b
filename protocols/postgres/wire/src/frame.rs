use tidegate_base::{Classify, Kind, Origin};

/// The longest length PostgreSQL itself accepts in a header (`PQ_LARGE_MESSAGE_LIMIT`, one byte short of 1 GiB).
pub const MAX_LEN: u32 = 0x3fff_ffff;

/// The header of a message: its kind and its length as it stands on the wire, which counts itself but not the kind
/// (55.1, "Message Formats").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The first byte.
    pub kind: u8,
    /// The length field: the four bytes of itself, and the body.
    pub len: u32,
}

impl Head {
    /// Bytes of a header.
    pub const SIZE: usize = 5;

    /// Reads the header at the start of `bytes`; `None` when fewer than [`Head::SIZE`] bytes are here.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        match *bytes {
            [kind, a, b, c, d, ..] => Self::checked(kind, u32::from_be_bytes([a, b, c, d])).map(Some),
            _ => Ok(None),
        }
    }

    /// A header from its two fields, as long as PostgreSQL would accept them.
    pub(crate) fn checked(kind: u8, len: u32) -> Result<Self, FrameError> {
        match len {
            4..=MAX_LEN => Ok(Self { kind, len }),
            0..4 => Err(FrameError::TooShort { kind, len }),
            _ => Err(FrameError::TooLong {
                kind,
                len,
                limit: MAX_LEN,
            }),
        }
    }

    /// Bytes of the whole message, the kind included.
    pub fn total(self) -> usize {
        self.len as usize + 1
    }

    /// Bytes of the body.
    pub fn body(self) -> usize {
        self.total().saturating_sub(Self::SIZE)
    }
}

/// A whole message: its kind and its body, header cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The first byte.
    pub kind: u8,
    /// What follows the length.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The message at the start of `bytes` and how many bytes it takes; `None` while it is not complete.
    pub fn read(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(head) = Head::read(bytes)? else {
            return Ok(None);
        };
        let frame = bytes
            .get(Head::SIZE..head.total())
            .map(|body| Self { kind: head.kind, body });
        Ok(frame.map(|frame| (frame, head.total())))
    }
}

/// How long a message may be before it is held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest length field accepted.
    pub frame: u32,
}

impl Limits {
    /// Refuses a message that is longer than the limit.
    pub fn check(self, head: Head) -> Result<Head, FrameError> {
        if head.len <= self.frame {
            Ok(head)
        } else {
            Err(FrameError::TooLong {
                kind: head.kind,
                len: head.len,
                limit: self.frame,
            })
        }
    }
}

/// A header that no PostgreSQL peer would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length does not even count itself.
    #[error("message {:?} claims a length of {len}, below the minimum of 4; the peer does not speak PostgreSQL's protocol", char::from(*kind))]
    TooShort {
        /// The kind byte.
        kind: u8,
        /// The length field.
        len: u32,
    },
    /// The length is beyond the limit.
    #[error("message {:?} claims a length of {len} bytes, beyond the limit of {limit}", char::from(*kind))]
    TooLong {
        /// The kind byte.
        kind: u8,
        /// The length field.
        len: u32,
        /// The limit that it broke.
        limit: u32,
    },
}

impl Classify for FrameError {
    /// The wire does not know which side it reads; a session that reads its server says so instead.
    fn origin(&self) -> Origin {
        Origin::Downstream
    }

    fn kind(&self) -> Kind {
        match self {
            Self::TooShort { .. } => Kind::Protocol,
            Self::TooLong { .. } => Kind::Limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads() {
        assert_eq!(Head::read(b"Q\0\0\0"), Ok(None));
        let head = Head::read(b"Q\0\0\0\x0dSELECT 1\0").unwrap().unwrap();
        assert_eq!((head.kind, head.len), (b'Q', 13));
        assert_eq!((head.total(), head.body()), (14, 9));
        assert!(matches!(
            Head::read(b"Q\0\0\0\x03"),
            Err(FrameError::TooShort { len: 3, .. })
        ));
        assert!(Head::read(b"Q\x3f\xff\xff\xff").unwrap().is_some());
        assert!(matches!(Head::read(b"Q\x40\0\0\0"), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn reads_whole_frames_only() {
        let bytes = b"Z\0\0\0\x05I?";
        for cut in 0..6 {
            assert_eq!(Frame::read(&bytes[..cut]), Ok(None), "{cut}");
        }
        let expected = Frame { kind: b'Z', body: b"I" };
        assert_eq!(Frame::read(bytes), Ok(Some((expected, 6))));
    }

    #[test]
    fn limits() {
        let limits = Limits { frame: 100 };
        let head = |len| Head { kind: b'p', len };
        assert!(limits.check(head(100)).is_ok());
        assert!(limits.check(head(101)).is_err());
    }
}
