use std::fmt;

use super::{Categories, Effect, Flags, KeyFlags, Servers};

/// What is known of a command or of a subcommand.
pub struct Row {
    /// Its name in lower case; a subcommand's with its container, as `config|get`.
    pub name: &'static str,
    /// How many arguments it takes, its name counted; when negative, at least so many.
    pub arity: i16,
    /// What it is like.
    pub flags: Flags,
    /// The keys as servers before 7.0 told them: the first, the last (from the end when negative), the step.
    pub positions: (i16, i16, i16),
    /// What access lists name it by.
    pub categories: Categories,
    /// The page of the documentation it stands on: `string`, `hash`, `server`, …
    pub group: &'static str,
    /// Hints to clients and proxies, as the server says them.
    pub tips: &'static [&'static str],
    /// Where its keys stand.
    pub keys: &'static [KeySpec],
    /// Whose table it is in.
    pub servers: Servers,
    /// Its subcommands.
    pub subcommands: &'static [Row],
    /// What it does to a connection, unless its arguments decide.
    pub(super) effect: Effect,
}

/// Where keys stand among the arguments (`COMMAND`, "Key specifications").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// What the server has to say of it.
    pub notes: Option<&'static str>,
    /// What the command does to them.
    pub flags: KeyFlags,
    /// Where the search begins.
    pub begin: Begin,
    /// How keys are found from there.
    pub find: Find,
}

/// Where the search for keys begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(u16),
    /// Behind this word, looked for from an argument on; from the end backwards when negative.
    Keyword(&'static str, i16),
    /// The server does not say.
    Unknown,
}

/// How keys are found from where the search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// Up to a last one.
    Range {
        /// The last, from the first; from the end when negative.
        last: i16,
        /// Every so many arguments.
        step: u16,
        /// Only the first of so many equal parts of what is left.
        limit: u16,
    },
    /// As many as an argument says.
    Count {
        /// Where the number stands.
        at: u16,
        /// Where the first key stands.
        first: u16,
        /// Every so many arguments.
        step: u16,
    },
    /// The server does not say.
    Unknown,
}

/// Which nodes of a cluster a command goes to (command tips, `request_policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPolicy {
    /// The one that its keys say; any, without keys.
    ByKeys,
    /// All of them.
    AllNodes,
    /// All primaries.
    AllShards,
    /// Those of its keys, in parts.
    MultiShard,
    /// By a rule of its own.
    Special,
}

/// How the answers of several nodes become one (command tips, `response_policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponsePolicy {
    /// In the order of the keys; without keys, all arrays in one.
    Joined,
    /// The first that is no error.
    OneSucceeded,
    /// The first, when none is an error.
    AllSucceeded,
    /// Whether all are 1.
    And,
    /// Whether one is 1.
    Or,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The sum.
    Sum,
    /// By a rule of its own.
    Special,
}

/// Whether a command reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Changes no data.
    Read,
    /// May change data.
    Write,
    /// Neither, or what its script or transaction does.
    Neither,
}

impl Row {
    /// The last word of its name.
    pub fn word(&self) -> &'static str {
        self.name.rsplit_once('|').map_or(self.name, |(_, word)| word)
    }

    /// Whether it takes so many arguments, its name counted.
    pub fn accepts(&self, arguments: usize) -> bool {
        let bound = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 {
            arguments >= bound
        } else {
            arguments == bound
        }
    }

    /// Whether it reads or writes.
    pub fn access(&self) -> Access {
        if self.flags.has(Flags::WRITE) {
            Access::Write
        } else if self.flags.has(Flags::READONLY) {
            Access::Read
        } else {
            Access::Neither
        }
    }

    /// Which nodes of a cluster it goes to.
    pub fn request_policy(&self) -> RequestPolicy {
        match self.tip("request_policy:") {
            Some("all_nodes") => RequestPolicy::AllNodes,
            Some("all_shards") => RequestPolicy::AllShards,
            Some("multi_shard") => RequestPolicy::MultiShard,
            Some(_) => RequestPolicy::Special,
            None => RequestPolicy::ByKeys,
        }
    }

    /// How the answers of several nodes become one.
    pub fn response_policy(&self) -> ResponsePolicy {
        match self.tip("response_policy:") {
            Some("one_succeeded") => ResponsePolicy::OneSucceeded,
            Some("all_succeeded") => ResponsePolicy::AllSucceeded,
            Some("agg_logical_and") => ResponsePolicy::And,
            Some("agg_logical_or") => ResponsePolicy::Or,
            Some("agg_min") => ResponsePolicy::Min,
            Some("agg_max") => ResponsePolicy::Max,
            Some("agg_sum") => ResponsePolicy::Sum,
            Some(_) => ResponsePolicy::Special,
            None => ResponsePolicy::Joined,
        }
    }

    fn tip(&self, name: &str) -> Option<&'static str> {
        self.tips.iter().find_map(|tip| tip.strip_prefix(name))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", self.name)
    }
}
