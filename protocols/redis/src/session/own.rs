use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_engine::SessionError;
use tidegate_net::Buffers;
use tidegate_redis_wire::table::Effect;

use super::Session;
use crate::job::Job;
use crate::layout::Node;
use crate::pin::{Outcome, Pin};
use crate::server::ServerLease;

/// The most answers that are owed on a connection of a client's own.
const MOST_OWED: usize = 4096;
/// Stands for the client's own connection where a way is told by its place.
pub(super) const OWN: usize = usize::MAX;
/// Beyond so many bytes that the server has not taken, the client waits.
const MOST_UNSENT: usize = 256 * 1024;

/// A connection that a client has for its own, and what is on it.
pub(super) struct Own {
    pub(super) lease: ServerLease,
    pub(super) pin: Pin,
    /// The server was asked to end: RESET or QUIT in the midst of what streams.
    ends: Option<Effect>,
    /// What is arriving answers nobody.
    is_push: bool,
    /// Whose answers come next; nobody's where one is to be swallowed.
    owed: VecDeque<Option<Job>>,
    /// Which server it leads to.
    pub(super) node: Arc<Node>,
    /// Which of the client's clusters that is of.
    pub(super) group: usize,
    /// MULTI was sent, and neither EXEC nor DISCARD.
    pub(super) multi: bool,
    /// A key of the transaction is at another server.
    pub(super) crossed: bool,
    /// This waits for replicas, and means something only if what was sent before it was done.
    pub(super) proves: Option<u64>,
}

/// What a stretch of a server's words is.
enum Said {
    /// Of an answer; whether that ends with it.
    Answer { ended: bool },
    /// It answers nobody; whether all of it is here at once.
    Push { is_whole: bool },
    /// `+RESET`: nothing of what was is there any more.
    Reset,
    /// The server is not in step.
    Nonsense,
}

impl Own {
    pub(super) fn new(mut lease: ServerLease, node: Arc<Node>, group: usize) -> Self {
        let (expected, owed) = std::mem::take(&mut lease.desk);
        Self {
            node,
            group,
            multi: false,
            crossed: false,
            proves: None,
            lease,
            pin: Pin::new(expected),
            ends: None,
            is_push: false,
            owed,
        }
    }

    /// Whether the gateway can say something without breaking into what the server says.
    pub(super) fn is_quiet(&self) -> bool {
        self.ends.is_none() && self.lease.is_between() && self.pin.owed() == 0
    }

    /// Whether what is asked may take for ever.
    pub(super) fn is_endless(&self) -> bool {
        self.pin.streams() || self.pin.is_blocked()
    }

    /// Whether one more command can be sent.
    pub(super) fn has_room(&self) -> bool {
        self.ends.is_none() && self.pin.owed() < MOST_OWED && self.has_room_for_bytes()
    }

    /// Whether the server takes what it is sent.
    pub(super) fn has_room_for_bytes(&self) -> bool {
        self.lease.out.len() <= MOST_UNSENT
    }

    /// Sends a command, whose answer is to this.
    pub(super) fn send(&mut self, job: Option<Job>, effect: Effect, bytes: &[u8], buffers: &Buffers) {
        self.lease.out.queue(bytes, buffers);
        if self.pin.streams() && matches!(effect, Effect::Reset | Effect::Quit) {
            self.ends = Some(effect);
        }
        match effect {
            Effect::Multi => self.multi = true,
            Effect::Exec | Effect::Discard => (self.multi, self.crossed) = (false, false),
            _ => {}
        }
        self.pin.sent(effect);
        if self.pin.streams() {
            self.owed.clear();
        } else {
            self.owed.push_back(job);
        }
    }

    /// A command was sent beside another, and nobody is to see its answer.
    pub(super) fn owe_nobody(&mut self, effect: Effect) {
        self.pin.sent(effect);
        self.owed.push_back(None);
    }

    /// Whose answers come, for somebody to change that.
    pub(super) fn owed_mut(&mut self) -> &mut VecDeque<Option<Job>> {
        &mut self.owed
    }

    /// Finds the next stretch of what the server says; `None` when more bytes are needed.
    fn next(&mut self, bytes: &[u8]) -> Option<(usize, Said)> {
        let server = &mut *self.lease;
        let first = bytes.first()?;
        let begins = server.cursor.at_boundary();
        if begins {
            self.is_push = *first == b'>' || self.pin.streams();
            server.head.clear();
        }
        let Ok(walk) = server.cursor.walk(bytes) else {
            return Some((0, Said::Nonsense));
        };
        let run = bytes.get(..walk.run).filter(|run| !run.is_empty())?;
        server.note(run);
        if self.is_push {
            let is_reset = self.ends == Some(Effect::Reset) && server.head.starts_with(b"+RESET\r\n");
            let is_whole = begins && walk.ended;
            return Some((walk.run, if is_reset { Said::Reset } else { Said::Push { is_whole } }));
        }
        let ended = walk.ended;
        if ended && self.pin.answered(Outcome::of(&server.head)).is_err() {
            return Some((walk.run, Said::Nonsense));
        }
        Some((walk.run, Said::Answer { ended }))
    }
}

impl Session {
    /// Server to client, over the client's own connection; whether anything was done.
    pub(super) fn from_own(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        if self.own.is_none() || self.closing || self.flush_client(cx)?.is_pending() {
            return Ok(false);
        }
        let Some(mut own) = self.own.take() else {
            return Ok(false);
        };
        let scratch = Rc::clone(&self.room.core.scratch);
        let mut scratch = scratch.borrow_mut();
        let read = match own.lease.stream.poll_read(cx, &mut scratch) {
            Poll::Pending => {
                self.own = Some(own);
                return Ok(false);
            }
            Poll::Ready(Ok(0) | Err(_)) => {
                // What was on it is lost: Redis's own clients see their connection end too.
                self.closing = true;
                self.turn_to(own.group);
                self.group.metrics.lost.inc();
                self.group.seek();
                return Ok(true);
            }
            Poll::Ready(Ok(read)) => read,
        };
        let fresh = scratch.get(..read).unwrap_or_default();
        if own.lease.held.is_empty() {
            self.pass(cx, own, fresh)?;
        } else {
            let mut held = std::mem::take(&mut own.lease.held);
            held.extend_from_slice(fresh);
            self.pass(cx, own, &held)?;
        }
        Ok(true)
    }

    /// Deals what the server said. Stretches that the client gets as they are go in one write.
    fn pass(&mut self, cx: &mut Context<'_>, mut own: Box<Own>, bytes: &[u8]) -> Result<(), SessionError> {
        let (mut from, mut to) = (0, 0);
        let write = |session: &mut Self, cx: &mut Context<'_>, run: Range<usize>| {
            session.write(cx, bytes.get(run).unwrap_or_default())
        };
        while let Some((length, said)) = own.next(bytes.get(to..).unwrap_or_default()) {
            let stretch = bytes.get(to..to + length).unwrap_or_default();
            let next = to + length;
            let passes = match said {
                Said::Answer { ended } => {
                    let owed = if ended {
                        own.owed.pop_front()
                    } else {
                        own.owed.front().copied()
                    };
                    if ended && owed == Some(None) && own.lease.head.starts_with(b"-") {
                        self.disprove(own.proves.take(), stretch);
                    }
                    // Where it came from must be there to be asked: what is turned away is sent elsewhere.
                    self.own = Some(own);
                    let passes = self.answer_came(owed.flatten(), stretch, ended, OWN);
                    let Some(back) = self.own.take() else {
                        return Ok(());
                    };
                    own = back;
                    passes
                }
                Said::Push { .. } if !self.sees_pushes() => true,
                Said::Push { .. } | Said::Reset => {
                    write(self, cx, from..to)?;
                    self.push(stretch, matches!(said, Said::Push { is_whole: false }));
                    from = next;
                    false
                }
                Said::Nonsense => {
                    write(self, cx, from..to)?;
                    tracing::warn!(endpoint = %own.lease.endpoint.address,
                        "a server is out of step; its connection is closed");
                    self.closing = true;
                    return Ok(());
                }
            };
            if !passes || self.has_more() {
                write(self, cx, from..if passes { next } else { to })?;
                from = next;
                self.emit();
            }
            to = next;
            if matches!(said, Said::Reset) {
                self.reset();
                return Ok(());
            }
        }
        write(self, cx, from..to)?;
        self.emit();
        own.lease.held.extend_from_slice(bytes.get(to..).unwrap_or_default());
        self.own = Some(own);
        self.give_back_own();
        Ok(())
    }

    /// What was to precede this was refused: its answer would not be true.
    fn disprove(&mut self, number: Option<u64>, refusal: &[u8]) {
        if let Some(ticket) = number.and_then(|number| self.order.get(number)) {
            ticket.instead = Some(refusal.into());
        }
    }

    pub(super) fn sees_pushes(&self) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.sees_pushes())
    }

    /// Gives the client's own connection back when nothing of it is left there.
    pub(super) fn give_back_own(&mut self) {
        let is_free = |own: &Own| own.pin.is_clean() && own.lease.is_between() && own.lease.out.is_empty();
        if !self.is_flowing
            && let Some(mut own) = self.own.take_if(|own| is_free(own))
        {
            own.lease.desk = (own.pin.into_expected(), std::mem::take(&mut own.owed));
            own.lease.give_back(self.room.core.now());
        }
    }

    /// Writes what the client's own connection is to get; whether there is room for more again.
    pub(super) fn flush_own(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(own) = &mut self.own {
            let was_full = !own.has_room_for_bytes();
            let server = &mut *own.lease;
            let flushed = server.out.poll_flush(cx, &mut server.stream, &self.room.core.buffers);
            if let Poll::Ready(Err(_)) = flushed {
                self.own = None;
                self.closing = true;
                return true;
            }
            return was_full && own.has_room_for_bytes();
        }
        false
    }
}
