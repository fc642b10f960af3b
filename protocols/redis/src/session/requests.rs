use std::rc::Rc;
use std::task::{Context, Poll};

use tidegate_engine::SessionError;
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::request::{Command, Line, Splitter, Step};
use tidegate_redis_wire::table::{self, Effect, Unknown};

use super::Session;
use crate::login;
use crate::pin::{self, Place};

/// How much of a client is read while it waits.
const READ_AHEAD: usize = 64 * 1024;
/// No transaction takes it: the server answers so, and gives the transaction up at EXEC (`server.c`, `processCommand`,
/// `CMD_NO_MULTI`). HELLO and AUTH themselves would be queued, and then change what others use the connection for.
const SPOIL: &[u8] = b"*1\r\n$4\r\nSAVE\r\n";

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
                if self.own.as_ref().is_some_and(|own| own.is_endless()) {
                    // Nobody is there for what it would wait for; an element that is popped would be lost.
                    self.closing = true;
                }
                Ok(true)
            }
            Poll::Ready(Ok(read)) => {
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
        !is_over && !is_behind && self.to_client.len() < READ_AHEAD
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
            let used = match self.splitter.next(tail) {
                Err(error) => {
                    self.broken = Some(error);
                    break;
                }
                Ok(Step::More(_)) => {
                    self.is_partial = true;
                    break;
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
        let row = table::resolve(command);
        let effect = match row {
            // The server says what is wrong with it.
            Ok(row) if !row.accepts(command.count()) => Effect::Plain,
            Ok(row) => row.effect(command),
            Err(Unknown::Command) => Effect::of_unknown(command.name()),
            Err(Unknown::Subcommand(_)) => Effect::Plain,
        };
        if self.is_stranger && !matches!(effect, Effect::Auth | Effect::Hello | Effect::Quit | Effect::Reset) {
            return self.answer_error(login::NO_AUTH);
        }
        let taken = match pin::place(self.own.as_ref().map(|own| &own.pin), effect) {
            Place::Shared => self.on_line(cx, command.bytes()),
            Place::Own => self.on_own(cx, effect, command.bytes()),
            Place::Spoil => self.on_own(cx, Effect::Plain, SPOIL),
            Place::Wait => false,
            Place::Gateway => self.is_quiet_but_for_joining() && self.answer(cx, effect, command),
            Place::Refuse(text) => self.answer_error(text),
        };
        if taken {
            self.shared.exchanges.set(self.shared.exchanges.get() + 1);
        }
        taken
    }

    /// Whether everything before this command is answered; it may itself wait for a connection.
    fn is_quiet_but_for_joining(&self) -> bool {
        let line = self.seat.as_ref().is_none_or(|(_, seat)| seat.is_quiet());
        line && self.own.as_ref().is_none_or(|own| own.is_quiet())
    }

    /// Answers with an error, once it is its turn.
    pub(super) fn answer_error(&mut self, text: &str) -> bool {
        let is_turn = self.is_quiet_but_for_joining();
        if is_turn {
            self.say(|writer| writer.error(text));
        }
        is_turn
    }

    /// Sends a command over the shared connection.
    fn on_line(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> bool {
        match self.join(cx, self.key) {
            Poll::Pending => return false,
            Poll::Ready(Err(refusal)) => {
                let text = login::words(&refusal);
                return self.answer_error(&text);
            }
            Poll::Ready(Ok(())) => {}
        }
        let Some((_, seat)) = &self.seat else { return false };
        seat.poll_room(cx).is_ready() && seat.send(bytes, self.room.core.now())
    }

    /// Sends a command over a connection of the client's own.
    fn on_own(&mut self, cx: &mut Context<'_>, effect: Effect, bytes: &[u8]) -> bool {
        if self.own.is_none() {
            if !self.is_quiet_but_for_joining() {
                return false;
            }
            match self.lend(cx) {
                Poll::Pending => return false,
                Poll::Ready(Err(refusal)) => {
                    let text = login::words(&refusal);
                    return self.answer_error(&text);
                }
                Poll::Ready(Ok(())) => {}
            }
        }
        let buffers = &self.room.core.buffers;
        self.own.as_mut().is_some_and(|own| own.send(effect, bytes, buffers))
    }
}
