use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::exposition::Exposition;
use crate::instrument::{Core, Instrument, Sample};

/// Most series of a family unless the registry says otherwise.
pub const MAX_SERIES: usize = 1_000;
/// The value of every label of the series that takes what exceeds the bound.
pub const OVERFLOW: &str = "other";

/// Longest label value; the rest is cut, so that a client cannot fill memory with its own name.
const MAX_LABEL: usize = 128;

/// All series of one name.
#[derive(Debug)]
pub struct Family<I: Instrument>(Arc<Inner<I::Core>>);

impl<I: Instrument> Clone for Family<I> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I: Instrument> Family<I> {
    /// A new handle under these label values, in the order in which the family names its labels. Missing values are
    /// empty, surplus ones ignored. Past the bound on series every label is [`OVERFLOW`].
    ///
    /// Takes a lock: resolve handles when a session starts, not on its way.
    pub fn handle(&self, values: &[&str]) -> I {
        I::on(self.slot(values))
    }

    pub(crate) fn slot(&self, values: &[&str]) -> Slot<I::Core> {
        let mut key: LabelValues = vec![Box::default(); self.0.labels.len()].into();
        for (label, value) in key.iter_mut().zip(values) {
            *label = cut(value).into();
        }
        self.0.enlist(key)
    }

    /// The sum of each series, dropped handles included where they count, under its label values.
    pub(crate) fn sums(&self) -> Vec<(Vec<String>, <I::Core as Core>::Total)> {
        let all: Vec<_> = lock(&self.0.series)
            .iter()
            .map(|(key, series)| (key.clone(), Arc::clone(series)))
            .collect();
        all.iter()
            .filter_map(|(key, series)| Some((key.iter().map(ToString::to_string).collect(), series.total()?)))
            .collect()
    }

    pub(crate) fn on(inner: Arc<Inner<I::Core>>) -> Self {
        Self(inner)
    }
}

fn cut(value: &str) -> &str {
    let end = (0..=MAX_LABEL.min(value.len()))
        .rev()
        .find(|end| value.is_char_boundary(*end));
    value.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// One value for each label, in the family's order.
type LabelValues = Box<[Box<str>]>;

/// What the registry keeps of a family.
#[derive(Debug)]
pub(crate) struct Inner<C: Core> {
    name: String,
    help: String,
    labels: Vec<String>,
    bounds: Box<[u64]>,
    max_series: usize,
    series: Mutex<BTreeMap<LabelValues, Arc<Series<C>>>>,
}

impl<C: Core> Inner<C> {
    pub(crate) fn new(name: String, help: &str, labels: &[&str], bounds: &[u64], max_series: usize) -> Self {
        Self {
            name,
            help: help.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            bounds: bounds.into(),
            max_series,
            series: Mutex::default(),
        }
    }

    pub(crate) fn is_like(&self, labels: &[&str], bounds: &[u64]) -> bool {
        self.labels == labels && *self.bounds == *bounds
    }

    fn enlist(&self, mut key: LabelValues) -> Slot<C> {
        let mut all = lock(&self.series);
        if !all.contains_key(&key) && all.len() >= self.max_series {
            if !C::IS_KEPT {
                all.retain(|_, series| !lock(&series.state).live.is_empty());
            }
            if all.len() >= self.max_series {
                key.fill(OVERFLOW.into());
            }
        }
        let series = Arc::clone(all.entry(key).or_insert_with(Series::empty));
        // Enlisted while the family is locked, or a gauge's new series could be cleared away in between.
        let core = Arc::new(C::new(&self.bounds));
        let mut state = lock(&series.state);
        state.next += 1;
        let id = state.next;
        state.live.insert(id, Arc::clone(&core));
        drop(state);
        Slot { core, series, id }
    }
}

/// A family of whatever kind, as a scrape sees it.
pub(crate) trait Expose: Send + Sync {
    fn expose(&self, out: &mut Exposition);
}

impl<C: Core> Expose for Inner<C> {
    fn expose(&self, out: &mut Exposition) {
        // The lock is held for a list of pointers, not while text is written.
        let all: Vec<_> = lock(&self.series)
            .iter()
            .map(|(key, series)| (key.clone(), Arc::clone(series)))
            .collect();
        let sums: Vec<_> = all
            .iter()
            .filter_map(|(key, series)| Some((key, series.total()?)))
            .collect();
        if sums.is_empty() {
            return;
        }
        out.family(&self.name, &self.help, C::KIND);
        for (key, total) in sums {
            let labels = self.labels.iter().map(String::as_str);
            let sample = Sample {
                name: &self.name,
                labels: labels.zip(key.iter().map(|value| &**value)).collect(),
            };
            C::write(&total, &self.bounds, &sample, out);
        }
    }
}

/// All handles with the same label values.
#[derive(Debug)]
struct Series<C: Core> {
    state: Mutex<State<C>>,
}

#[derive(Debug)]
struct State<C: Core> {
    /// What dropped handles left.
    base: C::Total,
    live: HashMap<u64, Arc<C>>,
    next: u64,
}

impl<C: Core> Series<C> {
    fn empty() -> Arc<Self> {
        let state = State {
            base: C::Total::default(),
            live: HashMap::new(),
            next: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// The sum, or nothing where nobody is left to say one.
    fn total(&self) -> Option<C::Total> {
        let state = lock(&self.state);
        if state.live.is_empty() && !C::IS_KEPT {
            return None;
        }
        let mut total = state.base.clone();
        state.live.values().for_each(|core| core.add_to(&mut total));
        Some(total)
    }
}

/// One handle's place in its series.
#[derive(Debug)]
pub struct Slot<C: Core> {
    core: Arc<C>,
    series: Arc<Series<C>>,
    id: u64,
}

impl<C: Core> Slot<C> {
    #[inline]
    pub(crate) fn core(&self) -> &C {
        &self.core
    }
}

impl<C: Core> Drop for Slot<C> {
    fn drop(&mut self) {
        let mut state = lock(&self.series.state);
        state.live.remove(&self.id);
        if C::IS_KEPT {
            self.core.add_to(&mut state.base);
        }
    }
}

/// Every critical section leaves the maps whole, so a panic elsewhere is no reason to stop counting.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
