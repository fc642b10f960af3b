use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use tidegate_base::Refusal;
use tidegate_chain::{
    Chain, Decision, Exchange, ExchangeId, Facts, Flags, Need, Outcome, Part, Statement, Verb, Verdict,
};
use tidegate_postgres_wire::{Head, frontend};
use tidegate_sql::{Class, class, fingerprint};

use super::Session;
use crate::room::PostgresRoom;

/// The most statements that a request's facts describe.
const MOST_STATEMENTS: usize = 16;

/// A session's chain, and how far requests have been shown to it.
pub(crate) struct Shown {
    pub(super) chain: Chain,
    /// So many bytes from the next one on have been shown and may go on.
    pub(super) approved: usize,
    current: Option<ExchangeId>,
    waiting: Option<Waiting>,
}

struct Waiting {
    at: usize,
    length: usize,
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
    Answered(usize, Vec<u8>),
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
        }))
    }
}

impl Session {
    /// Whether a step waits, so that no more of the client is read.
    pub(super) fn is_shown_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(shown) = &mut self.chain else { return false };
        let Some(waiting) = &mut shown.waiting else {
            return false;
        };
        let Poll::Ready(verdict) = Pin::new(&mut waiting.future).poll(cx) else {
            return true;
        };
        let (at, length) = (waiting.at, waiting.length);
        shown.waiting = None;
        let held = std::mem::take(&mut self.held);
        let piece = held.get(..length).unwrap_or(&held);
        let mut exchange = Request::new(piece, false);
        let current = self.chain.as_ref().and_then(|shown| shown.current);
        if let (Some(shown), Some(id)) = (&mut self.chain, current) {
            let decision = shown.chain.resume(id, &mut exchange, at, verdict);
            let answer = exchange.answer.take();
            match self.decided(decision, length, answer) {
                Showing::Answered(length, answer) => {
                    self.to_client.queue(&answer, &self.room.core.buffers);
                    self.held = held[length..].to_vec();
                    self.retry = true;
                    return false;
                }
                Showing::Waits => {
                    self.held = held;
                    return true;
                }
                Showing::More | Showing::Approved => {}
            }
        }
        self.held = held;
        self.retry = true;
        false
    }

    /// Shows the request at the start of `bytes` to the chain, as soon as it is here up to where the client may wait.
    pub(super) fn show(&mut self, bytes: &[u8], limit: usize, in_transaction: bool) -> Showing {
        let Some(shown) = &mut self.chain else {
            return Showing::Approved;
        };
        if shown.approved > 0
            || shown.chain.interest().request == Need::Pass && shown.chain.interest().reply == Need::Pass
        {
            return Showing::Approved;
        }
        let (length, ends) = match piece(bytes) {
            Some(found) => found,
            None if bytes.len() < limit => return Showing::More,
            None => (bytes.len(), false),
        };
        let continues = shown.current.is_some();
        let id = match shown.current {
            Some(id) => id,
            None => shown.chain.next_id(),
        };
        shown.current = Some(id);
        let mut exchange = Request::new(&bytes[..length], in_transaction);
        exchange.flags.continues = continues;
        exchange.flags.truncated = length == bytes.len() && piece(bytes).is_none();
        let Some(shown) = &mut self.chain else {
            return Showing::Approved;
        };
        let decision = shown.chain.request(id, &mut exchange);
        if ends && !matches!(decision, Decision::Wait { .. }) {
            shown.current = None;
        }
        let answer = exchange.answer.take();
        self.decided(decision, length, answer)
    }

    fn decided(&mut self, decision: Decision, length: usize, answer: Option<Answer>) -> Showing {
        let Some(shown) = &mut self.chain else {
            return Showing::Approved;
        };
        match decision {
            Decision::Forward(_) => {
                shown.approved = length;
                Showing::Approved
            }
            Decision::Wait { at, future } => {
                shown.waiting = Some(Waiting { at, length, future });
                Showing::Waits
            }
            Decision::Answered => {
                shown.current = None;
                Showing::Answered(length, answer.map_or_else(Vec::new, Answer::into_bytes))
            }
        }
    }

    /// The oldest exchange has ended.
    pub(super) fn end_shown(&mut self, code: Option<&str>) {
        if let Some(shown) = &mut self.chain {
            let end = Some(code.map_or(Outcome::Done, Outcome::Failed));
            let _ = shown.chain.reply(Part { bytes: &[], end });
        }
    }
}

/// The length of the request's first piece, up to where the client may wait for an answer (`Q`, `F`, `S` and `H`), and
/// whether the exchange ends with it.
fn piece(bytes: &[u8]) -> Option<(usize, bool)> {
    let mut at = 0;
    loop {
        let head = Head::read(bytes.get(at..)?).ok()??;
        at += head.total();
        if at > bytes.len() {
            return None;
        }
        match head.kind {
            b'Q' | b'F' | b'S' => return Some((at, true)),
            b'H' => return Some((at, false)),
            // What belongs to a COPY or says goodbye is nobody's request.
            b'd' | b'c' | b'f' | b'X' => return Some((at, false)),
            _ => {}
        }
    }
}

/// A step's answer.
enum Answer {
    Refused(Refusal),
    Replayed(Vec<u8>),
}

impl Answer {
    fn into_bytes(self) -> Vec<u8> {
        use tidegate_postgres_wire::backend::{self, Severity};
        match self {
            Self::Replayed(bytes) => bytes,
            Self::Refused(refusal) => {
                let mut out = Vec::new();
                backend::refusal(&mut out, Severity::Error, &refusal);
                out
            }
        }
    }
}

/// A request, as transforms see it.
struct Request<'a> {
    bytes: &'a [u8],
    statements: [Statement<'a>; MOST_STATEMENTS],
    count: usize,
    flags: Flags,
    answer: Option<Answer>,
}

impl<'a> Request<'a> {
    fn new(bytes: &'a [u8], in_transaction: bool) -> Self {
        Self {
            bytes,
            statements: [Statement::default(); MOST_STATEMENTS],
            count: usize::MAX,
            flags: Flags {
                in_transaction,
                ..Flags::default()
            },
            answer: None,
        }
    }

    fn read(&mut self) {
        self.count = 0;
        let mut at = 0;
        while let Some(Ok(Some(head))) = self.bytes.get(at..).map(Head::read) {
            let body = self.bytes.get(at + Head::SIZE..at + head.total());
            at += head.total();
            let sql = match (head.kind, body) {
                (b'Q', Some(body)) => frontend::read_query(body).ok(),
                (b'P', Some(body)) => frontend::Parse::read(body).ok().map(|parse| parse.sql),
                _ => None,
            };
            let Some(sql) = sql.filter(|_| self.count < MOST_STATEMENTS) else {
                continue;
            };
            self.statements[self.count] = Statement {
                verb: verb(sql),
                text: sql,
                fingerprint: fingerprint(sql),
            };
            self.count += 1;
        }
    }
}

impl Exchange for Request<'_> {
    fn facts(&mut self) -> Facts<'_> {
        if self.count == usize::MAX {
            self.read();
        }
        Facts {
            statements: &self.statements[..self.count],
            flags: self.flags,
            ..Facts::default()
        }
    }

    fn request(&self) -> &[u8] {
        self.bytes
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.answer = Some(Answer::Refused(refusal));
    }

    fn replay(&mut self, reply: &[u8]) {
        self.answer = Some(Answer::Replayed(reply.to_vec()));
    }
}

fn verb(sql: &[u8]) -> Verb {
    match class(sql) {
        Class::Read => Verb::Read,
        Class::Write => Verb::Write,
        Class::Ddl => Verb::Define,
        Class::Transaction => Verb::Transaction,
        Class::Session => Verb::Session,
        Class::Utility => Verb::Administer,
        Class::Unknown => Verb::Unknown,
    }
}
