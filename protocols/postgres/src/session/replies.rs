use std::rc::Rc;
use std::task::{Context, Poll};

use tidegate_base::{Kind, Origin, Reason, Refusal};
use tidegate_engine::SessionError;
use tidegate_postgres_wire::backend::{self, ErrorFields, ParameterStatus, Severity, Status, read_ready, read_row};
use tidegate_postgres_wire::{Head, KindSet, Stop};

use super::gather::Gather;
use super::shown::{Watch, code_of};
use super::{PoolMode, Session};
use crate::expected::Entry;
use crate::server::{Naming, ServerLease};
use crate::statements::{Names, Statement};

/// What is looked at in replies.
const REPLIES: KindSet = KindSet::of(b"ZEGSCIs123Tn");
/// The same where somebody wants to see what answers no request.
const REPLIES_AND_PUSHES: KindSet = KindSet::of(b"ZEGSCIs123TnA");
/// What is looked at where nothing else has to be followed.
const PLAIN: KindSet = KindSet::of(b"ZEGS");
/// The longest message that is held because its body is needed.
const MOST_HELD: usize = 16 * 1024 * 1024;
/// Settings that servers report and that a client may SET: a report is the whole truth about them.
const FOLLOWED: [&str; 8] = [
    "client_encoding",
    "datestyle",
    "timezone",
    "intervalstyle",
    "standard_conforming_strings",
    "application_name",
    "search_path",
    "default_transaction_read_only",
];

impl Session {
    /// Reads the server and moves what it says on. `true` when anything happened.
    pub(super) fn from_server(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        // While the client takes no more, the server is not read.
        match self.flush_client(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(error)) => return Err(SessionError::downstream(&error)),
        }
        let Some(mut lease) = self.lease.take() else {
            return Ok(false);
        };
        let scratch = Rc::clone(&self.room.core.scratch);
        let mut scratch = scratch.borrow_mut();
        let read = if self.server_is_dry {
            Poll::Pending
        } else {
            lease.stream.poll_read(cx, &mut scratch)
        };
        let length = match read {
            Poll::Pending => {
                self.server_is_dry = true;
                self.lease = Some(lease);
                // A cancel that has come and gone may have been all that kept the server.
                if lease_is_due(self) {
                    self.try_release();
                    return Ok(self.lease.is_none());
                }
                return Ok(false);
            }
            Poll::Ready(Ok(length)) => length,
            Poll::Ready(Err(_)) => 0,
        };
        if length == 0 {
            self.lease = Some(lease);
            self.server_lost();
            return Ok(true);
        }
        if lease.held.is_empty() {
            let bytes = &scratch[..length];
            let used = self.replies(cx, &mut lease, bytes)?;
            if used < length {
                lease.held.extend_from_slice(&bytes[used..]);
            }
        } else {
            let mut held = std::mem::take(&mut lease.held);
            held.extend_from_slice(&scratch[..length]);
            let used = self.replies(cx, &mut lease, &held)?;
            held.drain(..used);
            lease.held = held;
        }
        drop(scratch);
        self.lease = Some(lease);
        self.try_release();
        Ok(true)
    }

    /// Moves replies on; returns how many bytes are done with.
    fn replies(&mut self, cx: &mut Context<'_>, lease: &mut ServerLease, bytes: &[u8]) -> Result<usize, SessionError> {
        let out = std::mem::take(&mut *self.room.gather.borrow_mut());
        let mut gather = Gather::new(bytes, out);
        let mut at = 0;
        self.say_due(lease, &mut gather, at);
        loop {
            let is_own = lease.expected.is_own();
            let watch = self.watch();
            let needed = match watch {
                _ if is_own => &KindSet::ALL,
                Watch::Nothing if self.ears.is_none() => {
                    if lease.expected.is_plain() {
                        &PLAIN
                    } else {
                        &REPLIES
                    }
                }
                Watch::Nothing | Watch::Pushes => &REPLIES_AND_PUSHES,
                Watch::Replies => &KindSet::ALL,
            };
            let walk = lease
                .cursor
                .walk(&bytes[at..], needed)
                .map_err(|error| mismatch(&error.to_string()))?;
            if watch == Watch::Replies && !is_own && walk.run > 0 {
                // Only a message that was too long to be held goes on as a run.
                self.show_reply(&mut gather, (at, at + walk.run), true, false);
            }
            if walk.run > 0 {
                lease.batch.is_being_answered();
            }
            at += walk.run;
            let Stop::Frame(head) = walk.stop else { break };
            let rest = &bytes[at..];
            let Some(body) = rest.get(Head::SIZE..head.total()) else {
                let is_long = head.total() > self.group.rules.borrow().inspect;
                let is_needed = is_own || (REPLIES.contains(head.kind) && head.kind != b'T');
                if !is_needed && (is_long || !needs_whole(watch, head.kind)) {
                    if head.kind == b'T' {
                        self.completed(lease, head.kind)?;
                    }
                    let to = at + lease.cursor.pass(head, rest.len());
                    if watch == Watch::Replies {
                        self.show_reply(&mut gather, (at, to), true, false);
                    }
                    at = to;
                    continue;
                }
                if head.total() > MOST_HELD {
                    return Err(mismatch("the server sent a message that is too long to be held"));
                }
                break;
            };
            if self.reply(lease, head.kind, body, is_own)? {
                if head.kind == b'Z'
                    && let Some(words) = lease.batch.take_error()
                {
                    gather.cut(at);
                    gather.out.extend_from_slice(&self.shown_words(&words));
                }
                let from = at;
                at += lease.cursor.pass(head, rest.len());
                match head.kind {
                    b'Z' => self.show_reply(&mut gather, (from, at), false, true),
                    b'A' if watch != Watch::Nothing => self.show_push(&mut gather, (from, at)),
                    _ if watch == Watch::Replies => self.show_reply(&mut gather, (from, at), false, false),
                    _ => {}
                }
            } else {
                gather.cut(at);
                at += head.total();
                gather.resume(at);
            }
            self.say_due(lease, &mut gather, at);
            if self.closing {
                break;
            }
        }
        let (out, written, result) =
            gather.write(at, cx, &mut self.client, &mut self.to_client, &self.room.core.buffers);
        *self.room.gather.borrow_mut() = out;
        self.group.metrics.sent.add(written as u64);
        result.map_err(|error| SessionError::downstream(&error))?;
        Ok(at)
    }

    /// Says what the gateway owes the client in the server's place.
    fn say_due(&mut self, lease: &mut ServerLease, gather: &mut Gather<'_>, at: usize) {
        while let Some(entry) = lease.expected.due() {
            gather.cut(at);
            match entry {
                Entry::FakeParse => self.owe(gather, backend::parse_complete),
                Entry::FakeClose => self.owe(gather, backend::close_complete),
                _ => {
                    let local = lease.local.pop_front().unwrap_or_default();
                    gather.out.extend_from_slice(&self.shown_words(&local.words));
                    if local.renames {
                        self.rename(lease);
                    }
                }
            }
            if entry != Entry::Local {
                self.rename(lease);
            }
        }
    }

    /// Says what is due when nothing that the server still has to say comes before it: it may say nothing more.
    pub(super) fn say_now(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        if lease.expected.is_due() {
            let mut gather = Gather::new(&[], self.room.core.buffers.take());
            self.say_due(&mut lease, &mut gather, 0);
            self.to_client.queue(&gather.out, &self.room.core.buffers);
            self.room.core.buffers.give_back(&mut gather.out);
        }
        self.lease = Some(lease);
    }

    fn owe(&mut self, gather: &mut Gather<'_>, say: fn(&mut Vec<u8>)) {
        let from = gather.out.len();
        say(&mut gather.out);
        if self.watch() == Watch::Replies {
            let words = gather.out.split_off(from);
            gather.out.extend_from_slice(&self.shown_words(&words));
        }
    }

    /// Looks at one reply; `true` when the client is to see it.
    fn reply(&mut self, lease: &mut ServerLease, kind: u8, body: &[u8], is_own: bool) -> Result<bool, SessionError> {
        match kind {
            b'E' => {
                let is_held = !is_own && self.holds_error(lease, code_of(body), body);
                self.failed(lease, body);
                if is_held {
                    return Ok(false);
                }
                if is_own && lease.expected.is_own() {
                    match &mut self.probing {
                        Some(answers) => answers.failed = true,
                        None if self.settling => {
                            let fields = ErrorFields::read(body);
                            let reason = fields.map_or_else(|_| String::new(), |fields| fields.message().into_owned());
                            self.unsettled(lease, &reason);
                        }
                        // A query of the gateway's own failed: the settings are not what they should be.
                        None => self.unfit(lease, body),
                    }
                    return Ok(false);
                }
                return Ok(true);
            }
            b'S' => {
                if let Ok(status) = ParameterStatus::read(body) {
                    lease.report(&status);
                    if !is_own {
                        self.follow(lease, &status);
                    }
                }
                return Ok(!is_own);
            }
            b'D' if is_own => {
                if let (Some(answers), Ok(row)) = (&mut self.probing, read_row(body)) {
                    answers.row(&row);
                }
                return Ok(false);
            }
            // Somebody else's words: they come at any time, in the midst of the gateway's own queries too.
            b'A' => return Ok(!self.is_told_twice(body)),
            b'Z' => return self.ended(lease, body),
            _ => self.completed(lease, kind)?,
        }
        Ok(!is_own)
    }

    fn completed(&mut self, lease: &mut ServerLease, kind: u8) -> Result<(), SessionError> {
        let is_free = self.mode == PoolMode::Session && !lease.expected.is_own();
        let completed = match lease.expected.replied(kind) {
            Ok(completed) => completed,
            // In session mode the server is the client's own, whatever it says.
            Err(_) if is_free => None,
            Err(_) => return Err(mismatch("the server answered nothing that was asked")),
        };
        match completed {
            Some(Entry::Parse) => {
                if matches!(lease.naming.front(), Some(Naming::Give(..))) {
                    self.parsed(lease);
                }
                self.rename(lease);
            }
            Some(Entry::OwnParse) => self.parsed(lease),
            Some(Entry::Close) => self.rename(lease),
            _ => {}
        }
        Ok(())
    }

    /// A PREPARE has ended.
    fn prepared(&mut self, lease: &mut ServerLease) {
        if std::mem::take(&mut lease.prepare_failed) {
            drop(lease.naming.pop_front());
            return;
        }
        if let Some(Naming::Give(_, statement)) = lease.naming.front() {
            let statement = Rc::clone(statement);
            lease.prepared.add(statement);
        }
        self.rename(lease);
    }

    /// The server has a statement now.
    fn parsed(&mut self, lease: &mut ServerLease) {
        if let Some(Some(statement)) = lease.parsing.pop_front() {
            lease.prepared.add(statement);
        }
    }

    /// The client's oldest change of names takes place.
    fn rename(&mut self, lease: &mut ServerLease) {
        match lease.naming.pop_front() {
            Some(Naming::Give(name, statement)) => {
                let names: &mut Names = self.names.get_or_insert_default();
                if !names.insert(name, statement) {
                    self.closing = true;
                }
            }
            Some(Naming::Take(name)) => {
                if let Some(names) = &mut self.names {
                    names.remove(&name);
                }
            }
            Some(Naming::Nothing) | None => {}
        }
    }

    fn failed(&mut self, lease: &mut ServerLease, body: &[u8]) {
        lease.prepare_failed |= lease.expected.is_preparing();
        let code = code_of(body);
        self.group.metrics.error(&code);
        self.failed.get_or_insert(code);
        let (mut naming, mut parsing) = (0, 0);
        let gives = |at: usize, lease: &ServerLease| matches!(lease.naming.get(at), Some(Naming::Give(..)));
        let mut dropped = Vec::new();
        lease.expected.failed(|entry| dropped.push(entry));
        for entry in dropped {
            match entry {
                Entry::Parse => {
                    parsing += usize::from(gives(naming, lease));
                    naming += 1;
                }
                Entry::OwnParse => parsing += 1,
                Entry::FakeParse | Entry::Close | Entry::FakeClose => naming += 1,
                Entry::Local => {
                    naming += lease.local.pop_front().map_or(0, |local| usize::from(local.renames));
                }
                _ => {}
            }
        }
        let (naming, parsing) = (naming.min(lease.naming.len()), parsing.min(lease.parsing.len()));
        lease.naming.drain(..naming);
        lease.parsing.drain(..parsing);
    }

    /// The server could not be made to fit the client. The request that went out behind it ran, if it did, under
    /// settings that are not the client's: it learns nothing of what came of that.
    fn unfit(&mut self, lease: &mut ServerLease, body: &[u8]) {
        lease.tainted = true;
        let Ok(fields) = ErrorFields::read(body) else { return };
        let ends = fields.severity() != Severity::Error;
        if ends || (self.login.is_none() && lease.expected.is_quiet()) {
            return;
        }
        let code = String::from_utf8_lossy(fields.code()).into_owned();
        let text = fields.message().into_owned();
        self.say_goodbye(&Refusal::new(Reason::Unavailable, text).with_code(code));
    }

    /// A client's setting is what the server reports it to be.
    fn follow(&mut self, lease: &mut ServerLease, status: &ParameterStatus<'_>) {
        let name = String::from_utf8_lossy(status.name).to_ascii_lowercase();
        if self.mode == PoolMode::Session && name == "application_name" {
            return self.follow_name(lease, &String::from_utf8_lossy(status.value));
        }
        if self.mode == PoolMode::Session || !FOLLOWED.contains(&name.as_str()) {
            return;
        }
        let value = String::from_utf8_lossy(status.value);
        if name == "application_name" {
            self.shared.application_name.replace(value.clone().into_owned());
        }
        let is_default = self.settings.get(&name).is_none() && self.group.default_of(&name).as_deref() == Some(&*value);
        if self.settings.get(&name) == Some(&*value) || is_default {
            return;
        }
        let change = || [(name.as_str(), Some(&*value))];
        self.settings = self.room.settings.with(&self.settings, change());
        lease.settings = self.room.settings.with(&lease.settings, change());
    }

    /// In session mode only a name that went back to the server's default is of interest: it is due to become the client's
    /// own again, since the connection was opened without one.
    fn follow_name(&self, lease: &mut ServerLease, value: &str) {
        let name = "application_name";
        let is_own = lease.started.get(name).is_some() || self.initial.get(name).is_none_or(|own| own == value);
        if !is_own && self.group.default_of(name).as_deref() == Some(value) {
            lease.settings = self.room.settings.with(&lease.settings, [(name, None)]);
        }
    }

    /// ReadyForQuery: an exchange has ended. `true` when the client is to see it.
    fn ended(&mut self, lease: &mut ServerLease, body: &[u8]) -> Result<bool, SessionError> {
        lease.status = read_ready(body).map_err(|error| mismatch(&error.to_string()))?;
        let completed = lease
            .expected
            .replied(b'Z')
            .map_err(|_| mismatch("the server was ready unasked"))?;
        if completed == Some(Entry::OwnQuery) {
            if std::mem::take(&mut self.settling) {
                self.retry = true;
            }
            if let Some(answers) = self.probing.take() {
                self.learn(lease, answers);
            }
            return Ok(false);
        }
        if lease.batch.has_error() && self.says_again(lease) {
            drop(lease.batch.take_error());
            self.failed = None;
            return Ok(false);
        }
        if completed == Some(Entry::Prepare) {
            self.prepared(lease);
        }
        let now = self.room.core.now();
        self.group.metrics.queries.inc();
        self.group
            .metrics
            .query_time
            .record(now.saturating_duration_since(self.began));
        let entered = lease.entered.take().unwrap_or(self.began);
        if lease.status == Status::Idle {
            let lasted = now.saturating_duration_since(entered);
            self.group.metrics.transaction_time.record(lasted);
        } else {
            lease.entered = Some(entered);
        }
        self.began = now;
        lease.exchanges += 1;
        self.shared.exchanges.set(self.shared.exchanges.get() + 1);
        let most = self.group.rules.borrow().prepared_bytes;
        if !lease.expected.is_settled() {
            // The next one of a pipeline has a limit of its own.
            self.limit_request(lease.entered);
        } else if lease.status == Status::Idle && self.mode != PoolMode::Session {
            self.evict(lease, most);
        }
        Ok(true)
    }

    /// Takes statements off a server: those with a stale plan, and those that it has too many of.
    fn evict(&self, lease: &mut ServerLease, most: usize) {
        let mut sql = String::new();
        let mut deallocate = |statement: &Statement| {
            sql.push_str("DEALLOCATE ");
            sql.push_str(&String::from_utf8_lossy(&statement.name));
            sql.push(';');
        };
        for statement in std::mem::take(&mut lease.stale) {
            if lease.prepared.has(&statement) {
                lease.prepared.remove(&statement);
                deallocate(&statement);
            }
        }
        while let Some(statement) = lease.prepared.evict(most) {
            deallocate(&statement);
        }
        if !sql.is_empty() {
            self.own_query(lease, sql.as_bytes());
        }
    }
}

/// Whether a message that the gateway itself has no need of is shown whole.
fn needs_whole(watch: Watch, kind: u8) -> bool {
    watch == Watch::Replies || kind == b'A'
}

fn lease_is_due(session: &Session) -> bool {
    let Some(lease) = &session.lease else { return false };
    session.mode != PoolMode::Session
        && session.login.is_none()
        && !lease.pinned
        && lease.is_clean()
        && session.held.is_empty()
        && session.cursor.at_boundary()
}

/// The server broke the protocol, or the gateway lost count: neither may go on.
fn mismatch(text: &str) -> SessionError {
    SessionError::new(Origin::Upstream, Kind::Protocol, text.to_owned())
}
