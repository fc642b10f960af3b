use std::borrow::Cow;

use tidegate_sql::{Dialect, Discard, Effect, Which, statements_in};

use crate::settings::quote;

/// What requests may have done to a session, to be found out when their transaction has ended.
///
/// Texts only say what to ask about; the server itself says what is so. That makes rollbacks, errors and statements that
/// undo each other come out right without following them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Settings that got a value, or went back to their start-up value.
    names: Vec<(String, Change)>,
    pub(crate) reset_all: bool,
    /// Every setting may have changed.
    every: bool,
    /// Temporary objects, locks, cursors, prepared statements or subscriptions may have come or gone.
    pins: bool,
    /// Some of these were thrown away that the client need not have made.
    pub(crate) undoes: bool,
    /// DISCARD ALL.
    pub(crate) discard: bool,
    /// UNLISTEN of a channel, or of all.
    pub(crate) unlistens: Vec<Option<Vec<u8>>>,
    /// DEALLOCATE ALL.
    pub(crate) deallocate: bool,
    /// A setting of a name that nobody knows, and that the server does not list: only this server has it.
    pub(crate) holds: bool,
    /// Something that cannot be asked about.
    pub(crate) taint: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Set,
    Reset,
}

/// How a session's texts are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reading {
    #[default]
    Plain,
    /// A backslash escapes in plain strings too: `standard_conforming_strings` is off.
    Escapes,
    /// In the client's encoding a character's second byte may look like a quote or a backslash.
    Blind,
}

impl Reading {
    /// How the texts of a session with these settings are read.
    pub(crate) fn of<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        const BLIND: [&str; 8] = [
            "sjis",
            "shiftjis2004",
            "big5",
            "gbk",
            "uhc",
            "johab",
            "gb18030",
            "mskanji",
        ];
        let encoding = get("client_encoding").unwrap_or_default();
        let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
        // Of the names that these encodings have, those of Windows' code pages are numbers.
        let is_page = ["936", "932", "949", "950"].iter().any(|page| plain.ends_with(page));
        if is_page || BLIND.iter().any(|blind| plain.eq_ignore_ascii_case(blind)) {
            Self::Blind
        } else if get("standard_conforming_strings").is_some_and(is_off) {
            Self::Escapes
        } else {
            Self::Plain
        }
    }
}

/// As the server reads a boolean setting.
fn is_off(value: &str) -> bool {
    ["off", "false", "no", "0", "f", "n"]
        .iter()
        .any(|off| value.eq_ignore_ascii_case(off))
}

/// What a look at a text found beside what it touches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// A transaction begins.
    pub(crate) begins: bool,
}

impl Touched {
    /// Looks at a text of which the first look said that it may change the session.
    pub(crate) fn look(&mut self, sql: &[u8], reading: Reading) -> Found {
        let mut found = Found::default();
        let dialect = match reading {
            Reading::Plain => Dialect::Postgres,
            Reading::Escapes => Dialect::PostgresEscapes,
            Reading::Blind => {
                // Its bytes cannot be told apart: it may have done anything that can be asked about.
                (self.every, self.pins, self.undoes) = (true, true, true);
                return found;
            }
        };
        for statement in statements_in(sql, dialect) {
            for effect in statement.effects {
                self.effect(effect, &mut found);
            }
        }
        found
    }

    fn effect(&mut self, effect: Effect<'_>, found: &mut Found) {
        self.undoes |= matches!(
            effect,
            Effect::Discard(_)
                | Effect::Deallocate { .. }
                | Effect::CloseCursor(_)
                | Effect::AdvisoryUnlock { .. }
                | Effect::Unlisten(_)
        );
        match effect {
            Effect::Set { local: true, .. } | Effect::Execute { .. } => {}
            Effect::Set { name, value, .. } => {
                let change = if value.is_some() { Change::Set } else { Change::Reset };
                self.change(&name, change);
            }
            Effect::SetCharacteristics { .. } => {
                for what in ["isolation", "read_only", "deferrable"] {
                    self.change(format!("default_transaction_{what}").as_bytes(), Change::Set);
                }
            }
            Effect::Reset(Which::All) => self.reset_all = true,
            Effect::Reset(Which::Named(name)) => self.change(&name, Change::Reset),
            Effect::Discard(Discard::All) => {
                self.discard = true;
                self.reset_all = true;
                self.pins = true;
            }
            Effect::Discard(_) => self.pins = true,
            Effect::Deallocate { which: Which::All, .. } => {
                self.deallocate = true;
                self.pins = true;
            }
            Effect::AdvisoryLock { session: false } => {}
            Effect::Prepare { .. }
            | Effect::Listen { .. }
            | Effect::CreateTemp
            | Effect::DeclareHold { .. }
            | Effect::CloseCursor(_)
            | Effect::Deallocate {
                which: Which::Named(_), ..
            }
            | Effect::AdvisoryLock { session: true }
            | Effect::AdvisoryUnlock { .. } => self.pins = true,
            Effect::Unlisten(which) => {
                self.pins = true;
                self.unlistens.push(match which {
                    Which::All => None,
                    Which::Named(channel) => Some(channel.into_owned()),
                });
            }
            Effect::SetConfig { local: true, .. } => {}
            Effect::SetConfig { name: Some(name), .. } => self.change(name, Change::Set),
            Effect::SetConfig { name: None, .. } => (self.every, self.holds) = (true, true),
            Effect::Load => self.taint = true,
            Effect::Begin { .. } => found.begins = true,
        }
    }

    fn change(&mut self, name: &[u8], change: Change) {
        let name: Cow<'_, str> = String::from_utf8_lossy(name);
        self.names.retain(|(known, _)| *known != name);
        self.names.push((name.into_owned(), change));
    }

    /// Whether a setting may have gone back to its default.
    pub(crate) fn resets(&self) -> bool {
        self.reset_all || self.names.iter().any(|(_, change)| *change == Change::Reset)
    }

    /// Whatever holds the connection may be gone now.
    pub(crate) fn touch_pins(&mut self) {
        self.pins = true;
    }

    /// Whether there is nothing to find out.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A query whose rows say what is so now: `p` and how much holds the connection; `s`, a setting's name and its
    /// value, NULL for the one that the connection was opened with. `None` when there is nothing to ask. `known` are the
    /// settings that the session had before.
    pub(crate) fn question<'k>(&'k self, known: impl Iterator<Item = &'k str>) -> Option<String> {
        let known: Vec<&str> = known.collect();
        let names = |wanted: Change, all: bool| {
            let touched = self.names.iter().filter(move |(_, change)| *change == wanted);
            let touched = touched.map(|(name, _)| name.as_str());
            let all = if all { known.as_slice() } else { &[] };
            touched.chain(all.iter().copied()).collect::<Vec<_>>()
        };
        let (set, reset) = (names(Change::Set, self.every), names(Change::Reset, self.reset_all));
        let mut sql = String::new();
        if self.pins {
            sql.push_str(PINS);
        }
        ask_about(&mut sql, SET, &set);
        ask_about(&mut sql, RESET, &reset);
        if self.every {
            sql.push_str(EVERY);
        }
        (!sql.is_empty()).then_some(sql)
    }
}

fn ask_about(sql: &mut String, (before, behind): (&str, &str), names: &[&str]) {
    if names.is_empty() {
        return;
    }
    sql.push_str(before);
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            sql.push(',');
        }
        quote(sql, name);
    }
    sql.push_str(behind);
}

const SET: (&str, &str) = (
    "SELECT 's', n, pg_catalog.current_setting(n, true) FROM pg_catalog.unnest(ARRAY[",
    "]::pg_catalog.text[]) AS n;",
);

/// What is back at its start-up value is NULL; RESET may have been rolled back, and RESET ALL leaves some alone. The
/// server lists no settings with a name of the client's own making.
const RESET: (&str, &str) = (
    "SELECT 's', n, CASE WHEN s.name IS NULL THEN nullif(pg_catalog.current_setting(n, true), '') \
     WHEN s.source = 'session' THEN pg_catalog.current_setting(n) END FROM pg_catalog.unnest(ARRAY[",
    "]::pg_catalog.text[]) AS n LEFT JOIN pg_catalog.pg_settings AS s ON pg_catalog.lower(s.name) = pg_catalog.lower(n);",
);

/// How many session locks, temporary objects, cursors WITH HOLD, statements of SQL PREPARE, and subscriptions there are.
pub(crate) const PINS: &str = "SELECT 'p', (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' \
    AND pid = pg_catalog.pg_backend_pid()) + (SELECT count(*) FROM pg_catalog.pg_class \
    WHERE relnamespace = pg_catalog.pg_my_temp_schema()) + (SELECT count(*) FROM pg_catalog.pg_cursors \
    WHERE is_holdable) + (SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql AND pg_catalog.left(name, 3) <> 'tg_') \
    + (SELECT count(*) FROM pg_catalog.pg_listening_channels());";

const EVERY: &str =
    "SELECT 's', name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings WHERE source = 'session';";

/// What a question's rows said.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The question.
    pub(crate) asked: String,
    /// It was not answered: a cancel that came late may have hit it.
    pub(crate) failed: bool,
    /// How often it was asked again.
    pub(crate) again: u8,
    /// How much holds the connection.
    pub(crate) pins: Option<u64>,
    pub(crate) settings: Vec<(String, Option<String>)>,
}

impl Answers {
    /// Takes a row.
    pub(crate) fn row(&mut self, row: &[Option<&[u8]>]) {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        match row {
            [Some(b"p"), Some(count)] => self.pins = text(count).parse().ok(),
            [Some(b"s"), Some(name), value] => self.settings.push((text(name), value.map(text))),
            _ => {}
        }
    }
}

/// A transaction's beginning or end in the plainest words, told without a lexer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bracket {
    Begin,
    Start,
    Commit,
    Rollback,
}

impl Bracket {
    /// Only exact forms count; anything else is for the lexer.
    pub(crate) fn of(sql: &[u8]) -> Option<Self> {
        let sql = sql.trim_ascii();
        let sql = sql.strip_suffix(b";").unwrap_or(sql).trim_ascii_end();
        let is = |words: &[&str]| words.iter().any(|words| sql.eq_ignore_ascii_case(words.as_bytes()));
        if sql.len() > "begin transaction".len() {
            None
        } else if is(&["begin", "begin work", "begin transaction"]) {
            Some(Self::Begin)
        } else if is(&["start transaction"]) {
            Some(Self::Start)
        } else if is(&["commit", "end", "commit work"]) {
            Some(Self::Commit)
        } else if is(&["rollback", "abort", "rollback work"]) {
            Some(Self::Rollback)
        } else {
            None
        }
    }

    /// The command tag that a server answers with.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Begin => "BEGIN",
            Self::Start => "START TRANSACTION",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
        }
    }

    /// Whether a transaction begins.
    pub(crate) fn begins(self) -> bool {
        matches!(self, Self::Begin | Self::Start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets() {
        assert_eq!(Bracket::of(b" BEGIN ;"), Some(Bracket::Begin));
        assert_eq!(Bracket::of(b"start transaction"), Some(Bracket::Start));
        assert_eq!(Bracket::of(b"Commit"), Some(Bracket::Commit));
        assert_eq!(Bracket::of(b"abort;"), Some(Bracket::Rollback));
        for other in [
            &b"begin; select 1"[..],
            b"commit and chain",
            b"begin read only",
            b"",
            b"beg",
        ] {
            assert_eq!(Bracket::of(other), None);
        }
    }

    #[test]
    fn asks_only_about_what_was_touched() {
        let question = |sql: &[u8]| {
            let mut touched = Touched::default();
            touched.look(sql, Reading::Plain);
            touched.question(["known"].into_iter())
        };
        assert_eq!(question(b"SET LOCAL work_mem = '1MB'"), None);
        let set = question(b"SET work_mem = '1MB'").unwrap();
        assert!(set.contains("E'work_mem'") && !set.contains("pg_locks") && !set.contains("known"));
        assert!(question(b"SELECT pg_advisory_lock(1)").unwrap().contains("pg_locks"));
        assert!(
            question(b"SELECT set_config('a' || 'b', 'c', false)")
                .unwrap()
                .contains("E'known'")
        );
        let reset = question(b"SET a.b = 1; RESET A.B").unwrap();
        assert!(reset.contains("E'a.b'") && reset.contains("source = 'session'") && !reset.contains("known"));
        assert!(question(b"RESET ALL").unwrap().contains("ARRAY[E'known']"));
    }

    #[test]
    fn knows_what_throws_away() {
        let undoes = |sql: &[u8]| {
            let mut touched = Touched::default();
            touched.look(sql, Reading::Plain);
            touched.undoes
        };
        for sql in [
            "DISCARD TEMP",
            "DEALLOCATE q",
            "CLOSE ALL",
            "UNLISTEN *",
            "SELECT pg_advisory_unlock(1)",
        ] {
            assert!(undoes(sql.as_bytes()), "{sql}");
        }
        for sql in ["CREATE TEMP TABLE t ()", "LISTEN c", "SELECT pg_advisory_lock(1)"] {
            assert!(!undoes(sql.as_bytes()), "{sql}");
        }
    }

    #[test]
    fn finds_a_beginning() {
        let begins = |sql: &[u8]| Touched::default().look(sql, Reading::Plain).begins;
        assert!(begins(b"BEGIN ISOLATION LEVEL SERIALIZABLE") && !begins(b"SELECT 'begin'"));
    }

    #[test]
    fn reads_as_the_session_does() {
        let table = crate::settings::SettingsTable::default();
        let reading = |name, value| table.intern([(name, value)]).reading();
        for blind in [
            "SJIS",
            "Shift_JIS_2004",
            "gb18030",
            "WIN936",
            "MSKANJI",
            "UHC",
            "Windows950",
        ] {
            assert_eq!(reading("client_encoding", blind), Reading::Blind, "{blind}");
        }
        for plain in ["UTF8", "LATIN1", "EUC_JP", "WIN1252"] {
            assert_eq!(reading("client_encoding", plain), Reading::Plain, "{plain}");
        }
        assert_eq!(reading("standard_conforming_strings", "off"), Reading::Escapes);
        assert_eq!(reading("standard_conforming_strings", "on"), Reading::Plain);
        // The same text sets something or nothing.
        let sql = br"SELECT 'a\'; SET a.b = 1; --'";
        let touches = |reading| {
            let mut touched = Touched::default();
            touched.look(sql, reading);
            !touched.is_empty()
        };
        assert!(touches(Reading::Plain) && !touches(Reading::Escapes) && touches(Reading::Blind));
    }
}
