use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tidegate_base::{Reason, Refusal};
use tidegate_engine::SessionError;

use super::Session;
use super::own::Own;
use crate::dial::Key;
use crate::group::{State, Trunk};
use crate::server::{ServerPool, ServerSeat};

const LOST: &str = "ERR the connection to the server was lost; whether the command was done is not known";

/// A wait for a shared connection to be opened.
pub(super) struct Joining {
    key: Key,
    trunk: Rc<Trunk>,
    /// The attempt that it has waited for.
    attempt: Option<u64>,
}

/// A place in the queue for a connection of one's own.
pub(super) struct Waiting {
    pool: Rc<ServerPool>,
    pub(super) until: Option<Instant>,
}

impl Session {
    /// Takes a place at a shared connection of this kind, which is opened where there is none. The caller sees to it
    /// that nothing is under way on another.
    pub(super) fn join(&mut self, cx: &Context<'_>, key: Key) -> Poll<Result<(), Refusal>> {
        if let Some((known, seat)) = &self.seat {
            if seat.line.is_lost() {
                return Poll::Pending;
            }
            if *known == key {
                return Poll::Ready(Ok(()));
            }
            self.seat = None;
        }
        let before = self.joining.take().filter(|joining| joining.key == key);
        let mut joining = before.unwrap_or_else(|| Joining {
            key,
            trunk: self.group.trunk(key, self.shared.id),
            attempt: None,
        });
        let trunk = Rc::clone(&joining.trunk);
        let line = match &*trunk.state.borrow() {
            State::Open(line) if !line.is_lost() => Some(Rc::clone(line)),
            _ => None,
        };
        if let Some(line) = line {
            let seat = line.join();
            seat.set_waker(cx);
            self.seat = Some((key, seat));
            return Poll::Ready(Ok(()));
        }
        if !matches!(*trunk.state.borrow(), State::Opening) {
            if joining.attempt == Some(trunk.attempt.get())
                && let Some(refusal) = trunk.failure.borrow().clone()
            {
                return Poll::Ready(Err(refusal));
            }
            self.room.open_trunk(&self.group, key, &trunk);
        }
        if joining.attempt != Some(trunk.attempt.get()) {
            joining.attempt = Some(trunk.attempt.get());
            trunk.waiting.borrow_mut().push(cx.waker().clone());
        }
        self.joining = Some(joining);
        Poll::Pending
    }

    /// What came over the shared connection goes to the client; whether there was anything.
    pub(super) fn from_line(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        let Some((_, seat)) = &self.seat else {
            return Ok(false);
        };
        if seat.is_overrun() {
            self.give_up("the client does not read, and more waits for it than may (reply_buffer)");
            return Ok(true);
        }
        if self.closing || !(seat.has_mail() || seat.line.is_lost()) || self.flush_client(cx)?.is_pending() {
            return Ok(false);
        }
        let Some((key, seat)) = self.seat.take() else {
            return Ok(false);
        };
        let is_lost = seat.line.is_lost();
        let buffers = &self.room.core.buffers;
        let mut mail = seat.take(buffers.take());
        let written = self.to_client.write(cx, &mut self.client, &mail.bytes, buffers);
        written.map_err(|error| SessionError::downstream(&error))?;
        buffers.give_back(&mut mail.bytes);
        if !is_lost {
            self.seat = Some((key, seat));
            return Ok(true);
        }
        // In the midst of a reply nothing can be said.
        self.closing = mail.is_midway;
        if !self.closing {
            self.say(|writer| (0..mail.lost).for_each(|_| writer.error(LOST)));
        }
        Ok(true)
    }

    /// Takes a connection for the client alone, or a place in the queue for one.
    pub(super) fn lend(&mut self, cx: &Context<'_>) -> Poll<Result<(), Refusal>> {
        if let Some(refusal) = self.refused.take() {
            return Poll::Ready(Err(refusal));
        }
        let seat = Rc::clone(self.pool_seat.get_or_insert_with(|| ServerSeat::new(())));
        if let Some(waiting) = &self.waiting {
            let turn = std::task::ready!(waiting.pool.poll_turn(&seat, cx));
            self.waiting = None;
            return Poll::Ready(turn.map(|lease| self.own = Some(Box::new(Own::new(lease)))));
        }
        let pool = self.group.pool(self.key);
        while let Some(mut lease) = pool.try_lend(|_| true) {
            if lease.is_well(&mut Context::from_waker(Waker::noop())) {
                self.own = Some(Box::new(Own::new(lease)));
                return Poll::Ready(Ok(()));
            }
        }
        if !pool.wait(&seat, cx.waker()) {
            let text = "too many clients wait for a connection of their own (queue_size); try again";
            return Poll::Ready(Err(Refusal::new(Reason::Overloaded, text)));
        }
        self.room.open_wanted(&self.group, self.key, &pool);
        let limit = self.group.rules().queue_timeout;
        self.waiting = Some(Waiting {
            pool,
            until: limit.map(|limit| self.room.core.now() + limit),
        });
        Poll::Pending
    }

    /// Gives up the place in the queue.
    pub(super) fn leave_queue(&mut self) {
        if let (Some(waiting), Some(seat)) = (self.waiting.take(), &self.pool_seat) {
            waiting.pool.leave(seat, Instant::now());
            let text = "no server connection became free in time (queue_timeout); try again";
            self.refused = Some(Refusal::new(Reason::Overloaded, text));
        }
    }
}
