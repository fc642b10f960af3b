use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::LendOrder;

/// The bounds that a ledger keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most connections, lent, idle and being opened together.
    pub size: usize,
    /// Idle connections that time does not close.
    pub min_idle: usize,
    /// The most waiters.
    pub queue: usize,
    /// How long an idle connection is kept; `None` keeps it.
    pub idle_timeout: Option<Duration>,
    /// How old a connection may get; `None` keeps it.
    pub max_lifetime: Option<Duration>,
    /// Which idle connection is lent.
    pub order: LendOrder,
}

/// The books of a pool: who holds what, who waits, what is idle. Pure: time is passed in, connections are opaque.
///
/// `C` is a connection, `W` a waiter's mark.
#[derive(Debug)]
pub struct Ledger<C, W> {
    limits: Limits,
    idle: Vec<Idle<C>>,
    waiting: VecDeque<W>,
    lent: usize,
    opening: usize,
    /// Connections that were born before are closed as they come back.
    renewed: Option<Instant>,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
    born: Instant,
}

/// How many connections and waiters a pool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lent out.
    pub lent: usize,
    /// Idle.
    pub idle: usize,
    /// Being opened.
    pub opening: usize,
    /// Clients that wait.
    pub waiting: usize,
}

/// What becomes of a connection that came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Returned<C, W> {
    /// It goes to this waiter, the oldest.
    Hand(C, W),
    /// It is idle.
    Kept,
    /// It is too old, or the pool has shrunk.
    Close(C),
}

impl<C, W> Ledger<C, W> {
    /// Empty books.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            idle: Vec::new(),
            waiting: VecDeque::new(),
            lent: 0,
            opening: 0,
            renewed: None,
        }
    }

    /// Exchanges the bounds; what is over them is closed as it comes back.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many of everything there are.
    pub fn counts(&self) -> Counts {
        Counts {
            lent: self.lent,
            idle: self.idle.len(),
            opening: self.opening,
            waiting: self.waiting.len(),
        }
    }

    /// Lends the idle connection whose turn it is among those that `prefer` likes, else the one whose turn it is.
    /// `None` when nothing is idle or somebody older waits.
    pub(crate) fn lend(&mut self, prefer: impl Fn(&C) -> bool) -> Option<C> {
        if !self.waiting.is_empty() {
            return None;
        }
        // They stand in the order in which they came back.
        let last = self.idle.len().checked_sub(1)?;
        let mut idle = self.idle.iter();
        let at = match self.limits.order {
            LendOrder::Lifo => idle.rposition(|idle| prefer(&idle.connection)).unwrap_or(last),
            LendOrder::Fifo => idle.position(|idle| prefer(&idle.connection)).unwrap_or(0),
        };
        let idle = self.idle.remove(at);
        self.lent += 1;
        Some(idle.connection)
    }

    /// Puts a waiter at the end of the queue; `Err` when the queue is full.
    pub(crate) fn wait(&mut self, waiter: W) -> Result<(), W> {
        if self.waiting.len() >= self.limits.queue {
            return Err(waiter);
        }
        self.waiting.push_back(waiter);
        Ok(())
    }

    /// Puts a waiter back at the front: it had its turn and could not use what it got.
    pub(crate) fn wait_first(&mut self, waiter: W) {
        self.waiting.push_front(waiter);
    }

    /// Takes a waiter out of the queue. Waiters that give up are nearly always the oldest, so the search is short.
    pub(crate) fn leave(&mut self, is_it: impl Fn(&W) -> bool) -> bool {
        let Some(at) = self.waiting.iter().position(is_it) else {
            return false;
        };
        self.waiting.remove(at);
        true
    }

    /// The oldest waiter.
    pub(crate) fn first(&self) -> Option<&W> {
        self.waiting.front()
    }

    /// Takes every waiter out of the queue.
    pub(crate) fn dismiss(&mut self) -> VecDeque<W> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether another connection should be opened now: somebody waits, or too few are idle, and there is room.
    pub(crate) fn wants_to_open(&self) -> bool {
        let open = self.lent + self.idle.len() + self.opening;
        let wanted = if self.waiting.is_empty() {
            let used = self.lent > 0 || !self.idle.is_empty();
            used && self.idle.len() + self.opening < self.limits.min_idle
        } else {
            self.waiting.len() > self.opening
        };
        wanted && open < self.limits.size
    }

    /// A connection is being opened.
    pub(crate) fn opening(&mut self) {
        self.opening += 1;
    }

    /// A connection that was being opened did not come about.
    pub(crate) fn not_opened(&mut self) {
        self.opening = self.opening.saturating_sub(1);
    }

    /// A connection that was being opened is there.
    pub(crate) fn opened(&mut self, connection: C, now: Instant) -> Returned<C, W> {
        self.opening = self.opening.saturating_sub(1);
        self.place(connection, now, now)
    }

    /// A lent connection comes back, clean.
    pub(crate) fn take_back(&mut self, connection: C, born: Instant, now: Instant) -> Returned<C, W> {
        self.lent = self.lent.saturating_sub(1);
        let open = self.lent + self.idle.len();
        let old = self
            .limits
            .max_lifetime
            .is_some_and(|most| now.duration_since(born) >= most);
        let old = old || self.renewed.is_some_and(|renewed| born < renewed);
        if old || open >= self.limits.size {
            return Returned::Close(connection);
        }
        self.place(connection, born, now)
    }

    /// A lent connection is gone.
    pub(crate) fn lost(&mut self) {
        self.lent = self.lent.saturating_sub(1);
    }

    fn place(&mut self, connection: C, born: Instant, now: Instant) -> Returned<C, W> {
        if let Some(waiter) = self.waiting.pop_front() {
            self.lent += 1;
            return Returned::Hand(connection, waiter);
        }
        self.idle.push(Idle {
            connection,
            since: now,
            born,
        });
        Returned::Kept
    }

    /// Takes out the idle connections that are too old, idle for too long, or that `is_well` finds dead.
    pub(crate) fn expire(&mut self, now: Instant, mut is_well: impl FnMut(&mut C) -> bool) -> Vec<C> {
        let mut out = Vec::new();
        let mut spare = self.idle.len().saturating_sub(self.limits.min_idle);
        let mut at = 0;
        while at < self.idle.len() {
            let idle = &mut self.idle[at];
            let tired = self
                .limits
                .idle_timeout
                .is_some_and(|most| now.duration_since(idle.since) >= most);
            let old = self
                .limits
                .max_lifetime
                .is_some_and(|most| now.duration_since(idle.born) >= most);
            let dead = !is_well(&mut idle.connection);
            let surplus = self.lent + self.idle.len() > self.limits.size;
            if dead || old || surplus || (tired && spare > 0) {
                spare = spare.saturating_sub(1);
                out.push(self.idle.remove(at).connection);
            } else {
                at += 1;
            }
        }
        out
    }

    /// Connections from before now are no longer wanted: the idle ones are taken out, lent ones close as they come back.
    pub(crate) fn renew(&mut self, now: Instant) -> Vec<C> {
        self.renewed = Some(now);
        self.clear()
    }

    /// Takes out every idle connection.
    pub(crate) fn clear(&mut self) -> Vec<C> {
        self.idle.drain(..).map(|idle| idle.connection).collect()
    }

    /// The idle connections.
    pub(crate) fn idle(&self) -> impl Iterator<Item = &C> {
        self.idle.iter().map(|idle| &idle.connection)
    }
}
