use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_base::Refusal;
use tidegate_chain::{Outcome, Part};
use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::{Access, Effect, Row};

use super::Session;
use super::order::Ticket;
use super::parts::Parts;
use super::route::Route;
use crate::job::Job;
use crate::layout::{Layout, Node, RedisKind as Kind};
use crate::login;

const SWAP_NOTHING: &[u8] = b"*3\r\n$6\r\nSWAPDB\r\n$1\r\n0\r\n$1\r\n0\r\n";

impl Session {
    /// Sends a command over a shared connection, or over several.
    pub(super) fn on_way(&mut self, cx: &mut Context<'_>, row: Option<&'static Row>, command: &Command<'_>) -> bool {
        // What the client does over its own connection comes first.
        if self.own.as_ref().is_some_and(|own| !own.is_quiet()) {
            return false;
        }
        let bytes = command.bytes();
        let layout = self.group.layout();
        let (node, key, bucket) = match self.route(&layout, row, command) {
            Route::To(Some((node, key)), bucket) => (node, key, bucket),
            Route::To(None, _) if self.group.patience().is_zero() => {
                let words = self.nobody();
                return self.answer_error(words);
            }
            Route::To(None, bucket) => return self.defer(&layout, row, command, bucket),
            Route::Parts(parts) => return self.send_parts(cx, row, parts),
            Route::Answer(words) => {
                self.say(|writer| writer.raw(&words));
                return true;
            }
            Route::Error(text) => return self.answer_error(&text),
        };
        let at = match self.way(cx, node, key) {
            Poll::Pending => return false,
            Poll::Ready(Err(refusal)) => {
                return match self.cannot_go(&refusal) {
                    Some(words) => self.answer_error(&words),
                    None => self.defer(&layout, row, command, bucket),
                };
            }
            Poll::Ready(Ok(at)) => at,
        };
        let now = self.room.core.now();
        let Some(seat) = self.ways.get(at).and_then(|way| way.seat.as_ref()) else {
            return false;
        };
        if seat.poll_room(cx).is_pending() || !seat.send(bytes, 1, now) {
            return false;
        }
        let number = self.enter_command(&layout, row, command, bucket);
        if let Some(way) = self.ways.get_mut(at) {
            way.owed.push_back(Some(Job::whole(number)));
        }
        true
    }

    /// Gives a command its place in the order, with what may be needed to send it again.
    fn enter_command(
        &mut self,
        layout: &Layout,
        row: Option<&'static Row>,
        command: &Command<'_>,
        bucket: Option<u16>,
    ) -> u64 {
        let is_kept = layout.kind.has_replicas() || row.is_some_and(|row| row.access() == Access::Read);
        let number = self.enter(row, if is_kept { command.bytes() } else { &[] }, None);
        if let Some(ticket) = self.order.get(number) {
            ticket.bucket = bucket;
        }
        number
    }

    /// A command that nobody can do now is done as soon as somebody can.
    fn defer(
        &mut self,
        layout: &Layout,
        row: Option<&'static Row>,
        command: &Command<'_>,
        bucket: Option<u16>,
    ) -> bool {
        let number = self.enter_command(layout, row, command, bucket);
        self.send_later(Job::whole(number));
        true
    }

    /// Sends the parts of a command.
    fn send_parts(&mut self, cx: &mut Context<'_>, row: Option<&'static Row>, parts: Parts) -> bool {
        let number = self.enter(row, &[], None);
        let count = parts.len();
        if let Some(ticket) = self.order.get(number) {
            ticket.parts = Some(Box::new(parts));
        }
        for part in 0..count {
            self.send_later(Job { number, part });
        }
        self.resend(cx);
        true
    }

    /// A command is on its way, or answered: it gets its place in the order.
    pub(super) fn enter(&mut self, row: Option<&'static Row>, kept: &[u8], instead: Option<&[u8]>) -> u64 {
        let mut ticket = Ticket::new(row, self.room.core.now());
        ticket.is_shown = self.take_shown();
        ticket.group = self.routing.at();
        ticket.instead = instead.map(Box::from);
        if !self.order.is_spread() {
            let mut desk = self.room.desk();
            if let [way] = self.ways.as_mut_slice()
                && way.owed.capacity() == 0
            {
                way.owed = std::mem::take(&mut desk.owed);
            }
            self.order.spread(desk);
        }
        self.order.push(ticket, kept)
    }

    /// Takes a connection to a server for the client alone, once everything that it asked over others is answered.
    pub(super) fn take_own(&mut self, cx: &Context<'_>, node: &Arc<Node>) -> Poll<Result<(), Refusal>> {
        if self.own.is_some() {
            return Poll::Ready(Ok(()));
        }
        if !self.order.is_empty() {
            return Poll::Pending;
        }
        self.lend(cx, node)
    }

    /// Sends a command over a connection of the client's own to a server.
    pub(super) fn at_own(
        &mut self,
        cx: &mut Context<'_>,
        node: &Arc<Node>,
        row: Option<&'static Row>,
        effect: Effect,
        bytes: &[u8],
    ) -> bool {
        if self.ways.iter().any(|way| !way.owed.is_empty()) {
            return false;
        }
        match self.take_own(cx, node) {
            Poll::Pending => false,
            Poll::Ready(Err(refusal)) => {
                self.group.seek();
                self.answer_error(&login::words(&refusal))
            }
            Poll::Ready(Ok(())) => self.on_own(row, effect, bytes, None),
        }
    }

    /// Sends a command over the client's own connection; `instead` is what the client is told in place of the answer.
    pub(super) fn on_own(
        &mut self,
        row: Option<&'static Row>,
        effect: Effect,
        bytes: &[u8],
        instead: Option<&[u8]>,
    ) -> bool {
        let Some(own) = &self.own else { return false };
        let streams = own.pin.streams();
        let begins = effect == Effect::Monitor;
        // What streams answers nobody, so everything that is owed comes first.
        if !own.has_room() || begins && !streams && !self.is_quiet() {
            return false;
        }
        let waits = matches!(effect, Effect::Waits) && !self.in_transaction();
        let is_kept = self.group.layout().kind == Kind::Cluster && instead.is_none();
        let job = if streams || begins {
            self.stream_on();
            None
        } else {
            Some(Job::whole(self.enter(row, if is_kept { bytes } else { &[] }, instead)))
        };
        let buffers = Rc::clone(&self.room.core.buffers);
        if let Some(own) = &mut self.own {
            if waits {
                // A server waits for what the connection itself has written last (`server.c`, `call`, `woff`), and what the
                // client wrote went over others. This changes nothing and is written behind all of that.
                own.send(None, Effect::Plain, SWAP_NOTHING, &buffers);
                own.proves = job.map(|job| job.number);
            }
            own.send(job, effect, bytes, &buffers);
        }
        true
    }

    /// A command whose answer is none, since what comes from here on answers nobody: for the chain it is done.
    pub(super) fn stream_on(&mut self) {
        if self.take_shown()
            && let Some(shown) = &mut self.shown
        {
            let part = Part {
                bytes: &[],
                is_cut: false,
                end: Some(Outcome::Done),
            };
            drop(shown.chain.reply(part));
        }
        self.shared.exchanges.set(self.shared.exchanges.get() + 1);
    }
}
