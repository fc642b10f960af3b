use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tidegate_telemetry::{Counter, Family, Gauge, Histogram, Registry, SharedCounter};

/// What one core counts. One writer: the core's own thread.
#[derive(Debug)]
pub(crate) struct CoreMetrics {
    pub(crate) sessions: Gauge,
    pub(crate) panics: Counter,
    pub(crate) errors: ErrorCounters,
}

/// Session errors by origin and kind, both of fixed cardinality.
#[derive(Debug)]
pub(crate) struct ErrorCounters {
    family: Family<Counter>,
    known: RefCell<HashMap<(&'static str, &'static str), std::rc::Rc<Counter>>>,
}

/// What one listener counts. Many login threads write.
#[derive(Debug)]
pub(crate) struct ListenerMetrics {
    pub(crate) accepted: SharedCounter,
    pub(crate) refused: SharedCounter,
    pub(crate) failed: FailureCounters,
    pub(crate) login: LoginTime,
}

/// Failed logins by kind.
#[derive(Debug)]
pub(crate) struct FailureCounters {
    family: Family<Counter>,
    listener: String,
    known: Mutex<HashMap<&'static str, std::sync::Arc<SharedCounter>>>,
}

/// Login times; a login is rare and slow enough that a lock does not matter.
#[derive(Debug)]
pub(crate) struct LoginTime(Mutex<Histogram>);

impl CoreMetrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let errors = registry.counter(
            "tidegate_session_errors_total",
            "Sessions that ended with an error, by whose fault it was and what sort of failure",
            &["origin", "kind"],
        );
        Self {
            sessions: registry
                .gauge("tidegate_sessions", "Sessions under way", &[])
                .handle(&[]),
            panics: registry
                .counter(
                    "tidegate_session_panics_total",
                    "Panics that were caught: each ended one session, or one piece of a room's work",
                    &[],
                )
                .handle(&[]),
            errors: ErrorCounters {
                family: errors,
                known: RefCell::default(),
            },
        }
    }
}

impl ErrorCounters {
    pub(crate) fn of(&self, origin: &'static str, kind: &'static str) -> std::rc::Rc<Counter> {
        let mut known = self.known.borrow_mut();
        let counter = known
            .entry((origin, kind))
            .or_insert_with(|| std::rc::Rc::new(self.family.handle(&[origin, kind])));
        std::rc::Rc::clone(counter)
    }
}

impl ListenerMetrics {
    pub(crate) fn new(registry: &Registry, listener: &str) -> Self {
        let shared = |name, help| registry.counter(name, help, &["listener"]).shared(&[listener]);
        Self {
            accepted: shared("tidegate_clients_accepted_total", "Connections accepted"),
            refused: shared(
                "tidegate_clients_refused_total",
                "Connections refused for a limit or because the process is going down",
            ),
            failed: FailureCounters {
                family: registry.counter(
                    "tidegate_logins_failed_total",
                    "Connections that ended before they were logged in, by sort of failure",
                    &["listener", "kind"],
                ),
                listener: listener.to_owned(),
                known: Mutex::default(),
            },
            login: LoginTime(Mutex::new(
                registry
                    .histogram(
                        "tidegate_login_seconds",
                        "Time from accepting a client to handing it to its core",
                        &["listener"],
                    )
                    .handle(&[listener]),
            )),
        }
    }
}

impl FailureCounters {
    pub(crate) fn of(&self, kind: &'static str) -> std::sync::Arc<SharedCounter> {
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let counter = known
            .entry(kind)
            .or_insert_with(|| std::sync::Arc::new(self.family.shared(&[&self.listener, kind])));
        std::sync::Arc::clone(counter)
    }
}

impl LoginTime {
    pub(crate) fn record(&self, time: Duration) {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .record(time);
    }
}
