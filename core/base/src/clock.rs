use std::time::{Instant, SystemTime};

/// Where the time comes from, so that tests can bring their own.
pub trait Clock: Send + Sync {
    /// A monotonic moment.
    fn now(&self) -> Instant;
    /// The wall-clock time, for certificates and log lines.
    fn wall(&self) -> SystemTime;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}
