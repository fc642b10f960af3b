use std::borrow::Cow;

use crate::BodyError;
use crate::body::Body;

/// How bad an error is, from the field that is never translated (`V`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
    /// The server ends all connections.
    Panic,
    /// Less than an error: NOTICE, WARNING, DEBUG, INFO, LOG.
    Notice,
}

/// `E` and `N`: the fields of an error or a notice (55.8). Reading allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorFields<'a> {
    fields: &'a [u8],
}

impl<'a> ErrorFields<'a> {
    /// Checks a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut rest = Body::new(body);
        while rest.u8("terminator")? != 0 {
            rest.text("error field")?;
        }
        rest.end().map(|()| Self { fields: body })
    }

    /// The value of a field by its letter.
    pub fn get(&self, letter: u8) -> Option<&'a [u8]> {
        self.iter()
            .find_map(|(found, value)| (found == letter).then_some(value))
    }

    /// Letters and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = Body::new(self.fields);
        std::iter::from_fn(move || {
            let letter = rest.u8("field").ok().filter(|letter| *letter != 0)?;
            Some((letter, rest.text("value").ok()?))
        })
    }

    /// How bad it is. Servers before 9.6 send only the translated field, taken for an error when not understood.
    pub fn severity(&self) -> Severity {
        match self.get(b'V').or_else(|| self.get(b'S')) {
            Some(b"FATAL") => Severity::Fatal,
            Some(b"PANIC") => Severity::Panic,
            Some(b"NOTICE" | b"WARNING" | b"DEBUG" | b"INFO" | b"LOG") => Severity::Notice,
            _ => Severity::Error,
        }
    }

    /// The SQLSTATE.
    pub fn code(&self) -> &'a [u8] {
        self.get(b'C').unwrap_or_default()
    }

    /// The message, for people.
    pub fn message(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.get(b'M').unwrap_or_default())
    }

    /// More about it.
    pub fn detail(&self) -> Option<&'a [u8]> {
        self.get(b'D')
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'a [u8]> {
        self.get(b'H')
    }

    /// Where in the query, counted in characters from 1.
    pub fn position(&self) -> Option<u32> {
        std::str::from_utf8(self.get(b'P')?).ok()?.parse().ok()
    }
}
