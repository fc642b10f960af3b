use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_base::Refusal;
use tidegate_chain::{Outcome, Part};
use tidegate_engine::SessionError;
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::request::{Command, Line, Splitter, Step};
use tidegate_redis_wire::table::{self, Access, Effect, Row, Unknown};

use super::Session;
use super::large::Flow;
use super::order::{Job, Ticket};
use super::parts::Parts;
use super::route::{Route, is_spread};
use super::routing::APART;
use super::shown::Showing;
use super::transaction::Spread;
use crate::layout::{Node, RedisKind as Kind};
use crate::login;
use crate::pin::{self, Place};

/// How much of a client is read while it waits.
const READ_AHEAD: usize = 64 * 1024;
/// No transaction takes it: the server answers so, and gives the transaction up at EXEC (`server.c`, `processCommand`,
/// `CMD_NO_MULTI`). HELLO and AUTH themselves would be queued, and then change what others use the connection for.
pub(super) const SPOIL: &[u8] = b"*1\r\n$4\r\nSAVE\r\n";
pub(super) const DISCARD: &[u8] = b"*1\r\n$7\r\nDISCARD\r\n";
const SWAP_NOTHING: &[u8] = b"*3\r\n$6\r\nSWAPDB\r\n$1\r\n0\r\n$1\r\n0\r\n";
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
        if matches!(effect, Effect::Subscribe(_) | Effect::Unsubscribe(_)) {
            return self.listen(cx, row, effect, command);
        }
        if self.hub.is_some() && self.ping_while_listening(row, command) {
            return true;
        }
        if command.name().eq_ignore_ascii_case(b"CLUSTER") && self.sees_cluster(command) {
            return true;
        }
        match place {
            Place::Wait => false,
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
            Place::Shared | Place::Own if self.is_spread() => match self.spread(cx, row, effect, command) {
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

    /// Sends a command over a shared connection, or over several.
    fn on_way(&mut self, cx: &mut Context<'_>, row: Option<&'static Row>, command: &Command<'_>) -> bool {
        // What the client does over its own connection comes first.
        if self.own.as_ref().is_some_and(|own| !own.is_quiet()) {
            return false;
        }
        let bytes = command.bytes();
        let (node, key) = match self.route(row, command) {
            Route::To(node, key) => (node, key),
            Route::Nobody if self.group.patience().is_zero() => {
                let words = self.nobody();
                return self.answer_error(words);
            }
            Route::Nobody => return self.defer(row, command),
            Route::Parts(parts) => return self.send_parts(cx, row, parts),
            Route::Answer(words) => {
                self.say(|writer| writer.raw(&words));
                return true;
            }
            Route::Error(text) => return self.answer_error(&text),
        };
        let at = match self.way(cx, &node, key) {
            Poll::Pending => return false,
            Poll::Ready(Err(refusal)) => {
                return match self.cannot_go(&refusal) {
                    Some(words) => self.answer_error(&words),
                    None => self.defer(row, command),
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
        let number = self.enter_command(row, command);
        if let Some(way) = self.ways.get_mut(at) {
            way.owed.push_back(Some(Job::whole(number)));
        }
        true
    }

    /// Gives a command its place in the order, with what may be needed to send it again.
    fn enter_command(&mut self, row: Option<&'static Row>, command: &Command<'_>) -> u64 {
        let layout = self.group.layout();
        let is_kept = layout.kind.has_replicas() || row.is_some_and(|row| row.access() == Access::Read);
        let number = self.enter(row, if is_kept { command.bytes() } else { &[] }, None);
        if is_kept
            && is_spread(&layout)
            && let Some(keys) = row.and_then(|row| row.slot_keys(command).ok())
            && let Some((key, _)) = keys.of(command).next()
            && let Some(ticket) = self.order.get(number)
        {
            ticket.bucket = Some(layout.bucket(key).number());
        }
        number
    }

    /// A command that nobody can do now is done as soon as somebody can.
    fn defer(&mut self, row: Option<&'static Row>, command: &Command<'_>) -> bool {
        let number = self.enter_command(row, command);
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
    fn at_own(
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
        let begins = matches!(effect, Effect::Subscribe(_) | Effect::Monitor | Effect::Replication);
        // What streams answers nobody, so everything that is owed comes first.
        if !own.has_room() || begins && !streams && !self.is_quiet() {
            return false;
        }
        let waits = matches!(effect, Effect::Waits) && !own.pin.in_transaction();
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
