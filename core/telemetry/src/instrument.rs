use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::exposition::{Exposition, SampleKind, seconds};
use crate::family::{Family, Slot};

/// Upper bounds of a histogram's buckets unless it says otherwise: 50 µs to 60 s.
pub const DEFAULT_BOUNDS: &[Duration] = &[
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
];

/// What a family hands out: [`Counter`], [`Gauge`] or [`Histogram`].
pub trait Instrument: Sized {
    /// The memory behind a handle.
    #[doc(hidden)]
    type Core: Core;
    #[doc(hidden)]
    fn on(slot: Slot<Self::Core>) -> Self;
}

/// The memory behind a handle, and how several are summed.
#[doc(hidden)]
#[allow(private_interfaces)] // sealed: nobody outside can name what it needs
pub trait Core: Send + Sync + 'static {
    type Total: Clone + Default + std::fmt::Debug + Send;
    /// Whether a dropped handle's value stays in the sum.
    const IS_KEPT: bool;
    const KIND: SampleKind;
    /// What the exported name ends in.
    const SUFFIX: &'static str;
    fn new(bounds: &[u64]) -> Self;
    fn add_to(&self, total: &mut Self::Total);
    fn write(total: &Self::Total, bounds: &[u64], sample: &Sample<'_>, out: &mut Exposition);
}

/// The name and labels of a series that is being written.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sample<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: Vec<(&'a str, &'a str)>,
}

/// Moves a handle to another thread, but never shares it: two writers would lose counts.
type OneWriter = PhantomData<Cell<()>>;

/// A number that only grows. One writer; see [`SharedCounter`] for more.
#[derive(Debug)]
pub struct Counter(Slot<CounterCore>, OneWriter);

impl Counter {
    /// One more.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    #[inline]
    pub fn add(&self, count: u64) {
        let cell = &self.0.core().0;
        cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed);
    }
}

impl Instrument for Counter {
    type Core = CounterCore;
    fn on(slot: Slot<CounterCore>) -> Self {
        Self(slot, PhantomData)
    }
}

/// A counter for places with several writing threads: an atomic addition each.
#[derive(Debug, Clone)]
pub struct SharedCounter(Arc<Slot<CounterCore>>);

impl SharedCounter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.core().0.fetch_add(count, Relaxed);
    }
}

impl Family<Counter> {
    /// A counter that several threads may write.
    pub fn shared(&self, values: &[&str]) -> SharedCounter {
        SharedCounter(Arc::new(self.slot(values)))
    }
}

impl Family<Counter> {
    /// What each series has come to, with its label values.
    pub fn totals(&self) -> Vec<(Vec<String>, u64)> {
        self.sums()
    }
}

impl Family<Histogram> {
    /// How many times each series has counted and their sum, with its label values.
    pub fn totals(&self) -> Vec<(Vec<String>, (u64, Duration))> {
        let sums = self.sums().into_iter();
        sums.map(|(labels, total)| {
            let count = total
                .buckets
                .iter()
                .fold(0, |sum: u64, bucket| sum.wrapping_add(*bucket));
            (labels, (count, Duration::from_nanos(total.sum)))
        })
        .collect()
    }
}

/// A number that goes up and down; the gauges of a series are summed. One writer; gone when it is dropped.
#[derive(Debug)]
pub struct Gauge(Slot<GaugeCore>, OneWriter);

impl Gauge {
    /// Sets it.
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.core().0.store(value, Relaxed);
    }

    /// Adds; a negative number takes away.
    #[inline]
    pub fn add(&self, change: i64) {
        let cell = &self.0.core().0;
        cell.store(cell.load(Relaxed).wrapping_add(change), Relaxed);
    }

    /// What it says.
    pub fn value(&self) -> i64 {
        self.0.core().0.load(Relaxed)
    }
}

impl Instrument for Gauge {
    type Core = GaugeCore;
    fn on(slot: Slot<GaugeCore>) -> Self {
        Self(slot, PhantomData)
    }
}

/// A gauge for places with several writing threads.
#[derive(Debug, Clone)]
pub struct SharedGauge(Arc<Slot<GaugeCore>>);

impl SharedGauge {
    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.core().0.store(value, Relaxed);
    }

    /// Adds; a negative number takes away.
    pub fn add(&self, change: i64) {
        self.0.core().0.fetch_add(change, Relaxed);
    }
}

impl Family<Gauge> {
    /// A gauge that several threads may write.
    pub fn shared(&self, values: &[&str]) -> SharedGauge {
        SharedGauge(Arc::new(self.slot(values)))
    }
}

/// Times in buckets. One writer.
#[derive(Debug)]
pub struct Histogram(Slot<HistogramCore>, OneWriter);

impl Histogram {
    /// Counts one time. A search among some twenty bounds and two stores; no clock is read.
    #[inline]
    pub fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let core = self.0.core();
        let bucket = core.bounds.partition_point(|bound| *bound < nanos);
        if let Some(cell) = core.buckets.get(bucket) {
            cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
        }
        core.sum.store(core.sum.load(Relaxed).saturating_add(nanos), Relaxed);
    }
}

impl Instrument for Histogram {
    type Core = HistogramCore;
    fn on(slot: Slot<HistogramCore>) -> Self {
        Self(slot, PhantomData)
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub struct CounterCore(AtomicU64);

impl Core for CounterCore {
    type Total = u64;
    const IS_KEPT: bool = true;
    const KIND: SampleKind = SampleKind::Counter;
    const SUFFIX: &'static str = "_total";

    fn new(_: &[u64]) -> Self {
        Self(AtomicU64::new(0))
    }

    fn add_to(&self, total: &mut u64) {
        *total = total.wrapping_add(self.0.load(Relaxed));
    }

    fn write(total: &u64, _: &[u64], sample: &Sample<'_>, out: &mut Exposition) {
        out.sample(sample.name, sample.labels.iter().copied(), total);
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub struct GaugeCore(AtomicI64);

impl Core for GaugeCore {
    type Total = i64;
    const IS_KEPT: bool = false;
    const KIND: SampleKind = SampleKind::Gauge;
    const SUFFIX: &'static str = "";

    fn new(_: &[u64]) -> Self {
        Self(AtomicI64::new(0))
    }

    fn add_to(&self, total: &mut i64) {
        *total = total.wrapping_add(self.0.load(Relaxed));
    }

    fn write(total: &i64, _: &[u64], sample: &Sample<'_>, out: &mut Exposition) {
        out.sample(sample.name, sample.labels.iter().copied(), total);
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub struct HistogramCore {
    bounds: Box<[u64]>,
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// Buckets, not cumulative, the last one without a bound; and the sum of the times in nanoseconds.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct HistogramTotal {
    buckets: Vec<u64>,
    sum: u64,
}

impl Core for HistogramCore {
    type Total = HistogramTotal;
    const IS_KEPT: bool = true;
    const KIND: SampleKind = SampleKind::Histogram;
    const SUFFIX: &'static str = "_seconds";

    fn new(bounds: &[u64]) -> Self {
        let buckets = std::iter::repeat_with(|| AtomicU64::new(0));
        Self {
            bounds: bounds.into(),
            buckets: buckets.take(bounds.len() + 1).collect(),
            sum: AtomicU64::new(0),
        }
    }

    fn add_to(&self, total: &mut HistogramTotal) {
        total.buckets.resize(self.buckets.len(), 0);
        for (sum, cell) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum = sum.wrapping_add(cell.load(Relaxed));
        }
        total.sum = total.sum.saturating_add(self.sum.load(Relaxed));
    }

    fn write(total: &HistogramTotal, bounds: &[u64], sample: &Sample<'_>, out: &mut Exposition) {
        let name = sample.name;
        let labels = || sample.labels.iter().copied();
        let bucket_name = format!("{name}_bucket");
        let mut count = 0_u64;
        let ends = bounds.iter().map(|bound| seconds(*bound));
        let ends = ends.chain(std::iter::once("+Inf".to_owned()));
        let buckets = total.buckets.iter().copied().chain(std::iter::repeat(0));
        for (end, bucket) in ends.zip(buckets) {
            count = count.wrapping_add(bucket);
            out.sample(&bucket_name, labels().chain([("le", end.as_str())]), count);
        }
        out.sample(&format!("{name}_sum"), labels(), seconds(total.sum));
        // The count is taken from the buckets, so that it agrees with them while a writer is at work.
        out.sample(&format!("{name}_count"), labels(), count);
    }
}
