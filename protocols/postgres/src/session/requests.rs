use std::rc::Rc;
use std::task::{Context, Poll};

use tidegate_base::{Kind, Origin};
use tidegate_engine::SessionError;
use tidegate_postgres_wire::backend::{self, Status};
use tidegate_postgres_wire::rename::{rename_bind, rename_close, rename_describe, rename_parse};
use tidegate_postgres_wire::{Head, KindSet, Stop, frontend};
use tidegate_sql::may_change_session;

use super::exchange::{Answer, meaning, piece};
use super::gate::{Gate, invalid_kind};
use super::gather::Gather;
use super::shared::State;
use super::shown::Showing;
use super::{PoolMode, READ_AHEAD, Session};
use crate::effects::{Bracket, Touched};
use crate::expected::Entry;
use crate::server::{Local, Naming, ServerLease};
use crate::statements::{PREFIX, Statement};
use crate::told::Farewell;

/// What is looked at in requests: all of them. One of a kind that no client may send is not to reach a server, which
/// would end its connection for that, and perhaps no longer for the client who sent it.
const REQUESTS: KindSet = KindSet::ALL;
/// The same while a COPY streams: its data passes.
const COPYING: KindSet = KindSet::ALL.without(b'd');

/// How a request goes on.
pub(super) enum Step {
    /// As it is.
    Pass,
    /// Not before more of it is here.
    More,
    /// A new beginning is in the gathered bytes, in place of so many of its own.
    Replaced(usize),
    /// Not at all.
    Drop,
}

impl Session {
    /// Reads the client and moves what it says on. `true` when anything happened.
    pub(super) fn from_client(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        if self.closing || self.awaits_listen() || self.is_shown_waiting(cx) {
            return Ok(false);
        }
        // The next request is not to meet a server of which nobody knows what the last one left on it.
        if self.probing.is_some() || self.settling {
            return Ok(false);
        }
        if self.retry && !self.held.is_empty() {
            self.retry = false;
            let held = std::mem::take(&mut self.held);
            let used = self.requests(cx, &held)?;
            self.keep(held, used);
            return Ok(true);
        }
        self.retry = false;
        if self.at_end || (self.waits && self.held.len() >= READ_AHEAD) {
            return Ok(false);
        }
        // While the server takes no more, the client is not read.
        if let Some(mut lease) = self.lease.take() {
            let server = &mut *lease;
            let flushed = server.out.poll_flush(cx, &mut server.stream, &self.room.core.buffers);
            self.lease = Some(lease);
            match flushed {
                Poll::Ready(Ok(())) => {}
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(_)) => {
                    self.server_lost();
                    return Ok(true);
                }
            }
        }
        if self.client_is_dry {
            return Ok(false);
        }
        let scratch = Rc::clone(&self.room.core.scratch);
        let mut scratch = scratch.borrow_mut();
        let length = match self.client.poll_read(cx, &mut scratch) {
            Poll::Pending => {
                self.client_is_dry = true;
                return Ok(false);
            }
            Poll::Ready(Ok(length)) => length,
            Poll::Ready(Err(error)) => return Err(SessionError::downstream(&error)),
        };
        if length == 0 {
            return self.client_left();
        }
        self.group.metrics.received.add(length as u64);
        let bytes = &scratch[..length];
        if self.held.is_empty() && !self.waits {
            let used = self.requests(cx, bytes)?;
            if used < length && !self.closing {
                self.held = self.room.core.buffers.take();
                self.held.extend_from_slice(&bytes[used..]);
            }
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            drop(scratch);
            let used = if self.waits { 0 } else { self.requests(cx, &held)? };
            self.keep(held, used);
        }
        Ok(true)
    }

    fn keep(&mut self, mut held: Vec<u8>, used: usize) {
        if used >= held.len() {
            self.room.core.buffers.give_back(&mut held);
        } else {
            held.drain(..used);
            self.held = held;
        }
    }

    /// The client says no more. In session mode its server is told so, and may go on answering; else it is gone.
    fn client_left(&mut self) -> Result<bool, SessionError> {
        self.at_end = true;
        if let (PoolMode::Session, Some(lease)) = (self.mode, &mut self.lease)
            && !lease.expected.is_quiet()
        {
            lease.tainted = true;
            lease.stream.shutdown_write();
            return Ok(true);
        }
        self.closing = true;
        Ok(true)
    }

    /// Moves requests on; returns how many bytes are done with.
    fn requests(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<usize, SessionError> {
        let out = std::mem::take(&mut *self.room.gather.borrow_mut());
        let mut gather = Gather::new(bytes, out);
        let rests = |lease: &ServerLease| lease.expected.is_quiet() && !lease.expected.is_open();
        let is_fresh = self.lease.as_ref().is_none_or(rests);
        if let Some(lease) = self.lease.as_mut().filter(|_| is_fresh) {
            lease.batch.begin();
        }
        let mut at = self.discard.min(bytes.len());
        self.discard -= at;
        gather.resume(at);
        while at < bytes.len() && !self.closing && !self.awaits_listen() {
            let rest = &bytes[at..];
            if self.cursor.at_boundary() {
                if self.skips {
                    let Some(skipped) = self.skip(rest) else { break };
                    gather.cut(at);
                    at += skipped;
                    gather.resume(at);
                    continue;
                }
                match self.look(rest) {
                    Showing::Approved => {}
                    Showing::More | Showing::Waits => break,
                    Showing::Answered(length, answer) => {
                        gather.cut(at);
                        self.answered(length, answer, rest, &mut gather);
                        at += length;
                        gather.resume(at);
                        continue;
                    }
                }
                if self.lease.is_none() {
                    match self.gate(cx, rest) {
                        Gate::Lent => {}
                        Gate::More | Gate::Waits => break,
                        Gate::Taken(length) => {
                            at += length.min(rest.len());
                            self.discard = length.saturating_sub(rest.len());
                            self.approve(length);
                            gather.resume(at);
                            continue;
                        }
                        Gate::Leaves => {
                            self.closing = true;
                            break;
                        }
                    }
                }
            }
            let Some(mut lease) = self.lease.take() else { break };
            let needed = if lease.expected.is_copying() && !self.manners.bound_messages() {
                &COPYING
            } else {
                &REQUESTS
            };
            let walk = match self.cursor.walk(&bytes[at..], needed) {
                Ok(walk) => walk,
                Err(error) => {
                    self.reject(Some(&lease), error.to_string());
                    self.lease = Some(lease);
                    break;
                }
            };
            at += walk.run;
            self.approve(walk.run);
            let mut is_more = walk.stop != Stop::End;
            if let Stop::Frame(head) = walk.stop {
                let rest = &bytes[at..];
                match self.request(&mut lease, head, rest, &mut gather, at)? {
                    Step::Pass => at += self.cursor.pass(head, rest.len()),
                    Step::Replaced(replaced) => {
                        let here = self.cursor.pass(head, rest.len());
                        gather.resume(at + replaced);
                        at += here;
                    }
                    Step::Drop => {
                        gather.cut(at);
                        at += self.drop_message(head, rest.len());
                        gather.resume(at);
                    }
                    Step::More => is_more = false,
                }
                if is_more {
                    self.approve(head.total().min(rest.len()));
                }
                self.lease = Some(lease);
                if !is_more {
                    break;
                }
                continue;
            }
            self.lease = Some(lease);
            if walk.stop == Stop::PartialHead || at >= bytes.len() {
                break;
            }
        }
        let is_whole = is_fresh && self.cursor.at_boundary();
        self.forward(cx, gather, at, is_whole);
        self.say_now();
        Ok(at)
    }

    /// Throws away a message of which so many bytes are here at most; returns how many of them are its own.
    fn drop_message(&mut self, head: Head, available: usize) -> usize {
        let here = head.total().min(available);
        self.discard = head.total() - here;
        here
    }

    /// Throws away what follows a refused part of a batch; returns how much of it, `None` when more must be here first.
    fn skip(&mut self, rest: &[u8]) -> Option<usize> {
        let head = Head::read(rest).ok().flatten()?;
        if matches!(head.kind, b'S' | b'X') {
            self.skips = false;
            self.approve_sync();
            return Some(0);
        }
        Some(self.drop_message(head, rest.len()))
    }

    /// A step has answered the request itself. Earlier answers come first, and a batch of which the server has the
    /// beginning ends there too.
    fn answered(&mut self, length: usize, answer: Answer, request: &[u8], gather: &mut Gather<'_>) {
        let ends = piece(request).is_some_and(|(end, ends)| ends && end <= length);
        let status = match &self.lease {
            Some(lease) => lease.status,
            None if self.deferred.is_some() => Status::Transaction,
            None => Status::Idle,
        };
        let Answer { mut words, is_refusal } = answer;
        self.skips = is_refusal && !ends;
        let is_open = self.lease.as_ref().is_some_and(|lease| lease.expected.is_open());
        if ends && !is_open {
            backend::ready(&mut words, status);
        }
        match &mut self.lease {
            // Where the server skips up to the Sync, so does the gateway.
            Some(lease) if !lease.expected.is_quiet() || lease.expected.is_skipping() => {
                if lease.expected.sent(Entry::Local) {
                    lease.local.push_back(Local { words, renames: false });
                }
            }
            _ => self.say(&words),
        }
        if let Some(lease) = self.lease.as_mut().filter(|_| ends && is_open) {
            frontend::sync(&mut gather.out);
            lease.expected.sent(Entry::Sync);
        }
    }

    /// Writes what was gathered to the server.
    fn forward(&mut self, cx: &mut Context<'_>, mut gather: Gather<'_>, at: usize, is_whole: bool) {
        let Some(mut lease) = self.lease.take() else {
            let mut out = gather.out;
            out.clear();
            *self.room.gather.borrow_mut() = out;
            return;
        };
        let server = &mut *lease;
        if is_whole {
            server.batch.keep(gather.settle(at));
        }
        let (out, _, result) = gather.write(at, cx, &mut server.stream, &mut server.out, &self.room.core.buffers);
        *self.room.gather.borrow_mut() = out;
        // What the gateway says of its own is queued before the request: both go out now, in one write.
        let result =
            result.and_then(
                |()| match server.out.poll_flush(cx, &mut server.stream, &self.room.core.buffers) {
                    Poll::Ready(result) => result,
                    Poll::Pending => Ok(()),
                },
            );
        self.lease = Some(lease);
        if result.is_err() {
            self.server_lost();
        }
    }

    /// Looks at one request on its way to the server.
    fn request(
        &mut self,
        lease: &mut ServerLease,
        head: Head,
        bytes: &[u8],
        gather: &mut Gather<'_>,
        at: usize,
    ) -> Result<Step, SessionError> {
        if !self.manners.allow(head) {
            self.turn_away(Some(lease), head);
            return Ok(Step::Drop);
        }
        if self.shared.state.get() != State::Active {
            self.request_begins(lease);
            if head.kind != b'X' {
                self.name_again(lease);
            }
        }
        let shares = self.mode != PoolMode::Session && self.group.rules.borrow().prepared_bytes > 0;
        let entry = match head.kind {
            b'Q' => return self.query(lease, head, bytes, gather, at),
            b'P' if self.mode != PoolMode::Session || self.chain.is_some() => {
                return self.parse(lease, head, bytes, gather, at, shares);
            }
            b'B' | b'D' | b'C' if shares => return self.named(lease, head, bytes, gather, at),
            b'P' => {
                lease.naming.push_back(Naming::Nothing);
                Entry::Parse
            }
            b'B' => Entry::Bind,
            b'D' => Entry::Describe,
            b'C' => {
                let name = statement_name(b'C', bytes).filter(|_| self.chain.is_some());
                lease
                    .naming
                    .push_back(name.map_or(Naming::Nothing, |name| Naming::Take(name.into())));
                Entry::Close
            }
            b'E' => Entry::Execute,
            b'S' => Entry::Sync,
            b'F' => Entry::Function,
            b'c' | b'f' => Entry::CopyEnd,
            b'd' => Entry::CopyData,
            b'X' => {
                lease.may_finish = true;
                *self.shared.farewell.borrow_mut() = Farewell::Goodbye;
                self.closing = true;
                return Ok(Step::Drop);
            }
            b'H' => return Ok(Step::Pass),
            kind => {
                self.reject(Some(lease), invalid_kind(kind));
                return Ok(Step::Drop);
            }
        };
        let queued = lease.expected.sent(entry);
        if !queued && matches!(entry, Entry::Parse | Entry::Close) {
            lease.naming.pop_back();
        }
        Ok(Step::Pass)
    }

    fn query(
        &mut self,
        lease: &mut ServerLease,
        head: Head,
        bytes: &[u8],
        gather: &mut Gather<'_>,
        at: usize,
    ) -> Result<Step, SessionError> {
        if self.mode == PoolMode::Session {
            lease.expected.sent(Entry::Query);
            return Ok(Step::Pass);
        }
        if bytes.len() < head.total() {
            if head.total() <= self.group.rules.borrow().inspect {
                return Ok(Step::More);
            }
            // Too long to be looked at: it may have done anything.
            lease.tainted = true;
            lease.expected.sent(Entry::Query);
            return Ok(Step::Pass);
        }
        let Ok(sql) = frontend::read_query(&bytes[Head::SIZE..head.total()]) else {
            // A broken message is for the server to refuse.
            lease.expected.sent(Entry::Query);
            return Ok(Step::Pass);
        };
        self.unnamed.clear();
        // A simple query ends the unnamed statement, whoever's it was (PostgreSQL protocol 55.2.3).
        lease.unnamed_of = 0;
        if self.group.rules.borrow().prepared_bytes > 0
            && let Some(step) = self.sql_prepare(lease, head, sql, gather, at)
        {
            return Ok(step);
        }
        let bracket = Bracket::of(sql);
        if bracket.is_none() && may_change_session(sql) {
            let touched = self.touched.get_or_insert_default();
            touched.look(sql, self.settings.reading());
            if lease.pinned {
                touched.touch_pins();
            }
            if touched.is_empty() {
                self.touched = None;
            }
        } else if lease.pinned && bracket.is_some() {
            self.touched.get_or_insert_default().touch_pins();
        }
        lease.expected.sent(Entry::Query);
        Ok(Step::Pass)
    }

    /// Parse: a named statement gets the gateway's own name for it, and is sent only to a server that lacks it.
    fn parse(
        &mut self,
        lease: &mut ServerLease,
        head: Head,
        bytes: &[u8],
        gather: &mut Gather<'_>,
        at: usize,
        shares: bool,
    ) -> Result<Step, SessionError> {
        if bytes.len() < head.total() {
            if head.total() <= self.group.rules.borrow().inspect {
                return Ok(Step::More);
            }
            lease.tainted |= self.mode != PoolMode::Session;
            self.sent_parse(lease, Naming::Nothing);
            return Ok(Step::Pass);
        }
        let body = &bytes[Head::SIZE..head.total()];
        let Ok(parse) = frontend::Parse::read(body) else {
            self.sent_parse(lease, Naming::Nothing);
            return Ok(Step::Pass);
        };
        let tail = &body[parse.name.len() + 1..];
        if parse.name.is_empty() || !shares {
            let mut naming = Naming::Nothing;
            if parse.name.is_empty() {
                self.unnamed.clear();
                self.unnamed.extend_from_slice(tail);
                lease.unnamed_of = self.shared.serial;
            } else if self.mode == PoolMode::Session {
                naming = Naming::Give(parse.name.into(), self.room.statements.intern(tail, 0));
            } else {
                lease.tainted = true;
            }
            let changes =
                self.mode != PoolMode::Session && Bracket::of(parse.sql).is_none() && may_change_session(parse.sql);
            if changes {
                self.touch(parse.sql);
            }
            if parse.name.is_empty() {
                self.unnamed_changes = changes;
            }
            self.sent_parse(lease, naming);
            return Ok(Step::Pass);
        }
        let statement = self.room.statements.intern(tail, self.settings.planning());
        if statement.may_change_session && Bracket::of(statement.sql()).is_none() {
            self.touch(parse.sql);
        }
        if let Some(known) = self.meaning(lease, parse.name) {
            // The name is taken: the server itself says so, of the name that it knows the statement by.
            self.ensure(lease, &known, gather, at);
            gather.cut(at);
            let renamed = rename_parse(&mut gather.out, bytes, &known.name);
            self.sent_parse(lease, Naming::Nothing);
            return replaced(renamed);
        }
        let naming = Naming::Give(parse.name.into(), Rc::clone(&statement));
        if lease.prepared.has(&statement) || is_parsing(lease, &statement) {
            if lease.expected.sent(Entry::FakeParse) {
                lease.naming.push_back(naming);
            }
            return Ok(Step::Drop);
        }
        gather.cut(at);
        let renamed = rename_parse(&mut gather.out, bytes, &statement.name);
        if self.sent_parse(lease, naming) {
            lease.parsing.push_back(Some(statement));
        }
        replaced(renamed)
    }

    fn sent_parse(&self, lease: &mut ServerLease, naming: Naming) -> bool {
        let queued = lease.expected.sent(Entry::Parse);
        if queued {
            // Entries without a statement keep the two queues in step.
            lease.naming.push_back(naming);
        }
        queued
    }

    pub(super) fn touch(&mut self, sql: &[u8]) {
        let touched: &mut Touched = self.touched.get_or_insert_default();
        touched.look(sql, self.settings.reading());
        if touched.is_empty() {
            self.touched = None;
        }
    }

    /// The unnamed statement is run, perhaps in another transaction than the one that its Parse was in.
    fn touch_unnamed(&mut self) {
        let mut body = vec![0];
        body.extend_from_slice(&self.unnamed);
        if let Ok(parse) = frontend::Parse::read(&body) {
            self.touch(parse.sql);
        }
    }

    /// Bind, Describe and Close of a statement by name.
    fn named(
        &mut self,
        lease: &mut ServerLease,
        head: Head,
        bytes: &[u8],
        gather: &mut Gather<'_>,
        at: usize,
    ) -> Result<Step, SessionError> {
        let here = &bytes[..bytes.len().min(head.total())];
        let entry = match head.kind {
            b'B' => Entry::Bind,
            b'D' => Entry::Describe,
            _ => Entry::Close,
        };
        let Some(name) = statement_name(head.kind, here) else {
            if here.len() < head.total() {
                return Ok(Step::More);
            }
            // A portal's name is the client's own; a broken message is for the server to refuse.
            return Ok(self.pass_named(lease, entry));
        };
        if name.is_empty() {
            if entry == Entry::Bind || entry == Entry::Describe {
                self.ensure_unnamed(lease, gather, at);
            }
            if entry == Entry::Bind && self.unnamed_changes {
                self.touch_unnamed();
            }
            return Ok(self.pass_named(lease, entry));
        }
        let Some(statement) = self.meaning(lease, name) else {
            if !name.starts_with(PREFIX) {
                return Ok(self.pass_named(lease, entry));
            }
            // It must not hit a statement of the gateway's.
            let mut foreign = name.to_vec();
            foreign.push(b'?');
            gather.cut(at);
            let renamed = rename_of(head.kind, &mut gather.out, bytes, &foreign);
            self.pass_named(lease, entry);
            return replaced(renamed);
        };
        if entry == Entry::Close {
            if bytes.len() < head.total() {
                return Ok(Step::More);
            }
            if lease.expected.sent(Entry::FakeClose) {
                lease.naming.push_back(Naming::Take(name.into()));
            }
            return Ok(Step::Drop);
        }
        if entry == Entry::Bind && statement.may_change_session && Bracket::of(statement.sql()).is_none() {
            self.touch(statement.sql());
        }
        self.ensure(lease, &statement, gather, at);
        if !statement.is_sql {
            lease.batch.runs(&statement);
        }
        gather.cut(at);
        let renamed = rename_of(head.kind, &mut gather.out, bytes, &statement.name);
        self.pass_named(lease, entry);
        replaced(renamed)
    }

    fn pass_named(&self, lease: &mut ServerLease, entry: Entry) -> Step {
        let queued = lease.expected.sent(entry);
        if queued && entry == Entry::Close {
            lease.naming.push_back(Naming::Nothing);
        }
        Step::Pass
    }

    pub(super) fn meaning(&self, lease: &ServerLease, name: &[u8]) -> Option<Rc<Statement>> {
        meaning(self.names.as_deref(), Some(&lease.naming), name).cloned()
    }

    /// Prepares a statement on a server that lacks it, in the same write as the request that needs it.
    fn ensure(&self, lease: &mut ServerLease, statement: &Rc<Statement>, gather: &mut Gather<'_>, at: usize) {
        if lease.prepared.has(statement) || is_parsing(lease, statement) {
            return;
        }
        if statement.is_sql {
            let _ = self.ensure_sql(lease, statement);
            return;
        }
        if !lease.expected.sent(Entry::OwnParse) {
            return;
        }
        gather.cut(at);
        parse_of(&mut gather.out, &statement.name, &statement.tail);
        lease.parsing.push_back(Some(Rc::clone(statement)));
    }

    /// The unnamed statement outlives a Sync, but in transaction mode not its server.
    fn ensure_unnamed(&self, lease: &mut ServerLease, gather: &mut Gather<'_>, at: usize) {
        if self.unnamed.is_empty() || lease.unnamed_of == self.shared.serial {
            return;
        }
        if lease.expected.sent(Entry::OwnParse) {
            gather.cut(at);
            parse_of(&mut gather.out, b"", &self.unnamed);
            lease.unnamed_of = self.shared.serial;
            lease.parsing.push_back(None);
        }
    }
}

/// Whether the statement's ParseComplete is on its way.
fn is_parsing(lease: &ServerLease, statement: &Rc<Statement>) -> bool {
    lease.parsing.iter().flatten().any(|other| Rc::ptr_eq(other, statement))
}

/// Parse with a body that is known but for the name.
pub(super) fn parse_of(out: &mut Vec<u8>, name: &[u8], tail: &[u8]) {
    out.push(b'P');
    let length = u32::try_from(4 + name.len() + 1 + tail.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(name);
    out.push(0);
    out.extend_from_slice(tail);
}

/// The statement that a Bind, a Describe or a Close names, as soon as that much is here; `None` for a portal's.
fn statement_name(kind: u8, message: &[u8]) -> Option<&[u8]> {
    let mut body = message.get(Head::SIZE..)?;
    if kind == b'B' {
        let portal = body.iter().position(|byte| *byte == 0)?;
        body = body.get(portal + 1..)?;
    } else {
        body = body.strip_prefix(b"S")?;
    }
    let end = body.iter().position(|byte| *byte == 0)?;
    body.get(..end)
}

fn rename_of(
    kind: u8,
    out: &mut Vec<u8>,
    message: &[u8],
    name: &[u8],
) -> Result<Option<usize>, tidegate_postgres_wire::rename::RenameError> {
    match kind {
        b'B' => rename_bind(out, message, name),
        b'D' => rename_describe(out, message, name),
        _ => rename_close(out, message, name),
    }
}

fn replaced(renamed: Result<Option<usize>, tidegate_postgres_wire::rename::RenameError>) -> Result<Step, SessionError> {
    match renamed {
        Ok(Some(length)) => Ok(Step::Replaced(length)),
        Ok(None) => Ok(Step::Pass),
        Err(error) => Err(broken(&error.to_string())),
    }
}

/// The length of the first whole exchange in `bytes`.
pub(super) fn first_exchange(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let head = Head::read(bytes.get(at..)?).ok()??;
        at += head.total();
        if at > bytes.len() {
            return None;
        }
        if matches!(head.kind, b'Q' | b'F' | b'S') {
            return Some(at);
        }
    }
}

pub(super) fn broken(text: &str) -> SessionError {
    SessionError::new(Origin::Downstream, Kind::Protocol, text.to_owned())
}
