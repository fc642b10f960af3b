use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_telemetry::{ProcessMetrics, Registry, SharedCounter, SharedGauge};

use crate::version::VERSION;

/// What is counted of reloads.
pub(super) struct ReloadMetrics {
    /// Kept, so that it shows.
    _info: SharedGauge,
    succeeded: SharedGauge,
    at: SharedGauge,
    good: SharedCounter,
    bad: SharedCounter,
}

impl ReloadMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name, help| registry.gauge(name, help, &[]).shared(&[]);
        let reloads = registry.counter(
            "tidegate_config_reloads_total",
            "Times that the configuration was read, the start included",
            &["outcome"],
        );
        registry.collect(ProcessMetrics);
        let info = registry.gauge(
            "tidegate_build_info",
            "What is running; always 1",
            &["version", "commit"],
        );
        let info = info.shared(&[VERSION.version, VERSION.commit.unwrap_or_default()]);
        info.set(1);
        Self {
            _info: info,
            succeeded: gauge(
                "tidegate_config_last_reload_successful",
                "1 when the configuration that was read last is in force",
            ),
            at: gauge(
                "tidegate_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was read, in seconds since 1970",
            ),
            good: reloads.shared(&["taken"]),
            bad: reloads.shared(&["refused"]),
        }
    }

    pub(super) fn note(&self, is_good: bool) {
        self.succeeded.set(i64::from(is_good));
        if is_good {
            self.good.inc();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            self.at.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        } else {
            self.bad.inc();
        }
    }
}
