use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tidegate_engine::Value;

use super::port::{Sums, Totals};
use super::scene::Names;

/// How often averages begin anew (`stats_period`).
pub const PERIOD: Duration = Duration::from_secs(60);

/// What the totals were, so that averages can be told: those of the last whole period and of what came since.
#[derive(Debug)]
pub(super) struct History(Mutex<[Moment; 2]>);

/// The totals at one time.
#[derive(Debug, Clone)]
struct Moment {
    at: SystemTime,
    totals: Vec<Totals>,
}

/// The names of SHOW TOTALS, in the order of [`numbers`].
const NAMES: [&str; 11] = [
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "ps_client_parse_count",
    "ps_server_parse_count",
    "ps_bind_count",
];

impl History {
    /// Nothing has been counted before `now`.
    pub(super) fn new(now: SystemTime) -> Self {
        let start = Moment {
            at: now,
            totals: Vec::new(),
        };
        Self(Mutex::new([start.clone(), start]))
    }

    /// A period is over.
    pub(super) fn turn(&self, now: SystemTime, totals: Vec<Totals>) {
        let mut moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moments.swap(0, 1);
        moments[1] = Moment { at: now, totals };
    }

    /// For each database: its totals, and its averages at this moment.
    pub(super) fn look(&self, now: SystemTime, totals: &[Totals], names: &Names) -> Vec<(String, Sums, Sums)> {
        let moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [older, _] = &*moments;
        let since = now.duration_since(older.at).unwrap_or_default();
        let before = by_database(&older.totals, names);
        let at_first = Sums::default();
        by_database(totals, names)
            .into_iter()
            .map(|(name, sums)| {
                let average = average(&sums, before.get(&name).unwrap_or(&at_first), since);
                (name, sums, average)
            })
            .collect()
    }
}

/// `database`, then the totals, the averages or both.
pub(super) fn rows(stats: Vec<(String, Sums, Sums)>, has_totals: bool, has_averages: bool) -> Vec<Vec<Value>> {
    let row = |(name, totals, averages): (String, Sums, Sums)| {
        let mut row = vec![name.into()];
        row.extend(
            has_totals
                .then(|| numbers(&totals))
                .into_iter()
                .flatten()
                .map(Value::Number),
        );
        row.extend(
            has_averages
                .then(|| numbers(&averages))
                .into_iter()
                .flatten()
                .map(Value::Number),
        );
        row
    };
    stats.into_iter().map(row).collect()
}

/// All databases together, one number in a row.
pub(super) fn total_rows(stats: &[(String, Sums, Sums)]) -> Vec<Vec<Value>> {
    let (mut totals, mut averages) = ([0; 11], [0; 11]);
    for (_, sums, average) in stats {
        for (sum, number) in totals.iter_mut().zip(numbers(sums)) {
            *sum += number;
        }
        for (sum, number) in averages.iter_mut().zip(numbers(average)) {
            *sum += number;
        }
    }
    let named = |start: &'static str, numbers: [u64; 11]| {
        let rows = NAMES.into_iter().zip(numbers);
        rows.map(move |(name, number)| vec![format!("{start}_{name}").into(), number.into()])
    };
    named("total", totals).chain(named("avg", averages)).collect()
}

fn by_database(totals: &[Totals], names: &Names) -> BTreeMap<String, Sums> {
    let mut all: BTreeMap<String, Sums> = BTreeMap::new();
    for totals in totals {
        let sums = all.entry(names.of(&totals.cluster, &totals.database)).or_default();
        sums.add(&totals.sums);
    }
    all
}

/// Counts for a second, times for what they were spent on (`stats.c`, `calc_average`).
fn average(now: &Sums, before: &Sums, since: Duration) -> Sums {
    let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let rate = |now: u64, before: u64| {
        let grown = u128::from(now.saturating_sub(before));
        let a_second = (grown * 1_000_000).checked_div(u128::from(micros)).unwrap_or(0);
        u64::try_from(a_second).unwrap_or(u64::MAX)
    };
    let each = |time: (u64, u64), count: (u64, u64)| {
        let grown = time.0.saturating_sub(time.1);
        grown.checked_div(count.0.saturating_sub(count.1)).unwrap_or(0)
    };
    Sums {
        assignments: rate(now.assignments, before.assignments),
        transactions: rate(now.transactions, before.transactions),
        queries: rate(now.queries, before.queries),
        received: rate(now.received, before.received),
        sent: rate(now.sent, before.sent),
        transaction_us: each(
            (now.transaction_us, before.transaction_us),
            (now.transactions, before.transactions),
        ),
        query_us: each((now.query_us, before.query_us), (now.queries, before.queries)),
        wait_us: each((now.wait_us, before.wait_us), (now.assignments, before.assignments)),
    }
}

/// In the order of the columns. Parses and binds are not counted.
fn numbers(sums: &Sums) -> [u64; 11] {
    [
        sums.assignments,
        sums.transactions,
        sums.queries,
        sums.received,
        sums.sent,
        sums.transaction_us,
        sums.query_us,
        sums.wait_us,
        0,
        0,
        0,
    ]
}

impl Sums {
    /// All of these together.
    pub fn all(totals: &[Totals]) -> Self {
        totals.iter().fold(Self::default(), |mut sum, totals| {
            sum.add(&totals.sums);
            sum
        })
    }

    /// What they have grown by since they were `before`: counts for a second, times for what they were spent on.
    #[must_use]
    pub fn averages(&self, before: &Self, since: Duration) -> Self {
        average(self, before, since)
    }

    fn add(&mut self, other: &Self) {
        self.assignments += other.assignments;
        self.transactions += other.transactions;
        self.queries += other.queries;
        self.received += other.received;
        self.sent += other.sent;
        self.transaction_us += other.transaction_us;
        self.query_us += other.query_us;
        self.wait_us += other.wait_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(database: &str, queries: u64, query_us: u64) -> Totals {
        Totals {
            cluster: "app".to_owned(),
            database: database.to_owned(),
            sums: Sums {
                queries,
                query_us,
                ..Sums::default()
            },
        }
    }

    #[test]
    fn averages_are_of_one_to_two_periods() {
        let start = SystemTime::UNIX_EPOCH;
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let history = History::new(start);
        let names = Names::default();
        let look = |seconds: u64, queries: u64, query_us: u64| {
            let seen = history.look(after(seconds), &[totals("a", queries, query_us)], &names);
            let [(_, sums, average)] = seen.as_slice() else {
                panic!("one database");
            };
            assert_eq!((sums.queries, sums.query_us), (queries, query_us));
            (average.queries, average.query_us)
        };
        assert_eq!(look(0, 0, 0), (0, 0));
        assert_eq!(look(10, 100, 5_000), (10, 50));
        history.turn(after(60), vec![totals("a", 600, 6_000)]);
        assert_eq!(look(60, 600, 6_000), (10, 10));
        history.turn(after(120), vec![totals("a", 600, 6_000)]);
        assert_eq!(look(130, 1_300, 7_400), (10, 2));
        history.turn(after(180), vec![totals("a", 1_300, 7_400)]);
        history.turn(after(240), vec![totals("a", 1_300, 7_400)]);
        assert_eq!(look(250, 1_300, 7_400), (0, 0));
    }

    #[test]
    fn databases_are_summed_under_their_names() {
        let history = History::new(SystemTime::UNIX_EPOCH);
        let all = [totals("a", 1, 10), totals("b", 2, 20), totals("a", 4, 40)];
        let seen = history.look(SystemTime::UNIX_EPOCH, &all, &Names::default());
        let shown: Vec<_> = seen
            .iter()
            .map(|(name, sums, _)| (name.as_str(), sums.queries))
            .collect();
        assert_eq!(shown, [("a", 5), ("b", 2)]);
        let rows = total_rows(&seen);
        assert_eq!(rows.len(), 22);
        assert!(rows.contains(&vec!["total_query_count".into(), 7_u64.into()]));
    }
}
