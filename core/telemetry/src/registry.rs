use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::exposition::{Collect, Exposition};
use crate::family::{Expose, Family, Inner, MAX_SERIES, lock};
use crate::instrument::{Core, Counter, DEFAULT_BOUNDS, Gauge, Histogram, Instrument};

/// Every metric of the process. Made once and passed down; there is no global one.
pub struct Registry {
    families: Mutex<BTreeMap<String, Registered>>,
    collectors: Mutex<Vec<Box<dyn Collect>>>,
    max_series: usize,
}

/// A family twice: as what a scrape needs, and as what asking for it again needs.
struct Registered {
    exposed: Arc<dyn Expose>,
    inner: Arc<dyn Any + Send + Sync>,
}

impl Registry {
    /// With at most [`MAX_SERIES`] series per family.
    pub fn new() -> Self {
        Self::with_max_series(MAX_SERIES)
    }

    /// With a bound on the series of each family; the series for what exceeds it comes on top.
    pub fn with_max_series(max_series: usize) -> Self {
        Self {
            families: Mutex::default(),
            collectors: Mutex::default(),
            max_series,
        }
    }

    /// A family of counters; the exported name ends in `_total`.
    ///
    /// # Panics
    /// As all of these do: when the name or a label is no Prometheus name, or the name is taken by a family with
    /// other labels. Names are constants, so this shows at the first start.
    pub fn counter(&self, name: &str, help: &str, labels: &[&str]) -> Family<Counter> {
        self.family(name, help, labels, &[])
    }

    /// A family of gauges.
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Family<Gauge> {
        self.family(name, help, labels, &[])
    }

    /// A family of histograms with [`DEFAULT_BOUNDS`]; the exported name ends in `_seconds`.
    pub fn histogram(&self, name: &str, help: &str, labels: &[&str]) -> Family<Histogram> {
        self.histogram_with(name, help, labels, DEFAULT_BOUNDS)
    }

    /// A family of histograms with these upper bounds, in rising order.
    pub fn histogram_with(&self, name: &str, help: &str, labels: &[&str], bounds: &[Duration]) -> Family<Histogram> {
        let nanos = |bound: &Duration| u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let bounds: Vec<u64> = bounds.iter().map(nanos).collect();
        assert!(
            bounds.is_sorted_by(|one, next| one < next),
            "bounds of {name} must rise"
        );
        self.family(name, help, labels, &bounds)
    }

    /// Adds something that knows its numbers only when asked; its families come last.
    pub fn collect(&self, collector: impl Collect + 'static) {
        lock(&self.collectors).push(Box::new(collector));
    }

    /// All metrics in Prometheus text, in a stable order; see [`CONTENT_TYPE`](crate::CONTENT_TYPE).
    pub fn render(&self) -> String {
        let families: Vec<_> = lock(&self.families)
            .values()
            .map(|family| Arc::clone(&family.exposed))
            .collect();
        let mut out = Exposition::default();
        for family in &families {
            family.expose(&mut out);
        }
        for collector in lock(&self.collectors).iter() {
            collector.collect(&mut out);
        }
        out.into_text()
    }

    fn family<I: Instrument>(&self, name: &str, help: &str, labels: &[&str], bounds: &[u64]) -> Family<I> {
        let suffix = I::Core::SUFFIX;
        let name = format!("{}{suffix}", name.strip_suffix(suffix).unwrap_or(name));
        assert!(is_name(&name), "`{name}` is no metric name");
        for label in labels {
            assert!(is_name(label) && *label != "le", "`{label}` is no label of {name}");
        }
        let mut families = lock(&self.families);
        if let Some(known) = families.get(&name) {
            let inner = Arc::clone(&known.inner).downcast::<Inner<I::Core>>().ok();
            let same = inner.filter(|inner| inner.is_like(labels, bounds));
            let Some(inner) = same else {
                drop(families);
                panic!("metric {name} is registered twice with different kinds, labels or bounds");
            };
            return Family::on(inner);
        }
        let inner = Arc::new(Inner::<I::Core>::new(
            name.clone(),
            help,
            labels,
            bounds,
            self.max_series,
        ));
        let registered = Registered {
            exposed: inner.clone(),
            inner: inner.clone(),
        };
        families.insert(name, registered);
        Family::on(inner)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Registry")
            .field("max_series", &self.max_series)
            .finish_non_exhaustive()
    }
}

/// Prometheus data model: `[a-zA-Z_][a-zA-Z0-9_]*`; colons are for recording rules.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
