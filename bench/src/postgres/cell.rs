//! One place of the matrix.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// What is measured for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) mode: Mode,
    pub(crate) clients: u32,
}

/// How pgbench sends a query (`pgbench --protocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// `Query`.
    Simple,
    /// `Parse`, `Bind`, `Execute` of the unnamed statement.
    Extended,
    /// `Bind`, `Execute` of a named statement.
    Prepared,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Simple, Self::Extended, Self::Prepared];

    /// pgbench's own word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mode.word(), self.clients)
    }
}
