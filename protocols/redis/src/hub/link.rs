use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Waker};

use tidegate_redis_wire::request;
use tidegate_redis_wire::table::Channels;

use super::board::Ask;
use super::opener::Spot;
use super::push::verb;

/// A connection that is subscribed, or the place of one that is to be opened again: what others see of it, and its
/// task does.
///
/// Every name is asked for by a command of its own, many of them in one write: so an error says whom it is about. It
/// speaks RESP3, where what answers a command can be told from a message, and PING has the same answer always.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) spot: Spot,
    pub(super) is_up: Cell<bool>,
    /// Something was refused, and is to be asked for again later.
    pub(super) wants_again: Cell<bool>,
    hangs_up: Cell<bool>,
    /// What the task has not taken yet: at most one command for each topic, and a PING.
    unsent: RefCell<Vec<u8>>,
    /// What the server owes, in order.
    expected: RefCell<VecDeque<Expected>>,
    waker: RefCell<Option<Waker>>,
}

/// The answer to what.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Pong,
    Change(Ask),
}

impl Link {
    pub(super) fn new(spot: Spot) -> Self {
        Self {
            spot,
            is_up: Cell::new(false),
            wants_again: Cell::new(false),
            hangs_up: Cell::new(false),
            unsent: RefCell::default(),
            expected: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    /// Asks for a subscription, or for its end.
    pub(super) fn ask(&self, ask: Ask) {
        let words: [&[u8]; 2] = [verb(ask.kind, ask.on).as_bytes(), &ask.name];
        request::command(&mut self.unsent.borrow_mut(), &words);
        self.expected.borrow_mut().push_back(Expected::Change(ask));
        self.wake();
    }

    /// Asks whether the server is there, unless it owes an answer to that already.
    pub(super) fn ping(&self) {
        let mut expected = self.expected.borrow_mut();
        if !expected.contains(&Expected::Pong) {
            expected.push_back(Expected::Pong);
            request::command(&mut self.unsent.borrow_mut(), &["PING"]);
        }
    }

    /// Has the connection replaced.
    pub(super) fn hang_up(&self) {
        self.hangs_up.set(self.is_up.get());
        self.wake();
    }

    pub(super) fn hangs_up(&self) -> bool {
        self.hangs_up.get()
    }

    /// A connection begins or has ended: nothing of the last one is left.
    pub(super) fn reset(&self, is_up: bool) {
        self.is_up.set(is_up);
        self.wants_again.set(false);
        self.hangs_up.set(false);
        *self.unsent.borrow_mut() = Vec::new();
        *self.expected.borrow_mut() = VecDeque::new();
    }

    /// Moves what is to be sent behind what is in `out`.
    pub(super) fn take_unsent(&self, out: &mut Vec<u8>) {
        out.append(&mut self.unsent.borrow_mut());
    }

    /// The next answer has come.
    pub(super) fn answered(&self) -> Option<Expected> {
        self.expected.borrow_mut().pop_front()
    }

    /// The next answer, if it is this one: a server also ends subscriptions unasked.
    pub(super) fn answered_by(&self, kind: Channels, on: bool, name: &[u8]) -> bool {
        let mut expected = self.expected.borrow_mut();
        let is_this = matches!(expected.front(), Some(Expected::Change(ask))
            if ask.kind == kind && ask.on == on && *ask.name == *name);
        if is_this {
            expected.pop_front();
        }
        is_this
    }

    pub(super) fn set_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}
