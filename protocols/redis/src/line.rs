use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tidegate_cluster::Endpoint;
use tidegate_engine::CoreContext;
use tidegate_net::Buffers;
use tidegate_pool::{Delivery, Mux, MuxFull, MuxLimits, MuxSeat};

use crate::dial::Greeting;

/// Beyond so many bytes that the server has not taken yet, clients wait.
const MOST_UNSENT: usize = 1 << 20;

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
    inboxes: RefCell<Vec<Inbox>>,
    /// What clients gave it and the task has not taken yet.
    pub(crate) unsent: RefCell<Vec<u8>>,
    /// What the task has taken and the socket has not.
    pub(crate) unwritten: Cell<usize>,
    /// Wakes the task.
    pub(crate) writer: RefCell<Option<Waker>>,
    /// Clients that wait until more can be sent.
    thirsty: RefCell<Vec<Waker>>,
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

/// A client's place at a line, given up on drop.
pub(crate) struct LineSeat {
    pub(crate) line: Rc<Line>,
    seat: Option<MuxSeat>,
}

impl Line {
    pub(crate) fn new(
        greeting: Greeting,
        endpoint: Arc<Endpoint>,
        is_tls: bool,
        limits: MuxLimits,
        core: &CoreContext,
        ends: Rc<EndsStock>,
    ) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            greeting,
            endpoint,
            opened: now,
            is_tls,
            exchanges: Cell::new(0),
            buffers: Rc::clone(&core.buffers),
            ends,
            books: RefCell::new(Mux::new(limits)),
            inboxes: RefCell::default(),
            unsent: RefCell::default(),
            unwritten: Cell::new(0),
            writer: RefCell::default(),
            thirsty: RefCell::default(),
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
        self.books.borrow().clients()
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

    /// Wakes those who wait until more can be sent.
    pub(crate) fn wake_thirsty(&self) {
        for waker in self.thirsty.borrow_mut().drain(..) {
            waker.wake();
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
        drop(inboxes);
        self.wake_thirsty();
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

impl LineSeat {
    /// Whether one more command can be sent; if not, the client is woken when that may have changed.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let line = &self.line;
        let Some(seat) = &self.seat else {
            return Poll::Pending;
        };
        let is_full = line.unsent.borrow().len() + line.unwritten.get() > MOST_UNSENT;
        match line.books.borrow().room(seat) {
            Ok(()) if !is_full => return Poll::Ready(()),
            // A reply to itself wakes it.
            Err(MuxFull::Client) => return Poll::Pending,
            Ok(()) | Err(MuxFull::Connection) => {}
        }
        let mut thirsty = line.thirsty.borrow_mut();
        if !thirsty.iter().any(|waker| waker.will_wake(cx.waker())) {
            thirsty.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Sends a command, or several in one go, to which so many replies will come; `false` when there was no room for
    /// them. Nobody else's come between them.
    pub(crate) fn send(&self, command: &[u8], replies: usize, now: Instant) -> bool {
        let line = &self.line;
        let mut books = line.books.borrow_mut();
        if books.tickets() == 0 {
            line.moved.set(now);
        }
        let Some(seat) = &self.seat else { return false };
        let is_out = books.room(seat).is_ok();
        if is_out {
            for _ in 0..replies {
                books.issue_beyond(seat);
            }
            let mut unsent = line.unsent.borrow_mut();
            if unsent.is_empty() {
                line.wake_writer();
            }
            unsent.extend_from_slice(command);
        }
        is_out
    }

    /// Says whom to wake when something comes.
    pub(crate) fn set_waker(&self, cx: &Context<'_>) {
        if let (Some(seat), mut inboxes) = (&self.seat, self.line.inboxes.borrow_mut())
            && let Some(inbox) = inboxes.get_mut(seat.index())
            && !inbox.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inbox.waker = Some(cx.waker().clone());
        }
    }

    /// Takes what has come, in buffers that are to be given back to the core's stocks.
    pub(crate) fn take(&self) -> Mail {
        let mut inboxes = self.line.inboxes.borrow_mut();
        let Some((seat, inbox)) = self
            .seat
            .as_ref()
            .and_then(|seat| Some((seat, inboxes.get_mut(seat.index())?)))
        else {
            return Mail::default();
        };
        let bytes = std::mem::take(&mut inbox.bytes);
        self.line.books.borrow_mut().taken(seat, bytes.len());
        Mail {
            bytes,
            ends: std::mem::take(&mut inbox.ends),
            is_midway: inbox.midway,
        }
    }

    /// Whether there is anything to take.
    pub(crate) fn has_mail(&self) -> bool {
        let inboxes = self.line.inboxes.borrow();
        let inbox = self.seat.as_ref().and_then(|seat| inboxes.get(seat.index()));
        inbox.is_some_and(|inbox| !inbox.bytes.is_empty())
    }

    /// Whether more has piled up than may.
    pub(crate) fn is_overrun(&self) -> bool {
        let inboxes = self.line.inboxes.borrow();
        let inbox = self.seat.as_ref().and_then(|seat| inboxes.get(seat.index()));
        inbox.is_some_and(|inbox| inbox.overrun)
    }
}

impl Drop for LineSeat {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        if let Some(inbox) = self.line.inboxes.borrow_mut().get_mut(seat.index()) {
            let mut left = std::mem::take(inbox);
            self.line.buffers.give_back(&mut left.bytes);
            self.line.ends.give_back(std::mem::take(&mut left.ends));
        }
        self.line.books.borrow_mut().leave(seat);
        if self.line.retires() {
            self.line.retire();
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
