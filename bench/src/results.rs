//! Everything that was measured, and what follows from it.

use serde::Serialize;

use crate::cell::Cell;
use crate::peer::Peer;
use crate::pgbench::Sample;
use crate::statistics::median;

/// All measurements of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) versions: Vec<(Peer, String)>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) idle: Vec<(Peer, f64)>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

/// One sample. Samples of one round were taken next to each other.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measurement {
    pub(crate) round: u32,
    pub(crate) cell: Cell,
    pub(crate) peer: Peer,
    pub(crate) sample: Sample,
}

impl Results {
    /// The newest PgBouncer that was measured in this cell.
    pub(crate) fn baseline(&self, cell: Cell) -> Option<Peer> {
        let candidates = [Peer::PgbouncerNew, Peer::Pgbouncer];
        candidates
            .into_iter()
            .find(|peer| self.samples(cell, *peer).next().is_some())
    }

    /// The median of one figure.
    pub(crate) fn median(&self, cell: Cell, peer: Peer, figure: fn(&Sample) -> f64) -> Option<f64> {
        median(self.samples(cell, peer).map(|(_, sample)| figure(sample)))
    }

    /// The median of a figure's ratios to the baseline, round by round: the machine's moods fall on both alike.
    pub(crate) fn ratio(&self, cell: Cell, peer: Peer, figure: fn(&Sample) -> f64) -> Option<f64> {
        let base = self.baseline(cell)?;
        let ratios = self.samples(cell, peer).filter_map(|(round, sample)| {
            let (_, other) = self.samples(cell, base).find(|(other, _)| *other == round)?;
            (figure(other) > 0.0).then(|| figure(sample) / figure(other))
        });
        median(ratios)
    }

    fn samples(&self, cell: Cell, peer: Peer) -> impl Iterator<Item = (u32, &Sample)> {
        let all = self.measurements.iter();
        let these = all.filter(move |one| one.cell == cell && one.peer == peer);
        these.map(|one| (one.round, &one.sample))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cell::Mode;

    /// User and system time of a transaction.
    type Times = (f64, f64);

    /// One round per element: Tidegate's times and PgBouncer's.
    pub(crate) fn made_up(cell: Cell, rounds: &[(Times, Times)]) -> Results {
        let mut results = Results::default();
        for (round, (own, other)) in (0..).zip(rounds) {
            for (peer, (user_us, system_us)) in [(Peer::Tidegate, own), (Peer::PgbouncerNew, other)] {
                let sample = Sample {
                    transactions: 1000,
                    tps: 20_000.0,
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
}
