use memchr::memchr;

use super::Kind;
use crate::ReplyError;
use crate::number::{self, Length};

/// How many streamed aggregates may stand in each other. Aggregates that tell their size may be nested at will: they
/// need no level.
const LEVELS: usize = 16;

/// A length line is its type, a sign, nineteen digits and CRLF.
const HEADER: usize = 23;

/// Stands for the size of an aggregate that ends by a mark.
const STREAMED: u64 = u64::MAX;

/// A place in a stream of replies, kept between reads.
///
/// Finds where a reply ends without a tree and without looking at a byte twice: an aggregate of `n` values is `n`
/// more values to come, so that a reply, however deep, is one number. Bytes are passed as they are walked; only a
/// length line that is not here as a whole is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Values still to come, or [`STREAMED`]; 0 between replies.
    pending: u64,
    /// What is to come around streamed aggregates, from the outermost on.
    around: [u64; LEVELS],
    depth: usize,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// At the first byte of a value.
    Value,
    /// In a line; whether its last byte was a carriage return.
    Line { cr: bool },
    /// In a string of so many more bytes, CRLF not counted.
    Text { rest: u64, chunk: bool },
    /// At the first byte of a chunk of a streamed string.
    Chunk,
}

/// How far a walk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// So many bytes belong to the reply. What is behind them is to be shown again: the start of a length line, or
    /// the next reply.
    pub run: usize,
    /// Whether the reply ends there.
    pub ended: bool,
}

impl Cursor {
    /// Between two replies.
    pub const fn new() -> Self {
        Self {
            pending: 0,
            around: [0; LEVELS],
            depth: 0,
            phase: Phase::Value,
        }
    }

    /// Before so many values that count as one reply.
    pub(super) const fn before(values: u64) -> Self {
        Self {
            pending: values,
            ..Self::new()
        }
    }

    /// Whether the next byte begins a reply.
    pub const fn at_boundary(&self) -> bool {
        self.pending == 0
    }

    /// Walks to the end of the reply or of the bytes. They begin where the last walk's run ended. After an error the
    /// stream is lost.
    #[inline]
    pub fn walk(&mut self, bytes: &[u8]) -> Result<Walk, ReplyError> {
        let mut run = 0;
        if self.pending == 0 && !bytes.is_empty() {
            self.pending = 1;
        }
        while self.pending > 0 {
            let tail = bytes.get(run..).unwrap_or_default();
            let Some(used) = self.step(tail)? else {
                return Ok(Walk { run, ended: false });
            };
            run += used;
        }
        Ok(Walk { run, ended: run > 0 })
    }

    /// Passes one value's header, line, or stretch of a string. `None` when more bytes are needed for that.
    #[inline]
    fn step(&mut self, tail: &[u8]) -> Result<Option<usize>, ReplyError> {
        if tail.is_empty() {
            return Ok(None);
        }
        match self.phase {
            Phase::Value => self.value(tail),
            Phase::Line { cr } => self.line(tail, cr).map(Some),
            Phase::Text { rest, chunk } => self.text(tail, rest, chunk),
            Phase::Chunk => self.chunk(tail),
        }
    }

    #[inline]
    fn value(&mut self, tail: &[u8]) -> Result<Option<usize>, ReplyError> {
        let Some((first, behind)) = tail.split_first() else {
            return Ok(None);
        };
        let kind = Kind::of(*first).ok_or(ReplyError::Type(*first))?;
        match kind {
            Kind::Simple
            | Kind::Error
            | Kind::Integer
            | Kind::Null
            | Kind::Boolean
            | Kind::Double
            | Kind::BigNumber => {
                self.phase = Phase::Line { cr: false };
                if behind.is_empty() {
                    return Ok(Some(1));
                }
                return Ok(Some(1 + self.line(behind, false)?));
            }
            Kind::End => return self.end(tail),
            Kind::Chunk => return Err(ReplyError::OutOfPlace),
            _ => (),
        }
        let Some((size, used)) = header(tail)? else {
            return Ok(None);
        };
        match kind {
            Kind::Bulk | Kind::BlobError | Kind::Verbatim => self.string(kind, size)?,
            _ => self.aggregate(kind, size)?,
        }
        Ok(Some(used))
    }

    #[inline]
    fn line(&mut self, tail: &[u8], cr: bool) -> Result<usize, ReplyError> {
        let Some(end) = memchr(b'\n', tail) else {
            self.phase = Phase::Line {
                cr: tail.last() == Some(&b'\r'),
            };
            return Ok(tail.len());
        };
        let before = end.checked_sub(1).and_then(|at| tail.get(at));
        if before.map_or(cr, |byte| *byte == b'\r') {
            self.complete();
            Ok(end + 1)
        } else {
            Err(ReplyError::NotEnded)
        }
    }

    #[inline]
    fn string(&mut self, kind: Kind, size: Size) -> Result<(), ReplyError> {
        match size {
            Size::Is(rest) => self.phase = Phase::Text { rest, chunk: false },
            Size::Null if kind == Kind::Bulk => self.complete(),
            Size::Streamed if kind == Kind::Bulk => self.phase = Phase::Chunk,
            _ => return Err(ReplyError::Length),
        }
        Ok(())
    }

    #[inline]
    fn text(&mut self, tail: &[u8], rest: u64, chunk: bool) -> Result<Option<usize>, ReplyError> {
        let here = usize::try_from(rest).map_or(tail.len(), |rest| rest.min(tail.len()));
        let left = rest - here as u64;
        self.phase = Phase::Text { rest: left, chunk };
        match tail.get(here..) {
            Some([b'\r', b'\n', ..]) if left == 0 => {
                if chunk {
                    self.phase = Phase::Chunk;
                } else {
                    self.complete();
                }
                Ok(Some(here + 2))
            }
            Some([] | [b'\r']) | None => Ok((here > 0).then_some(here)),
            Some(_) => Err(ReplyError::NotEnded),
        }
    }

    fn chunk(&mut self, tail: &[u8]) -> Result<Option<usize>, ReplyError> {
        if tail.first() != Some(&b';') {
            return Err(ReplyError::OutOfPlace);
        }
        let Some((size, used)) = header(tail)? else {
            return Ok(None);
        };
        match size {
            Size::Is(0) => self.complete(),
            Size::Is(rest) => self.phase = Phase::Text { rest, chunk: true },
            _ => return Err(ReplyError::Length),
        }
        Ok(Some(used))
    }

    #[inline]
    fn aggregate(&mut self, kind: Kind, size: Size) -> Result<(), ReplyError> {
        // A push that interrupts a reply cannot be told from a part of it by who only counts.
        if kind == Kind::Push && (self.pending != 1 || self.depth > 0) {
            return Err(ReplyError::OutOfPlace);
        }
        let each = if matches!(kind, Kind::Map | Kind::Attribute) {
            2
        } else {
            1
        };
        match size {
            Size::Is(count) => {
                let values = count.checked_mul(each).ok_or(ReplyError::Length)?;
                self.expect(kind, values)
            }
            Size::Null if kind == Kind::Array => {
                self.complete();
                Ok(())
            }
            Size::Streamed if !matches!(kind, Kind::Attribute | Kind::Push) => self.enter(STREAMED),
            _ => Err(ReplyError::Length),
        }
    }

    /// Expects the values of an aggregate. Those of an attribute come before the value they are about.
    #[inline]
    fn expect(&mut self, kind: Kind, values: u64) -> Result<(), ReplyError> {
        if self.pending == STREAMED {
            return if values > 0 { self.enter(values) } else { Ok(()) };
        }
        let others = if kind == Kind::Attribute {
            self.pending
        } else {
            self.pending - 1
        };
        let pending = others.checked_add(values).filter(|pending| *pending < STREAMED);
        match pending.ok_or(ReplyError::Length)? {
            // The last of all: what it is the end of ends with it.
            0 => self.complete(),
            pending => self.pending = pending,
        }
        Ok(())
    }

    fn enter(&mut self, values: u64) -> Result<(), ReplyError> {
        let level = self.around.get_mut(self.depth).ok_or(ReplyError::Depth)?;
        *level = self.pending;
        self.depth += 1;
        self.pending = values;
        Ok(())
    }

    /// The mark at the end of a streamed aggregate.
    fn end(&mut self, tail: &[u8]) -> Result<Option<usize>, ReplyError> {
        match tail {
            _ if self.pending != STREAMED => Err(ReplyError::OutOfPlace),
            [_, b'\r', b'\n', ..] => {
                self.leave();
                self.complete();
                Ok(Some(3))
            }
            [_] | [_, b'\r'] => Ok(None),
            _ => Err(ReplyError::NotEnded),
        }
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.pending = self.around.get(self.depth).copied().unwrap_or(0);
    }

    /// A value has ended, and with it perhaps those it was the last part of.
    #[inline]
    fn complete(&mut self) {
        self.phase = Phase::Value;
        while self.pending != STREAMED {
            self.pending -= 1;
            if self.pending > 0 || self.depth == 0 {
                return;
            }
            self.leave();
        }
    }
}

impl Default for Cursor {
    fn default() -> Self {
        Self::new()
    }
}

/// What stands behind the type of a string or an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// So many bytes or values.
    Is(u64),
    /// `-1`
    Null,
    /// `?`
    Streamed,
}

/// Reads a length line, and how many bytes it takes. `None` when it is not here as a whole.
#[inline]
pub(super) fn header(bytes: &[u8]) -> Result<Option<(Size, usize)>, ReplyError> {
    match number::length(bytes.get(1..).unwrap_or_default()) {
        Length::Is(number, used) => Ok(Some((Size::Is(number.unsigned_abs()), used + 1))),
        Length::Odd => odd_header(bytes),
    }
}

#[cold]
fn odd_header(bytes: &[u8]) -> Result<Option<(Size, usize)>, ReplyError> {
    let near = bytes.get(..HEADER).unwrap_or(bytes);
    let Some(end) = memchr(b'\r', near) else {
        return if near.len() < HEADER {
            Ok(None)
        } else {
            Err(ReplyError::Length)
        };
    };
    match bytes.get(end + 1) {
        None => return Ok(None),
        Some(b'\n') => (),
        Some(_) => return Err(ReplyError::Length),
    }
    let size = match bytes.get(1..end).unwrap_or_default() {
        b"?" => Size::Streamed,
        b"-1" => Size::Null,
        digits => {
            let number = number::parse(digits).and_then(|number| u64::try_from(number).ok());
            Size::Is(number.ok_or(ReplyError::Length)?)
        }
    };
    Ok(Some((size, end + 2)))
}
