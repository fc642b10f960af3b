use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How far the process has gone on its way down; never goes back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phase(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    level: AtomicU8,
    risen: Notify,
    /// Sessions that live on no core.
    aside: AtomicUsize,
}

/// The way down, for a session that lives on no core and so has nobody who wakes it.
#[derive(Debug, Clone)]
pub struct Leaving(Phase);

/// Counts a session that lives on no core, until dropped.
#[derive(Debug)]
pub(crate) struct Aside(Phase);

const REFUSING: u8 = 1;
const DRAINING: u8 = 2;
const CLOSING: u8 = 3;

impl Phase {
    /// Nobody new comes in; sessions go on for as long as their clients want.
    pub(crate) fn refuse(&self) {
        self.rise(REFUSING);
    }

    /// Sessions end at their next exchange boundary.
    pub(crate) fn drain(&self) {
        self.rise(DRAINING);
    }

    /// Sessions end now, and what servers do for them is cancelled.
    pub(crate) fn close(&self) {
        self.rise(CLOSING);
    }

    /// Ready when nobody new comes in any more.
    pub(crate) async fn refusing(&self) {
        self.reached(REFUSING).await;
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.is_at(REFUSING)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_at(DRAINING)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_at(CLOSING)
    }

    pub(crate) fn leaving(&self) -> Leaving {
        Leaving(self.clone())
    }

    /// Counts a session in.
    pub(crate) fn count_aside(&self) -> Aside {
        self.0.aside.fetch_add(1, Ordering::Relaxed);
        Aside(self.clone())
    }

    pub(crate) fn aside(&self) -> usize {
        self.0.aside.load(Ordering::Relaxed)
    }

    fn rise(&self, level: u8) {
        self.0.level.fetch_max(level, Ordering::Relaxed);
        self.0.risen.notify_waiters();
    }

    fn is_at(&self, level: u8) -> bool {
        self.0.level.load(Ordering::Relaxed) >= level
    }

    async fn reached(&self, level: u8) {
        loop {
            let mut risen = pin!(self.0.risen.notified());
            // Before the look, or a rise in between would be missed.
            risen.as_mut().enable();
            if self.is_at(level) {
                return;
            }
            risen.await;
        }
    }
}

impl Leaving {
    /// Ready when the session is to end at its next boundary.
    pub async fn draining(&self) {
        self.0.reached(DRAINING).await;
    }

    /// Ready when it is to end now.
    pub async fn closing(&self) {
        self.0.reached(CLOSING).await;
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.0.aside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_way_down_goes_one_way_and_is_heard() {
        let phase = Phase::default();
        let leaving = phase.leaving();
        assert!(leaving.draining().now_or_never().is_none());
        phase.refuse();
        assert!(phase.is_refusing() && !phase.is_draining());
        assert!(leaving.draining().now_or_never().is_none());
        let mut waits = pin!(leaving.draining());
        assert!(waits.as_mut().now_or_never().is_none());
        phase.close();
        assert!(waits.now_or_never().is_some());
        phase.refuse();
        assert!(phase.is_closing() && leaving.closing().now_or_never().is_some());
    }

    #[test]
    fn sessions_aside_are_counted_while_they_live() {
        let phase = Phase::default();
        let one = phase.count_aside();
        assert_eq!(phase.aside(), 1);
        drop(one);
        assert_eq!(phase.aside(), 0);
    }
}
