mod databases;
mod pgbouncer;

use std::fmt::Write as _;

use crate::value::Kind;

/// A section of `pgbouncer.ini`, with its keys.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name, without brackets.
    pub name: &'static str,
    /// The keys; in all sections but `pgbouncer` those of a connection string.
    pub keys: &'static [Key],
}

/// A key, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// What holds when it is absent, as it would be written; empty where that is nothing.
    pub default: &'static str,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has its effect: where it stands in Tidegate's configuration, or why there is nothing to set. In Markdown.
    Honoured(&'static str),
    /// It has no effect, or not the whole one, and whoever sets it is told.
    Warned {
        /// What to do instead. In Markdown.
        instead: &'static str,
        /// A value with which nothing is missing, as it would be written.
        unless: &'static str,
    },
}

/// Every section, and every key of PgBouncer 1.25 and what its documentation announces beyond.
pub const SECTIONS: [Section; 4] = [
    Section {
        name: "pgbouncer",
        keys: &pgbouncer::KEYS,
    },
    Section {
        name: "databases",
        keys: &databases::DATABASES,
    },
    Section {
        name: "users",
        keys: &databases::USERS,
    },
    Section {
        name: "peers",
        keys: &databases::PEERS,
    },
];

pub(crate) const PGBOUNCER: &[Key] = SECTIONS[0].keys;
pub(crate) const DATABASES: &[Key] = SECTIONS[1].keys;
pub(crate) const USERS: &[Key] = SECTIONS[2].keys;
pub(crate) const PEERS: &[Key] = SECTIONS[3].keys;

const MODES: Kind = Kind::Word(&["session", "transaction", "statement"]);
const SSL_MODES: Kind = Kind::Word(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]);

const fn kept(name: &'static str, kind: Kind, default: &'static str, becomes: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        fate: Fate::Honoured(becomes),
    }
}

const fn told(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    unless: &'static str,
    instead: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        fate: Fate::Warned { instead, unless },
    }
}

/// All keys as tables, for the guide.
pub fn table() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let _ = writeln!(
            out,
            "### `[{}]`\n\n| key | default | Tidegate |\n|---|---|---|",
            section.name
        );
        for key in section.keys {
            let default = match key.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let becomes = match key.fate {
                Fate::Honoured(becomes) => becomes.to_owned(),
                Fate::Warned { instead, .. } => format!("warning: {instead}"),
            };
            let _ = writeln!(out, "| `{}` | {default} | {becomes} |", key.name);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value() {
        for section in SECTIONS {
            for key in section.keys {
                if !key.default.is_empty() {
                    assert!(key.kind.read(key.default).is_ok(), "{}", key.name);
                }
                let same = section.keys.iter().filter(|other| other.name == key.name);
                assert_eq!(same.count(), 1, "{}", key.name);
            }
        }
    }
}
