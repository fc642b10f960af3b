use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::LendOrder;

/// The bounds that a ledger keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most connections, lent, idle and being opened together.
    pub size: usize,
    /// So many more for clients that have waited for long.
    pub reserve: usize,
    /// How long that is; `None` leaves the reserve alone.
    pub reserve_after: Option<Duration>,
    /// Connections, lent ones included, that are opened without a waiter while the pool is in use, and that time does not close.
    pub min: usize,
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
    /// How long nothing is opened after that has failed for a reason that may pass; `None` tells who waits instead.
    pub retry_after: Option<Duration>,
}

/// The books of a pool: who holds what, who waits, what is idle. Pure: time is passed in, connections are opaque.
///
/// `C` is a connection, `W` a waiter's mark.
#[derive(Debug)]
pub struct Ledger<C, W> {
    limits: Limits,
    idle: Vec<Idle<C>>,
    waiting: VecDeque<Waiting<W>>,
    lent: usize,
    opening: usize,
    /// Somebody is there who may want a connection at any time.
    in_use: bool,
    /// Nothing is opened before.
    closed_until: Option<Instant>,
    /// The last connection could not be opened, for a reason that does not pass by itself.
    is_refused: bool,
    /// Connections that were born before are closed as they come back.
    renewed: Option<Instant>,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
    born: Instant,
}

#[derive(Debug)]
struct Waiting<W> {
    waiter: W,
    since: Instant,
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
            in_use: false,
            closed_until: None,
            is_refused: false,
            renewed: None,
        }
    }

    /// Exchanges the bounds; what is over them is closed as it comes back. Whatever else has changed with them, what was refused
    /// may be possible now.
    pub fn set_limits(&mut self, limits: Limits) {
        self.is_refused = false;
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
    pub(crate) fn wait(&mut self, waiter: W, now: Instant) -> Result<(), W> {
        if self.waiting.len() >= self.limits.queue {
            return Err(waiter);
        }
        self.waiting.push_back(Waiting { waiter, since: now });
        Ok(())
    }

    /// Puts a waiter back at the front: it had its turn and could not use what it got. It has waited for as long as the next.
    pub(crate) fn wait_first(&mut self, waiter: W, now: Instant) {
        let since = self.waiting.front().map_or(now, |next| next.since);
        self.waiting.push_front(Waiting { waiter, since });
    }

    /// Takes a waiter out of the queue. Waiters that give up are nearly always the oldest, so the search is short.
    pub(crate) fn leave(&mut self, is_it: impl Fn(&W) -> bool) -> bool {
        let Some(at) = self.waiting.iter().position(|waiting| is_it(&waiting.waiter)) else {
            return false;
        };
        self.waiting.remove(at);
        true
    }

    /// The oldest waiter.
    pub(crate) fn first(&self) -> Option<&W> {
        self.waiting.front().map(|waiting| &waiting.waiter)
    }

    /// Since when the oldest waiter waits.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since)
    }

    /// Takes every waiter out of the queue.
    pub(crate) fn dismiss(&mut self) -> impl Iterator<Item = W> + use<C, W> {
        std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|waiting| waiting.waiter)
    }

    /// Says whether somebody is there who may want a connection at any time.
    pub(crate) fn set_in_use(&mut self, in_use: bool) {
        self.in_use = in_use;
    }

    /// Whether the last connection could not be opened, for a reason that does not pass by itself.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Whether nothing is there, and nothing is tried for a while after that has failed: who comes now would wait for nothing.
    pub(crate) fn is_away(&self, now: Instant) -> bool {
        self.open() + self.opening == 0 && self.closed_until.is_some_and(|until| now < until)
    }

    /// Whether another connection should be opened now: somebody waits, or too few are there, and there is room.
    pub(crate) fn wants_to_open(&self, now: Instant) -> bool {
        if self.closed_until.is_some_and(|until| now < until) {
            return false;
        }
        let open = self.open() + self.opening;
        if open < self.limits.size {
            return self.wants_one_more(self.opening);
        }
        // Who has waited for long, and has none on its way.
        let next = self
            .waiting
            .get(self.opening)
            .map(|waiting| now.duration_since(waiting.since));
        let is_overdue = next
            .zip(self.limits.reserve_after)
            .is_some_and(|(waited, most)| waited >= most);
        is_overdue && open < self.most()
    }

    /// Whether a connection that is being opened is still wanted.
    pub(crate) fn needs_opening(&self) -> bool {
        let others = self.opening.saturating_sub(1);
        self.open() + others < self.most() && self.wants_one_more(others)
    }

    /// Whether there are too few when so many are being opened.
    fn wants_one_more(&self, opening: usize) -> bool {
        if !self.waiting.is_empty() {
            return self.waiting.len() > opening;
        }
        // Where the server refuses, one is enough to find out whether it still does.
        if self.is_refused && opening > 0 {
            return false;
        }
        let is_used = self.lent > 0 || !self.idle.is_empty();
        let lacks_idle = is_used && self.idle.len() + opening < self.limits.min_idle;
        lacks_idle || (self.in_use && self.open() + opening < self.limits.min)
    }

    /// Connections that are there.
    fn open(&self) -> usize {
        self.lent + self.idle.len()
    }

    /// The most connections, those of the reserve included.
    fn most(&self) -> usize {
        self.limits.size + self.limits.reserve
    }

    /// A connection is being opened.
    pub(crate) fn opening(&mut self) {
        self.opening += 1;
    }

    /// A connection that was being opened is not wanted any more.
    pub(crate) fn not_opened(&mut self) {
        self.opening = self.opening.saturating_sub(1);
    }

    /// A connection could not be opened, for a reason that may pass or not. `true` when those who wait are to be told; else it
    /// is tried again later.
    pub(crate) fn failed(&mut self, may_pass: bool, now: Instant) -> bool {
        self.not_opened();
        let pause = self.limits.retry_after.filter(|_| may_pass);
        self.closed_until = pause.map(|pause| now + pause);
        self.is_refused = !may_pass;
        self.closed_until.is_none() && self.lent == 0
    }

    /// A connection that was being opened is there.
    pub(crate) fn opened(&mut self, connection: C, now: Instant) -> Returned<C, W> {
        self.opening = self.opening.saturating_sub(1);
        self.closed_until = None;
        self.is_refused = false;
        self.place(connection, now, now)
    }

    /// A lent connection comes back, clean.
    pub(crate) fn take_back(&mut self, connection: C, born: Instant, now: Instant) -> Returned<C, W> {
        self.lent = self.lent.saturating_sub(1);
        let open = self.open();
        let old = self
            .limits
            .max_lifetime
            .is_some_and(|most| now.duration_since(born) >= most);
        let old = old || self.renewed.is_some_and(|renewed| born < renewed);
        if old || open >= self.most() {
            return Returned::Close(connection);
        }
        self.place(connection, born, now)
    }

    /// A lent connection is gone.
    pub(crate) fn lost(&mut self) {
        self.lent = self.lent.saturating_sub(1);
    }

    fn place(&mut self, connection: C, born: Instant, now: Instant) -> Returned<C, W> {
        if let Some(Waiting { waiter, .. }) = self.waiting.pop_front() {
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
        if self.in_use {
            spare = spare.min(self.open().saturating_sub(self.limits.min));
        }
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
            let surplus = self.open() > self.most();
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

    /// Since when the one that has been idle for longest is so.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.idle.first().map(|idle| idle.since)
    }

    /// Takes out the connection that has been idle for longest.
    pub(crate) fn give_up(&mut self) -> Option<C> {
        (!self.idle.is_empty()).then(|| self.idle.remove(0).connection)
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

#[cfg(test)]
mod tests;
