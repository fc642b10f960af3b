use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tidegate_cluster::Endpoint;
use tidegate_engine::CoreContext;
use tidegate_net::{Outgoing, Stream};
use tidegate_pool::{Delivery, Mux, MuxFull, MuxLimits, MuxSeat};
use tidegate_redis_wire::reply::Cursor;

use crate::dial::Greeting;

/// How many reads one wake-up may do before others get their turn.
const TURNS: usize = 16;
/// Beyond so many bytes that the server has not taken yet, clients wait.
const MOST_UNSENT: usize = 1 << 20;

/// A connection that many clients share, for commands that leave nothing behind. The books say whose reply comes next;
/// a task of its own ([`run`]) writes what clients gave it and lays replies into their inboxes.
pub(crate) struct Line {
    pub(crate) greeting: Greeting,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) opened: Instant,
    pub(crate) is_tls: bool,
    pub(crate) exchanges: Cell<u64>,
    books: RefCell<Mux>,
    inboxes: RefCell<Vec<Inbox>>,
    /// What clients gave it and the task has not taken yet.
    unsent: RefCell<Vec<u8>>,
    /// What the task has taken and the socket has not.
    unwritten: Cell<usize>,
    writer: RefCell<Option<Waker>>,
    /// Clients that wait until more can be sent.
    thirsty: RefCell<Vec<Waker>>,
    lost: Cell<bool>,
    closes: Cell<bool>,
    /// When the server last said something, or began to owe.
    moved: Cell<Instant>,
}

/// What has come for one client.
#[derive(Debug, Default)]
struct Inbox {
    bytes: Vec<u8>,
    waker: Option<Waker>,
    overrun: bool,
    /// Tickets that will never be answered.
    lost: usize,
    midway: bool,
}

/// What a client finds in its inbox.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) bytes: Vec<u8>,
    /// So many commands behind those bytes were lost with the connection.
    pub(crate) lost: usize,
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
        now: Instant,
    ) -> Rc<Self> {
        Rc::new(Self {
            greeting,
            endpoint,
            opened: now,
            is_tls,
            exchanges: Cell::new(0),
            books: RefCell::new(Mux::new(limits)),
            inboxes: RefCell::default(),
            unsent: RefCell::default(),
            unwritten: Cell::new(0),
            writer: RefCell::default(),
            thirsty: RefCell::default(),
            lost: Cell::new(false),
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

    fn wake_thirsty(&self) {
        for waker in self.thirsty.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Lays a stretch of the oldest reply into its client's inbox; `false` when nobody has asked.
    fn deliver(&self, bytes: &[u8], ended: bool) -> bool {
        let mut books = self.books.borrow_mut();
        let mut inboxes = self.inboxes.borrow_mut();
        let index = match books.deliver(bytes.len()) {
            Delivery::Unasked => return false,
            Delivery::Swallow => None,
            Delivery::Seat(index) => {
                if let Some(inbox) = inboxes.get_mut(index) {
                    inbox.bytes.extend_from_slice(bytes);
                }
                Some(index)
            }
            Delivery::Overrun(index) => {
                if let Some(inbox) = inboxes.get_mut(index) {
                    inbox.overrun = true;
                }
                Some(index)
            }
        };
        if ended {
            books.complete();
            self.exchanges.set(self.exchanges.get() + 1);
        }
        if let Some(waker) = index.and_then(|index| inboxes.get(index)?.waker.as_ref()) {
            waker.wake_by_ref();
        }
        true
    }

    /// The connection is gone: everyone is told what is lost.
    fn lose(&self) {
        if self.lost.replace(true) {
            return;
        }
        let losses = self.books.borrow_mut().lose();
        let mut inboxes = self.inboxes.borrow_mut();
        for (index, count) in losses.tickets {
            if let Some(inbox) = inboxes.get_mut(index) {
                inbox.lost += count;
            }
        }
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

    /// Sends a command; `false` when there was no room for it.
    pub(crate) fn send(&self, command: &[u8], now: Instant) -> bool {
        let line = &self.line;
        let mut books = line.books.borrow_mut();
        if books.tickets() == 0 {
            line.moved.set(now);
        }
        let is_out = self.seat.as_ref().is_some_and(|seat| books.issue(seat).is_ok());
        if is_out {
            let mut unsent = line.unsent.borrow_mut();
            if unsent.is_empty() {
                line.wake_writer();
            }
            unsent.extend_from_slice(command);
        }
        is_out
    }

    /// Whether everything that was asked is answered, and the answers are taken.
    pub(crate) fn is_quiet(&self) -> bool {
        let books = self.line.books.borrow();
        let owes = |seat: &MuxSeat| books.tickets_of(seat) > 0 || books.waiting_of(seat) > 0;
        !self.seat.as_ref().is_some_and(owes) && !self.line.is_lost()
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

    /// Takes what has come; `spare` is an empty buffer to go on with.
    pub(crate) fn take(&self, spare: Vec<u8>) -> Mail {
        let mut inboxes = self.line.inboxes.borrow_mut();
        let Some((seat, inbox)) = self
            .seat
            .as_ref()
            .and_then(|seat| Some((seat, inboxes.get_mut(seat.index())?)))
        else {
            return Mail::default();
        };
        let bytes = std::mem::replace(&mut inbox.bytes, spare);
        self.line.books.borrow_mut().taken(seat, bytes.len());
        Mail {
            bytes,
            lost: std::mem::take(&mut inbox.lost),
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
            *inbox = Inbox::default();
        }
        self.line.books.borrow_mut().leave(seat);
    }
}

/// Moves a line's bytes until the connection is gone.
pub(crate) async fn run(line: Rc<Line>, core: CoreContext, stream: Stream) {
    let mut carrier = Carrier {
        line: Rc::clone(&line),
        core,
        stream,
        out: Outgoing::default(),
        sending: Vec::new(),
        cursor: Cursor::new(),
        held: Vec::new(),
        is_push: false,
    };
    poll_fn(|cx| carrier.poll(cx)).await;
    line.lose();
}

/// A line's socket and how far it is.
struct Carrier {
    line: Rc<Line>,
    core: CoreContext,
    stream: Stream,
    out: Outgoing,
    sending: Vec<u8>,
    cursor: Cursor,
    /// The start of a length line.
    held: Vec<u8>,
    /// What is arriving answers nobody.
    is_push: bool,
}

impl Carrier {
    /// Ready when the connection is gone.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut writer = self.line.writer.borrow_mut();
        if !writer.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *writer = Some(cx.waker().clone());
        }
        drop(writer);
        if self.line.closes.get() || self.write(cx).is_err() {
            return Poll::Ready(());
        }
        for _ in 0..TURNS {
            match self.read(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn write(&mut self, cx: &mut Context<'_>) -> std::io::Result<()> {
        let buffers = &self.core.buffers;
        if self.out.poll_flush(cx, &mut self.stream, buffers)?.is_ready() {
            std::mem::swap(&mut self.sending, &mut self.line.unsent.borrow_mut());
            if !self.sending.is_empty() {
                self.out.write(cx, &mut self.stream, &self.sending, buffers)?;
                self.sending.clear();
                self.sending.shrink_to(tidegate_net::READ_BUFFER);
            }
        }
        self.line.unwritten.set(self.out.len());
        if self.out.is_empty() {
            self.line.wake_thirsty();
        }
        Ok(())
    }

    /// Reads once; `false` when the connection is gone or out of step.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let scratch = Rc::clone(&self.core.scratch);
        let mut scratch = scratch.borrow_mut();
        let read = match std::task::ready!(self.stream.poll_read(cx, &mut scratch)) {
            Ok(0) | Err(_) => return Poll::Ready(false),
            Ok(read) => read,
        };
        self.line.moved.set(Instant::now());
        let fresh = scratch.get(..read).unwrap_or_default();
        let is_well = if self.held.is_empty() {
            let rest = self.walk(fresh);
            rest.map(|rest| self.held.extend_from_slice(rest)).is_some()
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(fresh);
            let rest = self.walk(&held).map(<[u8]>::to_vec);
            rest.map(|rest| self.held = rest).is_some()
        };
        self.line.wake_thirsty();
        Poll::Ready(is_well)
    }

    /// Deals replies out. Returns what is too little to be anything yet; `None` when the connection is out of step.
    fn walk<'b>(&mut self, mut bytes: &'b [u8]) -> Option<&'b [u8]> {
        while let Some(first) = bytes.first() {
            if self.cursor.at_boundary() {
                self.is_push = *first == b'>';
            }
            let walk = match self.cursor.walk(bytes) {
                Ok(walk) => walk,
                Err(error) => {
                    tracing::warn!(endpoint = %self.line.endpoint.address, %error, "a shared connection is lost");
                    return None;
                }
            };
            let (run, rest) = bytes.split_at_checked(walk.run)?;
            if !self.is_push && !run.is_empty() && !self.line.deliver(run, walk.ended) {
                tracing::warn!(endpoint = %self.line.endpoint.address,
                    "a shared connection is lost: the server answered what nobody asked");
                return None;
            }
            bytes = rest;
            if !walk.ended {
                break;
            }
        }
        Some(bytes)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Line")
            .field("endpoint", &self.endpoint.address)
            .finish_non_exhaustive()
    }
}
