use std::rc::Rc;
use std::task::{Context, Poll};

use tidegate_engine::SessionError;
use tidegate_net::Buffers;
use tidegate_redis_wire::table::Effect;

use super::Session;
use crate::pin::{Outcome, Pin};
use crate::server::ServerLease;

/// The most answers that are owed on a connection of a client's own.
const MOST_OWED: usize = 4096;
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
    /// Something may be waited for without an end.
    blocks: usize,
}

/// What came of a stretch of answers.
struct Walked {
    /// So many bytes are the client's.
    run: usize,
    is_well: bool,
    is_reset: bool,
}

impl Own {
    pub(super) fn new(lease: ServerLease) -> Self {
        Self {
            lease,
            pin: Pin::default(),
            ends: None,
            is_push: false,
            blocks: 0,
        }
    }

    /// Whether the gateway can say something without breaking into what the server says.
    pub(super) fn is_quiet(&self) -> bool {
        self.ends.is_none() && self.lease.is_between() && self.pin.owed() == 0
    }

    /// Whether what is asked may take for ever.
    pub(super) fn is_endless(&self) -> bool {
        self.pin.streams() || self.blocks > 0
    }

    /// Sends a command; `false` when there is no room for it.
    pub(super) fn send(&mut self, effect: Effect, bytes: &[u8], buffers: &Buffers) -> bool {
        if self.ends.is_some() || self.pin.owed() >= MOST_OWED || self.lease.out.len() > MOST_UNSENT {
            return false;
        }
        self.lease.out.queue(bytes, buffers);
        if self.pin.streams() && matches!(effect, Effect::Reset | Effect::Quit) {
            self.ends = Some(effect);
        }
        if matches!(effect, Effect::Blocks | Effect::Waits) && !self.pin.in_transaction() {
            self.blocks += 1;
        }
        self.pin.sent(effect);
        true
    }

    /// Follows the server's answers.
    fn walk(&mut self, bytes: &[u8]) -> Walked {
        let mut walked = Walked {
            run: 0,
            is_well: true,
            is_reset: false,
        };
        while let Some(rest) = bytes.get(walked.run..).filter(|rest| !rest.is_empty()) {
            let server = &mut *self.lease;
            if server.cursor.at_boundary() {
                self.is_push = rest.first() == Some(&b'>');
                server.head.clear();
            }
            let Ok(walk) = server.cursor.walk(rest) else {
                walked.is_well = false;
                return walked;
            };
            server.note(rest.get(..walk.run).unwrap_or_default());
            walked.run += walk.run;
            if !walk.ended {
                return walked;
            }
            if self.is_push {
                continue;
            }
            if self.pin.answered(Outcome::of(&server.head)).is_err() {
                walked.is_well = false;
                return walked;
            }
            if self.pin.owed() == 0 {
                self.blocks = 0;
            }
            if self.ends == Some(Effect::Reset) && server.head.starts_with(b"+RESET\r\n") {
                walked.is_reset = true;
                return walked;
            }
        }
        walked
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

    fn pass(&mut self, cx: &mut Context<'_>, mut own: Box<Own>, bytes: &[u8]) -> Result<(), SessionError> {
        let walked = own.walk(bytes);
        let (run, rest) = bytes.split_at_checked(walked.run).unwrap_or((bytes, &[]));
        let buffers = &self.room.core.buffers;
        let written = self.to_client.write(cx, &mut self.client, run, buffers);
        written.map_err(|error| SessionError::downstream(&error))?;
        if !walked.is_well {
            tracing::warn!(endpoint = %own.lease.endpoint.address, "a server is out of step; its connection is closed");
            self.closing = true;
        } else if walked.is_reset {
            drop(own);
            self.reset();
        } else {
            own.lease.held.extend_from_slice(rest);
            let is_free = own.pin.is_clean() && own.lease.is_between() && own.lease.out.is_empty();
            if is_free {
                own.lease.give_back(self.room.core.now());
            } else {
                self.own = Some(own);
            }
        }
        Ok(())
    }

    /// Writes what the client's own connection is to get.
    pub(super) fn flush_own(&mut self, cx: &mut Context<'_>) {
        if let Some(own) = &mut self.own {
            let server = &mut *own.lease;
            let flushed = server.out.poll_flush(cx, &mut server.stream, &self.room.core.buffers);
            if let Poll::Ready(Err(_)) = flushed {
                self.own = None;
                self.closing = true;
            }
        }
    }
}
