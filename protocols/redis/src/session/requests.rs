use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_engine::SessionError;
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::request::{Command, Line, Splitter, Step};
use tidegate_redis_wire::table::{self, Effect, Row, Unknown};

use super::Session;
use super::large::Flow;
use super::routing::APART;
use super::shown::Showing;
use super::transaction::Spread;
use crate::layout::Node;
use crate::login;
use crate::pin::{self, Place};

/// How much of a client is read while it waits.
const READ_AHEAD: usize = 64 * 1024;
/// No transaction takes it: the server answers so, and gives the transaction up at EXEC (`server.c`, `processCommand`,
/// `CMD_NO_MULTI`). HELLO and AUTH themselves would be queued, and then change what others use the connection for.
pub(super) const SPOIL: &[u8] = b"*1\r\n$4\r\nSAVE\r\n";
pub(super) const DISCARD: &[u8] = b"*1\r\n$7\r\nDISCARD\r\n";
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
                Ok(true)
            }
            Poll::Ready(Ok(read)) => {
                self.active = self.room.core.now();
                self.metrics.received.add(read as u64);
                let fresh = scratch.get(..read).unwrap_or_default();
                if self.broken.is_some() {
                    // Nothing behind it makes sense; only the end does.
                } else if self.held.is_empty() {
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
        // Who broke the protocol behind what blocks is told so when that ends, if it is still there then.
        let is_broken = self.broken.is_some() && !self.own.as_ref().is_some_and(|own| own.is_endless());
        let is_over = self.at_end || self.closing || is_broken;
        let is_behind = !self.is_partial && self.held.len() >= READ_AHEAD;
        // Who does not read is not heard. What was asked already goes on to its inbox, within its bound.
        let is_stuck = self.is_flowing && !self.own.as_ref().is_some_and(|own| own.has_room_for_bytes());
        !is_over && !is_behind && !is_stuck && self.to_client.len() < READ_AHEAD
    }

    fn consume_held(&mut self, cx: &mut Context<'_>) -> bool {
        let mut held = std::mem::take(&mut self.held);
        let used = self.consume(cx, &held);
        held.drain(..used);
        if self.broken.is_some() {
            held.clear();
        }
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
        if self.is_unsettled() || self.order.len() >= MOST_UNDER_WAY {
            return false;
        }
        if self.awaits_hub() || self.has_hub_mail() {
            return false;
        }
        if let Some(text) = self.refused_while_listening(row, effect, command.count()) {
            return self.answer_error(&text);
        }
        let place = pin::place(self.own.as_ref().map(|own| &own.pin), effect);
        if let Some(words) = unknown_to_clients(command) {
            return self.answer_instead(place, row, effect, words.as_bytes());
        }
        match self.show(cx, command, row, false) {
            Showing::Waits => return false,
            Showing::Answered(words) => return self.answer_instead(place, row, effect, &words),
            Showing::Approved => {}
        }
        if let Some(acl) = &self.acl
            && let Err(denial) = acl.check(row, command)
        {
            // A server looks at the number of arguments first (`server.c`, `processCommand`).
            let words = match row.filter(|row| !row.accepts(command.count())) {
                Some(row) => format!("-ERR wrong number of arguments for '{}' command\r\n", row.name),
                None => format!("-{denial}\r\n"),
            };
            return self.answer_instead(place, row, effect, words.as_bytes());
        }
        if self.routing.is_by_key() && !self.turn_by_keys(row, command) {
            return self.answer_instead(place, row, effect, APART);
        }
        if self.hub.is_some() && self.ping_while_listening(row, command) {
            return true;
        }
        if command.name().eq_ignore_ascii_case(b"CLUSTER")
            && let Some(is_taken) = self.sees_cluster(row, command)
        {
            return is_taken;
        }
        match place {
            Place::Wait => false,
            Place::Hub => self.listen(cx, row, effect, command),
            Place::Gateway if self.transaction.is_none() || matches!(effect, Effect::Reset | Effect::Quit) => {
                self.is_quiet() && self.answer(cx, effect, command)
            }
            Place::Gateway if !matches!(effect, Effect::CrossProtocol) => {
                self.spoil_held();
                self.answer_error("ERR this command does not pass this gateway within a transaction")
            }
            Place::Refuse(text) => {
                self.spoil_held();
                self.answer_error(text)
            }
            Place::Spoil => self.on_own(row, Effect::Plain, SPOIL, None),
            Place::Shared | Place::Own if self.has_several_servers() => match self.spread(cx, row, effect, command) {
                Spread::Shared => self.on_way(cx, row, command),
                Spread::Own(node) => self.at_own(cx, &node, row, effect, command.bytes()),
                Spread::Taken => true,
                Spread::Later => false,
            },
            Place::Shared => self.on_way(cx, row, command),
            Place::Gateway => self.answer(cx, effect, command),
            Place::Own => {
                let Some(node) = self.own_or_primary() else {
                    let words = self.nobody();
                    return self.answer_error(words);
                };
                self.at_own(cx, &node, row, effect, command.bytes())
            }
        }
    }

    /// Where a client that has all its data at one server makes state.
    fn own_or_primary(&self) -> Option<Arc<Node>> {
        match &self.own {
            Some(own) => Some(Arc::clone(&own.node)),
            None => self.group.layout().primaries().next().cloned(),
        }
    }

    /// Answers with an error, once it is its turn.
    pub(super) fn answer_error(&mut self, text: &str) -> bool {
        self.say(|writer| writer.error(text));
        true
    }

    /// A step of the chain has answered in the server's place. In a transaction the server must hear that something is
    /// missing.
    fn answer_instead(&mut self, place: Place, row: Option<&'static Row>, effect: Effect, words: &[u8]) -> bool {
        if words.first() == Some(&b'-') {
            if effect == Effect::Exec {
                self.transaction = None;
            }
            self.spoil_held();
        }
        if self.may_spoil() && words.first() == Some(&b'-') {
            if effect == Effect::Exec {
                // What is refused instead of EXEC gives the transaction up (`server.c`, `rejectCommandSds`).
                return self.on_own(row, Effect::Discard, DISCARD, Some(words));
            }
            return !matches!(place, Place::Wait) && self.on_own(row, Effect::Plain, SPOIL, Some(words));
        }
        self.say(|writer| writer.raw(words));
        true
    }

    /// Whether a transaction is open on the client's own connection, by what was sent or by what was answered.
    pub(super) fn in_transaction(&self) -> bool {
        self.own
            .as_ref()
            .is_some_and(|own| own.multi || own.pin.in_transaction())
    }

    /// Whether the next command would be queued by a transaction.
    pub(super) fn may_spoil(&self) -> bool {
        let own = self.own.as_ref();
        own.is_some_and(|own| own.multi || own.pin.in_transaction() && own.is_quiet())
    }
}

/// The answer to a subcommand of CLIENT that the table does not have. It is about the connection to the client, and that
/// of a newer server could leave something on one that others share.
fn unknown_to_clients(command: &Command<'_>) -> Option<String> {
    if !command.name().eq_ignore_ascii_case(b"CLIENT") {
        return None;
    }
    let Err(Unknown::Subcommand(_)) = table::resolve(command) else {
        return None;
    };
    let name = command.argument(1)?;
    let shown: String = String::from_utf8_lossy(name.get(..128).unwrap_or(name)).replace(['\r', '\n'], " ");
    Some(format!("-ERR unknown subcommand '{shown}'. Try CLIENT HELP.\r\n"))
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
