//! Who is measured.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::options::Options;
use crate::program::{self, existing, installed};

/// A way from a client to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peer {
    /// Tidegate with one data thread.
    Tidegate,
    /// Tidegate with two data threads.
    #[value(name = "tidegate-2")]
    #[serde(rename = "tidegate-2")]
    TidegateTwo,
    /// Another build of Tidegate, with one data thread.
    TidegateOther,
    /// Twemproxy (nutcracker), which shares server connections between clients and knows each command.
    Twemproxy,
    /// `HAProxy` in TCP mode, one thread; it knows no Redis and opens a server connection per client.
    Haproxy,
    /// Nothing in between.
    Direct,
}

impl Peer {
    /// Who is measured when nobody is named.
    pub(crate) const DEFAULT: [Self; 4] = [Self::Tidegate, Self::Twemproxy, Self::Haproxy, Self::Direct];

    /// Whether the budgets hold for it.
    pub(crate) fn is_tidegate(self) -> bool {
        matches!(self, Self::Tidegate | Self::TidegateTwo | Self::TidegateOther)
    }

    /// Whether clients share server connections.
    pub(crate) fn shares(self) -> bool {
        !matches!(self, Self::Haproxy | Self::Direct)
    }

    /// The program; `Err` says where it was looked for.
    pub(crate) fn program(self, options: &Options) -> Result<PathBuf, String> {
        match self {
            Self::Tidegate | Self::TidegateTwo => program::tidegate(options.tidegate.as_ref()),
            Self::TidegateOther => existing(options.other.clone(), "--other"),
            Self::Twemproxy => installed("nutcracker"),
            Self::Haproxy => installed("haproxy"),
            Self::Direct => Ok(PathBuf::new()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
