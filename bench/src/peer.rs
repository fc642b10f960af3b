//! Who is measured.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use crate::options::Options;

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
            Self::Tidegate | Self::TidegateTwo => {
                let own = options.tidegate.clone().or_else(beside);
                existing(own, "`tidegate` beside this program, or --tidegate")
            }
            Self::TidegateOther => existing(options.other.clone(), "--other"),
            Self::PgbouncerNew => {
                let named = std::env::var_os("PGBOUNCER_NEW").map(PathBuf::from);
                let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.build/bench/pgbouncer");
                existing(
                    Some(named.unwrap_or(built)),
                    "PGBOUNCER_NEW, or .build/bench/pgbouncer as scripts/setup bench builds it",
                )
            }
            Self::Pgbouncer => existing(installed("pgbouncer"), "PATH and /usr/sbin"),
            Self::Haproxy => existing(installed("haproxy"), "PATH and /usr/sbin"),
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

fn existing(path: Option<PathBuf>, looked: &str) -> Result<PathBuf, String> {
    let path = path.filter(|path| path.is_file());
    path.ok_or_else(|| format!("not found: looked at {looked}"))
}

/// The Tidegate of the same build.
fn beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.with_file_name("tidegate"))
}

/// Debian keeps servers where an ordinary user's `PATH` does not look.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}
