use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far the process has gone on its way down; never goes back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

const DRAINING: u8 = 1;
const CLOSING: u8 = 2;

impl Phase {
    /// Sessions end at their next exchange boundary.
    pub(crate) fn drain(&self) {
        self.0.fetch_max(DRAINING, Ordering::Relaxed);
    }

    /// Sessions end now, and what servers do for them is cancelled.
    pub(crate) fn close(&self) {
        self.0.fetch_max(CLOSING, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= DRAINING
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= CLOSING
    }
}
