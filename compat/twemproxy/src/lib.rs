//! A configuration of twemproxy 0.5 (`nutcracker.yml`) turned into one of Tidegate. Text in, text out: no files, no
//! sockets.
//!
//! Every key is honoured, or named in a comment that says what becomes of it. What twemproxy itself would not start with
//! is a mistake here too. References of the form `nc_conf.c` are to the sources of twemproxy 0.5.0.

mod keys;
mod pool;
mod read;
mod server;
mod write;

use tidegate_config::{Document, Mistake};

pub use keys::{KEYS, Key, table};
use pool::Pool;
use read::Reader;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Tidegate's configuration, YAML.
    pub yaml: String,
    /// What is otherwise than it was, in the order of the file. The same stands in comments.
    pub warnings: Vec<Warning>,
}

/// Something that is otherwise than twemproxy did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The line in twemproxy's file, from 1.
    pub line: usize,
    /// What, and what to do.
    pub text: String,
}

/// Turns a configuration into Tidegate's. `name` is what mistakes call the file. Reports every mistake.
pub fn import(name: &str, text: &str) -> Result<Imported, Vec<Mistake>> {
    let document = Document::parse(name, text)?;
    let mut reader = Reader::new(&document, text);
    let pools = Pool::read_all(&mut reader);
    if reader.mistakes.is_empty() {
        Ok(write::configuration(name, &pools))
    } else {
        Err(reader.mistakes)
    }
}
