use std::collections::VecDeque;
use std::rc::Rc;

use tidegate_base::Refusal;
use tidegate_chain::{Exchange, Facts, Flags, Statement, Verb};
use tidegate_postgres_wire::backend::{self, Severity};
use tidegate_postgres_wire::{Head, frontend};
use tidegate_sql::{Class, class, fingerprint};

use crate::server::Naming;
use crate::statements::{Names, Statement as Prepared, Verbs};

/// The most statements that a request's facts describe.
const MOST_STATEMENTS: usize = 16;

/// The length of the request's first piece, up to where the client may wait for an answer (`Q`, `F`, `S` and `H`), and
/// whether the exchange ends with it.
pub(super) fn piece(bytes: &[u8]) -> Option<(usize, bool)> {
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

/// Whether an exchange ends with the last, incomplete message of `bytes`.
pub(super) fn ends_with_last(bytes: &[u8]) -> bool {
    let (mut at, mut kind) = (0, 0);
    while let Some(Ok(Some(head))) = bytes.get(at..).map(Head::read) {
        at += head.total();
        kind = head.kind;
    }
    at > bytes.len() && matches!(kind, b'Q' | b'F')
}

/// A step's answer.
pub(super) struct Answer {
    /// What the client is told, without the ReadyForQuery that ends an exchange.
    pub(super) words: Vec<u8>,
    /// The request was refused, so the rest of its batch is skipped.
    pub(super) is_refusal: bool,
}

impl Answer {
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let mut words = Vec::new();
        backend::refusal(&mut words, Severity::Error, refusal);
        Self {
            words,
            is_refusal: true,
        }
    }

    /// A reply as it was recorded. Its ReadyForQuery told how things stood then, and is left out.
    fn replayed(reply: &[u8]) -> Self {
        let (mut at, mut end) = (0, 0);
        while let Some(Ok(Some(head))) = reply.get(at..).map(Head::read) {
            at += head.total();
            if head.kind != b'Z' {
                end = at;
            }
        }
        Self {
            words: reply.get(..end).unwrap_or_default().to_vec(),
            is_refusal: false,
        }
    }
}

/// What a session knows that its requests do not say.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) database: &'a str,
    /// Who the client is.
    pub(super) user: &'a str,
    pub(super) verbs: &'a Verbs,
    pub(super) names: Option<&'a Names>,
    /// Changes of names that are on their way.
    pub(super) naming: Option<&'a VecDeque<Naming>>,
    /// The unnamed statement: Parse's body behind the name.
    pub(super) unnamed: &'a [u8],
}

impl<'a> Known<'a> {
    /// The text of a prepared statement.
    fn text(&self, name: &[u8]) -> Option<&'a [u8]> {
        if name.is_empty() {
            return self
                .unnamed
                .split(|byte| *byte == 0)
                .next()
                .filter(|sql| !sql.is_empty());
        }
        meaning(self.names, self.naming, name).map(|statement| statement.sql())
    }
}

/// What a name means to the client, once what it has sent is done.
pub(super) fn meaning<'a>(
    names: Option<&'a Names>,
    naming: Option<&'a VecDeque<Naming>>,
    name: &[u8],
) -> Option<&'a Rc<Prepared>> {
    for naming in naming.into_iter().flatten().rev() {
        match naming {
            Naming::Give(given, statement) if **given == *name => return Some(statement),
            Naming::Take(taken) if **taken == *name => return None,
            _ => {}
        }
    }
    names?.get(name)
}

/// A request, as transforms see it.
pub(super) struct Request<'a> {
    bytes: &'a [u8],
    known: Known<'a>,
    statements: [Statement<'a>; MOST_STATEMENTS],
    count: usize,
    pub(super) flags: Flags,
    pub(super) answer: Option<Answer>,
}

impl<'a> Request<'a> {
    pub(super) fn new(bytes: &'a [u8], known: Known<'a>, in_transaction: bool) -> Self {
        Self {
            bytes,
            known,
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
        let (mut at, mut parsed) = (0, None);
        while let Some(Ok(Some(head))) = self.bytes.get(at..).map(Head::read) {
            let body = self.bytes.get(at + Head::SIZE..at + head.total());
            at += head.total();
            let sql = match (head.kind, body) {
                (b'Q', Some(body)) => frontend::read_query(body).ok(),
                (b'P', Some(body)) => frontend::Parse::read(body).ok().map(|parse| {
                    parsed = Some(parse.name);
                    parse.sql
                }),
                // An execution of what was prepared before; the text of what is prepared here is listed already.
                (b'B', Some(body)) => statement_of_bind(body)
                    .filter(|name| parsed != Some(*name))
                    .and_then(|name| self.known.text(name)),
                _ => None,
            };
            let Some(sql) = sql.filter(|_| self.count < MOST_STATEMENTS) else {
                continue;
            };
            let fingerprint = fingerprint(sql);
            self.statements[self.count] = Statement {
                verb: self.known.verbs.of(fingerprint, || verb(sql)),
                text: sql,
                fingerprint,
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
            space: self.known.database,
            user: self.known.user,
            flags: self.flags,
        }
    }

    fn request(&self) -> &[u8] {
        self.bytes
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.answer = Some(Answer::refused(&refusal));
    }

    fn replay(&mut self, reply: &[u8]) {
        self.answer = Some(Answer::replayed(reply));
    }
}

/// The statement that a Bind names.
fn statement_of_bind(body: &[u8]) -> Option<&[u8]> {
    body.split(|byte| *byte == 0).nth(1)
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
