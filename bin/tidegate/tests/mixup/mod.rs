//! The clients of the mix-up test, and what they share.

mod actions;
mod client;
mod random;
mod statements;
mod transactions;

pub(crate) use client::{Client, Trouble};
pub(crate) use random::Random;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many schemas there are, each with a table `whereami` that names it.
pub(crate) const SCHEMAS: u64 = 4;

/// The weather all clients live in.
#[derive(Debug)]
pub(crate) struct Storm {
    started: Instant,
    /// Requests that began up to this moment (in milliseconds) may fail for no fault of the gateway's.
    excused_until: AtomicU64,
    over: AtomicBool,
    /// What must never happen, and did.
    wrongs: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Storm {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            excused_until: AtomicU64::new(0),
            over: AtomicBool::new(false),
            wrongs: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    pub(crate) fn begin(&self) {
        self.excused_until.store(u64::MAX, Ordering::SeqCst);
    }

    /// What begins from now on must succeed again.
    pub(crate) fn end(&self) {
        self.excused_until.store(self.now(), Ordering::SeqCst);
    }

    pub(crate) fn finish(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Milliseconds since the test began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn excuses(&self, began: u64) -> bool {
        began <= self.excused_until.load(Ordering::SeqCst)
    }

    /// One of these ends the test.
    pub(crate) fn wrong(&self, text: String) {
        self.wrongs.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        self.finish();
    }

    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.wrongs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, what: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(counts.insert(what.to_owned(), 1)),
        }
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits, but not beyond the end of the test.
    pub(crate) fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5).min(until.saturating_duration_since(Instant::now())));
        }
    }
}
