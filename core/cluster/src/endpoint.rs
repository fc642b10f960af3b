use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::Address;

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes reads and writes.
    #[default]
    Primary,
    /// Takes reads.
    Replica,
}

impl Role {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

/// One server, and how it fares. Shared by all cores; every field that changes is a single atomic.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// The name that its certificate should carry, where the address is a resolved one.
    pub server_name: Option<String>,
    /// What it is for.
    pub role: Role,
    /// Its share of new work.
    pub weight: u32,
    start: Instant,
    ill: AtomicBool,
    seen: AtomicBool,
    failures: AtomicU32,
    /// Milliseconds after `start` at which it came back; 0 when it was never ill.
    well_since: AtomicU64,
    at_work: AtomicUsize,
}

impl Endpoint {
    /// An endpoint that is taken to be well until it fails.
    pub fn new(address: Address, server_name: Option<String>, role: Role, weight: u32) -> Self {
        Self {
            address,
            server_name,
            role,
            weight,
            start: Instant::now(),
            ill: AtomicBool::new(false),
            seen: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            well_since: AtomicU64::new(0),
            at_work: AtomicUsize::new(0),
        }
    }

    /// The name to verify and to send as SNI.
    pub fn tls_name(&self) -> &str {
        self.server_name
            .as_deref()
            .or_else(|| self.address.host())
            .unwrap_or("localhost")
    }

    /// Whether it gets new work.
    pub fn is_well(&self) -> bool {
        !self.ill.load(Ordering::Relaxed)
    }

    /// Whether it was seen to work, and has not fallen ill since: what readiness asks.
    pub fn is_proven(&self) -> bool {
        self.is_well() && self.seen.load(Ordering::Relaxed)
    }

    /// A check or a connection attempt succeeded; `true` when that brought the endpoint back.
    pub fn succeeded(&self, now: Instant) -> bool {
        self.seen.store(true, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        let back = self.ill.swap(false, Ordering::Relaxed);
        if back {
            self.well_since.store(self.millis(now).max(1), Ordering::Relaxed);
        }
        back
    }

    /// A check or a connection attempt failed; `true` when that was one too many of `most` in a row.
    pub fn failed(&self, most: u32) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        failures >= most && !self.ill.swap(true, Ordering::Relaxed)
    }

    /// Its share of new work right now, in thousandths of weight: grows from a tenth to the whole during slow start.
    pub fn share(&self, now: Instant, slow_start: Option<Duration>) -> u64 {
        let full = u64::from(self.weight) * 1000;
        let since = self.well_since.load(Ordering::Relaxed);
        let Some(ramp) = slow_start.filter(|_| since != 0) else {
            return full;
        };
        let ramp = u64::try_from(ramp.as_millis()).unwrap_or(u64::MAX).max(1);
        let elapsed = self.millis(now).saturating_sub(since).min(ramp);
        (full / 10).max(full.saturating_mul(elapsed) / ramp)
    }

    /// How many connections are at work on it, over all cores.
    pub fn at_work(&self) -> usize {
        self.at_work.load(Ordering::Relaxed)
    }

    /// A connection begins to work.
    pub fn begin(&self) {
        self.at_work.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection rests.
    pub fn rest(&self) {
        self.at_work.fetch_sub(1, Ordering::Relaxed);
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_ill_after_failures_in_a_row_and_comes_back_slowly() {
        let endpoint = Endpoint::new("a:1".parse().unwrap(), None, Role::Primary, 2);
        let start = endpoint.start;
        assert!(!endpoint.failed(3) && !endpoint.failed(3));
        endpoint.succeeded(start);
        assert!(!endpoint.failed(3) && !endpoint.failed(3) && endpoint.is_well());
        assert!(endpoint.failed(3), "the third in a row");
        assert!(!endpoint.failed(3), "told once");
        assert!(!endpoint.is_well());

        let back = start + Duration::from_secs(100);
        assert!(endpoint.succeeded(back) && endpoint.is_well());
        let ramp = Some(Duration::from_secs(10));
        assert_eq!(endpoint.share(back, ramp), 200);
        assert_eq!(endpoint.share(back + Duration::from_secs(5), ramp), 1000);
        assert_eq!(endpoint.share(back + Duration::from_secs(60), ramp), 2000);
        assert_eq!(endpoint.share(back, None), 2000);
    }
}
