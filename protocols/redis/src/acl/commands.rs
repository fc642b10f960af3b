use std::collections::{HashMap, HashSet};

use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::{self, Categories, Flags, Row};

/// The commands that somebody may send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Commands {
    /// All, without a look at the others.
    pub(super) is_all: bool,
    /// Also those that no table knows.
    pub(super) has_unknown: bool,
    /// By their full names, as `config|get`.
    known: HashSet<&'static str>,
    /// Not as such, but with one of these as the first argument.
    first: HashMap<&'static str, Vec<Box<[u8]>>>,
}

impl Commands {
    /// Whether this may be sent, as far as its name goes.
    pub(super) fn allow(&self, row: &Row, command: &Command<'_>) -> bool {
        if self.is_all || row.flags.has(Flags::NO_AUTH) || self.known.contains(row.name) {
            return true;
        }
        let firsts = self.first.get(row.name);
        firsts.is_some_and(|firsts| firsts.iter().any(|first| command.is(1, first)))
    }

    /// `+@all` or `-@all`.
    pub(super) fn set_all(&mut self, allow: bool) {
        *self = Self {
            is_all: allow,
            has_unknown: allow,
            ..Self::default()
        };
        if allow {
            for row in table::commands() {
                self.known.insert(row.name);
                self.known.extend(row.subcommands.iter().map(|row| row.name));
            }
        }
    }

    /// A command with all its subcommands, or one subcommand.
    pub(super) fn set(&mut self, row: &Row, allow: bool) {
        self.set_one(row, allow);
        self.first.remove(row.name);
        for subcommand in row.subcommands {
            self.set_one(subcommand, allow);
        }
    }

    /// All commands of a category.
    pub(super) fn set_category(&mut self, category: Categories, allow: bool) {
        for row in table::commands() {
            if row.categories.has(category) {
                self.set(row, allow);
            }
            for subcommand in row.subcommands {
                if subcommand.categories.has(category) {
                    self.set(subcommand, allow);
                }
            }
        }
    }

    /// A command with this first argument.
    pub(super) fn allow_first(&mut self, row: &Row, first: &[u8]) {
        let firsts = self.first.entry(row.name).or_default();
        if !firsts.iter().any(|known| known.eq_ignore_ascii_case(first)) {
            firsts.push(first.into());
        }
    }

    fn set_one(&mut self, row: &Row, allow: bool) {
        if allow {
            self.known.insert(row.name);
        } else {
            self.known.remove(row.name);
            self.is_all = false;
        }
    }
}
