use memchr::memchr;

use crate::RequestError;
use crate::number::{self, Length};

/// A line longer than this is not waited for (`server.h`, `PROTO_INLINE_MAX_SIZE`).
pub(super) const LINE: usize = 64 << 10;

/// A kind of header, and what is wrong with a bad one.
pub(super) struct Header {
    kind: u8,
    wrong: RequestError,
    too_long: RequestError,
}

pub(super) const COUNT: Header = Header {
    kind: b'*',
    wrong: RequestError::Count,
    too_long: RequestError::CountTooLong,
};

pub(super) const LENGTH: Header = Header {
    kind: b'$',
    wrong: RequestError::Length,
    too_long: RequestError::LengthTooLong,
};

impl Header {
    /// Reads the number of the header at the start of `bytes`, and how many bytes it takes.
    #[inline]
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Option<(i64, usize)>, RequestError> {
        if let Some((kind, behind)) = bytes.split_first()
            && *kind == self.kind
            && let Length::Is(number, used) = number::length(behind)
        {
            return Ok(Some((number, used + 1)));
        }
        self.read_odd(bytes)
    }

    /// Like Redis, judges a line only when it is here.
    #[cold]
    fn read_odd(&self, bytes: &[u8]) -> Result<Option<(i64, usize)>, RequestError> {
        let Some(end) = memchr(b'\r', bytes) else {
            return if bytes.len() > LINE {
                Err(self.too_long)
            } else {
                Ok(None)
            };
        };
        let Some(newline) = bytes.get(end + 1) else {
            return Ok(None);
        };
        if let Some(kind) = bytes.first().filter(|kind| **kind != self.kind) {
            return Err(RequestError::NotBulk(*kind));
        }
        let number = bytes.get(1..end).and_then(number::parse).ok_or(self.wrong)?;
        if *newline == b'\n' {
            Ok(Some((number, end + 2)))
        } else {
            Err(self.wrong)
        }
    }
}
