//! What clients send: multi-bulk and inline commands.

mod build;
mod command;
mod header;
mod inline;
mod splitter;
#[cfg(test)]
mod tests;

pub use build::{argument, command, command_head};
pub use command::{Arguments, Command};
pub use inline::Line;
pub use splitter::{Limits, More, Passed, Splitter, Step};
