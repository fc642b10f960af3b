//! Who is measured.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::options::Options;
use crate::program::{self, existing, installed};

/// A way from a client to PostgreSQL.
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
    /// A `PgBouncer` that pools prepared statements.
    PgbouncerNew,
    /// The machine's own `PgBouncer`.
    Pgbouncer,
    /// `HAProxy` in TCP mode, one thread; it knows no PostgreSQL and opens a server connection per client.
    Haproxy,
    /// Nothing in between.
    Direct,
}

impl Peer {
    /// Who is measured when nobody is named.
    pub(crate) const DEFAULT: [Self; 5] = [
        Self::Tidegate,
        Self::PgbouncerNew,
        Self::Pgbouncer,
        Self::Haproxy,
        Self::Direct,
    ];

    /// Whether the budgets hold for it.
    pub(crate) fn is_tidegate(self) -> bool {
        matches!(self, Self::Tidegate | Self::TidegateTwo | Self::TidegateOther)
    }

    /// Whether clients share server connections.
    pub(crate) fn pools(self) -> bool {
        !matches!(self, Self::Haproxy | Self::Direct)
    }

    /// The program; `Err` says where it was looked for.
    pub(crate) fn program(self, options: &Options) -> Result<PathBuf, String> {
        match self {
            Self::Tidegate | Self::TidegateTwo => program::tidegate(options.tidegate.as_ref()),
            Self::TidegateOther => existing(options.other.clone(), "--other"),
            Self::PgbouncerNew => {
                let named = std::env::var_os("PGBOUNCER_NEW").map(PathBuf::from);
                let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.build/bench/pgbouncer");
                existing(
                    Some(named.unwrap_or(built)),
                    "PGBOUNCER_NEW, or .build/bench/pgbouncer as scripts/setup bench builds it",
                )
            }
            Self::Pgbouncer => installed("pgbouncer"),
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
