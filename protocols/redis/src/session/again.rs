use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidegate_base::Refusal;
use tidegate_cluster::Endpoint;
use tidegate_redis_wire::reply::Failure;
use tidegate_redis_wire::table::Access;

use super::Session;
use crate::login;

const LOST: &str = "ERR the connection to the server was lost; whether the command was done is not known";
/// How often a command that only reads is sent again because its connection was lost.
const MOST_LOSSES: u32 = 2;
/// How long to wait before something is tried again that the servers could not do yet.
const PAUSE: Duration = Duration::from_millis(50);

/// A command that is to be sent again, in its place.
pub(super) struct Again {
    number: u64,
    to: To,
    /// Not before.
    ready: Instant,
    /// What the client is told when it cannot be sent.
    error: Vec<u8>,
}

/// Where a command is sent again.
enum To {
    /// Wherever such commands go now.
    Route,
}

impl Session {
    /// Whether a server turned a command away without doing it, and it is sent elsewhere.
    pub(super) fn is_turned_away(&mut self, _number: u64, _failure: Failure<'_>, _from: usize) -> bool {
        false
    }

    /// The connection was lost before a command's answer came, or in the midst of it. One that only reads is sent again.
    pub(super) fn answer_lost(&mut self, number: u64) {
        self.order.take_held(number);
        let Some(ticket) = self.order.get(number) else { return };
        let reads = ticket.row.is_some_and(|row| row.access() == Access::Read);
        if reads && !ticket.is_begun && ticket.tries < MOST_LOSSES && self.order.bytes(number).is_some() {
            let error = format!("-{LOST}\r\n").into_bytes();
            self.send_again(number, To::Route, "lost", Duration::ZERO, error);
            return;
        }
        self.answer_with(number, LOST);
    }

    fn send_again(&mut self, number: u64, to: To, reason: &'static str, pause: Duration, error: Vec<u8>) {
        let Some(ticket) = self.order.get(number) else { return };
        self.unsettled += usize::from(ticket.tries == 0);
        ticket.tries += 1;
        self.group.metrics.resent(reason);
        self.again.push_back(Again {
            number,
            to,
            ready: self.room.core.now() + pause,
            error,
        });
    }

    /// Puts an error in the place of a command's answer.
    fn answer_with(&mut self, number: u64, text: &str) {
        self.order.answer(number, format!("-{text}\r\n").into_bytes());
    }

    /// Sends again what is to be sent again, in order; whether anything was done.
    pub(super) fn resend(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(again) = self.again.front() {
            let now = self.room.core.now();
            if again.ready > now {
                break;
            }
            let number = again.number;
            let endpoint = match &again.to {
                To::Route => self.group.primary(),
            };
            let sent = endpoint.map(|endpoint| self.send_kept(cx, &endpoint, number));
            match sent {
                Ok(Poll::Pending) => break,
                Ok(Poll::Ready(Ok(()))) => drop(self.again.pop_front()),
                Ok(Poll::Ready(Err(refusal))) | Err(refusal) => self.cannot_send(&refusal),
            }
            moved = true;
        }
        moved
    }

    /// Sends a command's kept bytes to a server.
    fn send_kept(&mut self, cx: &Context<'_>, endpoint: &Arc<Endpoint>, number: u64) -> Poll<Result<(), Refusal>> {
        let at = std::task::ready!(self.way(cx, endpoint, self.key))?;
        let bytes = self.order.bytes(number).unwrap_or_default();
        let Some(way) = self.ways.get_mut(at) else {
            return Poll::Pending;
        };
        let Some(seat) = &way.seat else { return Poll::Pending };
        std::task::ready!(seat.poll_room(cx));
        if !seat.send(bytes, 1, self.room.core.now()) {
            return Poll::Pending;
        }
        way.owed.push_back(Some(number));
        Poll::Ready(Ok(()))
    }

    /// The first that is to be sent again cannot be sent now: it waits, or the client is told.
    fn cannot_send(&mut self, refusal: &Refusal) {
        let Some(mut again) = self.again.pop_front() else {
            return;
        };
        let now = self.room.core.now();
        let began = self.order.get(again.number).map_or(now, |ticket| ticket.began);
        if now < began + self.group.patience() {
            again.ready = now + PAUSE;
            self.again.push_front(again);
            return;
        }
        let text = login::words(refusal);
        if again.error.is_empty() {
            self.answer_with(again.number, &text);
        } else {
            self.order.answer(again.number, again.error);
        }
        self.emit();
    }

    /// When something is due to be sent again.
    pub(super) fn next_again(&self) -> Option<Instant> {
        self.again.front().map(|again| again.ready)
    }
}
