use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use tidegate_chain::{Chain, Decision, ExchangeId, Need, Outcome, Part, Verdict};
use tidegate_postgres_wire::backend::{ErrorFields, Status};
use tidegate_postgres_wire::{Frame, Head};

use super::Session;
use super::exchange::{Answer, Known, Request, ends_with_last, piece};
use super::gather::Gather;
use crate::room::PostgresRoom;

/// A session's chain, and how far requests have been shown to it.
pub(crate) struct Shown {
    chain: Chain,
    /// So many bytes from the next one on have been shown and may go on.
    approved: usize,
    current: Option<ExchangeId>,
    waiting: Option<Waiting>,
    /// What came of a wait, to be done when the request is looked at again.
    verdict: Option<(usize, Answer)>,
}

struct Waiting {
    at: usize,
    length: usize,
    ends: bool,
    future: LocalBoxFuture<'static, Verdict>,
}

/// What came of showing a request.
pub(super) enum Showing {
    /// It is not all here.
    More,
    /// It goes on.
    Approved,
    /// A step waits.
    Waits,
    /// A step has answered: so many bytes are done with, and this is the answer.
    Answered(usize, Answer),
}

/// What of a server's messages must be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    Nothing,
    /// What answers no request.
    Pushes,
    /// Every message of the reply that is under way.
    Replies,
}

/// What the session knows, borrowed beside its chain.
macro_rules! known {
    ($session:ident) => {
        Known {
            database: &$session.group.route.database,
            user: $session.shared.user(),
            verbs: &$session.room.verbs,
            names: $session.names.as_deref(),
            naming: $session.lease.as_ref().map(|lease| &lease.naming),
            unnamed: &$session.unnamed,
        }
    };
}

impl Shown {
    pub(super) fn of(room: &PostgresRoom, listener: &Arc<str>) -> Option<Box<Self>> {
        let plan = room.plan();
        let chain = Chain::build(&plan.listeners.get(listener)?.chain)?;
        Some(Box::new(Self {
            chain,
            approved: 0,
            current: None,
            waiting: None,
            verdict: None,
        }))
    }

    fn sees_requests(&self) -> bool {
        let interest = self.chain.interest();
        interest.request != Need::Pass || interest.reply != Need::Pass
    }

    /// How the chain's decision goes on.
    fn decided(&mut self, decision: Decision, (length, ends): (usize, bool), answer: Option<Answer>) -> Showing {
        if ends && !matches!(decision, Decision::Wait { .. }) {
            self.current = None;
        }
        match decision {
            Decision::Forward(_) => {
                self.approved = length;
                Showing::Approved
            }
            Decision::Wait { at, future } => {
                let waiting = Waiting {
                    at,
                    length,
                    ends,
                    future,
                };
                self.waiting = Some(waiting);
                Showing::Waits
            }
            Decision::Answered => {
                self.current = None;
                let nothing = Answer {
                    words: Vec::new(),
                    is_refusal: false,
                };
                Showing::Answered(length, answer.unwrap_or(nothing))
            }
        }
    }
}

impl Session {
    /// Whether a step waits, so that no more of the client is read.
    pub(super) fn is_shown_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        if self.chain.is_none() {
            return false;
        }
        let in_transaction = self.is_in_transaction();
        let known = known!(self);
        let Some(shown) = &mut self.chain else { return false };
        let Some(waiting) = &mut shown.waiting else {
            return false;
        };
        let Poll::Ready(verdict) = Pin::new(&mut waiting.future).poll(cx) else {
            return true;
        };
        let (at, length, ends) = (waiting.at, waiting.length, waiting.ends);
        shown.waiting = None;
        let Some(id) = shown.current else { return false };
        let piece = self.held.get(..length).unwrap_or(&self.held);
        let mut exchange = Request::new(piece, known, in_transaction);
        let decision = shown.chain.resume(id, &mut exchange, at, verdict);
        let answer = exchange.answer.take();
        match shown.decided(decision, (length, ends), answer) {
            Showing::Waits => return true,
            Showing::Answered(length, answer) => shown.verdict = Some((length, answer)),
            Showing::More | Showing::Approved => {}
        }
        self.retry = true;
        false
    }

    fn is_in_transaction(&self) -> bool {
        self.deferred.is_some() || self.lease.as_ref().is_some_and(|lease| lease.status != Status::Idle)
    }

    /// Shows the request at the start of `bytes` to the chain, as soon as it is here up to where the client may wait.
    pub(super) fn show(&mut self, bytes: &[u8]) -> Showing {
        if self.chain.is_none() {
            return Showing::Approved;
        }
        let in_transaction = self.is_in_transaction();
        let limit = self.group.rules.borrow().inspect;
        let is_copying = self.lease.as_ref().is_some_and(|lease| lease.expected.is_copying());
        let known = known!(self);
        let Some(shown) = &mut self.chain else {
            return Showing::Approved;
        };
        if let Some((length, answer)) = shown.verdict.take() {
            return Showing::Answered(length, answer);
        }
        if is_copying || shown.approved > 0 || !shown.sees_requests() {
            return Showing::Approved;
        }
        if shown.current.is_none() && matches!(bytes.first(), Some(b'd' | b'c' | b'f' | b'X')) {
            // What belongs to a COPY, or says goodbye, is nobody's request.
            return Showing::Approved;
        }
        let (length, ends, truncated) = match piece(bytes) {
            Some((length, ends)) => (length, ends, false),
            None if bytes.len() < limit => return Showing::More,
            None => (bytes.len(), ends_with_last(bytes), true),
        };
        let continues = shown.current.is_some();
        let id = match shown.current {
            Some(id) => id,
            None => shown.chain.next_id(),
        };
        shown.current = Some(id);
        let mut exchange = Request::new(&bytes[..length], known, in_transaction);
        exchange.flags.continues = continues;
        exchange.flags.truncated = truncated;
        let decision = shown.chain.request(id, &mut exchange);
        let answer = exchange.answer.take();
        shown.decided(decision, (length, ends), answer)
    }

    /// So many bytes have gone on.
    pub(super) fn approve(&mut self, length: usize) {
        if let Some(shown) = &mut self.chain {
            shown.approved = shown.approved.saturating_sub(length);
        }
    }

    /// What was shown does not go on after all.
    pub(super) fn forget_shown(&mut self) {
        if let Some(shown) = &mut self.chain {
            (shown.approved, shown.current) = (0, None);
        }
    }

    /// The Sync that ends a refused batch is nobody's request.
    pub(super) fn approve_sync(&mut self) {
        if let Some(shown) = &mut self.chain {
            shown.approved = Head::SIZE;
        }
    }

    /// What must be shown of what the server says now.
    pub(super) fn watch(&self) -> Watch {
        let Some(shown) = &self.chain else {
            return Watch::Nothing;
        };
        if shown.chain.wants_reply_body() {
            Watch::Replies
        } else if shown.chain.interest().push != Need::Pass {
            Watch::Pushes
        } else {
            Watch::Nothing
        }
    }

    /// Shows the reply's bytes from `from` to `to`, and puts in their place what the chain made of them.
    pub(super) fn show_reply(&mut self, gather: &mut Gather<'_>, (from, to): (usize, usize), is_cut: bool, ends: bool) {
        let code = if ends { self.failed.take() } else { None };
        let Some(shown) = &mut self.chain else { return };
        let end = ends.then_some(outcome(code.as_ref()));
        let bytes = gather.run(from, to);
        let part = Part { bytes, is_cut, end };
        match shown.chain.reply(part) {
            Cow::Borrowed(same) if same.len() == bytes.len() => {}
            other => gather.replace((from, to), &other),
        }
    }

    /// The same of something that answers no request.
    pub(super) fn show_push(&mut self, gather: &mut Gather<'_>, (from, to): (usize, usize)) {
        let Some(shown) = &mut self.chain else { return };
        let bytes = gather.run(from, to);
        let part = Part {
            bytes,
            is_cut: false,
            end: None,
        };
        match shown.chain.push(part) {
            Cow::Borrowed(same) if same.len() == bytes.len() => {}
            other => gather.replace((from, to), &other),
        }
    }

    /// Something that answers no request and that the hub has heard, as the chain lets it go on.
    pub(super) fn shown_push<'w>(&mut self, words: &'w [u8]) -> Cow<'w, [u8]> {
        let part = Part {
            bytes: words,
            is_cut: false,
            end: None,
        };
        match &mut self.chain {
            Some(shown) => shown.chain.push(part),
            None => Cow::Borrowed(words),
        }
    }

    /// Says something in the server's place.
    pub(super) fn say(&mut self, words: &[u8]) {
        let words = self.shown_words(words);
        self.to_client.queue(&words, &self.room.core.buffers);
    }

    /// Words of the gateway's own, whole messages, as the chain lets them go on. A ReadyForQuery among them ends the
    /// oldest exchange.
    pub(super) fn shown_words<'w>(&mut self, words: &'w [u8]) -> Cow<'w, [u8]> {
        if self.chain.is_none() {
            return Cow::Borrowed(words);
        }
        let (mut at, mut out) = (0, None::<Vec<u8>>);
        while let Some(Ok(Some((frame, length)))) = words.get(at..).map(Frame::read) {
            let bytes = &words[at..at + length];
            if frame.kind == b'E' {
                self.failed.get_or_insert(code_of(frame.body));
            }
            let ends = frame.kind == b'Z';
            let code = if ends { self.failed.take() } else { None };
            let watch = self.watch();
            if let Some(shown) = &mut self.chain
                && (ends || watch == Watch::Replies)
            {
                let part = Part {
                    bytes,
                    is_cut: false,
                    end: ends.then_some(outcome(code.as_ref())),
                };
                match shown.chain.reply(part) {
                    Cow::Borrowed(same) if same.len() == bytes.len() => {
                        if let Some(out) = &mut out {
                            out.extend_from_slice(same);
                        }
                    }
                    other => out
                        .get_or_insert_with(|| words[..at].to_vec())
                        .extend_from_slice(&other),
                }
            } else if let Some(out) = &mut out {
                out.extend_from_slice(bytes);
            }
            at += length;
        }
        out.map_or(Cow::Borrowed(words), Cow::Owned)
    }
}

/// The SQLSTATE of an error's body.
pub(super) fn code_of(body: &[u8]) -> [u8; 5] {
    let fields = ErrorFields::read(body).ok();
    let code = fields.and_then(|fields| fields.code().try_into().ok());
    code.unwrap_or(*b"XX000")
}

fn outcome(code: Option<&[u8; 5]>) -> Outcome<'_> {
    let code = code.map(|code| std::str::from_utf8(code).unwrap_or("XX000"));
    code.map_or(Outcome::Done, Outcome::Failed)
}
