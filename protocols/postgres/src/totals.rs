use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_telemetry::{Counter, Family, Histogram};

use crate::metrics::Families;

/// What one cluster, database and user have come to since the process began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// The cluster.
    pub cluster: String,
    /// The database at the server.
    pub database: String,
    /// The user at the servers.
    pub user: String,
    /// Exchanges done.
    pub queries: u64,
    /// How long they took.
    pub query_time: Duration,
    /// Transactions ended, single statements included.
    pub transactions: u64,
    /// How long they took.
    pub transaction_time: Duration,
    /// Times that a client was given a server connection.
    pub assignments: u64,
    /// How long clients have waited for one.
    pub wait_time: Duration,
    /// Bytes from clients.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
}

impl Families {
    /// What every group has come to, in the order of their names.
    pub(crate) fn totals(&self) -> Vec<Totals> {
        let mut all = BTreeMap::new();
        fold(&mut all, &self.queries, |totals, count| totals.queries = count);
        fold(&mut all, &self.query_time, |totals, (_, time)| totals.query_time = time);
        fold(&mut all, &self.transaction_time, |totals, (count, time)| {
            totals.transactions = count;
            totals.transaction_time = time;
        });
        fold(&mut all, &self.assignments, |totals, count| totals.assignments = count);
        fold(&mut all, &self.wait_time, |totals, (_, time)| totals.wait_time = time);
        fold(&mut all, &self.received, |totals, count| totals.received = count);
        fold(&mut all, &self.sent, |totals, count| totals.sent = count);
        all.into_values().collect()
    }
}

/// Takes the sums of one family into the totals that they belong to.
fn fold<F: Sums>(all: &mut BTreeMap<Vec<String>, Totals>, family: &F, mut set: impl FnMut(&mut Totals, F::Sum)) {
    for (labels, sum) in family.sums() {
        let name = |at: usize| labels.get(at).cloned().unwrap_or_default();
        let (cluster, database, user) = (name(0), name(1), name(2));
        let totals = all.entry(labels).or_insert_with(|| Totals {
            cluster,
            database,
            user,
            ..Totals::default()
        });
        set(totals, sum);
    }
}

/// A family that can be asked for its sums.
trait Sums {
    type Sum;
    fn sums(&self) -> Vec<(Vec<String>, Self::Sum)>;
}

impl Sums for Family<Counter> {
    type Sum = u64;
    fn sums(&self) -> Vec<(Vec<String>, u64)> {
        self.totals()
    }
}

impl Sums for Family<Histogram> {
    type Sum = (u64, Duration);
    fn sums(&self) -> Vec<(Vec<String>, (u64, Duration))> {
        self.totals()
    }
}
