use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// What is measured for every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) command: Command,
    /// Length of the value.
    pub(crate) bytes: u32,
    /// How many commands a client sends before it waits for the replies.
    pub(crate) pipeline: u32,
    pub(crate) clients: u32,
}

/// A command of redis-benchmark (`redis-benchmark -t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Command {
    Get,
    Set,
}

impl Command {
    pub(crate) const ALL: [Self; 2] = [Self::Get, Self::Set];

    /// redis-benchmark's own word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            bytes,
            pipeline,
            clients,
        } = self;
        write!(f, "{}/{bytes}B/p{pipeline}/{clients}", command.word())
    }
}
