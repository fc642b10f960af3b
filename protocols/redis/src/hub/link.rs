use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

use super::board::Ask;
use super::dues::Dues;
use super::opener::Spot;

/// A connection that is subscribed, or the place of one that is to be opened again: what others see of it, and its
/// task does.
///
/// It speaks RESP3, where PING is answered the same way whether anything is subscribed or not, and commands that RESP2
/// forbids in subscribed mode could be asked between. Messages are the same bytes in both versions but for the first.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) spot: Spot,
    pub(super) is_up: Cell<bool>,
    /// Something was refused, and is to be asked for again later.
    pub(super) wants_again: Cell<bool>,
    hangs_up: Cell<bool>,
    /// What the task has not taken yet: at most one command for each topic, and a PING.
    unsent: RefCell<Vec<u8>>,
    pub(super) dues: RefCell<Dues>,
    waker: RefCell<Option<Waker>>,
}

impl Link {
    pub(super) fn new(spot: Spot) -> Self {
        Self {
            spot,
            is_up: Cell::new(false),
            wants_again: Cell::new(false),
            hangs_up: Cell::new(false),
            unsent: RefCell::default(),
            dues: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    /// Asks for a subscription, or for its end.
    pub(super) fn ask(&self, ask: Ask) {
        self.dues.borrow_mut().ask(ask, &mut self.unsent.borrow_mut());
        self.wake();
    }

    /// Asks whether the server is there.
    pub(super) fn ping(&self) {
        self.dues.borrow_mut().ping(&mut self.unsent.borrow_mut());
    }

    /// A connection is about to be opened, to where it leads now.
    pub(super) fn begin(&self) {
        self.hangs_up.set(false);
    }

    /// Has the connection replaced, also one that is being opened.
    pub(super) fn hang_up(&self) {
        self.hangs_up.set(true);
        self.wake();
    }

    pub(super) fn hangs_up(&self) -> bool {
        self.hangs_up.get()
    }

    /// A connection begins or has ended: nothing of the last one is left.
    pub(super) fn reset(&self, is_up: bool) {
        self.is_up.set(is_up);
        self.wants_again.set(false);
        *self.unsent.borrow_mut() = Vec::new();
        *self.dues.borrow_mut() = Dues::default();
    }

    /// Moves what is to be sent behind what is in `out`.
    pub(super) fn take_unsent(&self, out: &mut Vec<u8>) {
        out.append(&mut self.unsent.borrow_mut());
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
