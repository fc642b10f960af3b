use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::ledger::Returned;
use crate::{Counts, Ledger, Limits};

/// Server connections of one kind on one core. `C` is a connection, `N` says what a waiter needs a new connection to be
/// like, `E` why none could be opened.
#[derive(Debug)]
#[allow(clippy::type_complexity, reason = "the books of a pool are named by their parts")]
pub struct Pool<C, N, E> {
    ledger: RefCell<Ledger<Entry<C>, Rc<Seat<C, N, E>>>>,
    /// Why the last attempt to open a connection failed, until one succeeds.
    error: RefCell<Option<E>>,
}

#[derive(Debug)]
struct Entry<C> {
    connection: C,
    born: Instant,
}

/// A client's place in the queue. One is made when a client first waits, and used again each time it waits.
#[derive(Debug)]
pub struct Seat<C, N, E> {
    state: RefCell<State<C, E>>,
    /// What a new connection must be like.
    pub need: N,
}

#[derive(Debug)]
enum State<C, E> {
    Away,
    Waiting(Waker),
    Served(Entry<C>),
    Failed(E),
}

/// A connection on loan. Dropping it closes the connection; [`Lease::give_back`] keeps it for others.
#[derive(Debug)]
pub struct Lease<C, N, E> {
    entry: Option<Entry<C>>,
    pool: Rc<Pool<C, N, E>>,
}

impl<C, N, E> Seat<C, N, E> {
    /// A place for a client whose new connection must be like `need`.
    pub fn new(need: N) -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(State::Away),
            need,
        })
    }
}

impl<C, N: Clone, E: Clone> Pool<C, N, E> {
    /// An empty pool.
    pub fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            ledger: RefCell::new(Ledger::new(limits)),
            error: RefCell::new(None),
        })
    }

    /// Exchanges the bounds.
    pub fn set_limits(&self, limits: Limits) {
        self.ledger.borrow_mut().set_limits(limits);
    }

    /// How many connections and waiters there are.
    pub fn counts(&self) -> Counts {
        self.ledger.borrow().counts()
    }

    /// Says whether somebody is there who may want a connection at any time, so that the fewest are kept.
    pub fn set_in_use(&self, in_use: bool) {
        self.ledger.borrow_mut().set_in_use(in_use);
    }

    /// Since when the oldest waiter waits.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.ledger.borrow().waiting_since()
    }

    /// Why no connection could be opened the last time, if that is how it stands.
    pub fn error(&self) -> Option<E> {
        self.error.borrow().clone()
    }

    /// Whether the last connection could not be opened for a reason that does not pass by itself.
    pub fn is_refused(&self) -> bool {
        self.ledger.borrow().is_refused()
    }

    /// Whether who comes now need not wait: nothing is there, and nothing is tried for a while after that has failed. Its turn
    /// says why. Who waits already waits on.
    pub fn refuses(&self, seat: &Seat<C, N, E>, now: Instant) -> bool {
        let error = self.error.borrow();
        let Some(error) = error.as_ref().filter(|_| self.ledger.borrow().is_away(now)) else {
            return false;
        };
        *seat.state.borrow_mut() = State::Failed(error.clone());
        true
    }

    /// The most connections.
    pub fn size(&self) -> usize {
        self.ledger.borrow().limits().size
    }

    /// An idle connection at once, or nothing; `prefer` says which are the best.
    pub fn try_lend(self: &Rc<Self>, prefer: impl Fn(&C) -> bool) -> Option<Lease<C, N, E>> {
        let entry = self.ledger.borrow_mut().lend(|entry| prefer(&entry.connection))?;
        Some(self.lease(entry))
    }

    /// Queues up behind everyone who waits already; `false` when the queue is full. Try [`Self::try_lend`] first: who
    /// queues beside an idle connection waits for the next one to come back.
    pub fn wait(&self, seat: &Rc<Seat<C, N, E>>, waker: &Waker, now: Instant) -> bool {
        *seat.state.borrow_mut() = State::Waiting(waker.clone());
        let queued = self.ledger.borrow_mut().wait(Rc::clone(seat), now).is_ok();
        if !queued {
            *seat.state.borrow_mut() = State::Away;
        }
        queued
    }

    /// Queues up before everyone: for a client whose turn came with a connection that it cannot use.
    pub fn wait_first(&self, seat: &Rc<Seat<C, N, E>>, waker: &Waker, now: Instant) {
        *seat.state.borrow_mut() = State::Waiting(waker.clone());
        self.ledger.borrow_mut().wait_first(Rc::clone(seat), now);
    }

    /// Whether the wait is over.
    pub fn poll_turn(self: &Rc<Self>, seat: &Rc<Seat<C, N, E>>, cx: &Context<'_>) -> Poll<Result<Lease<C, N, E>, E>> {
        let mut state = seat.state.borrow_mut();
        match std::mem::replace(&mut *state, State::Away) {
            State::Served(entry) => Poll::Ready(Ok(self.lease(entry))),
            State::Failed(error) => Poll::Ready(Err(error)),
            State::Waiting(waker) if waker.will_wake(cx.waker()) => {
                *state = State::Waiting(waker);
                Poll::Pending
            }
            State::Waiting(_) | State::Away => {
                *state = State::Waiting(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Gives the wait up. A connection that was handed over meanwhile goes to the next; returns it when it is to be closed.
    pub fn leave(self: &Rc<Self>, seat: &Rc<Seat<C, N, E>>, now: Instant) -> Option<C> {
        self.ledger.borrow_mut().leave(|other| Rc::ptr_eq(other, seat));
        let state = std::mem::replace(&mut *seat.state.borrow_mut(), State::Away);
        match state {
            State::Served(entry) => self.lease(entry).give_back(now),
            _ => None,
        }
    }

    /// Takes the order to open one more connection, if one is wanted; says what it must be like. Whoever takes it must
    /// answer with [`Self::opened`], [`Self::not_opened`] or [`Self::withdraw`].
    pub fn take_order(&self, now: Instant) -> Option<Option<N>> {
        let mut ledger = self.ledger.borrow_mut();
        if !ledger.wants_to_open(now) {
            return None;
        }
        ledger.opening();
        Some(ledger.first().map(|seat| seat.need.clone()))
    }

    /// An ordered connection is there.
    pub fn opened(&self, connection: C, now: Instant) {
        let entry = Entry { connection, born: now };
        self.error.replace(None);
        let placed = self.ledger.borrow_mut().opened(entry, now);
        drop(Self::hand(placed));
    }

    /// Whether an order that was taken some time ago is still wanted.
    pub fn needs_opening(&self) -> bool {
        self.ledger.borrow().needs_opening()
    }

    /// An ordered connection is not wanted any more, or cannot be had for now.
    pub fn withdraw(&self) {
        self.ledger.borrow_mut().not_opened();
    }

    /// An ordered connection could not be opened. Everyone who waits is told why, unless connections are lent out that
    /// will come back to them, or the reason may pass and it is tried again after a while.
    pub fn not_opened(&self, error: &E, may_pass: bool, now: Instant) {
        self.error.replace(Some(error.clone()));
        let mut ledger = self.ledger.borrow_mut();
        if !ledger.failed(may_pass, now) {
            return;
        }
        let dismissed = ledger.dismiss();
        drop(ledger);
        for seat in dismissed {
            Self::settle(&seat, State::Failed(error.clone()));
        }
    }

    /// Closes idle connections that are too old, idle for too long, or that `is_well` finds dead; returns them.
    pub fn expire(&self, now: Instant, mut is_well: impl FnMut(&mut C) -> bool) -> Vec<C> {
        let gone = self
            .ledger
            .borrow_mut()
            .expire(now, |entry| is_well(&mut entry.connection));
        gone.into_iter().map(|entry| entry.connection).collect()
    }

    /// Takes every idle connection out.
    pub fn clear(&self) -> Vec<C> {
        let gone = self.ledger.borrow_mut().clear();
        gone.into_iter().map(|entry| entry.connection).collect()
    }

    /// Has no use for connections from before now any more: returns those that are idle, and closes those that are lent
    /// out as they come back.
    pub fn renew(&self, now: Instant) -> Vec<C> {
        let gone = self.ledger.borrow_mut().renew(now);
        gone.into_iter().map(|entry| entry.connection).collect()
    }

    /// Since when the one that has been idle for longest is so.
    pub fn idle_since(&self) -> Option<Instant> {
        self.ledger.borrow().idle_since()
    }

    /// Takes out the connection that has been idle for longest.
    pub fn give_up(&self) -> Option<C> {
        self.ledger.borrow_mut().give_up().map(|entry| entry.connection)
    }

    /// Shows each idle connection.
    pub fn each_idle(&self, mut show: impl FnMut(&C)) {
        for entry in self.ledger.borrow().idle() {
            show(&entry.connection);
        }
    }

    fn lease(self: &Rc<Self>, entry: Entry<C>) -> Lease<C, N, E> {
        Lease {
            entry: Some(entry),
            pool: Rc::clone(self),
        }
    }

    /// Gives a connection to whom it goes; returns it when it goes to nobody.
    fn hand(placed: Returned<Entry<C>, Rc<Seat<C, N, E>>>) -> Option<C> {
        match placed {
            Returned::Hand(entry, seat) => {
                Self::settle(&seat, State::Served(entry));
                None
            }
            Returned::Kept => None,
            Returned::Close(entry) => Some(entry.connection),
        }
    }

    fn settle(seat: &Seat<C, N, E>, outcome: State<C, E>) {
        let before = std::mem::replace(&mut *seat.state.borrow_mut(), outcome);
        if let State::Waiting(waker) = before {
            waker.wake();
        }
    }
}

impl<C, N: Clone, E: Clone> Lease<C, N, E> {
    /// Keeps the connection for others; the oldest waiter gets it in this very wake-up. The caller vouches that no state
    /// of its own is left on it. Returns it when it is to be closed: it is too old, or there are too many.
    pub fn give_back(mut self, now: Instant) -> Option<C> {
        let entry = self.entry.take()?;
        let born = entry.born;
        let placed = self.pool.ledger.borrow_mut().take_back(entry, born, now);
        Pool::<C, N, E>::hand(placed)
    }

    /// Takes the connection out of the pool, which has room for another one then.
    pub fn take_out(mut self) -> Option<C> {
        let entry = self.entry.take()?;
        self.pool.ledger.borrow_mut().lost();
        Some(entry.connection)
    }

    /// The pool that lent it.
    pub fn pool(&self) -> &Rc<Pool<C, N, E>> {
        &self.pool
    }

    /// When the connection was opened.
    pub fn born(&self) -> Option<Instant> {
        self.entry.as_ref().map(|entry| entry.born)
    }
}

impl<C, N, E> Deref for Lease<C, N, E> {
    type Target = C;

    fn deref(&self) -> &C {
        match &self.entry {
            Some(entry) => &entry.connection,
            None => unreachable!("a lease holds its connection until it is given back, which consumes it"),
        }
    }
}

impl<C, N, E> DerefMut for Lease<C, N, E> {
    fn deref_mut(&mut self) -> &mut C {
        match &mut self.entry {
            Some(entry) => &mut entry.connection,
            None => unreachable!("a lease holds its connection until it is given back, which consumes it"),
        }
    }
}

impl<C, N, E> Drop for Lease<C, N, E> {
    fn drop(&mut self) {
        if self.entry.take().is_some() {
            self.pool.ledger.borrow_mut().lost();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::LendOrder;

    type Numbers = Pool<u32, (), &'static str>;

    fn limits(size: usize) -> Limits {
        Limits {
            size,
            reserve: 0,
            reserve_after: None,
            min: 0,
            min_idle: 0,
            queue: 100,
            idle_timeout: Some(Duration::from_secs(10)),
            max_lifetime: None,
            order: LendOrder::Lifo,
            retry_after: None,
        }
    }

    fn turn(pool: &Rc<Numbers>, seat: &Rc<Seat<u32, (), &'static str>>) -> Poll<Result<u32, &'static str>> {
        let cx = Context::from_waker(Waker::noop());
        pool.poll_turn(seat, &cx).map(|served| {
            served.map(|lease| {
                let number = *lease;
                lease.give_back(Instant::now());
                number
            })
        })
    }

    #[test]
    fn the_oldest_waiter_is_served_first() {
        let pool = Numbers::new(limits(1));
        let now = Instant::now();
        let (first, second) = (Seat::new(()), Seat::new(()));
        assert!(pool.wait(&first, Waker::noop(), Instant::now()));
        assert!(pool.wait(&second, Waker::noop(), Instant::now()));
        assert_eq!(pool.take_order(Instant::now()), Some(Some(())));
        assert_eq!(pool.take_order(Instant::now()), None, "the pool has room for one");
        assert!(pool.try_lend(|_| true).is_none(), "nobody overtakes");
        pool.opened(7, now);
        assert_eq!(turn(&pool, &second), Poll::Pending);
        assert_eq!(turn(&pool, &first), Poll::Ready(Ok(7)));
        assert_eq!(turn(&pool, &second), Poll::Ready(Ok(7)));
    }

    /// Two idle connections, lent and given back one after the other.
    #[track_caller]
    fn check_lent(order: LendOrder, prefers: impl Fn(&u32) -> bool + Copy, expected: [u32; 4]) {
        let pool = Numbers::new(Limits { order, ..limits(2) });
        let now = Instant::now();
        for number in [1, 2] {
            pool.ledger.borrow_mut().opening();
            pool.opened(number, now);
        }
        let lent = [(); 4].map(|()| {
            let lease = pool.try_lend(prefers).expect("one is idle");
            let number = *lease;
            lease.give_back(now);
            number
        });
        assert_eq!(lent, expected);
        drop(pool.clear());
        assert!(pool.try_lend(prefers).is_none());
    }

    #[test]
    fn idle_connections_are_lent_in_the_order_that_is_wanted() {
        check_lent(LendOrder::Lifo, |_| true, [2, 2, 2, 2]);
        check_lent(LendOrder::Fifo, |_| true, [1, 2, 1, 2]);
        check_lent(LendOrder::Fifo, |_| false, [1, 2, 1, 2]);
        for order in [LendOrder::Lifo, LendOrder::Fifo] {
            check_lent(order, |number| *number == 1, [1, 1, 1, 1]);
        }
    }

    #[test]
    fn a_failed_open_tells_everyone_who_waits() {
        let pool = Numbers::new(limits(2));
        let seat = Seat::new(());
        pool.wait(&seat, Waker::noop(), Instant::now());
        pool.take_order(Instant::now());
        pool.not_opened(&"down", false, Instant::now());
        assert_eq!(turn(&pool, &seat), Poll::Ready(Err("down")));
        assert_eq!(pool.counts(), Counts::default());
    }

    #[test]
    fn who_comes_while_it_is_away_is_told_and_who_waits_waits_on() {
        let retry_after = Some(Duration::from_secs(15));
        let pool = Numbers::new(Limits {
            retry_after,
            ..limits(2)
        });
        let now = Instant::now();
        let seat = Seat::new(());
        pool.wait(&seat, Waker::noop(), now);
        let other = Seat::new(());
        pool.take_order(now);
        assert!(!pool.refuses(&other, now), "it is not known yet");
        pool.not_opened(&"away", true, now);
        assert!(pool.refuses(&other, now));
        assert_eq!(turn(&pool, &other), Poll::Ready(Err("away")));
        assert_eq!(turn(&pool, &seat), Poll::Pending);
        let later = now + Duration::from_secs(15);
        assert!(!pool.refuses(&other, later), "it is tried again");
        pool.take_order(later);
        pool.opened(1, later);
        assert!(!pool.refuses(&other, later));
        assert_eq!(turn(&pool, &seat), Poll::Ready(Ok(1)));
    }

    #[test]
    fn who_leaves_passes_the_connection_on() {
        let pool = Numbers::new(limits(1));
        let now = Instant::now();
        let (first, second) = (Seat::new(()), Seat::new(()));
        pool.wait(&first, Waker::noop(), Instant::now());
        pool.wait(&second, Waker::noop(), Instant::now());
        pool.take_order(Instant::now());
        pool.opened(1, now);
        assert_eq!(pool.leave(&first, now), None);
        assert_eq!(turn(&pool, &second), Poll::Ready(Ok(1)));
    }

    #[test]
    fn connections_from_before_a_renewal_are_not_kept() {
        let pool = Numbers::new(limits(3));
        let now = Instant::now();
        let open = |number: u32, at: Instant| {
            let seat = Seat::new(());
            pool.wait(&seat, Waker::noop(), Instant::now());
            pool.take_order(Instant::now());
            pool.leave(&seat, at);
            pool.opened(number, at);
        };
        open(1, now);
        let lent = pool.try_lend(|_| true).unwrap();
        open(2, now);
        let later = now + Duration::from_secs(1);
        assert_eq!(pool.renew(later), vec![2]);
        open(3, later);
        lent.give_back(later);
        assert_eq!(
            pool.counts(),
            Counts {
                idle: 1,
                ..Counts::default()
            }
        );
        let newer = pool.try_lend(|_| true).unwrap();
        assert_eq!(*newer, 3);
        newer.give_back(later);
        assert_eq!(pool.counts().idle, 1);
    }

    #[test]
    fn who_leaves_says_what_is_to_be_closed() {
        let pool = Numbers::new(limits(1));
        let now = Instant::now();
        let seat = Seat::new(());
        pool.wait(&seat, Waker::noop(), now);
        pool.take_order(now);
        pool.opened(1, now);
        assert!(pool.renew(now + Duration::from_secs(1)).is_empty());
        assert_eq!(pool.leave(&seat, now), Some(1));
        assert_eq!(pool.counts(), Counts::default());
    }

    #[test]
    fn a_dropped_lease_makes_room() {
        let pool = Numbers::new(limits(1));
        let seat = Seat::new(());
        pool.wait(&seat, Waker::noop(), Instant::now());
        pool.take_order(Instant::now());
        pool.opened(1, Instant::now());
        let cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(lease)) = pool.poll_turn(&seat, &cx) else {
            panic!("served");
        };
        pool.wait(&seat, Waker::noop(), Instant::now());
        assert_eq!(pool.take_order(Instant::now()), None);
        drop(lease);
        assert_eq!(pool.take_order(Instant::now()), Some(Some(())));
    }

    #[test]
    fn idle_connections_are_lent_last_in_first_out_and_expire() {
        let pool = Numbers::new(limits(3));
        let now = Instant::now();
        for number in 1..=3 {
            let seat = Seat::new(());
            pool.wait(&seat, Waker::noop(), Instant::now());
            pool.take_order(Instant::now());
            pool.leave(&seat, now);
            pool.opened(number, now);
        }
        assert_eq!(*pool.try_lend(|_| false).unwrap(), 3);
        assert_eq!(*pool.try_lend(|number| *number == 1).unwrap(), 1);
        assert_eq!(pool.counts().idle, 1, "dropped leases are closed, not kept");
        assert!(pool.expire(now + Duration::from_secs(9), |_| true).is_empty());
        assert_eq!(pool.expire(now + Duration::from_secs(10), |_| true), vec![2_u32]);
    }

    proptest! {
        /// Whatever happens in whatever order, the books balance and the size holds.
        #[test]
        #[allow(clippy::collapsible_match, reason = "one arm for each move")]
        fn the_books_balance(moves in proptest::collection::vec((0_u8..6, 0_usize..4), 0..200), size in 1_usize..5) {
            let pool = Numbers::new(limits(size));
            let now = Instant::now();
            let cx = Context::from_waker(Waker::noop());
            let seats: Vec<Rc<Seat<u32, (), &'static str>>> = (0..4).map(|_| Seat::new(())).collect();
            let mut waiting = [false; 4];
            let mut leases = Vec::new();
            let mut opening = 0;
            for (what, which) in moves {
                match what {
                    0 if !waiting[which] => match pool.try_lend(|_| true) {
                        Some(lease) => leases.push(lease),
                        None => waiting[which] = pool.wait(&seats[which], Waker::noop(), Instant::now()),
                    },
                    1 if waiting[which] => if let Poll::Ready(served) = pool.poll_turn(&seats[which], &cx) {
                        waiting[which] = false;
                        leases.extend(served.ok());
                    },
                    2 if waiting[which] => { pool.leave(&seats[which], now); waiting[which] = false; }
                    3 => if pool.take_order(Instant::now()).is_some() { opening += 1; },
                    4 if opening > 0 => {
                        opening -= 1;
                        if which == 0 { pool.not_opened(&"down", false, Instant::now()); } else { pool.opened(1, now); }
                    }
                    5 => if let Some(lease) = leases.pop() {
                        if which == 0 { drop(lease); } else { lease.give_back(now); }
                    },
                    _ => {}
                }
                let counts = pool.counts();
                prop_assert!(counts.lent + counts.idle + counts.opening <= size);
                prop_assert_eq!(counts.opening, opening);
                prop_assert!(counts.lent >= leases.len());
                prop_assert!(counts.waiting == 0 || counts.idle == 0, "nobody waits beside an idle connection");
            }
        }
    }
}
