//! Everything that was measured, and what follows from it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::sample::Sample;
use crate::statistics::median;
use crate::subject::Subject;

/// All measurements of a run.
#[derive(Debug, Serialize)]
#[serde(bound = "")]
pub(crate) struct Results<S: Subject> {
    pub(crate) versions: Vec<(S::Peer, String)>,
    pub(crate) measurements: Vec<Measurement<S>>,
    pub(crate) idle: Vec<(S::Peer, f64)>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

/// One sample. Samples of one round were taken next to each other.
#[derive(Debug, Serialize)]
#[serde(bound = "")]
pub(crate) struct Measurement<S: Subject> {
    pub(crate) round: u32,
    pub(crate) cell: S::Cell,
    pub(crate) peer: S::Peer,
    pub(crate) sample: Sample,
}

impl<S: Subject> Default for Results<S> {
    fn default() -> Self {
        Self {
            versions: Vec::new(),
            measurements: Vec::new(),
            idle: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl<S: Subject> Results<S> {
    /// The best rival that was measured in this cell.
    pub(crate) fn baseline(&self, cell: S::Cell) -> Option<S::Peer> {
        let mut candidates = S::RIVALS.iter().copied();
        candidates.find(|peer| self.samples(cell, *peer).next().is_some())
    }

    /// The median of one figure.
    pub(crate) fn median(&self, cell: S::Cell, peer: S::Peer, figure: fn(&Sample) -> f64) -> Option<f64> {
        median(self.samples(cell, peer).map(|(_, sample)| figure(sample)))
    }

    /// The median of a figure's ratios to the baseline, round by round: the machine's moods fall on both alike.
    pub(crate) fn ratio(&self, cell: S::Cell, peer: S::Peer, figure: fn(&Sample) -> f64) -> Option<f64> {
        let base = self.baseline(cell)?;
        let ratios = self.samples(cell, peer).filter_map(|(round, sample)| {
            let (_, other) = self.samples(cell, base).find(|(other, _)| *other == round)?;
            (figure(other) > 0.0).then(|| figure(sample) / figure(other))
        });
        median(ratios)
    }

    /// Adds a sample, and says it.
    pub(crate) fn add(&mut self, rounds: u32, measurement: Measurement<S>) {
        let sample = &measurement.sample;
        say(&format!(
            "round {} of {rounds}, {}, {}: {:.0} {}, {:.1} + {:.1} µs",
            measurement.round + 1,
            measurement.cell,
            measurement.peer,
            sample.per_second,
            S::RATE,
            sample.user_us,
            sample.system_us
        ));
        self.measurements.push(measurement);
    }

    /// Adds the weight of an idle client, and says it.
    pub(crate) fn weigh(&mut self, peer: S::Peer, kib: f64) {
        say(&format!("{peer}: {kib:.2} KiB for each idle client"));
        self.idle.push((peer, kib));
    }

    /// Adds what was left out, and says it.
    pub(crate) fn note(&mut self, text: String) {
        say(&text);
        self.notes.push(text);
    }

    /// Writes everything to a file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))
    }

    fn samples(&self, cell: S::Cell, peer: S::Peer) -> impl Iterator<Item = (u32, &Sample)> {
        let all = self.measurements.iter();
        let these = all.filter(move |one| one.cell == cell && one.peer == peer);
        these.map(|one| (one.round, &one.sample))
    }
}

/// The peers in the order of a round: each starts with another one.
pub(crate) fn rotated<T>(peers: &[T], round: u32) -> impl Iterator<Item = &T> {
    let start = usize::try_from(round).unwrap_or_default() % peers.len().max(1);
    let (later, first) = peers.split_at(start);
    first.iter().chain(later)
}

pub(crate) fn say(text: &str) {
    eprintln!("bench: {text}");
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::postgres::cell::{Cell, Mode};
    use crate::postgres::peer::Peer;
    use crate::postgres::subject::Postgres;

    /// User and system time of a transaction.
    type Times = (f64, f64);

    /// One round per element: Tidegate's times and PgBouncer's.
    pub(crate) fn made_up(cell: Cell, rounds: &[(Times, Times)]) -> Results<Postgres> {
        let mut results = Results::default();
        for (round, (own, other)) in (0..).zip(rounds) {
            for (peer, (user_us, system_us)) in [(Peer::Tidegate, own), (Peer::PgbouncerNew, other)] {
                let sample = Sample {
                    exchanges: 1000,
                    per_second: 20_000.0,
                    p50_us: 700,
                    p99_us: if peer == Peer::Tidegate { 900 } else { 1000 },
                    user_us: *user_us,
                    system_us: *system_us,
                };
                results.measurements.push(Measurement {
                    round,
                    cell,
                    peer,
                    sample,
                });
            }
        }
        results
    }

    #[test]
    fn ratios_are_of_one_round() {
        let cell = Cell {
            mode: Mode::Prepared,
            clients: 16,
        };
        // The machine was twice as slow in the last round.
        let rounds = [
            ((1.0, 9.0), (2.0, 18.0)),
            ((1.0, 11.0), (2.0, 18.0)),
            ((4.0, 20.0), (4.0, 36.0)),
        ];
        let results = made_up(cell, &rounds);
        assert_eq!(results.ratio(cell, Peer::Tidegate, Sample::cpu_us), Some(0.6));
        assert_eq!(results.median(cell, Peer::Tidegate, Sample::cpu_us), Some(12.0));
        assert_eq!(results.ratio(cell, Peer::Haproxy, Sample::cpu_us), None);
        assert_eq!(results.baseline(cell), Some(Peer::PgbouncerNew));
        let other = Cell {
            mode: Mode::Simple,
            ..cell
        };
        assert_eq!(results.baseline(other), None);
    }

    #[test]
    fn each_round_starts_with_another_peer() {
        let order = |round| rotated(&["a", "b", "c"], round).copied().collect::<String>();
        assert_eq!([order(0), order(1), order(2), order(3)], ["abc", "bca", "cab", "abc"]);
        assert_eq!(rotated::<u8>(&[], 5).count(), 0);
    }
}
