use crate::statement::verb_of;
use crate::{Effect, Token, TokenKind, Verb, statements};

/// What a statement needs of the server, as far as its text says so. Functions may write whatever they like; a text
/// that calls one still counts as what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Reads rows and takes no row locks.
    Read,
    /// Maintenance, and whatever has no better class.
    Utility,
    /// Begins or ends a transaction or a part of one.
    Transaction,
    /// Reads or changes the session.
    Session,
    /// Changes rows, or locks them.
    Write,
    /// Changes what exists.
    Ddl,
    /// The text does not say: EXECUTE, CALL, DO, or not SQL.
    Unknown,
}

/// The class of a text: of several statements, the one that asks the most of the server.
pub fn class(sql: &[u8]) -> Class {
    statements(sql)
        .map(|statement| statement.class)
        .max()
        .unwrap_or(Class::Utility)
}

pub(crate) fn class_of(sql: &[u8], tokens: &[Token], verb: Verb, effects: &[Effect<'_>]) -> Class {
    let by_verb = by_verb(sql, tokens, verb);
    let changes_session = effects
        .iter()
        .any(|effect| !matches!(effect, Effect::Begin { .. } | Effect::Execute { .. }));
    if by_verb == Class::Read && changes_session {
        Class::Session
    } else {
        by_verb
    }
}

fn by_verb(sql: &[u8], tokens: &[Token], verb: Verb) -> Class {
    match verb {
        Verb::Select | Verb::With | Verb::Values | Verb::Table | Verb::Declare => reading(sql, tokens),
        Verb::Explain => explained(sql, tokens),
        Verb::Copy => copied(sql, tokens),
        Verb::Fetch => Class::Read,
        Verb::Insert | Verb::Update | Verb::Delete | Verb::Merge | Verb::Notify | Verb::Truncate | Verb::Lock => {
            Class::Write
        }
        Verb::Create | Verb::Alter | Verb::Drop => Class::Ddl,
        Verb::Begin
        | Verb::Commit
        | Verb::Rollback
        | Verb::Savepoint
        | Verb::Release
        | Verb::RollbackTo
        | Verb::PrepareTransaction
        | Verb::CommitPrepared
        | Verb::RollbackPrepared => Class::Transaction,
        Verb::Set
        | Verb::Reset
        | Verb::Show
        | Verb::Discard
        | Verb::Prepare
        | Verb::Deallocate
        | Verb::Listen
        | Verb::Unlisten
        | Verb::Close
        | Verb::Load => Class::Session,
        Verb::Vacuum => Class::Utility,
        Verb::Execute | Verb::Call | Verb::Do => Class::Unknown,
        Verb::Other => by_first_word(sql, tokens),
    }
}

fn by_first_word(sql: &[u8], tokens: &[Token]) -> Class {
    let first = tokens.first().map(|token| token.text(sql)).unwrap_or_default();
    let is = |words: &[&str]| words.iter().any(|word| first.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["cluster", "reindex", "checkpoint"]) {
        Class::Utility
    } else if is(&["grant", "revoke", "comment", "security", "reassign", "refresh"]) {
        Class::Ddl
    } else {
        Class::Unknown
    }
}

/// A reading statement writes when a part of it does: a data-modifying WITH, INTO, or a row lock.
fn reading(sql: &[u8], tokens: &[Token]) -> Class {
    let mut before: &[u8] = b"";
    let mut class = Class::Read;
    for token in tokens {
        let text = token.text(sql);
        if token.kind != TokenKind::Word {
            before = text;
            continue;
        }
        let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        let behind = |word: &str| before.eq_ignore_ascii_case(word.as_bytes());
        let starts = before == b"(" || before == b")";
        let writes = (starts && (is("insert") || is("update") || is("delete") || is("merge")))
            || ((behind("for") || behind("key")) && (is("update") || is("share")))
            || (behind("no") && is("key"));
        if writes {
            class = class.max(Class::Write);
        } else if is("into") && !behind("insert") && !behind("merge") {
            class = Class::Ddl;
        }
        before = text;
    }
    class
}

/// EXPLAIN only plans, unless it has ANALYZE.
fn explained(sql: &[u8], tokens: &[Token]) -> Class {
    let word = |at: usize| tokens.get(at).map(|token| token.text(sql)).unwrap_or_default();
    let is = |at: usize, name: &str| word(at).eq_ignore_ascii_case(name.as_bytes());
    let mut at = 1;
    let mut runs = false;
    if word(at) == b"(" {
        while at < tokens.len() && word(at) != b")" {
            runs |= is(at, "analyze") || is(at, "analyse");
            at += 1;
        }
        at += 1;
    } else {
        while is(at, "analyze") || is(at, "analyse") || is(at, "verbose") {
            runs |= !is(at, "verbose");
            at += 1;
        }
    }
    if !runs {
        return Class::Read;
    }
    let inner = tokens.get(at..).unwrap_or_default();
    match verb_of(sql, inner) {
        // Not SQL, and a way to make this call itself as often as a client likes.
        Verb::Explain => Class::Unknown,
        verb => by_verb(sql, inner, verb),
    }
}

/// COPY FROM writes; COPY TO reads, if the query that it may hold does.
fn copied(sql: &[u8], tokens: &[Token]) -> Class {
    let mut depth = 0_usize;
    for token in tokens {
        match token.text(sql) {
            b"(" => depth += 1,
            b")" => depth = depth.saturating_sub(1),
            text if depth == 0 && text.eq_ignore_ascii_case(b"from") => return Class::Write,
            text if depth == 0 && text.eq_ignore_ascii_case(b"to") => break,
            _ => (),
        }
    }
    reading(sql, tokens)
}
