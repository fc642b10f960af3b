use std::fmt;

use super::cursor::{Cursor, Size, header};
use super::{Failure, Kind};
use crate::{ReplyError, number};

/// A reply, read as far as it is looked into: aggregates are views that read their values when asked.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing: `_`, `$-1`, `*-1`.
    Null,
    /// A status.
    Simple(&'a [u8]),
    /// An error, of one line or as a blob.
    Error(Failure<'a>),
    /// A whole number.
    Integer(i64),
    /// Bytes.
    Bulk(&'a [u8]),
    /// Bytes that came in pieces.
    Streamed(Chunks<'a>),
    /// Text for people, with its format (`txt`, `mkd`).
    Verbatim([u8; 3], &'a [u8]),
    /// A number with a fraction, or an infinite one.
    Double(f64),
    /// Yes or no.
    Boolean(bool),
    /// A whole number of any size, as digits.
    BigNumber(&'a [u8]),
    /// Values in order.
    Array(Items<'a>),
    /// Different values.
    Set(Items<'a>),
    /// Keys, each followed by its value.
    Map(Items<'a>),
    /// What answers no request.
    Push(Items<'a>),
}

impl<'a> Value<'a> {
    /// Reads the whole reply at the start of `bytes`, and how many bytes it takes. Attributes before it are passed
    /// over: they only tell about it.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, usize), ReplyError> {
        let total = whole(Cursor::new(), bytes)?;
        let mut rest = bytes.get(..total).unwrap_or_default();
        while rest.first() == Some(&b'|') {
            let (values, used) = match header(rest)? {
                Some((Size::Is(pairs), used)) => (pairs.saturating_mul(2), used),
                _ => return Err(ReplyError::Length),
            };
            let behind = rest.get(used..).unwrap_or_default();
            let attributes = if values == 0 {
                0
            } else {
                whole(Cursor::before(values), behind)?
            };
            rest = behind.get(attributes..).unwrap_or_default();
        }
        Ok((Self::of_whole(rest)?, total))
    }

    /// The bytes of a string of any sort in one piece.
    pub fn text(&self) -> Option<&'a [u8]> {
        match self {
            Self::Simple(text) | Self::Bulk(text) | Self::Verbatim(_, text) | Self::BigNumber(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one, in digits or not.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => number::parse(other.text()?),
        }
    }

    /// The values of an aggregate of any sort.
    pub fn items(&self) -> Option<Items<'a>> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Map(items) | Self::Push(items) => Some(items.clone()),
            _ => None,
        }
    }

    /// Keys and values of a map, or of an array that stands for one in RESP2.
    pub fn pairs(&self) -> Option<Pairs<'a>> {
        match self {
            Self::Array(items) | Self::Map(items) => Some(Pairs(items.clone())),
            _ => None,
        }
    }

    /// Reads a reply without attributes whose end is known to be the end of `bytes`.
    fn of_whole(bytes: &'a [u8]) -> Result<Self, ReplyError> {
        let first = *bytes.first().ok_or(ReplyError::Cut)?;
        let kind = Kind::of(first).ok_or(ReplyError::Type(first))?;
        let line = || bytes.get(1..bytes.len().saturating_sub(2)).unwrap_or_default();
        Ok(match kind {
            Kind::Simple => Self::Simple(line()),
            Kind::Error => Self::Error(Failure::new(line())),
            Kind::Integer => Self::Integer(number::parse(line()).ok_or(ReplyError::Value)?),
            Kind::Null => Self::Null,
            Kind::Boolean => Self::Boolean(match line() {
                b"t" => true,
                b"f" => false,
                _ => return Err(ReplyError::Value),
            }),
            Kind::Double => Self::Double(double(line())?),
            Kind::BigNumber => Self::BigNumber(line()),
            Kind::Bulk | Kind::BlobError | Kind::Verbatim => Self::string(kind, bytes)?,
            Kind::Array | Kind::Set | Kind::Map | Kind::Push => Self::aggregate(kind, bytes)?,
            Kind::Attribute | Kind::Chunk | Kind::End => return Err(ReplyError::OutOfPlace),
        })
    }

    fn string(kind: Kind, bytes: &'a [u8]) -> Result<Self, ReplyError> {
        let (size, used) = header(bytes)?.ok_or(ReplyError::Cut)?;
        let text = match size {
            Size::Null => return Ok(Self::Null),
            Size::Streamed => return Ok(Self::Streamed(Chunks(bytes.get(used..).unwrap_or_default()))),
            Size::Is(_) => bytes.get(used..bytes.len() - 2).unwrap_or_default(),
        };
        Ok(match (kind, text) {
            (Kind::Bulk, _) => Self::Bulk(text),
            (Kind::BlobError, _) => Self::Error(Failure::new(text)),
            (_, [a, b, c, b':', text @ ..]) => Self::Verbatim([*a, *b, *c], text),
            _ => return Err(ReplyError::Value),
        })
    }

    fn aggregate(kind: Kind, bytes: &'a [u8]) -> Result<Self, ReplyError> {
        let (size, used) = header(bytes)?.ok_or(ReplyError::Cut)?;
        let each = if kind == Kind::Map { 2 } else { 1 };
        let left = match size {
            Size::Null => return Ok(Self::Null),
            Size::Streamed => None,
            Size::Is(count) => Some(count.saturating_mul(each)),
        };
        let items = Items {
            rest: bytes.get(used..).unwrap_or_default(),
            left,
        };
        Ok(match kind {
            Kind::Set => Self::Set(items),
            Kind::Map => Self::Map(items),
            Kind::Push => Self::Push(items),
            _ => Self::Array(items),
        })
    }
}

/// Shows the shape and no bytes: they are what clients keep to themselves.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Error(failure) => failure.fmt(f),
            Self::Integer(_) | Self::Double(_) | Self::Boolean(_) | Self::BigNumber(_) => f.write_str("Number"),
            Self::Streamed(_) => f.write_str("Streamed"),
            Self::Simple(text) | Self::Bulk(text) | Self::Verbatim(_, text) => write!(f, "Text({})", text.len()),
            Self::Array(items) => f.debug_list().entries(items.clone()).finish(),
            Self::Set(items) => f.debug_set().entries(items.clone()).finish(),
            Self::Map(items) => f.debug_tuple("Map").field(items).finish(),
            Self::Push(items) => f.debug_tuple("Push").field(items).finish(),
        }
    }
}

/// The values of an aggregate, in order. Each is read when it is asked for; to look into nested ones costs a walk over
/// them for each level.
#[derive(Clone, PartialEq)]
pub struct Items<'a> {
    rest: &'a [u8],
    /// How many there are; `None` up to a mark.
    left: Option<u64>,
}

impl Items<'_> {
    /// How many are left, where that is told beforehand.
    pub fn declared(&self) -> Option<u64> {
        self.left
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Value<'a>, ReplyError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.left {
            Some(left) => self.left = Some(left.checked_sub(1)?),
            None if self.rest.first() == Some(&b'.') => return None,
            None => (),
        }
        match Value::read(self.rest) {
            Ok((value, used)) => {
                self.rest = self.rest.get(used..).unwrap_or_default();
                Some(Ok(value))
            }
            Err(error) => {
                self.left = Some(0);
                Some(Err(error))
            }
        }
    }
}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Keys with their values.
#[derive(Clone)]
pub struct Pairs<'a>(Items<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(Value<'a>, Value<'a>), ReplyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?;
        let value = self.0.next();
        Some(key.and_then(|key| Ok((key, value.unwrap_or(Err(ReplyError::Length))?))))
    }
}

/// The pieces of a streamed string, in order.
#[derive(Clone, PartialEq)]
pub struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let Ok(Some((Size::Is(size), used))) = header(self.0) else {
            return None;
        };
        let end = used.checked_add(usize::try_from(size).ok().filter(|size| *size > 0)?)?;
        let chunk = self.0.get(used..end);
        self.0 = self.0.get(end + 2..).unwrap_or_default();
        chunk
    }
}

/// How many bytes a reply takes, all of which must be here.
fn whole(mut cursor: Cursor, bytes: &[u8]) -> Result<usize, ReplyError> {
    let walk = cursor.walk(bytes)?;
    if walk.ended { Ok(walk.run) } else { Err(ReplyError::Cut) }
}

fn double(text: &[u8]) -> Result<f64, ReplyError> {
    // Rust reads `inf`, `-inf` and `nan` as RESP3 writes them.
    let text = std::str::from_utf8(text).map_err(|_| ReplyError::Value)?;
    text.parse().map_err(|_| ReplyError::Value)
}
