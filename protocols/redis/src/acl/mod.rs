//! What a user may do, in the rules of Redis's own access lists
//! (<https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>, `acl.c` of Redis 7.0).
//!
//! The gateway holds to them itself: at the server all its users are one. What a script does inside of it the server alone
//! can see, so who may send scripts may do in them what the gateway may do there.

mod commands;
mod glob;
mod keys;
mod rules;
mod selector;
#[cfg(test)]
mod tests;

use std::fmt;

use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::Row;

pub(crate) use rules::AclMistake;
use selector::Selector;

/// What a user may do. What is not allowed is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acl {
    /// The user's own permissions, and those of its selectors: a command needs one of them that allows all of it.
    selectors: Vec<Selector>,
}

/// Why a command is not for this user. In the order in which selectors that do not agree are heard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denial {
    /// It may not send this command.
    Command(Box<str>),
    /// It may not touch the key at this index of the arguments so; at 0 when nobody can tell which keys they are.
    Key(usize),
    /// It may not use the channel at this index.
    Channel(usize),
    /// It may not read every key, as this option of SORT does.
    Sort(&'static str),
}

impl Acl {
    /// Everything.
    pub(crate) fn everything() -> Self {
        let mut all = Selector::default();
        all.set_all_keys(true);
        all.set_all_channels(true);
        all.commands.set_all(true);
        Self { selectors: vec![all] }
    }

    /// Reads rules, which add up from nothing; each text holds rules with spaces between them.
    pub(crate) fn parse<T: AsRef<str>>(rules: &[T]) -> Result<Self, AclMistake> {
        let selectors = rules::parse(rules)?;
        Ok(Self { selectors })
    }

    /// Whether there is nothing to check.
    pub(crate) fn is_everything(&self) -> bool {
        self.selectors.iter().any(Selector::is_everything)
    }

    /// Whether a whole command may be sent; `row` is what the table says of it, `None` when that does not know it.
    pub(crate) fn check(&self, row: Option<&Row>, command: &Command<'_>) -> Result<(), Denial> {
        self.check_names(row, command)?;
        // What SORT reads by a pattern no argument names (`sort.c`).
        match row.and_then(|row| keys::sort_reads_by(row, command)) {
            Some(option) if !self.may_read_all_by(row, command) => Err(Denial::Sort(option)),
            _ => Ok(()),
        }
    }

    /// What `ACL DRYRUN` says (`acl.c`, `ACLCheckAllUserCommandPerm`).
    fn check_names(&self, row: Option<&Row>, command: &Command<'_>) -> Result<(), Denial> {
        let mut worst = None;
        for selector in &self.selectors {
            match selector.check(row, command) {
                Ok(()) => return Ok(()),
                Err(denial) => worst = worst.max(Some(denial)),
            }
        }
        worst.map_or(Ok(()), Err)
    }

    fn may_read_all_by(&self, row: Option<&Row>, command: &Command<'_>) -> bool {
        let mut selectors = self.selectors.iter();
        selectors.any(|selector| selector.reads_all_keys() && selector.check(row, command).is_ok())
    }
}

/// The text of the error reply, in the words of Redis 7.0 (`server.c`, `processCommand`).
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NOPERM: &str = "NOPERM this user has no permissions to";
        match self {
            // What is refused instead of EXEC gives the transaction up (`server.c`, `rejectCommandSds`).
            Self::Command(name) if **name == *"exec" => {
                let reason = "EXECABORT Transaction discarded because of:";
                write!(f, "{reason} {NOPERM} run the 'exec' command")
            }
            Self::Command(name) => write!(f, "{NOPERM} run the '{name}' command"),
            Self::Key(_) => write!(f, "{NOPERM} access one of the keys used as arguments"),
            Self::Channel(_) => write!(f, "{NOPERM} access one of the channels used as arguments"),
            Self::Sort(option) => {
                write!(
                    f,
                    "ERR {option} option of SORT denied due to insufficient ACL permissions."
                )
            }
        }
    }
}
