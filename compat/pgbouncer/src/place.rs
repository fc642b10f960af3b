use std::fmt;
use std::sync::Arc;

use tidegate_config::{Mistake, Span};

/// Where something stands in one of PgBouncer's files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, by the name that it was read by.
    pub file: Arc<str>,
    /// Line and column, from 1.
    pub span: Span,
}

impl Place {
    pub(crate) fn new(file: &Arc<str>, line: usize, column: usize) -> Self {
        Self {
            file: Arc::clone(file),
            span: Span::new(line, column),
        }
    }

    /// What is wrong here.
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake {
            origin: self.file.to_string(),
            span: Some(self.span),
            path: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.span.line)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// Something that is otherwise than PgBouncer did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where the file asks for it.
    pub place: Place,
    /// What, and what to do.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.text)
    }
}

/// What is found while files are read.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) warnings: Vec<Warning>,
}

impl Notes {
    pub(crate) fn wrong(&mut self, place: &Place, message: impl Into<String>) {
        self.mistakes.push(place.mistake(message));
    }

    /// Says it once, however many listeners or clusters it is found at.
    pub(crate) fn warn(&mut self, place: &Place, text: impl Into<String>) {
        let warning = Warning {
            place: place.clone(),
            text: text.into(),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
