//! What is known of the commands of Redis 7.0 and Valkey 8.0, from the servers themselves: where their keys stand, which
//! nodes of a cluster they go to, and what they do to a connection.

mod effect;
mod flag;
mod generated;
mod index;
mod info;
mod keys;
mod make;
mod row;

pub use effect::{Channels, Effect};
pub use flag::{Categories, Flags, KeyFlags, Servers};
pub use info::info;
pub use keys::{CrossSlot, KeyError, KeyRange, Keys};
pub use row::{Access, Begin, Find, KeySpec, RequestPolicy, ResponsePolicy, Row};

use crate::request::Command;

/// A command that is in no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// No command has this name.
    Command,
    /// The command has no such subcommand.
    Subcommand(&'static Row),
}

/// All commands, by their names.
pub fn commands() -> &'static [Row] {
    generated::COMMANDS
}

/// The command of this name, in any case; a container's own row, not that of a subcommand.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static Row> {
    index::find(name)
}

/// The row of a command or of its subcommand. A container without a subcommand is itself, and too short.
#[inline]
pub fn resolve(command: &Command<'_>) -> Result<&'static Row, Unknown> {
    let row = find(command.name()).ok_or(Unknown::Command)?;
    if row.subcommands.is_empty() {
        return Ok(row);
    }
    let Some(word) = command.argument(1) else {
        return Ok(row);
    };
    let mut subcommands = row.subcommands.iter();
    subcommands
        .find(|subcommand| subcommand.word().as_bytes().eq_ignore_ascii_case(word))
        .ok_or(Unknown::Subcommand(row))
}
