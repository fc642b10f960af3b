//! The processor time of a process, finer than ticks.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_kit::{Cpu, Proc};

/// What a process had used at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Since the epoch, as pgbench's log has it.
    pub(crate) at: Duration,
    ticks: Cpu,
    threads: BTreeMap<u32, Duration>,
}

impl Reading {
    /// Reads it now.
    pub(crate) fn now(process: Option<&Proc>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            at: since.unwrap_or_default(),
            ticks: process.map(Proc::cpu).unwrap_or_default(),
            threads: process.map(threads).unwrap_or_default(),
        }
    }

    /// What was used between an earlier reading and this one.
    ///
    /// The sum is the scheduler's, in nanoseconds; how it divides into user and system is only known in ticks of 10 ms.
    pub(crate) fn since(&self, earlier: &Self) -> Cpu {
        let ticks = Cpu {
            user: self.ticks.user.saturating_sub(earlier.ticks.user),
            system: self.ticks.system.saturating_sub(earlier.ticks.system),
        };
        let coarse = ticks.user + ticks.system;
        // A thread that has ended took its account with it.
        let whole = earlier.threads.keys().all(|thread| self.threads.contains_key(thread));
        if coarse.is_zero() || !whole {
            return ticks;
        }
        let fine = self.threads.iter().map(|(thread, now)| {
            let before = earlier.threads.get(thread).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        let fine: Duration = fine.sum();
        let user = fine.mul_f64(ticks.user.as_secs_f64() / coarse.as_secs_f64());
        Cpu {
            user,
            system: fine.saturating_sub(user),
        }
    }
}

/// Time on a processor by thread: the first number of `schedstat` (proc(5)).
fn threads(process: &Proc) -> BTreeMap<u32, Duration> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", process.pid())) else {
        return BTreeMap::new();
    };
    let each = tasks.flatten().filter_map(|task| {
        let thread = task.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
        Some((thread, Duration::from_nanos(nanoseconds)))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(user_ms: u64, system_ms: u64, threads: &[(u32, u64)]) -> Reading {
        Reading {
            at: Duration::ZERO,
            ticks: Cpu {
                user: Duration::from_millis(user_ms),
                system: Duration::from_millis(system_ms),
            },
            threads: threads
                .iter()
                .map(|(id, ms)| (*id, Duration::from_millis(*ms)))
                .collect(),
        }
    }

    #[track_caller]
    fn check(before: &Reading, after: &Reading, user_ms: u128, system_ms: u128) {
        let used = after.since(before);
        assert_eq!((used.user.as_millis(), used.system.as_millis()), (user_ms, system_ms));
    }

    #[test]
    fn the_sum_is_fine_and_the_split_is_from_ticks() {
        let before = reading(100, 300, &[(1, 390), (2, 12)]);
        check(&before, &reading(110, 330, &[(1, 426), (2, 20)]), 11, 33);
        // A new thread counts from its start.
        check(&before, &reading(110, 330, &[(1, 426), (2, 20), (3, 4)]), 12, 36);
        // With a thread gone, ticks are all there is.
        check(&before, &reading(110, 330, &[(1, 426)]), 10, 30);
        check(&before, &before, 0, 0);
    }

    #[test]
    fn this_process_is_read() {
        let me = Proc::new(std::process::id());
        let before = Reading::now(Some(&me));
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            std::hint::black_box(fs::metadata("/proc").is_ok());
        }
        let after = Reading::now(Some(&me));
        let used = after.since(&before);
        assert!(used.user + used.system > Duration::from_millis(20), "{used:?}");
        assert!(after.at > before.at);
    }
}
