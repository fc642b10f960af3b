use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_base::Address;
use tidegate_cluster::Endpoint;

/// Stands for "not known".
const UNKNOWN: u64 = u64::MAX;

/// A server of a layout. It stays the same object, and so does its endpoint, for as long as it is known.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where it is, and how it fares. Its role there is the one that it was found in; the layout's is the one that counts.
    pub(crate) endpoint: Arc<Endpoint>,
    /// What the cluster calls it, or its address.
    pub(crate) id: String,
    /// How far it is behind, in milliseconds.
    lag: AtomicU64,
    /// How many follow it, as it said last.
    followers: AtomicU64,
    /// How long an answer takes, in microseconds, smoothed.
    round_trip: AtomicU64,
}

impl Node {
    pub(super) fn new(endpoint: Arc<Endpoint>, id: String) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            id,
            lag: AtomicU64::new(UNKNOWN),
            followers: AtomicU64::new(UNKNOWN),
            round_trip: AtomicU64::new(UNKNOWN),
        })
    }

    /// A node that the cluster has not named.
    pub(super) fn nameless(endpoint: &Arc<Endpoint>) -> Arc<Self> {
        Self::new(Arc::clone(endpoint), endpoint.address.to_string())
    }

    /// What this node means by a host, which it may leave out for its own, and a port.
    pub(crate) fn address_of(&self, host: Option<&str>, port: u16) -> Address {
        let here = &self.endpoint.address;
        match host.or(here.host()) {
            Some(host) => Address::Tcp {
                host: host.to_owned(),
                port,
            },
            None => here.clone(),
        }
    }

    /// How far a replica is behind its primary; `None` when that is not known, or it has no data to read.
    pub(crate) fn lag(&self) -> Option<Duration> {
        known(self.lag.load(Ordering::Relaxed)).map(Duration::from_millis)
    }

    /// How long it takes to answer; `None` when it was not asked yet.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        known(self.round_trip.load(Ordering::Relaxed)).map(Duration::from_micros)
    }

    pub(super) fn set_lag(&self, lag: Option<Duration>) {
        let lag = lag.and_then(|lag| u64::try_from(lag.as_millis()).ok());
        self.lag.store(lag.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Takes note of how many follow it; `true` when it is another number than before.
    pub(super) fn note_followers(&self, followers: u64) -> bool {
        let before = self.followers.swap(followers, Ordering::Relaxed);
        known(before).is_some_and(|before| before != followers)
    }

    /// One more measurement, which counts an eighth, as in TCP (RFC 6298, section 2). Only the checks write, one at a time.
    pub(crate) fn note_round_trip(&self, taken: Duration) {
        let taken = u64::try_from(taken.as_micros()).unwrap_or(UNKNOWN - 1).min(UNKNOWN - 1);
        let smoothed = match known(self.round_trip.load(Ordering::Relaxed)) {
            Some(before) => before - before / 8 + taken / 8,
            None => taken,
        };
        self.round_trip.store(smoothed, Ordering::Relaxed);
    }
}

fn known(number: u64) -> Option<u64> {
    (number != UNKNOWN).then_some(number)
}
