use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use tidegate_redis_wire::topology::Replication;

/// The most points of one history that are kept.
const POINTS: usize = 128;
/// The most histories that are followed; a shard has one, and for a while two.
const HISTORIES: usize = 4096;
/// A primary that has said nothing for longer is out of sight.
const OUT_OF_SIGHT: Duration = Duration::from_secs(5);
/// A history whose primary has said nothing for longer is over.
const OVER: Duration = Duration::from_secs(600);

/// How far replicas are behind. Pure: time is passed in.
///
/// Offsets tell bytes and not time, and what a replica says of its link is fresh only every ten seconds on an idle
/// primary. So it is kept when each primary was seen to have come how far: a replica is behind since the first point
/// that it has not reached.
#[derive(Debug, Default)]
pub(super) struct Lags(HashMap<Vec<u8>, History>);

#[derive(Debug)]
struct History {
    heard: Instant,
    points: VecDeque<(Instant, u64)>,
}

impl Lags {
    /// A primary tells how far it has come.
    pub(super) fn primary(&mut self, info: &Replication<'_>, now: Instant) {
        if info.history.is_empty() {
            return;
        }
        if !self.0.contains_key(info.history) {
            self.0
                .retain(|_, known| now.saturating_duration_since(known.heard) < OVER);
            if self.0.len() >= HISTORIES {
                return;
            }
        }
        let history = self.0.entry(info.history.to_vec()).or_insert_with(|| History {
            heard: now,
            points: VecDeque::new(),
        });
        history.reach(info.offset, now);
    }

    /// How far a replica is behind; `None` when it has no data to read.
    pub(super) fn of(&self, info: &Replication<'_>, now: Instant) -> Option<Duration> {
        if info.is_syncing || info.history.is_empty() {
            return None;
        }
        let history = self.0.get(info.history);
        let behind = history.map_or(Duration::ZERO, |history| history.behind(info.offset, now));
        if !info.link_up {
            // It was in step before its link broke; one that never had a link says nothing here.
            return info.down_seconds.map(|down| behind.max(Duration::from_secs(down)));
        }
        let in_sight = history.is_some_and(|history| now.saturating_duration_since(history.heard) < OUT_OF_SIGHT);
        if in_sight {
            return Some(behind);
        }
        info.silent_seconds
            .map(|silent| behind.max(Duration::from_secs(silent)))
    }
}

impl History {
    fn reach(&mut self, offset: u64, now: Instant) {
        self.heard = now;
        match self.points.back() {
            Some((_, last)) if *last == offset => return,
            Some((_, last)) if *last > offset => self.points.clear(),
            _ => {}
        }
        if self.points.len() >= POINTS {
            self.thin_out(now);
        }
        self.points.push_back((now, offset));
    }

    /// Takes away the point that is missed least: whose neighbours are closest to each other for their age. So what is long
    /// ago is known roughly, and what is recent precisely.
    fn thin_out(&mut self, now: Instant) {
        let gap = |at: usize| {
            let (before, _) = self.points.get(at.checked_sub(1)?)?;
            let (behind, _) = self.points.get(at + 1)?;
            let age = now.saturating_duration_since(*behind).as_secs_f64();
            Some((*behind - *before).as_secs_f64() / (age + 0.001))
        };
        let gaps = (0..self.points.len()).filter_map(|at| Some((at, gap(at)?)));
        let least = gaps.min_by(|(_, a), (_, b)| a.total_cmp(b));
        self.points.remove(least.map_or(0, |(at, _)| at));
    }

    fn behind(&self, offset: u64, now: Instant) -> Duration {
        let reached = self.points.partition_point(|(_, point)| *point <= offset);
        let missing = self.points.get(reached);
        missing.map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(offset: u64) -> Replication<'static> {
        Replication {
            is_master: true,
            history: b"a",
            offset,
            ..Replication::default()
        }
    }

    fn replica(offset: u64) -> Replication<'static> {
        Replication {
            history: b"a",
            offset,
            link_up: true,
            silent_seconds: Some(0),
            ..Replication::default()
        }
    }

    #[test]
    fn a_replica_is_behind_since_what_it_lacks() {
        let (mut lags, start) = (Lags::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for second in 0..10 {
            lags.primary(&primary(100 * second), at(second));
        }
        let behind = |offset: u64| lags.of(&replica(offset), at(9)).map(|lag| lag.as_secs());
        assert_eq!(behind(900), Some(0));
        assert_eq!(behind(950), Some(0), "ahead of what the primary said last");
        assert_eq!(behind(850), Some(0), "the point was seen this moment");
        assert_eq!(behind(500), Some(3));
        assert_eq!(behind(499), Some(4));
    }

    #[test]
    fn an_idle_primary_leaves_nobody_behind() {
        let (mut lags, start) = (Lags::default(), Instant::now());
        for second in 0..100 {
            lags.primary(&primary(7), start + Duration::from_secs(second));
        }
        let info = Replication {
            silent_seconds: Some(9),
            ..replica(7)
        };
        assert_eq!(lags.of(&info, start + Duration::from_secs(100)), Some(Duration::ZERO));
    }

    #[test]
    fn without_a_primary_in_sight_the_replica_is_asked() {
        let (mut lags, start) = (Lags::default(), Instant::now());
        lags.primary(&primary(7), start);
        let later = start + Duration::from_secs(60);
        let link = |link_up, silent_seconds, down_seconds| {
            let info = Replication {
                link_up,
                silent_seconds,
                down_seconds,
                ..replica(7)
            };
            lags.of(&info, later).map(|lag| lag.as_secs())
        };
        assert_eq!(link(true, Some(4), None), Some(4));
        assert_eq!(link(true, None, None), None);
        assert_eq!(link(false, Some(4), Some(30)), Some(30));
        assert_eq!(link(false, None, None), None, "it never was in step");
        let syncing = Replication {
            is_syncing: true,
            ..replica(7)
        };
        assert_eq!(lags.of(&syncing, later), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_reaches_back() {
        let (mut lags, start) = (Lags::default(), Instant::now());
        for tick in 0..10_000 {
            lags.primary(&primary(tick), start + Duration::from_millis(tick * 100));
        }
        assert!(lags.0.values().all(|history| history.points.len() <= POINTS));
        let now = start + Duration::from_secs(1000);
        let lag = lags.of(&replica(0), now).expect("a lag");
        assert!(lag > Duration::from_secs(900), "{lag:?}");
        // A primary that begins anew.
        lags.primary(&primary(5), now);
        assert_eq!(lags.of(&replica(5), now), Some(Duration::ZERO));
        for number in 0..2 * HISTORIES {
            let name = number.to_string();
            let info = Replication {
                history: name.as_bytes(),
                ..primary(1)
            };
            lags.primary(&info, now);
        }
        assert!(lags.0.len() <= HISTORIES);
    }
}
