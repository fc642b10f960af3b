mod seat;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use tidegate_cluster::Endpoint;
use tidegate_net::Buffers;
use tidegate_pool::{Delivery, Mux, MuxLimits};

use crate::dial::Greeting;
use crate::turns::Turns;

pub(crate) use seat::LineSeat;

/// Beyond so many bytes that the server has not taken yet, clients wait.
const MOST_UNSENT: usize = 1 << 20;
/// So much of that is taken to be enough for one client more that waits.
const SHARE: usize = 64 << 10;

/// A connection that many clients share, for commands that leave nothing behind. The books say whose reply comes next;
/// a task of its own ([`carrier`](crate::carrier)) writes what clients gave it and lays replies into their inboxes.
pub(crate) struct Line {
    pub(crate) greeting: Greeting,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) opened: Instant,
    pub(crate) is_tls: bool,
    pub(crate) exchanges: Cell<u64>,
    buffers: Rc<Buffers>,
    ends: Rc<EndsStock>,
    books: RefCell<Mux>,
    /// The most tickets that are out.
    most: usize,
    clients: Cell<usize>,
    inboxes: RefCell<Vec<Inbox>>,
    /// What clients gave it and the task has not taken yet.
    pub(crate) unsent: RefCell<Vec<u8>>,
    /// What the task has taken and the socket has not.
    pub(crate) unwritten: Cell<usize>,
    /// Wakes the task.
    pub(crate) writer: RefCell<Option<Waker>>,
    /// Clients that wait until more can be sent.
    turns: RefCell<Turns>,
    lost: Cell<bool>,
    retires: Cell<bool>,
    /// It is to end.
    pub(crate) closes: Cell<bool>,
    /// When the server last said something, or began to owe.
    pub(crate) moved: Cell<Instant>,
}

/// A core's stock of buffers for the ends of replies: who has no mail owns none.
#[derive(Debug, Default)]
pub(crate) struct EndsStock(RefCell<Vec<Vec<usize>>>);

impl EndsStock {
    /// How many are kept, and with room for how many ends.
    const KEPT: usize = 256;
    const MOST: usize = 4096;

    fn take(&self) -> Vec<usize> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, mut ends: Vec<usize>) {
        let mut stock = self.0.borrow_mut();
        if ends.capacity() > 0 && ends.capacity() <= Self::MOST && stock.len() < Self::KEPT {
            ends.clear();
            stock.push(ends);
        }
    }
}

/// What has come for one client.
#[derive(Debug, Default)]
struct Inbox {
    bytes: Vec<u8>,
    /// Where in the bytes replies end.
    ends: Vec<usize>,
    waker: Option<Waker>,
    overrun: bool,
    midway: bool,
}

/// What a client finds in its inbox.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) bytes: Vec<u8>,
    /// Where in the bytes replies end; what is behind the last of them is the beginning of the next.
    pub(crate) ends: Vec<usize>,
    /// The bytes end in the midst of a reply that will never be whole.
    pub(crate) is_midway: bool,
}

impl Line {
    pub(crate) fn new(
        greeting: Greeting,
        endpoint: Arc<Endpoint>,
        is_tls: bool,
        limits: MuxLimits,
        buffers: Rc<Buffers>,
        ends: Rc<EndsStock>,
    ) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            greeting,
            endpoint,
            opened: now,
            is_tls,
            exchanges: Cell::new(0),
            buffers,
            ends,
            books: RefCell::new(Mux::new(limits)),
            most: limits.tickets,
            clients: Cell::new(0),
            inboxes: RefCell::default(),
            unsent: RefCell::default(),
            unwritten: Cell::new(0),
            writer: RefCell::default(),
            turns: RefCell::default(),
            lost: Cell::new(false),
            retires: Cell::new(false),
            closes: Cell::new(false),
            moved: Cell::new(now),
        })
    }

    /// Whether the connection is gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// How many clients have a place at it.
    pub(crate) fn clients(&self) -> usize {
        self.clients.get()
    }

    /// Since when it owes an answer and says nothing.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        (self.books.borrow().tickets() > 0).then(|| self.moved.get())
    }

    /// When the server last said something.
    pub(crate) fn last_moved(&self) -> Instant {
        self.moved.get()
    }

    /// Ends the connection as soon as nobody has a place at it any more.
    pub(crate) fn retire(&self) {
        let is_new = !self.retires.replace(true);
        if self.clients() == 0 {
            self.close();
        } else if is_new {
            for waker in self.inboxes.borrow().iter().filter_map(|inbox| inbox.waker.as_ref()) {
                waker.wake_by_ref();
            }
        }
    }

    /// Whether clients are to leave it.
    pub(crate) fn retires(&self) -> bool {
        self.retires.get()
    }

    /// Ends the connection.
    pub(crate) fn close(&self) {
        self.closes.set(true);
        self.wake_writer();
    }

    /// Takes a place.
    pub(crate) fn join(self: &Rc<Self>) -> LineSeat {
        let seat = self.books.borrow_mut().join();
        self.clients.set(self.clients.get() + 1);
        let mut inboxes = self.inboxes.borrow_mut();
        if inboxes.len() <= seat.index() {
            inboxes.resize_with(seat.index() + 1, Inbox::default);
        }
        inboxes[seat.index()] = Inbox::default();
        drop(inboxes);
        LineSeat {
            line: Rc::clone(self),
            seat: Some(seat),
        }
    }

    fn wake_writer(&self) {
        if let Some(waker) = self.writer.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// How many bytes the server has not taken yet.
    fn pending(&self) -> usize {
        self.unsent.borrow().len() + self.unwritten.get()
    }

    /// How many commands more may be sent.
    fn free(&self) -> usize {
        if self.pending() > MOST_UNSENT {
            return 0;
        }
        self.most.saturating_sub(self.books.borrow().tickets())
    }

    /// Wakes as many of those who wait until more can be sent as there is room for, first come first. Is to be called
    /// whenever something was sent or has come: who is woken need not use the room.
    pub(crate) fn wake_thirsty(&self) {
        self.turns.borrow_mut().next_round();
        let pending = self.pending();
        if pending == 0 && self.books.borrow().tickets() == 0 {
            // Nothing will come that could wake the others later, and nothing is kept from anyone.
            self.call(usize::MAX);
            self.turns.borrow_mut().next_round();
        } else {
            self.call(self.free().min(1 + MOST_UNSENT.saturating_sub(pending) / SHARE));
        }
    }

    /// Wakes one more, if there is room that is promised to nobody.
    fn wake_next(&self) {
        let promised = self.turns.borrow().promised();
        self.call(self.free().saturating_sub(promised).min(1));
    }

    /// A seat waits no more. If it had been called, the next is in its place.
    fn leave_turn(&self, seat: usize) {
        let was_called = self.turns.borrow_mut().leave(seat);
        if was_called {
            self.wake_next();
        }
    }

    /// Wakes so many of those who wait, or all.
    fn call(&self, most: usize) {
        let mut turns = self.turns.borrow_mut();
        let inboxes = self.inboxes.borrow();
        for _ in 0..most.min(turns.waiting()) {
            let inbox = turns.call().and_then(|seat| inboxes.get(seat));
            if let Some(waker) = inbox.and_then(|inbox| inbox.waker.as_ref()) {
                waker.wake_by_ref();
            }
        }
    }

    /// Lays a stretch of the oldest reply into its client's inbox; `false` when nobody has asked.
    pub(crate) fn deliver(&self, bytes: &[u8], ended: bool) -> bool {
        let mut books = self.books.borrow_mut();
        let mut inboxes = self.inboxes.borrow_mut();
        let delivery = books.deliver(bytes.len());
        if let Delivery::Seat(index) | Delivery::Overrun(index) = delivery
            && let Some(inbox) = inboxes.get_mut(index)
        {
            // Who has mail already was woken for it.
            let wakes = inbox.bytes.is_empty() || inbox.overrun;
            inbox.lay(bytes, ended, delivery, self);
            if let Some(waker) = inbox.waker.as_ref().filter(|_| wakes || inbox.overrun) {
                waker.wake_by_ref();
            }
        }
        if ended && delivery != Delivery::Unasked {
            books.complete();
            self.exchanges.set(self.exchanges.get() + 1);
        }
        delivery != Delivery::Unasked
    }

    /// The connection is gone: everyone is told what is lost.
    pub(crate) fn lose(&self) {
        if self.lost.replace(true) {
            return;
        }
        let losses = self.books.borrow_mut().lose();
        let mut inboxes = self.inboxes.borrow_mut();
        if let Some(inbox) = losses.midway.and_then(|index| inboxes.get_mut(index)) {
            inbox.midway = true;
        }
        for waker in inboxes.iter().filter_map(|inbox| inbox.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }
}

impl Inbox {
    /// Takes a stretch of a reply, or notes that it has too much already.
    fn lay(&mut self, bytes: &[u8], ended: bool, delivery: Delivery, line: &Line) {
        if matches!(delivery, Delivery::Overrun(_)) {
            self.overrun = true;
            return;
        }
        if self.bytes.capacity() == 0 {
            self.bytes = line.buffers.take();
        }
        self.bytes.extend_from_slice(bytes);
        if ended {
            if self.ends.capacity() == 0 {
                self.ends = line.ends.take();
            }
            self.ends.push(self.bytes.len());
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Line")
            .field("endpoint", &self.endpoint.address)
            .finish_non_exhaustive()
    }
}
