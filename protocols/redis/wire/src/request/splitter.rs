use memchr::memchr;

use super::command::Spans;
use super::header::{COUNT, LENGTH, LINE};
use super::{Command, Line};
use crate::RequestError;

/// What a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest argument, as `proto-max-bulk-len`: 512 MiB.
    pub bulk: usize,
    /// The most arguments: 1,048,576, which was Redis's own limit up to 6.2 and keeps its memory bounded.
    pub arguments: usize,
    /// The longest command as a whole, as `client-query-buffer-limit`: 1 GiB.
    pub frame: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk: 512 << 20,
            arguments: 1 << 20,
            frame: 1 << 30,
        }
    }
}

/// What somebody may send before AUTH or HELLO (`networking.c`, `processMultibulkBuffer`).
const STRANGER_ARGUMENTS: usize = 10;
const STRANGER_BULK: usize = 16 << 10;

/// Finds commands in the bytes of a client, wherever a read ends.
///
/// Bytes are handed over from the start of a command on, and again with more behind them while [`Step::More`] is
/// answered; what was walked is not walked again. After an error the stream is lost.
#[derive(Debug, Clone)]
pub struct Splitter {
    limits: Limits,
    stranger: bool,
    place: Place,
    rest: Rest,
}

/// How far the command at the start of the bytes is known.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Bytes walked: the count and the arguments that are here as a whole; of a line, the bytes without an end.
    at: usize,
    /// How many arguments there are; 0 while that is not known.
    count: usize,
    /// How many of them were walked.
    here: usize,
    spans: Spans,
}

/// What is still to come of a command that flows by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rest {
    /// Arguments whose length is not known yet.
    arguments: usize,
    /// Bytes of the current argument, its CRLF not counted.
    bytes: usize,
    /// Whether the current argument's CRLF is still to come.
    end: bool,
    /// Bytes that the command may still take.
    budget: usize,
}

/// What stands at the start of the bytes.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A whole command, [`Command::bytes`] long.
    Command(Command<'a>),
    /// A whole line, [`Line::total`] long.
    Inline(Line<'a>),
    /// So many bytes that say nothing and are not answered: `*0`, `*-1`, an empty line.
    Skip(usize),
    /// Not yet a whole command.
    More(More<'a>),
}

/// A command that is still arriving.
#[derive(Debug, Clone, Copy)]
pub struct More<'a> {
    /// What is here of it, as soon as its count is.
    pub command: Option<Command<'a>>,
    /// It goes on for at least so many bytes.
    pub missing: usize,
}

/// How far a command that flows by was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// So many bytes belong to it and can go on. Those behind are to be kept: less than a header, or the next command.
    pub run: usize,
    /// Whether it ends there.
    pub ended: bool,
}

impl Splitter {
    /// At the start of a stream. Somebody who has not logged in yet, and must, is a stranger.
    pub fn new(limits: Limits, stranger: bool) -> Self {
        Self {
            limits,
            stranger,
            place: Place::default(),
            rest: Rest::default(),
        }
    }

    /// Whether the client must still log in.
    pub fn set_stranger(&mut self, stranger: bool) {
        self.stranger = stranger;
    }

    /// Finds what stands at the start of `bytes`.
    #[inline]
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, RequestError> {
        if self.place.count == 0 {
            match bytes.first() {
                None => return Ok(more(1)),
                Some(b'*') => {
                    if let Some(step) = self.count(bytes)? {
                        return Ok(step);
                    }
                }
                Some(_) => return self.line(bytes),
            }
        }
        self.arguments(bytes)
    }

    /// Lets the command that [`Step::More`] told of flow by, from its start on. Goes on by [`Splitter::pass`].
    pub fn flow(&mut self, bytes: &[u8]) -> Result<Passed, RequestError> {
        let place = std::mem::take(&mut self.place);
        self.rest = Rest {
            arguments: place.count - place.here,
            bytes: 0,
            end: false,
            budget: self.limits.frame.saturating_sub(place.at),
        };
        let behind = bytes.get(place.at..).unwrap_or_default();
        let passed = self.pass(behind)?;
        Ok(Passed {
            run: place.at + passed.run,
            ended: passed.ended,
        })
    }

    /// Passes more bytes of the command that flows by.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<Passed, RequestError> {
        let mut run = 0;
        loop {
            let tail = bytes.get(run..).unwrap_or_default();
            if self.rest.bytes > 0 {
                let here = self.rest.bytes.min(tail.len());
                self.rest.bytes -= here;
                run += here;
                if self.rest.bytes > 0 {
                    return Ok(Passed { run, ended: false });
                }
            } else if self.rest.end {
                match tail {
                    [b'\r', b'\n', ..] => run += 2,
                    [] | [b'\r'] => return Ok(Passed { run, ended: false }),
                    _ => return Err(RequestError::NotEnded),
                }
                self.rest.end = false;
            } else if self.rest.arguments == 0 {
                return Ok(Passed { run, ended: true });
            } else {
                let Some((length, used)) = self.bulk(tail)? else {
                    return Ok(Passed { run, ended: false });
                };
                let total = used + length + 2;
                self.rest.budget = self.rest.budget.checked_sub(total).ok_or(RequestError::TooLong)?;
                self.rest.arguments -= 1;
                self.rest.bytes = length;
                self.rest.end = true;
                run += used;
            }
        }
    }

    /// Whether no command has begun to arrive or to flow by.
    pub fn at_boundary(&self) -> bool {
        self.place.at == 0 && self.rest.arguments == 0 && self.rest.bytes == 0 && !self.rest.end
    }

    /// Reads the count of arguments. `None` says that it is known now.
    #[inline]
    fn count<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Step<'a>>, RequestError> {
        let Some((count, used)) = COUNT.read(bytes)? else {
            return Ok(Some(more(1)));
        };
        let Ok(count) = usize::try_from(count) else {
            return Ok(Some(Step::Skip(used)));
        };
        if count == 0 {
            return Ok(Some(Step::Skip(used)));
        }
        if count > self.limits.arguments {
            return Err(RequestError::Count);
        }
        if self.stranger && count > STRANGER_ARGUMENTS {
            return Err(RequestError::UnauthenticatedCount);
        }
        self.place = Place {
            at: used,
            count,
            here: 0,
            spans: Spans::default(),
        };
        Ok(None)
    }

    #[inline]
    fn arguments<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, RequestError> {
        let mut place = self.place;
        while place.here < place.count {
            let tail = bytes.get(place.at..).unwrap_or_default();
            let Some((length, used)) = self.bulk(tail)? else {
                return Ok(self.wait(place, bytes, None));
            };
            let start = place.at + used;
            let end = start + length;
            if end + 2 > self.limits.frame {
                return Err(RequestError::TooLong);
            }
            match bytes.get(end..) {
                Some([b'\r', b'\n', ..]) => (),
                Some([] | [b'\r']) | None => return Ok(self.wait(place, bytes, Some(end + 2 - bytes.len()))),
                Some(_) => return Err(RequestError::NotEnded),
            }
            place.spans.push(start, length);
            place.here += 1;
            place.at = end + 2;
        }
        self.place = Place::default();
        let whole = bytes.get(..place.at).unwrap_or_default();
        let command = Command::new(whole, place.count, place.here, place.spans);
        Ok(Step::Command(command))
    }

    #[cold]
    fn wait<'a>(&mut self, place: Place, bytes: &'a [u8], missing: Option<usize>) -> Step<'a> {
        self.place = place;
        Step::More(More {
            command: Some(Command::new(bytes, place.count, place.here, place.spans)),
            missing: missing.unwrap_or(1),
        })
    }

    /// Reads the length of an argument, and how many bytes its header takes.
    #[inline]
    fn bulk(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>, RequestError> {
        let Some((length, used)) = LENGTH.read(bytes)? else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| RequestError::Length)?;
        if length > self.limits.bulk {
            return Err(RequestError::Length);
        }
        if self.stranger && length > STRANGER_BULK {
            return Err(RequestError::UnauthenticatedLength);
        }
        Ok(Some((length, used)))
    }

    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, RequestError> {
        let fresh = bytes.get(self.place.at..).unwrap_or_default();
        let Some(found) = memchr(b'\n', fresh) else {
            if bytes.len() > LINE {
                return Err(RequestError::InlineTooLong);
            }
            self.place.at = bytes.len();
            return Ok(more(1));
        };
        let end = self.place.at + found;
        self.place = Place::default();
        let text = bytes.get(..end).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            return Ok(Step::Skip(end + 1));
        }
        Ok(Step::Inline(Line::new(text, end + 1)))
    }
}

fn more<'a>(missing: usize) -> Step<'a> {
    Step::More(More { command: None, missing })
}
