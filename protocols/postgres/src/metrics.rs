use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tidegate_telemetry::{Counter, Family, Histogram, Registry};

/// The families of PostgreSQL's metrics; handles of them are made per core and group, never per session.
#[derive(Debug)]
pub(crate) struct Families {
    pub(crate) queries: Family<Counter>,
    errors: Family<Counter>,
    pub(crate) query_time: Family<Histogram>,
    pub(crate) transaction_time: Family<Histogram>,
    pub(crate) assignments: Family<Counter>,
    pub(crate) wait_time: Family<Histogram>,
    connect_time: Family<Histogram>,
    connect_failures: Family<Counter>,
    cancels: Family<Counter>,
    peer_cancels: Family<Counter>,
    discarded: Family<Counter>,
    pub(crate) received: Family<Counter>,
    pub(crate) sent: Family<Counter>,
}

/// What one core counts for one cluster, database and user. One writer: the core's thread.
#[derive(Debug)]
pub(crate) struct GroupMetrics {
    pub(crate) queries: Counter,
    pub(crate) query_time: Histogram,
    pub(crate) transaction_time: Histogram,
    pub(crate) assignments: Counter,
    pub(crate) wait_time: Histogram,
    pub(crate) connect_time: Histogram,
    pub(crate) connect_failures: Counter,
    pub(crate) cancels: Counter,
    pub(crate) discarded: Counter,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    errors: Family<Counter>,
    labels: [String; 3],
    by_class: RefCell<HashMap<[u8; 2], Rc<Counter>>>,
}

const LABELS: [&str; 3] = ["cluster", "database", "user"];

impl Families {
    pub(crate) fn new(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help, &LABELS);
        let histogram = |name, help| registry.histogram(name, help, &LABELS);
        Self {
            queries: counter("tidegate_postgres_queries_total", "Exchanges done"),
            errors: registry.counter(
                "tidegate_postgres_errors_total",
                "Errors that servers answered with, by class of SQLSTATE",
                &["cluster", "database", "user", "class"],
            ),
            query_time: histogram(
                "tidegate_postgres_query_seconds",
                "Time from a request to the end of its reply",
            ),
            transaction_time: histogram(
                "tidegate_postgres_transaction_seconds",
                "Time from the first request of a transaction to its end",
            ),
            assignments: counter(
                "tidegate_postgres_assignments_total",
                "Times that a client was given a server connection",
            ),
            wait_time: histogram(
                "tidegate_postgres_wait_seconds",
                "Time that clients waited for a server connection",
            ),
            connect_time: histogram("tidegate_postgres_connect_seconds", "Time to open a server connection"),
            connect_failures: counter(
                "tidegate_postgres_connect_failures_total",
                "Server connections not opened",
            ),
            cancels: counter("tidegate_postgres_cancels_total", "Cancels that were sent to servers"),
            peer_cancels: registry.counter(
                "tidegate_postgres_peer_cancels_total",
                "Cancels that were meant for clients of another gateway, by what came of sending them on",
                &["peer", "outcome"],
            ),
            discarded: counter(
                "tidegate_postgres_servers_discarded_total",
                "Server connections closed because they could not be made clean",
            ),
            received: counter("tidegate_postgres_received_bytes_total", "Bytes from clients"),
            sent: counter("tidegate_postgres_sent_bytes_total", "Bytes to clients"),
        }
    }

    /// Counts a cancel that was to be sent on.
    pub(crate) fn peer_cancel(&self, node: u8, is_sent: bool) {
        let outcome = if is_sent { "sent" } else { "failed" };
        self.peer_cancels.shared(&[&node.to_string(), outcome]).inc();
    }

    /// The handles of one group on one core.
    pub(crate) fn group(&self, cluster: &str, database: &str, user: &str) -> GroupMetrics {
        let labels = [cluster, database, user];
        GroupMetrics {
            queries: self.queries.handle(&labels),
            query_time: self.query_time.handle(&labels),
            transaction_time: self.transaction_time.handle(&labels),
            assignments: self.assignments.handle(&labels),
            wait_time: self.wait_time.handle(&labels),
            connect_time: self.connect_time.handle(&labels),
            connect_failures: self.connect_failures.handle(&labels),
            cancels: self.cancels.handle(&labels),
            discarded: self.discarded.handle(&labels),
            received: self.received.handle(&labels),
            sent: self.sent.handle(&labels),
            errors: self.errors.clone(),
            labels: labels.map(str::to_owned),
            by_class: RefCell::default(),
        }
    }
}

impl GroupMetrics {
    /// Counts an error by the first two characters of its SQLSTATE, of which there are few.
    pub(crate) fn error(&self, code: &[u8]) {
        let class = match code {
            [a, b, ..] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() => [*a, *b],
            _ => *b"??",
        };
        let mut by_class = self.by_class.borrow_mut();
        let counter = by_class.entry(class).or_insert_with(|| {
            let [cluster, database, user] = &self.labels;
            let class = String::from_utf8_lossy(&class);
            Rc::new(self.errors.handle(&[cluster, database, user, &class]))
        });
        counter.inc();
    }
}
