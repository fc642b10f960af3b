use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_redis_wire::request::More;
use tidegate_redis_wire::table::Effect;

use super::Session;
use super::requests::effect_of;
use super::shown::Showing;
use crate::job::Job;
use crate::login;

/// A command longer than this does not wait until it is all here, but flows over a connection of the client's own.
const LARGE: usize = 64 * 1024;

/// What becomes of a command that is not all here.
pub(super) enum Flow {
    /// More of it is needed.
    Gather,
    /// It is to flow, and cannot yet.
    Later,
    /// So many bytes have gone on.
    On(usize),
}

impl Session {
    /// Begins to let a long command flow by, of which `bytes` are here.
    pub(super) fn flow(&mut self, cx: &mut Context<'_>, more: &More<'_>, bytes: &[u8]) -> Flow {
        let Some(command) = more.command.as_ref() else {
            return Flow::Gather;
        };
        let shows = self.shown.as_ref().is_some_and(|shown| shown.sees_requests());
        let bound = if shows { self.rules.inspect } else { LARGE };
        let is_large = bytes.len() > bound || !shows && bytes.len() + more.missing > bound;
        if !is_large || self.is_stranger || command.here() == 0 {
            return Flow::Gather;
        }
        // What some clients may not do shows only when all of it is here: keys can come last.
        if self.acl.is_some() || self.hub.is_some() {
            return Flow::Gather;
        }
        let (row, effect) = effect_of(command);
        let streams = self.own.as_ref().is_some_and(|own| own.pin.streams());
        if effect != Effect::Plain || streams || !self.has_one_server() {
            return Flow::Gather;
        }
        if self.is_unsettled() {
            return Flow::Later;
        }
        match self.show(cx, command, row, true) {
            Showing::Waits => return Flow::Later,
            // It is refused when all of it is here: what is to come must be read anyway.
            Showing::Answered(_) => return Flow::Gather,
            Showing::Approved => {}
        }
        let layout = self.group.layout();
        let node = self
            .own
            .as_ref()
            .map(|own| &own.node)
            .or_else(|| layout.primaries().next());
        let Some(node) = node.map(Arc::clone) else {
            return Flow::Gather;
        };
        match self.take_own(cx, &node) {
            Poll::Pending => return Flow::Later,
            Poll::Ready(Err(refusal)) => {
                self.answer_error(&login::words(&refusal));
                self.closing = true;
                return Flow::Later;
            }
            Poll::Ready(Ok(())) => {}
        }
        if !self.own.as_ref().is_some_and(|own| own.has_room()) {
            return Flow::Later;
        }
        let passed = match self.splitter.flow(bytes) {
            Ok(passed) => passed,
            Err(error) => {
                self.break_off(error);
                return Flow::Later;
            }
        };
        let number = self.enter(row, &[], None);
        self.is_flowing = !passed.ended;
        let run = bytes.get(..passed.run).unwrap_or_default();
        if let Some(own) = &mut self.own {
            own.send(Some(Job::whole(number)), Effect::Plain, run, &self.room.core.buffers);
        }
        Flow::On(passed.run)
    }

    /// Lets more of a long command flow by; how many bytes have gone on.
    pub(super) fn flow_on(&mut self, bytes: &[u8]) -> Option<usize> {
        let own = self.own.as_mut()?;
        if !own.has_room_for_bytes() {
            return None;
        }
        match self.splitter.pass(bytes) {
            Ok(passed) => {
                let run = bytes.get(..passed.run).unwrap_or_default();
                own.lease.out.queue(run, &self.room.core.buffers);
                self.is_flowing = !passed.ended;
                if !self.is_flowing {
                    self.give_back_own();
                }
                Some(passed.run)
            }
            Err(error) => {
                self.break_off(error);
                None
            }
        }
    }

    /// A command that is partly at the server makes no sense further on: the connection is closed, and the client told.
    fn break_off(&mut self, error: tidegate_redis_wire::RequestError) {
        self.own = None;
        self.is_flowing = false;
        self.broken = Some(error);
        while self.order.pop().is_some() {}
    }
}
