use std::rc::Rc;
use std::task::{Context, Poll};

use tidegate_base::Refusal;
use tidegate_chain::{Outcome, Part};
use tidegate_engine::SessionError;
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::request::{Command, Line, Splitter, Step};
use tidegate_redis_wire::table::{self, Access, Effect, Row, Unknown};

use super::Session;
use super::large::Flow;
use super::order::Ticket;
use super::shown::Showing;
use crate::login;
use crate::pin::{self, Place};

/// How much of a client is read while it waits.
const READ_AHEAD: usize = 64 * 1024;
/// No transaction takes it: the server answers so, and gives the transaction up at EXEC (`server.c`, `processCommand`,
/// `CMD_NO_MULTI`). HELLO and AUTH themselves would be queued, and then change what others use the connection for.
const SPOIL: &[u8] = b"*1\r\n$4\r\nSAVE\r\n";
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
/// The most commands of one client that are under way.
const MOST_UNDER_WAY: usize = 65_536;

impl Session {
    /// Client to server; whether anything was done.
    pub(super) fn from_client(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        let mut moved = false;
        if !self.held.is_empty() && !self.is_partial {
            moved = self.consume_held(cx);
        }
        if !self.may_read() {
            return Ok(moved);
        }
        let scratch = Rc::clone(&self.room.core.scratch);
        let mut scratch = scratch.borrow_mut();
        match self.client.poll_read(cx, &mut scratch) {
            Poll::Pending => Ok(moved),
            Poll::Ready(Err(error)) => Err(SessionError::downstream(&error)),
            Poll::Ready(Ok(0)) => {
                self.at_end = true;
                if self.is_flowing || self.own.as_ref().is_some_and(|own| own.is_endless()) {
                    // Nobody is there for what it would wait for; an element that is popped would be lost.
                    self.closing = true;
                }
                Ok(true)
            }
            Poll::Ready(Ok(read)) => {
                self.metrics.received.add(read as u64);
                let fresh = scratch.get(..read).unwrap_or_default();
                if self.held.is_empty() {
                    let used = self.consume(cx, fresh);
                    let rest = fresh.get(used..).unwrap_or_default();
                    if !rest.is_empty() {
                        self.held = self.room.core.buffers.take();
                        self.held.extend_from_slice(rest);
                    }
                } else {
                    self.held.extend_from_slice(fresh);
                    self.consume_held(cx);
                }
                Ok(true)
            }
        }
    }

    fn may_read(&self) -> bool {
        let is_over = self.at_end || self.closing || self.broken.is_some();
        let is_behind = !self.is_partial && self.held.len() >= READ_AHEAD;
        // Who does not read is not heard. What was asked already goes on to its inbox, within its bound.
        let is_stuck = self.is_flowing && !self.own.as_ref().is_some_and(|own| own.has_room_for_bytes());
        !is_over && !is_behind && !is_stuck && self.to_client.len() < READ_AHEAD
    }

    fn consume_held(&mut self, cx: &mut Context<'_>) -> bool {
        let mut held = std::mem::take(&mut self.held);
        let used = self.consume(cx, &held);
        held.drain(..used);
        if held.is_empty() {
            self.room.core.buffers.give_back(&mut held);
        }
        self.held = held;
        used > 0
    }

    /// Takes commands for as long as they can be taken; returns how many bytes that were.
    fn consume(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> usize {
        let mut at = 0;
        self.is_partial = false;
        while !self.closing && self.broken.is_none() {
            let tail = bytes.get(at..).unwrap_or_default();
            if tail.is_empty() {
                break;
            }
            if self.is_flowing {
                match self.flow_on(tail) {
                    None => break,
                    Some(0) => {
                        self.is_partial = true;
                        break;
                    }
                    Some(used) => at += used,
                }
                continue;
            }
            let used = match self.splitter.next(tail) {
                Err(error) => {
                    self.broken = Some(error);
                    break;
                }
                Ok(Step::More(more)) => {
                    match self.flow(cx, &more, tail) {
                        Flow::On(used) => at += used,
                        Flow::Later => break,
                        Flow::Gather => {
                            self.is_partial = true;
                            break;
                        }
                    }
                    continue;
                }
                Ok(Step::Skip(length)) => Some(length),
                Ok(Step::Command(command)) => self.command(cx, &command).then_some(command.bytes().len()),
                Ok(Step::Inline(line)) => match self.inline(cx, &line) {
                    Ok(is_taken) => is_taken.then_some(line.total()),
                    Err(error) => {
                        self.broken = Some(error);
                        break;
                    }
                },
            };
            match used {
                Some(used) => at += used,
                None => break,
            }
        }
        at
    }

    fn inline(&mut self, cx: &mut Context<'_>, line: &Line<'_>) -> Result<bool, RequestError> {
        let mut rewritten = Vec::new();
        if line.rewrite(&mut rewritten)? == 0 {
            return Ok(true);
        }
        match Splitter::new(self.rules.limits, false).next(&rewritten)? {
            Step::Command(command) => Ok(self.command(cx, &command)),
            _ => Ok(true),
        }
    }

    /// Takes a command, or leaves it for later: `false`.
    fn command(&mut self, cx: &mut Context<'_>, command: &Command<'_>) -> bool {
        let (row, effect) = effect_of(command);
        if self.is_stranger && !matches!(effect, Effect::Auth | Effect::Hello | Effect::Quit | Effect::Reset) {
            return self.answer_error(login::NO_AUTH);
        }
        // What is sent again must not be overtaken.
        if self.unsettled > 0 || self.order.len() >= MOST_UNDER_WAY {
            return false;
        }
        let place = pin::place(self.own.as_ref().map(|own| &own.pin), effect);
        match self.show(cx, command, row, false) {
            Showing::Waits => return false,
            Showing::Answered(words) => return self.answer_instead(cx, place, row, &words),
            Showing::Approved => {}
        }
        match place {
            Place::Shared => self.on_way(cx, row, command.bytes()),
            Place::Own => self.on_own(cx, row, effect, command.bytes(), None),
            Place::Spoil => self.on_own(cx, row, Effect::Plain, SPOIL, None),
            Place::Wait => false,
            Place::Gateway => self.is_quiet() && self.answer(cx, effect, command),
            Place::Refuse(text) => self.answer_error(text),
        }
    }

    /// Answers with an error, once it is its turn.
    pub(super) fn answer_error(&mut self, text: &str) -> bool {
        self.say(|writer| writer.error(text));
        true
    }

    /// A step of the chain has answered in the server's place. In a transaction the server must hear that something is
    /// missing.
    fn answer_instead(&mut self, cx: &mut Context<'_>, place: Place, row: Option<&'static Row>, words: &[u8]) -> bool {
        let in_transaction = self.in_transaction();
        if in_transaction && words.first() == Some(&b'-') {
            return !matches!(place, Place::Wait) && self.on_own(cx, row, Effect::Plain, SPOIL, Some(words));
        }
        self.say(|writer| writer.raw(words));
        true
    }

    /// Whether a transaction is open on the client's own connection, as far as the answers tell.
    pub(super) fn in_transaction(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.pin.in_transaction())
    }

    /// Sends a command over a shared connection.
    fn on_way(&mut self, cx: &mut Context<'_>, row: Option<&'static Row>, bytes: &[u8]) -> bool {
        let endpoint = match self.group.primary() {
            Ok(endpoint) => endpoint,
            Err(refusal) => return self.answer_error(&login::words(&refusal)),
        };
        let at = match self.way(cx, &endpoint, self.key) {
            Poll::Pending => return false,
            Poll::Ready(Err(refusal)) => return self.answer_error(&login::words(&refusal)),
            Poll::Ready(Ok(at)) => at,
        };
        let now = self.room.core.now();
        let Some(seat) = self.ways.get(at).and_then(|way| way.seat.as_ref()) else {
            return false;
        };
        if seat.poll_room(cx).is_pending() || !seat.send(bytes, 1, now) {
            return false;
        }
        let is_kept = row.is_some_and(|row| row.access() == Access::Read);
        let number = self.enter(row, if is_kept { bytes } else { &[] }, None);
        if let Some(way) = self.ways.get_mut(at) {
            way.owed.push_back(Some(number));
        }
        true
    }

    /// A command is on its way, or answered: it gets its place in the order.
    pub(super) fn enter(&mut self, row: Option<&'static Row>, kept: &[u8], instead: Option<&[u8]>) -> u64 {
        let mut ticket = Ticket::new(row, self.room.core.now());
        ticket.is_shown = self.take_shown();
        ticket.instead = instead.map(Box::from);
        if !self.order.is_spread() {
            self.order.spread(self.room.desk());
        }
        self.order.push(ticket, kept)
    }

    /// Takes a connection for the client alone, once everything that it asked over others is answered.
    pub(super) fn take_own(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        if self.own.is_some() {
            return Poll::Ready(Ok(()));
        }
        if !self.order.is_empty() {
            return Poll::Pending;
        }
        self.lend(cx)
    }

    /// Sends a command over a connection of the client's own; `instead` is what the client is told in place of the
    /// answer.
    fn on_own(
        &mut self,
        cx: &mut Context<'_>,
        row: Option<&'static Row>,
        effect: Effect,
        bytes: &[u8],
        instead: Option<&[u8]>,
    ) -> bool {
        match self.take_own(cx) {
            Poll::Pending => return false,
            Poll::Ready(Err(refusal)) => return self.answer_error(&login::words(&refusal)),
            Poll::Ready(Ok(())) => {}
        }
        let streams = self.own.as_ref().is_some_and(|own| own.pin.streams());
        let begins = matches!(effect, Effect::Subscribe(_) | Effect::Monitor | Effect::Replication);
        let is_full = !self.own.as_ref().is_some_and(|own| own.has_room());
        // What streams answers nobody, so everything that is owed comes first.
        if is_full || begins && !streams && !self.is_quiet() {
            return false;
        }
        let waits = matches!(effect, Effect::Waits) && !self.in_transaction();
        let number = if streams || begins {
            self.stream_on();
            None
        } else {
            Some(self.enter(row, &[], instead))
        };
        let buffers = Rc::clone(&self.room.core.buffers);
        if let Some(own) = &mut self.own {
            if waits {
                // A server waits for what the connection had seen written when its last command was done: on a fresh
                // one nothing, after any command everything (`server.c`, `processCommand`, `woff`).
                own.send(None, Effect::Plain, PING, &buffers);
            }
            own.send(number, effect, bytes, &buffers);
        }
        true
    }

    /// A command whose answer is none, since what comes from here on answers nobody: for the chain it is done.
    fn stream_on(&mut self) {
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

/// What a command is, and what it does to a connection.
pub(super) fn effect_of(command: &Command<'_>) -> (Option<&'static Row>, Effect) {
    match table::resolve(command) {
        // The server says what is wrong with it.
        Ok(row) if !row.accepts(command.count()) => (Some(row), Effect::Plain),
        Ok(row) => (Some(row), row.effect(command)),
        Err(Unknown::Command) => (None, Effect::of_unknown(command.name())),
        Err(Unknown::Subcommand(_)) => (None, Effect::Plain),
    }
}
