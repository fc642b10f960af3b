use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tidegate_base::{Reason, Refusal};
use tidegate_cluster::Endpoint;
use tidegate_limit::Backoff;
use tidegate_net::{Outgoing, Stream};
use tidegate_postgres_wire::backend::{self, ErrorFields, Notification};
use tidegate_postgres_wire::{Frame, frontend, sqlstate};

use crate::group::Group;
use crate::room::PostgresRoom;
use crate::server::unavailable;
use crate::session::Shared;

/// The most that is kept of what a client does not read.
const INBOX: usize = 4 << 20;
/// How many reads one wake-up may do, so that sessions get their turn before their inboxes are full.
const TURNS: usize = 4;
/// How long the connection is kept when nobody listens any more.
const LINGER: Duration = Duration::from_secs(30);
/// How soon a lost connection is opened again.
const AGAIN: Backoff = Backoff {
    first: Duration::from_millis(100),
    multiplier: 2.0,
    cap: Some(Duration::from_secs(5)),
};
/// The most bytes of a channel's name; the server cuts what is longer (PostgreSQL's `NAMEDATALEN`).
const MOST_NAME: usize = 63;

/// LISTEN in transaction mode: one connection to the server listens for all clients of a group on this core, and what it
/// hears is handed to each of them. A LISTEN is answered once the server has confirmed it.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    channels: RefCell<HashMap<Rc<[u8]>, Channel>>,
    /// What is to be said to the server.
    orders: RefCell<VecDeque<Order>>,
    next: Cell<u64>,
    runs: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    line: RefCell<Option<LineView>>,
    /// The connection is to be replaced.
    hangs_up: Cell<bool>,
}

/// The hub's connection, as views show it.
#[derive(Debug, Clone)]
pub(crate) struct LineView {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) process: i32,
    pub(crate) is_tls: bool,
    pub(crate) opened: std::time::Instant,
}

#[derive(Debug)]
struct Channel {
    number: u64,
    /// The server has confirmed it, on the connection that is open now.
    listens: bool,
    ears: Vec<Rc<Ear>>,
}

#[derive(Debug, Clone)]
struct Order {
    channel: Rc<[u8]>,
    /// LISTEN for the channel of this number; else UNLISTEN.
    listen: Option<u64>,
}

/// A session that listens.
#[derive(Debug)]
pub(crate) struct Ear {
    shared: Rc<Shared>,
    /// Whole messages, to be given to the client.
    inbox: RefCell<Vec<u8>>,
    /// Why the client cannot be told everything, and so must not go on as if it were.
    lost: RefCell<Option<Refusal>>,
    /// The number of the channel that the session waits for, and what came of it.
    awaits: Cell<Option<u64>>,
    answer: RefCell<Option<Result<(), Refusal>>>,
}

impl Ear {
    pub(crate) fn new(shared: &Rc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            shared: Rc::clone(shared),
            inbox: RefCell::default(),
            lost: RefCell::default(),
            awaits: Cell::new(None),
            answer: RefCell::default(),
        })
    }

    /// Takes what has come.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.inbox.borrow_mut())
    }

    pub(crate) fn has_heard(&self) -> bool {
        !self.inbox.borrow().is_empty()
    }

    /// Why the session must end.
    pub(crate) fn take_loss(&self) -> Option<Refusal> {
        self.lost.borrow_mut().take()
    }

    pub(crate) fn take_answer(&self) -> Option<Result<(), Refusal>> {
        self.answer.borrow_mut().take()
    }

    fn hear(&self, message: &[u8]) {
        let mut inbox = self.inbox.borrow_mut();
        if inbox.len() + message.len() > INBOX {
            let text = "this client does not read its notifications, and too many are waiting for it";
            let refusal = Refusal::new(Reason::Overloaded, text).with_code(sqlstate::PROGRAM_LIMIT_EXCEEDED);
            *self.lost.borrow_mut() = Some(refusal);
        } else {
            inbox.extend_from_slice(message);
        }
        self.shared.wake();
    }

    fn answer(&self, number: u64, answer: &Result<(), Refusal>) {
        if self.awaits.get() != Some(number) {
            if let Err(refusal) = answer {
                *self.lost.borrow_mut() = Some(refusal.clone());
                self.shared.wake();
            }
            return;
        }
        self.awaits.set(None);
        *self.answer.borrow_mut() = Some(answer.clone());
        self.shared.wake();
    }
}

impl Hub {
    /// Listens for a session too. `true` when the server does so already; else the ear is told when it does.
    pub(crate) fn listen(
        self: &Rc<Self>,
        name: &[u8],
        ear: &Rc<Ear>,
        room: &Rc<PostgresRoom>,
        group: &Rc<Group>,
        started: &Rc<crate::settings::Settings>,
    ) -> bool {
        let name = cut(name);
        let mut channels = self.channels.borrow_mut();
        if let Some(channel) = channels.get_mut(name) {
            if !channel.ears.iter().any(|known| Rc::ptr_eq(known, ear)) {
                channel.ears.push(Rc::clone(ear));
            }
            ear.awaits.set(Some(channel.number).filter(|_| !channel.listens));
            return channel.listens;
        }
        let number = self.next.replace(self.next.get() + 1);
        let name: Rc<[u8]> = name.into();
        let channel = Channel {
            number,
            listens: false,
            ears: vec![Rc::clone(ear)],
        };
        channels.insert(Rc::clone(&name), channel);
        ear.awaits.set(Some(number));
        drop(channels);
        self.order(name, Some(number));
        if !self.runs.replace(true) {
            let hub = Rc::clone(self);
            tokio::task::spawn_local(run(hub, Rc::clone(room), Rc::clone(group), Rc::clone(started)));
        }
        false
    }

    /// Listens for a session no more: to one channel, or to all.
    pub(crate) fn unlisten(&self, name: Option<&[u8]>, ear: &Rc<Ear>) {
        let name = name.map(cut);
        let mut gone = Vec::new();
        self.channels.borrow_mut().retain(|known, channel| {
            if name.is_none_or(|name| **known == *name) {
                channel.ears.retain(|other| !Rc::ptr_eq(other, ear));
            }
            let stays = !channel.ears.is_empty();
            if !stays {
                gone.push(Rc::clone(known));
            }
            stays
        });
        for name in gone {
            self.order(name, None);
        }
    }

    /// Gives up its connection for another one, unless the endpoint is one of these.
    pub(crate) fn stay_with(&self, endpoints: &[Arc<Endpoint>]) {
        let line = self.line.borrow();
        let Some(line) = line.as_ref() else { return };
        if endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, &line.endpoint)) {
            return;
        }
        self.hangs_up.set(true);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Whether the session hears of this channel from here.
    pub(crate) fn tells(&self, channel: &[u8], ear: &Rc<Ear>) -> bool {
        let channels = self.channels.borrow();
        let found = channels.get(channel);
        found.is_some_and(|channel| channel.ears.iter().any(|known| Rc::ptr_eq(known, ear)))
    }

    /// The connection that listens.
    pub(crate) fn view(&self) -> Option<LineView> {
        self.line.borrow().clone()
    }

    fn order(&self, channel: Rc<[u8]>, listen: Option<u64>) {
        // Without a connection there is nothing to take back, and a new one is told everything.
        if listen.is_some() || self.line.borrow().is_some() {
            self.orders.borrow_mut().push_back(Order { channel, listen });
        }
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn is_wanted(&self) -> bool {
        !self.channels.borrow().is_empty()
    }

    /// A new connection hears nothing yet: everything is to be said again.
    fn begin(&self, view: LineView) {
        let mut orders = self.orders.borrow_mut();
        orders.clear();
        for (name, channel) in self.channels.borrow_mut().iter_mut() {
            channel.listens = false;
            orders.push_back(Order {
                channel: Rc::clone(name),
                listen: Some(channel.number),
            });
        }
        self.hangs_up.set(false);
        *self.line.borrow_mut() = Some(view);
    }

    /// The server has confirmed, or refused.
    fn answered(&self, order: &Order, outcome: &Result<(), Refusal>) {
        let Some(number) = order.listen else { return };
        let mut channels = self.channels.borrow_mut();
        let Some(channel) = channels.get_mut(&order.channel) else {
            return;
        };
        if channel.number != number {
            return;
        }
        for ear in &channel.ears {
            ear.answer(number, outcome);
        }
        match outcome {
            Ok(()) => channel.listens = true,
            Err(_) => drop(channels.remove(&order.channel)),
        }
    }

    /// No connection can be had: whoever waits for one is told so. Those who listened before stay for the next.
    fn refuse(&self, refusal: &Refusal) {
        let outcome = Err(refusal.clone());
        self.channels.borrow_mut().retain(|_, channel| {
            let number = channel.number;
            channel.ears.retain(|ear| {
                let waits = ear.awaits.get() == Some(number);
                if waits {
                    ear.answer(number, &outcome);
                }
                !waits
            });
            !channel.ears.is_empty()
        });
    }

    /// Everybody is told that something may have been missed.
    fn tell_of_gap(&self) {
        let mut told: Vec<Rc<Ear>> = Vec::new();
        let mut words = Vec::new();
        let text = "notifications may have been missed: the connection that listens was lost, and is back";
        backend::notice(&mut words, "01000", text);
        for channel in self.channels.borrow().values() {
            for ear in &channel.ears {
                if !told.iter().any(|known| Rc::ptr_eq(known, ear)) {
                    ear.hear(&words);
                    told.push(Rc::clone(ear));
                }
            }
        }
    }

    fn hand_out(&self, message: &[u8], body: &[u8]) {
        let Ok(notification) = Notification::read(body) else {
            return;
        };
        if let Some(channel) = self.channels.borrow().get(notification.channel) {
            for ear in &channel.ears {
                ear.hear(message);
            }
        }
    }
}

/// The connection to the server.
struct Line {
    stream: Stream,
    out: Outgoing,
    held: Vec<u8>,
    asked: VecDeque<Order>,
    outcome: Result<(), Refusal>,
}

/// Keeps a connection for as long as somebody listens.
async fn run(hub: Rc<Hub>, room: Rc<PostgresRoom>, group: Rc<Group>, started: Rc<crate::settings::Settings>) {
    let (mut tries, mut heard_before) = (0, false);
    while hub.is_wanted() {
        match room.open_line(&group, &started).await {
            Ok((stream, view)) => {
                tries = 0;
                hub.begin(view);
                if heard_before {
                    hub.tell_of_gap();
                }
                heard_before = true;
                let line = Line {
                    stream,
                    out: Outgoing::default(),
                    held: Vec::new(),
                    asked: VecDeque::new(),
                    outcome: Ok(()),
                };
                talk(&hub, line, &room).await;
                hub.line.replace(None);
            }
            Err(refusal) => hub.refuse(&refusal),
        }
        if hub.is_wanted() {
            tokio::time::sleep(AGAIN.wait(tries)).await;
            tries += 1;
        }
    }
    hub.orders.borrow_mut().clear();
    hub.runs.set(false);
}

/// Talks to the server until the connection is lost or nobody wants it.
async fn talk(hub: &Hub, mut line: Line, room: &PostgresRoom) {
    loop {
        let wanted = hub.is_wanted();
        let turn = poll_fn(|cx| line.poll(cx, hub, room, wanted));
        let ended = if wanted {
            turn.await
        } else {
            tokio::time::timeout(LINGER, turn).await.unwrap_or(true)
        };
        if ended {
            return;
        }
    }
}

impl Line {
    /// Ready with `true` when the connection is lost, with `false` when `wanted` is no longer what is so.
    fn poll(&mut self, cx: &mut Context<'_>, hub: &Hub, room: &PostgresRoom, wanted: bool) -> Poll<bool> {
        hub.waker.borrow_mut().replace(cx.waker().clone());
        for _ in 0..TURNS {
            if hub.hangs_up.get() {
                return Poll::Ready(true);
            }
            while let Some(order) = hub.orders.borrow_mut().pop_front() {
                let mut words = Vec::new();
                frontend::query(&mut words, &said(&order));
                self.out.queue(&words, &room.core.buffers);
                self.asked.push_back(order);
            }
            if let Poll::Ready(Err(_)) = self.out.poll_flush(cx, &mut self.stream, &room.core.buffers) {
                return Poll::Ready(true);
            }
            let scratch = Rc::clone(&room.core.scratch);
            let mut scratch = scratch.borrow_mut();
            match self.stream.poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(length)) if length > 0 => self.held.extend_from_slice(&scratch[..length]),
                Poll::Ready(_) => return Poll::Ready(true),
                Poll::Pending if hub.is_wanted() != wanted => return Poll::Ready(false),
                Poll::Pending => return Poll::Pending,
            }
            drop(scratch);
            if self.read(hub).is_none() {
                return Poll::Ready(true);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads what has come; `None` when the server makes no sense.
    fn read(&mut self, hub: &Hub) -> Option<()> {
        let mut at = 0;
        while let Some((frame, length)) = Frame::read(&self.held[at..]).ok()? {
            match frame.kind {
                b'A' => hub.hand_out(&self.held[at..at + length], frame.body),
                b'E' => {
                    let fields = ErrorFields::read(frame.body).ok()?;
                    let refusal = Refusal::new(Reason::Invalid, fields.message().into_owned())
                        .with_code(String::from_utf8_lossy(fields.code()).into_owned());
                    self.outcome = Err(refusal);
                }
                b'Z' => {
                    let order = self.asked.pop_front()?;
                    let outcome = std::mem::replace(&mut self.outcome, Ok(()));
                    hub.answered(&order, &outcome);
                }
                _ => {}
            }
            at += length;
        }
        self.held.drain(..at);
        Some(())
    }
}

fn said(order: &Order) -> Vec<u8> {
    let mut sql = if order.listen.is_some() {
        b"LISTEN \"".to_vec()
    } else {
        b"UNLISTEN \"".to_vec()
    };
    for byte in order.channel.iter() {
        sql.push(*byte);
        if *byte == b'"' {
            sql.push(b'"');
        }
    }
    sql.push(b'"');
    sql
}

/// A channel's name as the server cuts it, at a character's end.
fn cut(name: &[u8]) -> &[u8] {
    if name.len() <= MOST_NAME {
        return name;
    }
    let is_inside = |at: usize| name[at] & 0xC0 == 0x80;
    let mut end = MOST_NAME;
    while end > 0 && is_inside(end) {
        end -= 1;
    }
    &name[..end]
}

/// What a client is told when the hub does not answer in time.
pub(crate) fn too_late() -> Refusal {
    unavailable("the server did not confirm LISTEN in time; try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_characters() {
        assert_eq!(cut(b"short"), b"short");
        assert_eq!(cut(&[b'x'; 70]).len(), 63);
        let wide = "ä".repeat(40);
        assert_eq!(cut(wide.as_bytes()), "ä".repeat(31).as_bytes());
    }

    #[test]
    fn names_are_quoted() {
        let order = |listen| Order {
            channel: Rc::from(&b"a\"b"[..]),
            listen,
        };
        assert_eq!(said(&order(Some(1))), b"LISTEN \"a\"\"b\"");
        assert_eq!(said(&order(None)), b"UNLISTEN \"a\"\"b\"");
    }
}
