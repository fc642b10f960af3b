use std::time::Duration;

use serde::Serialize;
use tidegate_kit::Cpu;

/// What one run gave, over the part of it in which every client was connected and at work.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) exchanges: u32,
    pub(crate) per_second: f64,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    /// Of the proxy, per exchange; zero when there is none.
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
}

impl Sample {
    /// Of so many exchanges in this time, with median and p99 of their latencies in microseconds.
    pub(crate) fn of(exchanges: u32, window: Duration, (p50_us, p99_us): (u32, u32), used: Cpu) -> Self {
        let each_us = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(exchanges);
        Self {
            exchanges,
            per_second: f64::from(exchanges) / window.as_secs_f64(),
            p50_us,
            p99_us,
            user_us: each_us(used.user),
            system_us: each_us(used.system),
        }
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }
}
