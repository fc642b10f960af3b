use std::any::Any;
use std::collections::BTreeSet;

use crate::quota::Relief;

/// What somebody has ordered while the process runs; no configuration says it, and a reload leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orders {
    /// Nothing is read of clients and servers; what is held for them goes out.
    pub is_suspended: bool,
    /// Nobody is given a server connection, and those that come back are closed.
    pub is_paused: bool,
    /// The same for single databases: cluster, and database at the server.
    pub paused: BTreeSet<(String, String)>,
    /// Databases that let no new client in.
    pub disabled: BTreeSet<(String, String)>,
}

/// A message to every core.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// The plan or the [`Orders`] are others now.
    Look,
    /// Server connections of these databases, or of all, are to be made anew.
    Renew(Option<BTreeSet<(String, String)>>),
    /// These clients are to go.
    Kill(Vec<u64>),
    /// Idle connections are to make room.
    Relieve(Vec<Relief>),
}

impl Orders {
    pub(crate) fn pauses(&self, cluster: &str, database: &str) -> bool {
        self.is_paused || has(&self.paused, cluster, database)
    }

    pub(crate) fn disables(&self, cluster: &str, database: &str) -> bool {
        has(&self.disabled, cluster, database)
    }
}

impl From<Command> for Box<dyn Any + Send> {
    fn from(order: Command) -> Self {
        Box::new(order)
    }
}

fn has(set: &BTreeSet<(String, String)>, cluster: &str, database: &str) -> bool {
    // The sets are empty nearly always.
    !set.is_empty() && set.contains(&(cluster.to_owned(), database.to_owned()))
}
