use std::fmt;

use crate::number::{self, Length};

/// How many arguments are found without a walk. Commands of the field have two to five.
pub(super) const NEAR: usize = 8;

/// A command as a view over the buffer: how many arguments it has, and where they are.
///
/// The first eight are known by place; later ones are found by a walk from there, which [`Command::arguments`] makes
/// once for all of them. A view of a command that is still arriving ([`More`](super::More)) holds the arguments that
/// are here.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    bytes: &'a [u8],
    count: usize,
    here: usize,
    spans: Spans,
}

/// Where the first arguments stand, from the start of the command on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spans {
    places: [(u32, u32); NEAR],
    known: usize,
}

impl Spans {
    /// Notes the next argument. Those behind the near ones, or out of reach of 32 bits, are left to a walk.
    #[inline]
    pub(super) fn push(&mut self, start: usize, length: usize) {
        let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(length)) else {
            return;
        };
        if let Some(place) = self.places.get_mut(self.known) {
            *place = (start, length);
            self.known += 1;
        }
    }

    #[inline]
    fn get(&self, index: usize) -> Option<(usize, usize)> {
        let known = self.places.get(..self.known)?;
        known
            .get(index)
            .map(|(start, length)| (*start as usize, *length as usize))
    }
}

impl<'a> Command<'a> {
    pub(super) fn new(bytes: &'a [u8], count: usize, here: usize, spans: Spans) -> Self {
        Self {
            bytes,
            count,
            here,
            spans,
        }
    }

    /// The bytes of the command as they came; of one that is still arriving, what is here of it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many arguments it has, its name counted. At least one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many of them are here.
    pub fn here(&self) -> usize {
        self.here
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.here == self.count
    }

    /// Its name, as it was written. Empty while it is not here.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.argument(0).unwrap_or_default()
    }

    /// The argument at this index, the name being at 0; `None` when there is none, or it is not here yet.
    #[inline]
    pub fn argument(&self, index: usize) -> Option<&'a [u8]> {
        match self.spans.get(index) {
            Some((start, length)) => self.bytes.get(start..start + length),
            None => self.arguments_from(index).next(),
        }
    }

    /// Whether the argument at this index is this word, in any case.
    pub fn is(&self, index: usize, word: &[u8]) -> bool {
        self.argument(index)
            .is_some_and(|argument| argument.eq_ignore_ascii_case(word))
    }

    /// The arguments that are here, the name first.
    pub fn arguments(&self) -> Arguments<'a> {
        self.arguments_from(0)
    }

    /// The arguments that are here, from an index on.
    pub fn arguments_from(&self, index: usize) -> Arguments<'a> {
        let mut arguments = Arguments {
            bytes: self.bytes,
            at: 0,
            left: 0,
            spans: self.spans,
            index: 0,
        };
        if index >= self.here {
            return arguments;
        }
        let near = index.min(self.spans.known);
        arguments.index = near;
        arguments.left = self.here - near;
        arguments.at = match near.checked_sub(1).and_then(|last| self.spans.get(last)) {
            Some((start, length)) => start + length + 2,
            None => head_length(self.bytes),
        };
        for _ in near..index {
            arguments.next();
        }
        arguments
    }
}

/// Shows no argument but the name: the others are what clients keep to themselves.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("name", &String::from_utf8_lossy(self.name()))
            .field("count", &self.count)
            .field("here", &self.here)
            .finish_non_exhaustive()
    }
}

/// Arguments in their order.
#[derive(Clone)]
pub struct Arguments<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
    spans: Spans,
    index: usize,
}

impl<'a> Iterator for Arguments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (start, length) = match self.spans.get(self.index) {
            Some(place) => place,
            None => walk(self.bytes, self.at)?,
        };
        self.index += 1;
        self.at = start + length + 2;
        self.bytes.get(start..start + length)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Arguments<'_> {}

/// The place of the argument whose header stands at `at`. It was checked when the command was split.
fn walk(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    match number::length(bytes.get(at + 1..)?) {
        Length::Is(length, used) => Some((at + 1 + used, usize::try_from(length).ok()?)),
        Length::Odd => None,
    }
}

fn head_length(bytes: &[u8]) -> usize {
    match number::length(bytes.get(1..).unwrap_or_default()) {
        Length::Is(_, used) => 1 + used,
        Length::Odd => bytes.len(),
    }
}
