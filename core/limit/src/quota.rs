use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// So many limits are known without a look at which are of use.
const FEW: usize = 16;

/// Limits over what is held in many places. Something may fall under several limits: it is counted against all of them, or it
/// waits and is counted against none, so that two who wait never hold what the other one needs.
///
/// Who finds a limit reached queues up, and each share that is given back goes to the oldest in the queue that can have all
/// that it needs. Locked when something is taken or given back; whether somebody waits is one atomic for each limit.
#[derive(Debug)]
pub struct Quotas<K: Hash + Eq + Clone> {
    shared: Arc<Shared<K>>,
}

#[derive(Debug)]
struct Shared<K: Hash + Eq + Clone> {
    origin: Instant,
    books: Mutex<Books<K>>,
}

#[derive(Debug)]
struct Books<K: Hash + Eq + Clone> {
    lines: HashMap<K, Line>,
    /// When there are so many, it is looked which are of no use any more.
    forget_at: usize,
    waiting: VecDeque<Arc<Ticket<K>>>,
}

#[derive(Debug, Default)]
struct Line {
    /// 0 means no limit.
    most: usize,
    held: usize,
    starved: Arc<Starved>,
}

/// Whether somebody waits because one limit is reached.
#[derive(Debug, Default)]
pub struct Starved {
    /// Milliseconds after the origin, counted from 1, since when the oldest waits; 0 when nobody does.
    since: AtomicU64,
    /// When somebody last gave up for it what others needed, likewise.
    relieved: AtomicU64,
}

#[derive(Debug)]
struct Ticket<K> {
    keys: Vec<K>,
    since: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Granted,
    Done,
}

/// One of what is limited, until dropped.
#[derive(Debug)]
pub struct Share<K: Hash + Eq + Clone> {
    shared: Arc<Shared<K>>,
    keys: Vec<K>,
}

/// A place in the queue for a share; gives it up when dropped.
#[derive(Debug)]
pub struct Claim<K: Hash + Eq + Clone> {
    shared: Arc<Shared<K>>,
    ticket: Arc<Ticket<K>>,
}

impl<K: Hash + Eq + Clone> Quotas<K> {
    /// Nothing is held.
    pub fn new(now: Instant) -> Self {
        Self {
            shared: Arc::new(Shared {
                origin: now,
                books: Mutex::new(Books {
                    lines: HashMap::new(),
                    forget_at: FEW,
                    waiting: VecDeque::new(),
                }),
            }),
        }
    }

    /// Says how many there may be of a key, for those who have it and for those who wait for it; returns where it can be seen
    /// whether somebody does. It lives for as long as that is kept.
    pub fn set(&self, key: &K, most: usize) -> Arc<Starved> {
        let mut books = self.shared.books();
        if books.lines.len() >= books.forget_at {
            books.forget();
        }
        let line = books.line(key);
        line.most = most;
        let starved = Arc::clone(&line.starved);
        books.serve();
        starved
    }

    /// A share of all these keys if there is room at once. A key that is not set has no limit.
    pub fn take(&self, keys: &[K]) -> Option<Share<K>> {
        let mut books = self.shared.books();
        if !books.has_room(keys) {
            return None;
        }
        books.hold(keys);
        drop(books);
        Some(Share {
            shared: Arc::clone(&self.shared),
            keys: keys.to_vec(),
        })
    }

    /// Queues up for a share.
    pub fn claim(&self, keys: &[K], now: Instant) -> Claim<K> {
        let ticket = Arc::new(Ticket {
            keys: keys.to_vec(),
            since: self.shared.millis(now),
            state: Mutex::new(State::Waiting(None)),
        });
        let mut books = self.shared.books();
        books.waiting.push_back(Arc::clone(&ticket));
        books.serve();
        drop(books);
        Claim {
            shared: Arc::clone(&self.shared),
            ticket,
        }
    }

    /// How many of a key are held.
    pub fn held(&self, key: &K) -> usize {
        self.shared.books().lines.get(key).map_or(0, |line| line.held)
    }

    /// Whether one that another place still needs should go to who has waited for this limit for `patience`, and for longer
    /// than that other place's own, since `own`. That is so once in each `patience` only: what is passed on has to be made anew.
    pub fn is_turn_of(&self, starved: &Starved, own: Instant, now: Instant, patience: Duration) -> bool {
        let (own, now) = (self.shared.millis(own), self.shared.millis(now));
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let since = starved.since.load(Ordering::Relaxed);
        if since == 0 || since >= own || now < since.saturating_add(patience) {
            return false;
        }
        let relieved = starved.relieved.load(Ordering::Relaxed);
        let is_due = relieved == 0 || now >= relieved.saturating_add(patience);
        let taken = || {
            starved
                .relieved
                .compare_exchange(relieved, now, Ordering::Relaxed, Ordering::Relaxed)
        };
        is_due && taken().is_ok()
    }
}

impl Starved {
    /// Whether somebody waits.
    pub fn is_so(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }
}

impl<K: Hash + Eq + Clone> Shared<K> {
    fn books(&self) -> MutexGuard<'_, Books<K>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl<K: Hash + Eq + Clone> Books<K> {
    fn has_room(&self, keys: &[K]) -> bool {
        keys.iter().all(|key| self.lines.get(key).is_none_or(Line::has_room))
    }

    fn hold(&mut self, keys: &[K]) {
        for key in keys {
            self.line(key).held += 1;
        }
    }

    fn line(&mut self, key: &K) -> &mut Line {
        self.lines.entry(key.clone()).or_default()
    }

    fn release(&mut self, keys: &[K]) {
        for key in keys {
            if let Some(line) = self.lines.get_mut(key) {
                line.held = line.held.saturating_sub(1);
            }
        }
        self.serve();
    }

    /// Gives what there is to those who wait, the oldest first, and says who still does.
    fn serve(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        for ticket in waiting {
            if self.has_room(&ticket.keys) {
                self.hold(&ticket.keys);
                ticket.grant();
            } else {
                self.waiting.push_back(ticket);
            }
        }
        self.tell();
    }

    /// Says for which limits somebody waits.
    fn tell(&self) {
        for (key, line) in &self.lines {
            let needs = |ticket: &&Arc<Ticket<K>>| !line.has_room() && ticket.keys.contains(key);
            let oldest = self.waiting.iter().find(needs);
            line.starved
                .since
                .store(oldest.map_or(0, |ticket| ticket.since), Ordering::Relaxed);
        }
    }

    /// Forgets the limits that nobody looks at and nobody has anything of.
    fn forget(&mut self) {
        let waiting = &self.waiting;
        self.lines.retain(|key, line| {
            let is_wanted = waiting.iter().any(|ticket| ticket.keys.contains(key));
            line.held > 0 || is_wanted || Arc::strong_count(&line.starved) > 1
        });
        self.forget_at = (2 * self.lines.len()).max(FEW);
    }
}

impl Line {
    fn has_room(&self) -> bool {
        self.most == 0 || self.held < self.most
    }
}

impl<K> Ticket<K> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grant(&self) {
        let before = std::mem::replace(&mut *self.state(), State::Granted);
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<K: Hash + Eq + Clone> Future for Claim<K> {
    type Output = Share<K>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Share<K>> {
        let mut state = self.ticket.state();
        if matches!(*state, State::Granted) {
            *state = State::Done;
            return Poll::Ready(Share {
                shared: Arc::clone(&self.shared),
                keys: self.ticket.keys.clone(),
            });
        }
        *state = State::Waiting(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl<K: Hash + Eq + Clone> Drop for Claim<K> {
    fn drop(&mut self) {
        // The books first, as everywhere: a grant is made under their lock.
        let mut books = self.shared.books();
        let before = std::mem::replace(&mut *self.ticket.state(), State::Done);
        match before {
            State::Done => {}
            State::Granted => books.release(&self.ticket.keys),
            State::Waiting(_) => {
                books.waiting.retain(|other| !Arc::ptr_eq(other, &self.ticket));
                books.tell();
            }
        }
    }
}

impl<K: Hash + Eq + Clone> Drop for Share<K> {
    fn drop(&mut self) {
        self.shared.books().release(&self.keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Names = Quotas<&'static str>;

    fn is_served(claim: &mut Claim<&'static str>) -> Option<Share<&'static str>> {
        match Pin::new(claim).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        }
    }

    #[test]
    fn all_or_none_and_the_oldest_first() {
        let now = Instant::now();
        let quotas = Names::new(now);
        let (a, b) = (quotas.set(&"a", 1), quotas.set(&"b", 1));
        let both = quotas.take(&["a", "b"]).unwrap();
        assert!(quotas.take(&["a"]).is_none() && quotas.take(&["c"]).is_some());
        let (mut first, mut second) = (quotas.claim(&["a", "b"], now), quotas.claim(&["a"], now));
        assert!(is_served(&mut first).is_none() && is_served(&mut second).is_none());
        assert!(a.is_so() && b.is_so());
        drop(both);
        let first = is_served(&mut first).unwrap();
        assert!(is_served(&mut second).is_none(), "the first has it");
        assert!(a.is_so() && !b.is_so());
        drop(first);
        assert!(is_served(&mut second).is_some());
        assert!(!a.is_so());
        assert_eq!((quotas.held(&"a"), quotas.held(&"b")), (0, 0));
    }

    #[test]
    fn who_leaves_takes_nothing_along() {
        let now = Instant::now();
        let quotas = Names::new(now);
        let starved = quotas.set(&"a", 1);
        let held = quotas.take(&["a"]).unwrap();
        let (first, mut second) = (quotas.claim(&["a"], now), quotas.claim(&["a"], now));
        let third = quotas.claim(&["a"], now);
        drop(third);
        drop(held);
        // Granted, and never asked for.
        drop(first);
        assert!(is_served(&mut second).is_some());
        assert!(!starved.is_so());
    }

    #[test]
    fn a_limit_that_is_raised_serves_at_once() {
        let now = Instant::now();
        let quotas = Names::new(now);
        drop(quotas.set(&"a", 1));
        let held = quotas.take(&["a"]).unwrap();
        let mut claim = quotas.claim(&["a"], now);
        drop(quotas.set(&"a", 2));
        let second = is_served(&mut claim);
        assert!(second.is_some());
        drop((held, second));
        assert_eq!(quotas.held(&"a"), 0);
    }

    #[test]
    fn limits_that_nobody_has_anything_of_are_forgotten() {
        let quotas = Quotas::<usize>::new(Instant::now());
        let kept = quotas.set(&0, 1);
        drop(quotas.set(&1, 1));
        let held = quotas.take(&[1]).unwrap();
        for key in 2..1000 {
            drop(quotas.set(&key, 1));
        }
        let known = || quotas.shared.books().lines.len();
        assert!(known() <= FEW, "{}", known());
        assert!(quotas.take(&[1]).is_none(), "still held");
        drop((kept, held));
    }

    #[test]
    fn those_who_wait_for_long_get_their_turn_now_and_then() {
        let start = Instant::now();
        let after = |millis: u64| start + Duration::from_millis(millis);
        let quotas = Names::new(start);
        let starved = quotas.set(&"a", 1);
        let _held = quotas.take(&["a"]);
        let patience = Duration::from_millis(100);
        let is_turn = |own: u64, now: u64| quotas.is_turn_of(&starved, after(own), after(now), patience);
        assert!(!is_turn(50, 500), "nobody waits");
        let _claim = quotas.claim(&["a"], after(10));
        assert!(!is_turn(50, 100), "not yet");
        assert!(!is_turn(5, 200), "one's own waits for longer");
        assert!(is_turn(50, 200));
        assert!(!is_turn(50, 250), "one at a time");
        assert!(is_turn(50, 301));
    }

    /// Whoever takes, waits and leaves in whatever order: no limit is ever passed, and at the end nothing is held.
    #[test]
    fn limits_hold_over_threads() {
        let quotas = Arc::new(Quotas::<usize>::new(Instant::now()));
        let _lines = [quotas.set(&0, 2), quotas.set(&1, 3)];
        let threads: Vec<_> = (0..4_usize)
            .map(|seed| {
                let quotas = Arc::clone(&quotas);
                std::thread::spawn(move || {
                    let mut served = 0_usize;
                    for turn in 0..500_usize {
                        let keys: &[usize] = [&[0][..], &[1], &[0, 1]][(seed + turn) % 3];
                        let mut claim = quotas.claim(keys, Instant::now());
                        let mut tries = 0;
                        while tries < 1000 + seed {
                            if let Poll::Ready(share) =
                                Pin::new(&mut claim).poll(&mut Context::from_waker(Waker::noop()))
                            {
                                assert!(quotas.held(&0) <= 2 && quotas.held(&1) <= 3);
                                served += 1;
                                drop(share);
                                break;
                            }
                            tries += 1;
                            std::thread::yield_now();
                        }
                    }
                    served
                })
            })
            .collect();
        let served: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(served > 0);
        assert_eq!((quotas.held(&0), quotas.held(&1)), (0, 0));
    }
}
