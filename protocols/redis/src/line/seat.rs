use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tidegate_pool::{MuxFull, MuxSeat};

use super::{Line, Mail};

/// A client's place at a line, given up on drop.
pub(crate) struct LineSeat {
    pub(crate) line: Rc<Line>,
    pub(super) seat: Option<MuxSeat>,
}

impl LineSeat {
    /// Whether one more command can be sent; if not, the client is woken when that may have changed.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let line = &self.line;
        let Some(seat) = &self.seat else {
            return Poll::Pending;
        };
        let index = seat.index();
        let room = line.books.borrow().room(seat);
        let may_go = line.turns.borrow().may_go(index, line.free());
        match room {
            Ok(()) if may_go => {
                line.turns.borrow_mut().leave(index);
                return Poll::Ready(());
            }
            // A reply to itself wakes it.
            Err(MuxFull::Client) => {
                line.leave_turn(index);
                return Poll::Pending;
            }
            Ok(()) | Err(MuxFull::Connection) => {}
        }
        line.turns.borrow_mut().wait(index);
        self.set_waker(cx);
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
        drop(books);
        if line.turns.borrow().waiting() > 0 {
            line.wake_next();
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
        self.line.leave_turn(seat.index());
        self.line.books.borrow_mut().leave(seat);
        self.line.clients.set(self.line.clients.get().saturating_sub(1));
        if self.line.retires() {
            self.line.retire();
        }
    }
}
