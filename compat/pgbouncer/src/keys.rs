mod databases;
mod pgbouncer;

use std::fmt::Write as _;

use tidegate_config::nearest;

use crate::settings::plain;
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

/// Keys that PgBouncer takes at its start only (`main.c`, `CF_NO_RELOAD`).
const AT_START_ONLY: [&str; 15] = [
    "disable_pqexec",
    "job_name",
    "listen_addr",
    "listen_backlog",
    "listen_port",
    "pidfile",
    "pkt_buf",
    "resolv_conf",
    "service_name",
    "so_reuseport",
    "track_extra_parameters",
    "unix_socket_dir",
    "unix_socket_group",
    "unix_socket_mode",
    "user",
];

/// Whether a key of `[pgbouncer]` can be given another value while PgBouncer runs.
pub(crate) fn is_changeable(name: &str) -> bool {
    !AT_START_ONLY.contains(&name)
}

/// Whether the console's `SET` may give a key of `[pgbouncer]` this value, and what is to be said of it where it has no
/// effect. The error says why it may not.
pub fn settable(name: &str, value: &str) -> Result<Option<String>, String> {
    let Some(key) = PGBOUNCER.iter().find(|key| key.name == name) else {
        let near = nearest(name, PGBOUNCER.iter().map(|key| key.name));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(format!("`{name}` is no key of [pgbouncer]{near}"));
    };
    if !is_changeable(name) || name == "conffile" {
        return Err(format!(
            "{name} cannot be changed while the gateway runs: write it into the file, and restart"
        ));
    }
    key.kind.read(value).map_err(|message| format!("{name}: {message}"))?;
    Ok(match key.fate {
        Fate::Warned { instead, unless } if value != unless => Some(format!("{name}: {}", plain(instead))),
        _ => None,
    })
}

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
