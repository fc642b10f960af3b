use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_base::Refusal;
use tidegate_engine::SessionError;

use super::Session;
use crate::dial::Key;
use crate::group::{State, Trunk};
use crate::job::Job;
use crate::layout::Node;
use crate::line::{LineSeat, Mail};

/// A client's way to one server: its seat at a shared connection.
pub(super) struct Way {
    pub(super) node: Arc<Node>,
    pub(super) key: Key,
    /// Which of the client's clusters it is of.
    group: usize,
    pub(super) seat: Option<LineSeat>,
    joining: Option<Joining>,
    /// Whose answers come next; nobody's where one is to be swallowed.
    pub(super) owed: VecDeque<Option<Job>>,
    /// The server takes no writes any more: what it answers to commands up to this number may be out of date.
    pub(super) doubted: Option<u64>,
}

/// A wait for a shared connection to be opened.
struct Joining {
    trunk: Rc<Trunk>,
    /// The attempt that it has waited for.
    attempt: Option<u64>,
}

impl Session {
    /// The way to a server, as its place among the ways; the shared connection is opened where there is none.
    pub(super) fn way(&mut self, cx: &Context<'_>, node: &Arc<Node>, key: Key) -> Poll<Result<usize, Refusal>> {
        let endpoint = &node.endpoint;
        let is_it = |way: &Way| way.key == key && Arc::ptr_eq(&way.node.endpoint, endpoint);
        let at = self.ways.iter().position(is_it).unwrap_or_else(|| {
            self.forget_ways(key);
            // Most clients have one.
            self.ways.reserve_exact(1);
            self.ways.push(Way {
                node: Arc::clone(node),
                key,
                group: self.routing.at(),
                seat: None,
                joining: None,
                owed: VecDeque::new(),
                doubted: None,
            });
            self.ways.len() - 1
        });
        let Some(way) = self.ways.get_mut(at) else {
            return Poll::Pending;
        };
        match &way.seat {
            // What is lost is told first.
            Some(seat) if seat.line.is_lost() && (!way.owed.is_empty() || seat.has_mail()) => return Poll::Pending,
            Some(seat) if seat.line.is_lost() => way.seat = None,
            Some(seat) if seat.line.retires() && way.owed.is_empty() => way.seat = None,
            // Who never stops asking would never leave it.
            Some(seat) if seat.line.retires() => return Poll::Pending,
            Some(_) => return Poll::Ready(Ok(at)),
            None => {}
        }
        let mut joining = way.joining.take().unwrap_or_else(|| Joining {
            trunk: self.group.trunk(endpoint, key, self.shared.id),
            attempt: None,
        });
        let trunk = Rc::clone(&joining.trunk);
        let joined = joining.poll(cx, || self.room.open_trunk(&self.group, endpoint, key, &trunk));
        match joined {
            Poll::Ready(Ok(seat)) => {
                way.seat = Some(seat);
                Poll::Ready(Ok(at))
            }
            Poll::Ready(Err(refusal)) => Poll::Ready(Err(refusal)),
            Poll::Pending => {
                joining.wait(cx);
                way.joining = Some(joining);
                Poll::Pending
            }
        }
    }

    /// Drops ways that nothing comes over any more and that lead with another key, or to a server that is gone.
    fn forget_ways(&mut self, key: Key) {
        let routing = &self.routing;
        let is_known = |way: &Way| routing.groups().any(|group| group.knows(&way.node.endpoint));
        self.ways
            .retain(|way| !way.owed.is_empty() || way.key.is_kin(key) && is_known(way));
    }

    /// What came over shared connections goes to the client; whether there was anything.
    pub(super) fn from_ways(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        let mut moved = false;
        for at in 0..self.ways.len() {
            moved |= self.from_way(cx, at)?;
        }
        Ok(moved)
    }

    fn from_way(&mut self, cx: &mut Context<'_>, at: usize) -> Result<bool, SessionError> {
        let Some(seat) = self.ways.get(at).and_then(|way| way.seat.as_ref()) else {
            return Ok(false);
        };
        if seat.is_overrun() {
            self.give_up("the client does not read, and more waits for it than may (reply_buffer)");
            return Ok(true);
        }
        let is_lost = seat.line.is_lost();
        let leaves = seat.line.retires() && !seat.has_mail();
        let has_mail = seat.has_mail();
        if leaves && let Some(way) = self.ways.get_mut(at).filter(|way| way.owed.is_empty()) {
            way.seat = None;
            return Ok(false);
        }
        if self.closing || !(has_mail || is_lost) || self.flush_client(cx)?.is_pending() {
            return Ok(false);
        }
        let Some(seat) = self.ways.get(at).and_then(|way| way.seat.as_ref()) else {
            return Ok(false);
        };
        let mut mail = seat.take();
        self.deal(cx, at, &mail)?;
        self.room.core.buffers.give_back(&mut mail.bytes);
        self.room.ends.give_back(std::mem::take(&mut mail.ends));
        if is_lost {
            self.lose(at, &mail);
        }
        Ok(true)
    }

    /// Deals the answers of a mail to their commands. Stretches that the client gets as they are go in one write.
    fn deal(&mut self, cx: &mut Context<'_>, at: usize, mail: &Mail) -> Result<(), SessionError> {
        let (mut from, mut to) = (0, 0);
        let mut ends = mail.ends.iter();
        while to < mail.bytes.len() {
            let end = ends.next();
            let next = *end.unwrap_or(&mail.bytes.len());
            let bytes = mail.bytes.get(to..next).unwrap_or_default();
            let Some(way) = self.ways.get_mut(at) else { break };
            let owed = if end.is_some() {
                way.owed.pop_front()
            } else {
                way.owed.front().copied()
            };
            let passes = self.answer_came(owed.flatten(), bytes, end.is_some(), at);
            if !passes || self.has_more() {
                let run = if passes { from..next } else { from..to };
                self.write(cx, mail.bytes.get(run).unwrap_or_default())?;
                from = next;
                self.emit();
            }
            to = next;
        }
        self.write(cx, mail.bytes.get(from..to).unwrap_or_default())?;
        self.emit();
        Ok(())
    }

    /// A shared connection is gone, and with it what was asked over it.
    fn lose(&mut self, at: usize, mail: &Mail) {
        let Some(way) = self.ways.get_mut(at) else { return };
        way.seat = None;
        let owed: Vec<_> = way.owed.drain(..).collect();
        let group = way.group;
        self.turn_to(group);
        self.group.metrics.lost.inc();
        if mail.is_midway && owed.first().is_some_and(|owed| self.is_begun(*owed)) {
            // In the midst of a reply nothing can be said.
            self.closing = true;
            return;
        }
        self.group.seek();
        for job in owed.into_iter().flatten() {
            self.answer_lost(job);
        }
        self.emit();
    }

    /// Writes to the client what goes on as it is.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), SessionError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.metrics.sent.add(bytes.len() as u64);
        self.active = self.room.core.now();
        let written = self
            .to_client
            .write(cx, &mut self.client, bytes, &self.room.core.buffers);
        written.map_err(|error| SessionError::downstream(&error))
    }
}

impl Joining {
    /// A seat, as soon as the connection is open; `open` begins to open it.
    fn poll(&mut self, cx: &Context<'_>, open: impl FnOnce()) -> Poll<Result<LineSeat, Refusal>> {
        let trunk = &self.trunk;
        let line = match &*trunk.state.borrow() {
            State::Open(line) if !line.is_lost() => Some(Rc::clone(line)),
            _ => None,
        };
        if let Some(line) = line {
            let seat = line.join();
            seat.set_waker(cx);
            return Poll::Ready(Ok(seat));
        }
        if !matches!(*trunk.state.borrow(), State::Opening) {
            if self.attempt == Some(trunk.attempt.get())
                && let Some(refusal) = trunk.failure.borrow().clone()
            {
                return Poll::Ready(Err(refusal));
            }
            open();
        }
        Poll::Pending
    }

    /// Says whom to wake when the attempt is over.
    fn wait(&mut self, cx: &Context<'_>) {
        let attempt = self.trunk.attempt.get();
        if self.attempt != Some(attempt) {
            self.attempt = Some(attempt);
            self.trunk.waiting.borrow_mut().push(cx.waker().clone());
        }
    }
}
