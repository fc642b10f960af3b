use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// How coarse the clock is that wakes sessions at their deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(100);
const NEARLY_A_MILLISECOND: Duration = Duration::from_nanos(999_999);

/// A core's sessions and their deadlines.
///
/// One ticker per core wakes whoever's deadline has passed, so a session arms no timer of its own: setting a deadline is
/// one store. A look over ten thousand entries each tenth of a second costs microseconds.
#[derive(Debug)]
pub struct Timers {
    origin: Instant,
    entries: RefCell<Vec<Entry>>,
    free: RefCell<Vec<u32>>,
    armed: Cell<usize>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Milliseconds after `origin`; 0 is never.
    deadline: u64,
    waker: Option<Waker>,
    used: bool,
}

/// A session's place on its core, until dropped. Its number also finds the session, for example in a cancel key.
#[derive(Debug)]
pub struct Slot {
    timers: Rc<Timers>,
    number: u32,
}

impl Timers {
    /// No session yet.
    pub fn new(now: Instant) -> Rc<Self> {
        Rc::new(Self {
            origin: now,
            entries: RefCell::default(),
            free: RefCell::default(),
            armed: Cell::new(0),
        })
    }

    /// A place for a session.
    pub fn register(self: &Rc<Self>) -> Slot {
        let mut entries = self.entries.borrow_mut();
        let number = self.free.borrow_mut().pop().unwrap_or_else(|| {
            entries.push(Entry::default());
            u32::try_from(entries.len() - 1).unwrap_or(u32::MAX)
        });
        entries[number as usize].used = true;
        drop(entries);
        Slot {
            timers: Rc::clone(self),
            number,
        }
    }

    /// Wakes whoever's deadline has passed.
    pub fn tick(&self, now: Instant) {
        if self.armed.get() == 0 {
            return;
        }
        let now = self.millis(now);
        for entry in self.entries.borrow_mut().iter_mut() {
            if entry.deadline != 0 && entry.deadline <= now {
                entry.deadline = 0;
                self.armed.set(self.armed.get() - 1);
                if let Some(waker) = &entry.waker {
                    waker.wake_by_ref();
                }
            }
        }
    }

    /// Wakes every session, to look at a new Plan or at the drain signal.
    pub fn wake_all(&self) {
        for entry in self.entries.borrow().iter() {
            if let Some(waker) = &entry.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.entries.borrow().len() - self.free.borrow().len()
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Slot {
    /// The number of this place; used again after this slot is dropped.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Wakes the session at this moment or a tick later; `None` never. Replaces the last deadline.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        let mut entries = self.timers.entries.borrow_mut();
        let entry = &mut entries[self.number as usize];
        let before = entry.deadline != 0;
        // Rounded up: a session that is woken finds its deadline passed.
        entry.deadline = deadline.map_or(0, |at| self.timers.millis(at + NEARLY_A_MILLISECOND).max(1));
        let after = entry.deadline != 0;
        let armed = self.timers.armed.get();
        self.timers.armed.set(armed + usize::from(after) - usize::from(before));
    }

    /// Says whom to wake; to be called once the session runs, and again if its task changes.
    pub fn set_waker(&self, cx: &Context<'_>) {
        let mut entries = self.timers.entries.borrow_mut();
        let entry = &mut entries[self.number as usize];
        if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            entry.waker = Some(cx.waker().clone());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.set_deadline(None);
        self.timers.entries.borrow_mut()[self.number as usize] = Entry::default();
        self.timers.free.borrow_mut().push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Once, and not a moment early: a session that is woken finds its deadline passed.
    #[test]
    fn wakes_at_the_deadline_once() {
        for (deadline, early) in [(500_000, 499_000), (1_700, 1_600), (1_700, 1_000)] {
            let start = Instant::now();
            let timers = Timers::new(start);
            let count = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&count));
            let slot = timers.register();
            slot.set_waker(&Context::from_waker(&waker));
            slot.set_deadline(Some(start + Duration::from_micros(deadline)));
            timers.tick(start + Duration::from_micros(early));
            assert_eq!(count.0.load(Ordering::Relaxed), 0, "{deadline} µs, at {early} µs");
            timers.tick(start + Duration::from_micros(deadline + 999));
            timers.tick(start + Duration::from_millis(600));
            assert_eq!(count.0.load(Ordering::Relaxed), 1, "{deadline} µs");
            assert_eq!(timers.armed.get(), 0);
        }
    }

    #[test]
    fn places_are_used_again() {
        let timers = Timers::new(Instant::now());
        let (first, second) = (timers.register(), timers.register());
        first.set_deadline(Some(Instant::now()));
        let number = first.number();
        drop(first);
        assert_eq!((timers.sessions(), timers.armed.get()), (1, 0));
        assert_eq!(timers.register().number(), number);
        drop(second);
    }
}
