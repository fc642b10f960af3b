use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// So many limits are known without a look at which are of use.
const FEW: usize = 16;

/// Limits over what is held in many places. Something may fall under several limits: it is counted against all of them, or it
/// waits and is counted against none, so that two who wait never hold what the other one needs.
///
/// Who finds a limit reached queues up, and each share that is given back goes to the oldest in the queue that can have all
/// that it needs. Locked when something is taken or given back, which looks at the limits of that alone, and at those who wait
/// for them; whether somebody waits is one atomic for each limit.
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
    lines: HashMap<K, Line<K>>,
    /// When there are so many, it is looked which are of no use any more.
    forget_at: usize,
    /// The number of the next ticket. None that waits can have all that it needs.
    next: u64,
    /// How often it was looked whether somebody can be served.
    looked: u64,
}

#[derive(Debug)]
struct Line<K> {
    /// 0 means no limit.
    most: usize,
    held: usize,
    /// Who waits for this or for another limit, and counts here, by number.
    waiting: BTreeMap<u64, Arc<Ticket<K>>>,
    starved: Arc<Starved>,
}

/// Whether somebody waits because one limit is reached.
#[derive(Debug, Default)]
pub struct Starved {
    /// Milliseconds after the origin, counted from 1, since when the oldest waits; 0 when nobody does.
    since: AtomicU64,
    /// When somebody last gave up for it what others needed, likewise.
    relieved: AtomicU64,
    /// How many wait.
    wanted: AtomicUsize,
    /// How much that counts here is being closed.
    closing: AtomicUsize,
}

/// Something that is being closed, and that will be given back then: let go of it after its share.
#[derive(Debug)]
pub struct Closing {
    starved: Arc<Starved>,
}

#[derive(Debug)]
struct Ticket<K> {
    number: u64,
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
                    next: 0,
                    looked: 0,
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
        let is_other = std::mem::replace(&mut line.most, most) != most;
        let starved = Arc::clone(&line.starved);
        if is_other {
            books.serve(&[key]);
        }
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
        let since = self.shared.millis(now);
        let mut books = self.shared.books();
        let ticket = Arc::new(Ticket {
            number: books.next,
            keys: keys.to_vec(),
            since,
            state: Mutex::new(State::Waiting(None)),
        });
        books.next += 1;
        if books.has_room(keys) {
            books.hold(keys);
            ticket.grant();
        } else {
            books.enter(&ticket);
        }
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

    /// Something that counts here is being closed.
    pub fn close(self: &Arc<Self>) -> Closing {
        self.closing.fetch_add(1, Ordering::Relaxed);
        Closing {
            starved: Arc::clone(self),
        }
    }

    /// Something is to be closed, if more wait than is being closed already.
    pub fn close_wanted(self: &Arc<Self>) -> Option<Closing> {
        let wanted = self.wanted.load(Ordering::Relaxed);
        let one_more = |closing: usize| (closing < wanted).then_some(closing + 1);
        let taken = self
            .closing
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| Closing {
            starved: Arc::clone(self),
        })
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.starved.closing.fetch_sub(1, Ordering::Relaxed);
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
            let line = self.line(key);
            line.held += 1;
            line.tell();
        }
    }

    fn line(&mut self, key: &K) -> &mut Line<K> {
        self.lines.entry(key.clone()).or_default()
    }

    fn release(&mut self, keys: &[K]) {
        let mut freed = Vec::new();
        for key in keys {
            let Some(line) = self.lines.get_mut(key) else { continue };
            let was_full = !line.has_room();
            line.held = line.held.saturating_sub(1);
            // Nobody waits for what was not full.
            if was_full && line.has_room() {
                freed.push(key);
            }
        }
        self.serve(&freed);
    }

    fn enter(&mut self, ticket: &Arc<Ticket<K>>) {
        for key in &ticket.keys {
            let line = self.line(key);
            line.waiting.insert(ticket.number, Arc::clone(ticket));
            line.tell();
        }
    }

    fn leave(&mut self, ticket: &Ticket<K>) {
        for key in &ticket.keys {
            if let Some(line) = self.lines.get_mut(key) {
                line.waiting.remove(&ticket.number);
                line.tell();
            }
        }
    }

    /// Gives what there is of these keys to those who wait, the oldest first, and says who still does.
    fn serve(&mut self, keys: &[&K]) {
        let mut from = 0;
        while let Some(ticket) = self.next(keys, from) {
            from = ticket.number + 1;
            self.looked += 1;
            if self.has_room(&ticket.keys) {
                self.leave(&ticket);
                self.hold(&ticket.keys);
                ticket.grant();
            }
        }
        for key in keys {
            if let Some(line) = self.lines.get(*key) {
                line.tell();
            }
        }
    }

    /// The oldest of those from a number on who wait for one of these keys that has room.
    fn next(&self, keys: &[&K], from: u64) -> Option<Arc<Ticket<K>>> {
        let lines = keys.iter().filter_map(|key| self.lines.get(*key));
        let waiting = lines
            .filter(|line| line.has_room())
            .filter_map(|line| line.waiting.range(from..).next());
        let oldest = waiting.min_by_key(|(number, _)| **number);
        oldest.map(|(_, ticket)| Arc::clone(ticket))
    }

    /// Forgets the limits that nobody looks at and nobody has anything of.
    fn forget(&mut self) {
        self.lines
            .retain(|_, line| line.held > 0 || !line.waiting.is_empty() || Arc::strong_count(&line.starved) > 1);
        self.forget_at = (2 * self.lines.len()).max(FEW);
    }
}

impl<K> Default for Line<K> {
    fn default() -> Self {
        Self {
            most: 0,
            held: 0,
            waiting: BTreeMap::new(),
            starved: Arc::default(),
        }
    }
}

impl<K> Line<K> {
    fn has_room(&self) -> bool {
        self.most == 0 || self.held < self.most
    }

    /// Says whether somebody waits because it is reached.
    fn tell(&self) {
        let oldest = self.waiting.values().next().filter(|_| !self.has_room());
        let wanted = oldest.map_or(0, |_| self.waiting.len());
        let since = oldest.map_or(0, |ticket| ticket.since);
        self.starved.since.store(since, Ordering::Relaxed);
        self.starved.wanted.store(wanted, Ordering::Relaxed);
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
            State::Waiting(_) => books.leave(&self.ticket),
        }
    }
}

impl<K: Hash + Eq + Clone> Drop for Share<K> {
    fn drop(&mut self) {
        self.shared.books().release(&self.keys);
    }
}

#[cfg(test)]
mod tests;
