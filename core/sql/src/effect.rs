use std::borrow::Cow;
use std::ops::Range;

use crate::name::{lower, name_of};
use crate::reader::Reader;
use crate::{Dialect, Lexer, Name, Token, TokenKind, Verb};

/// All of something, or one by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which<'a> {
    /// `ALL` (of UNLISTEN: `*`).
    All,
    /// One.
    Named(Name<'a>),
}

/// What DISCARD throws away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Everything.
    All,
    /// Cached plans; nothing that a client can observe.
    Plans,
    /// What `currval` and `lastval` remember.
    Sequences,
    /// Temporary tables.
    Temp,
}

/// What a statement does to the session that runs it, as far as its text says so. Whether it succeeded, the server's
/// reply says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<'a> {
    /// A setting is given a value. `SET TIME ZONE`, `NAMES`, `SCHEMA`, `ROLE`, `SESSION AUTHORIZATION` and
    /// `XML OPTION` are named `timezone`, `client_encoding`, `search_path`, `role`, `session_authorization`,
    /// `xmloption`.
    Set {
        /// The setting, in lower case.
        name: Name<'a>,
        /// The value as it is written behind `TO` or `=`; `None` is `DEFAULT`.
        value: Option<&'a [u8]>,
        /// Only until the transaction ends.
        local: bool,
    },
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`: the modes as written. They become `default_transaction_…`.
    SetCharacteristics {
        /// What is behind `TRANSACTION`.
        modes: &'a [u8],
    },
    /// Settings go back to their start-up values.
    Reset(Which<'a>),
    /// State is thrown away.
    Discard(Discard),
    /// `PREPARE name … AS statement`.
    Prepare {
        /// The statement's name.
        name: Name<'a>,
        /// Where the name stands in the whole text.
        name_span: Range<usize>,
        /// What follows the name, to the statement's end: types, `AS`, the statement.
        after: Range<usize>,
    },
    /// `EXECUTE name`, also under EXPLAIN and CREATE TABLE AS.
    Execute {
        /// The statement's name.
        name: Name<'a>,
        /// Where the name stands in the whole text.
        name_span: Range<usize>,
    },
    /// `DEALLOCATE`.
    Deallocate {
        /// Which statement.
        which: Which<'a>,
        /// Where its name (or `ALL`) stands in the whole text.
        name_span: Range<usize>,
    },
    /// `LISTEN`.
    Listen {
        /// The channel.
        channel: Name<'a>,
    },
    /// `UNLISTEN`.
    Unlisten(Which<'a>),
    /// A temporary table, view or sequence is made, or something in `pg_temp`.
    CreateTemp,
    /// A cursor that outlives its transaction.
    DeclareHold {
        /// The cursor.
        name: Name<'a>,
    },
    /// `CLOSE`.
    CloseCursor(Which<'a>),
    /// A function that takes an advisory lock is called.
    AdvisoryLock {
        /// It is held until the session ends or lets it go, not only until the transaction ends.
        session: bool,
    },
    /// A function that lets advisory locks go is called.
    AdvisoryUnlock {
        /// All of the session's.
        all: bool,
    },
    /// `set_config` is called, or the view `pg_settings` updated: some setting changes.
    SetConfig {
        /// The setting, where it is a plain literal.
        name: Option<&'a [u8]>,
        /// Only until the transaction ends, and the text says so in so many words.
        local: bool,
    },
    /// `LOAD`: a library is loaded into the server process.
    Load,
    /// A transaction begins.
    Begin {
        /// By exactly `BEGIN`, `BEGIN WORK`, `BEGIN TRANSACTION` or `START TRANSACTION`, with well-formed modes or none:
        /// it cannot fail on an idle server.
        plain: bool,
    },
}

/// Everything that a statement's tokens say.
pub(crate) fn effects<'a>(sql: &'a [u8], tokens: &[Token], verb: Verb, dialect: Dialect) -> Vec<Effect<'a>> {
    let mut found = Vec::new();
    let mut reader = Reader::new(sql, tokens);
    let first = reader.take();
    found.extend(match verb {
        Verb::Set => set(&mut reader),
        Verb::Reset => reset(&mut reader),
        Verb::Discard => discard(&mut reader),
        Verb::Prepare => prepare(&mut reader, tokens),
        Verb::Execute => execute(&mut reader),
        Verb::Deallocate => deallocate(&mut reader),
        Verb::Listen => reader.name().map(|(channel, _)| Effect::Listen { channel }),
        Verb::Unlisten => unlisten(&mut reader),
        Verb::Declare => declare_hold(&mut reader),
        Verb::Close => close(&mut reader),
        Verb::Load => Some(Effect::Load),
        Verb::Begin => first.map(|first| begin(&mut reader, first)),
        Verb::Explain | Verb::Create => inner_execute(sql, tokens, verb),
        _ => None,
    });
    calls(sql, tokens, &mut found);
    if makes_temp(sql, tokens, verb) {
        push(&mut found, Effect::CreateTemp);
    }
    if verb == Verb::Do {
        body_calls(sql, tokens, dialect, &mut found);
    }
    found
}

fn set<'a>(reader: &mut Reader<'a, '_>) -> Option<Effect<'a>> {
    let local = scope(reader);
    if reader.eat_all(&["session", "characteristics", "as", "transaction"]) {
        let modes = reader.rest();
        return Some(Effect::SetCharacteristics { modes });
    }
    let special = [
        (&["time", "zone"][..], "timezone"),
        (&["names"], "client_encoding"),
        (&["schema"], "search_path"),
        (&["session", "authorization"], "session_authorization"),
        (&["xml", "option"], "xmloption"),
    ];
    for (words, name) in special {
        if reader.eat_all(words) {
            return Some(setting(name, reader.rest(), local));
        }
    }
    if reader.at("transaction") || reader.at("constraints") {
        return None;
    }
    let role = reader.at("role");
    let name = lowered(reader.dotted()?);
    if reader.eat("to") || reader.eat_sign("=") || role {
        let value = value(reader.rest());
        return Some(Effect::Set { name, value, local });
    }
    None
}

/// Takes LOCAL or SESSION, and says whether it was LOCAL. `SET SESSION AUTHORIZATION` has no scope but a name.
fn scope(reader: &mut Reader<'_, '_>) -> bool {
    let mut behind = *reader;
    if behind.eat("session") && !behind.at("authorization") && !behind.at("characteristics") {
        *reader = behind;
    }
    reader.eat("local")
}

fn setting<'a>(name: &'static str, written: &'a [u8], local: bool) -> Effect<'a> {
    let written = if name == "timezone" && written.eq_ignore_ascii_case(b"local") {
        b""
    } else {
        written
    };
    Effect::Set {
        name: Cow::Borrowed(name.as_bytes()),
        value: value(written),
        local,
    }
}

fn value(written: &[u8]) -> Option<&[u8]> {
    Some(written).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case(b"default"))
}

/// Settings' names are looked up without regard to case, even quoted ones.
fn lowered(name: Name<'_>) -> Name<'_> {
    match name {
        Cow::Borrowed(name) => lower(name),
        Cow::Owned(name) => Cow::Owned(name.to_ascii_lowercase()),
    }
}

fn reset<'a>(reader: &mut Reader<'a, '_>) -> Option<Effect<'a>> {
    let named = |name: &'static str| Which::Named(Cow::Borrowed(name.as_bytes()));
    Some(Effect::Reset(if reader.at("all") {
        Which::All
    } else if reader.eat_all(&["time", "zone"]) {
        named("timezone")
    } else if reader.eat_all(&["session", "authorization"]) {
        named("session_authorization")
    } else if reader.eat_all(&["transaction", "isolation", "level"]) {
        named("transaction_isolation")
    } else {
        Which::Named(lowered(reader.dotted()?))
    }))
}

fn discard(reader: &mut Reader<'_, '_>) -> Option<Effect<'static>> {
    let what = [
        ("all", Discard::All),
        ("plans", Discard::Plans),
        ("sequences", Discard::Sequences),
        ("temp", Discard::Temp),
        ("temporary", Discard::Temp),
    ];
    what.into_iter()
        .find_map(|(word, what)| reader.at(word).then_some(Effect::Discard(what)))
}

fn prepare<'a>(reader: &mut Reader<'a, '_>, tokens: &[Token]) -> Option<Effect<'a>> {
    let (name, token) = reader.name()?;
    let end = tokens.last()?.end;
    Some(Effect::Prepare {
        name,
        name_span: token.span(),
        after: token.end..end,
    })
}

fn execute<'a>(reader: &mut Reader<'a, '_>) -> Option<Effect<'a>> {
    reader.name().map(|(name, token)| Effect::Execute {
        name,
        name_span: token.span(),
    })
}

/// EXECUTE inside EXPLAIN (whatever its options) or behind the AS of CREATE TABLE. A trigger's EXECUTE FUNCTION is
/// none.
fn inner_execute<'a>(sql: &'a [u8], tokens: &[Token], verb: Verb) -> Option<Effect<'a>> {
    let mut reader = Reader::new(sql, tokens);
    let (mut before, mut depth) = (reader.take()?, 0_usize);
    while let Some(token) = reader.take() {
        match token.text(sql) {
            b"(" => depth += 1,
            b")" => depth = depth.saturating_sub(1),
            _ => (),
        }
        let allowed = reader.is(before, "as") || verb == Verb::Explain;
        if depth == 0 && allowed && reader.is(token, "execute") {
            return execute(&mut reader);
        }
        before = token;
    }
    None
}

fn deallocate<'a>(reader: &mut Reader<'a, '_>) -> Option<Effect<'a>> {
    let mut behind = *reader;
    if behind.eat("prepare") && !behind.is_empty() {
        *reader = behind;
    }
    let all = reader.at("all");
    let (name, token) = reader.name()?;
    let which = if all { Which::All } else { Which::Named(name) };
    Some(Effect::Deallocate {
        which,
        name_span: token.span(),
    })
}

fn unlisten<'a>(reader: &mut Reader<'a, '_>) -> Option<Effect<'a>> {
    if reader.at_sign("*") {
        return Some(Effect::Unlisten(Which::All));
    }
    let (channel, _) = reader.name()?;
    Some(Effect::Unlisten(Which::Named(channel)))
}

fn declare_hold<'a>(reader: &mut Reader<'a, '_>) -> Option<Effect<'a>> {
    let (name, _) = reader.name()?;
    while !reader.is_empty() && !reader.at("for") {
        if reader.eat_all(&["with", "hold"]) {
            return Some(Effect::DeclareHold { name });
        }
        reader.take();
    }
    None
}

fn close<'a>(reader: &mut Reader<'a, '_>) -> Option<Effect<'a>> {
    let all = reader.at("all");
    let (name, _) = reader.name()?;
    let which = if all { Which::All } else { Which::Named(name) };
    Some(Effect::CloseCursor(which))
}

fn begin(reader: &mut Reader<'_, '_>, first: Token) -> Effect<'static> {
    let start = reader.is(first, "start");
    let noise = reader.eat("transaction") || (!start && reader.eat("work"));
    let plain = (noise || !start) && only_modes(reader);
    Effect::Begin { plain }
}

/// Whether nothing is left but transaction modes (SQL command START TRANSACTION), with or without commas between.
fn only_modes(reader: &mut Reader<'_, '_>) -> bool {
    const MODES: [&[&str]; 8] = [
        &["isolation", "level", "serializable"],
        &["isolation", "level", "repeatable", "read"],
        &["isolation", "level", "read", "committed"],
        &["isolation", "level", "read", "uncommitted"],
        &["read", "write"],
        &["read", "only"],
        &["not", "deferrable"],
        &["deferrable"],
    ];
    let mut first = true;
    while !reader.is_empty() {
        if !first {
            reader.eat_sign(",");
        }
        if !MODES.iter().any(|mode| reader.eat_all(mode)) {
            return false;
        }
        first = false;
    }
    true
}

fn push<'a>(found: &mut Vec<Effect<'a>>, effect: Effect<'a>) {
    if !found.contains(&effect) {
        found.push(effect);
    }
}

/// Calls of functions that change the session, wherever they stand, and an UPDATE of `pg_settings`.
fn calls<'a>(sql: &'a [u8], tokens: &[Token], found: &mut Vec<Effect<'a>>) {
    for (at, token) in tokens.iter().enumerate() {
        // Long enough for the shortest name of interest; spares folding the rest.
        if token.end - token.start < 10 {
            continue;
        }
        let Some(name) = name_of(sql, *token) else {
            continue;
        };
        if name.as_ref() == b"pg_settings" && follows_update(sql, tokens.get(..at)) {
            push(
                found,
                Effect::SetConfig {
                    name: None,
                    local: false,
                },
            );
        }
        let called = tokens.get(at + 1).is_some_and(|next| next.text(sql) == b"(");
        if called && name.as_ref() == b"set_config" {
            push(found, set_config(sql, tokens.get(at + 2..).unwrap_or_default()));
        } else if let Some(effect) = called_effect(&name).filter(|_| called) {
            push(found, effect);
        }
    }
}

/// `set_config(name, value, is_local)`, from its first argument on.
fn set_config<'a>(sql: &'a [u8], arguments: &[Token]) -> Effect<'a> {
    let text = |at: usize| arguments.get(at).map_or(&b""[..], |token| token.text(sql));
    let name = arguments.first().filter(|token| token.kind == TokenKind::String);
    let name = name
        .and_then(|token| token.text(sql).strip_prefix(b"'")?.strip_suffix(b"'"))
        .filter(|name| text(1) == b"," && memchr::memchr2(b'\'', b'\\', name).is_none());
    let (mut depth, mut end) = (1_usize, 0);
    for (at, token) in arguments.iter().enumerate() {
        match token.text(sql) {
            b"(" => depth += 1,
            b")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            end = at;
            break;
        }
    }
    let local = end >= 2 && text(end - 2) == b"," && text(end - 1).eq_ignore_ascii_case(b"true");
    Effect::SetConfig { name, local }
}

fn called_effect(function: &[u8]) -> Option<Effect<'static>> {
    match function {
        b"pg_advisory_unlock" | b"pg_advisory_unlock_shared" => Some(Effect::AdvisoryUnlock { all: false }),
        b"pg_advisory_unlock_all" => Some(Effect::AdvisoryUnlock { all: true }),
        b"pg_advisory_lock" | b"pg_advisory_lock_shared" | b"pg_try_advisory_lock" | b"pg_try_advisory_lock_shared" => {
            Some(Effect::AdvisoryLock { session: true })
        }
        b"pg_advisory_xact_lock"
        | b"pg_advisory_xact_lock_shared"
        | b"pg_try_advisory_xact_lock"
        | b"pg_try_advisory_xact_lock_shared" => Some(Effect::AdvisoryLock { session: false }),
        _ => None,
    }
}

/// Whether the last tokens are `UPDATE [ONLY] [schema.]`.
fn follows_update(sql: &[u8], before: Option<&[Token]>) -> bool {
    let words = before.unwrap_or_default();
    words
        .iter()
        .rev()
        .take(4)
        .any(|token| token.text(sql).eq_ignore_ascii_case(b"update"))
}

/// Whether something temporary is made: CREATE with TEMP or TEMPORARY among its first words, `INTO TEMP`, or a name in
/// `pg_temp` that CREATE or INTO makes.
fn makes_temp(sql: &[u8], tokens: &[Token], verb: Verb) -> bool {
    let reader = Reader::new(sql, tokens);
    let is_temp = |token: Token| reader.is(token, "temp") || reader.is(token, "temporary");
    let creates = verb == Verb::Create || verb == Verb::Explain;
    tokens.windows(3).enumerate().any(|(at, window)| {
        let &[first, second, third] = window else {
            return false;
        };
        let scope = reader.is(second, "local") || reader.is(second, "global");
        // INSERT INTO and MERGE INTO make nothing, and `temp` may be a table's name there.
        let fills = at
            .checked_sub(1)
            .and_then(|before| tokens.get(before))
            .is_some_and(|before| reader.is(*before, "insert") || reader.is(*before, "merge"));
        let into = reader.is(first, "into") && !fills;
        let made = |token: Token, dot: Token| {
            dot.text(sql) == b"." && name_of(sql, token).is_some_and(|name| &*name == b"pg_temp")
        };
        (into && (is_temp(second) || (scope && is_temp(third))))
            || (into && made(second, third))
            || (creates && made(second, third))
            || (creates
                && at < 12
                && (reader.is(first, "create") || scope || reader.is(first, "replace"))
                && (is_temp(second) || is_temp(third)))
    })
}

/// What a DO block's body says in passing. Only calls and temporary tables: a SET in there is told by the server's
/// reports, or not at all.
fn body_calls<'a>(sql: &'a [u8], tokens: &[Token], dialect: Dialect, found: &mut Vec<Effect<'a>>) {
    for token in tokens.iter().filter(|token| token.kind == TokenKind::String) {
        let text = token.text(sql);
        let quote = match text.first() {
            Some(b'$') => memchr::memchr(b'$', text.get(1..).unwrap_or_default()).map_or(1, |tag| tag + 2),
            _ => 1,
        };
        let body = text.get(quote..).unwrap_or_default();
        let inner: Vec<Token> = Lexer::new(body, dialect).collect();
        calls(body, &inner, found);
        if makes_temp(body, &inner, Verb::Create) {
            push(found, Effect::CreateTemp);
        }
    }
}
