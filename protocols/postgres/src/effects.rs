use std::borrow::Cow;
use std::fmt::Write;

use tidegate_sql::{Discard, Effect, Which, statements};

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
    /// DISCARD ALL.
    pub(crate) discard: bool,
    /// UNLISTEN of a channel, or of all.
    pub(crate) unlistens: Vec<Option<Vec<u8>>>,
    /// DEALLOCATE ALL.
    pub(crate) deallocate: bool,
    /// Something that cannot be asked about.
    pub(crate) taint: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Set,
    Reset,
}

/// What a look at a text found beside what it touches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// A transaction begins.
    pub(crate) begins: bool,
    /// The text is exactly one DEALLOCATE of this name.
    pub(crate) deallocates: Option<Vec<u8>>,
}

impl Touched {
    /// Looks at a text of which the first look said that it may change the session.
    pub(crate) fn look(&mut self, sql: &[u8]) -> Found {
        let mut found = Found::default();
        let mut count = 0;
        for statement in statements(sql) {
            count += 1;
            for effect in statement.effects {
                self.effect(effect, &mut found);
            }
        }
        if count != 1 {
            found.deallocates = None;
        }
        found
    }

    fn effect(&mut self, effect: Effect<'_>, found: &mut Found) {
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
            Effect::Deallocate {
                which: Which::Named(name),
                ..
            } => {
                found.deallocates = Some(name.into_owned());
                self.pins = true;
            }
            Effect::AdvisoryLock { session: false } => {}
            Effect::Prepare { .. }
            | Effect::Listen { .. }
            | Effect::CreateTemp
            | Effect::DeclareHold { .. }
            | Effect::CloseCursor(_)
            | Effect::AdvisoryLock { session: true }
            | Effect::AdvisoryUnlock { .. } => self.pins = true,
            Effect::Unlisten(which) => {
                self.pins = true;
                self.unlistens.push(match which {
                    Which::All => None,
                    Which::Named(channel) => Some(channel.into_owned()),
                });
            }
            Effect::SetConfig => self.every = true,
            Effect::Load => self.taint = true,
            Effect::Begin { .. } => found.begins = true,
        }
    }

    fn change(&mut self, name: &[u8], change: Change) {
        let name: Cow<'_, str> = String::from_utf8_lossy(name);
        self.names.retain(|(known, _)| *known != name);
        self.names.push((name.into_owned(), change));
    }

    /// Whatever holds the connection may be gone now.
    pub(crate) fn touch_pins(&mut self) {
        self.pins = true;
    }

    /// Whether there is nothing to find out.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The settings that went back to their start-up values.
    pub(crate) fn reset(&self) -> impl Iterator<Item = &str> {
        let reset = self.names.iter().filter(|(_, change)| *change == Change::Reset);
        reset.map(|(name, _)| name.as_str())
    }

    /// A query whose rows say what is so now: `p` and how much holds the connection; `s`, a setting's name and its
    /// value. `None` when there is nothing to ask. `known` are the settings that the session had before.
    pub(crate) fn question<'k>(&'k self, known: impl Iterator<Item = &'k str>) -> Option<String> {
        let set: Vec<&str> = self
            .names
            .iter()
            .filter(|(_, change)| *change == Change::Set)
            .map(|(name, _)| name.as_str())
            .chain(known.filter(|_| self.every))
            .collect();
        let mut sql = String::new();
        if self.pins {
            sql.push_str(PINS);
        }
        if !set.is_empty() {
            sql.push_str("SELECT 's', n, pg_catalog.current_setting(n, true) FROM pg_catalog.unnest(ARRAY[");
            for (at, name) in set.iter().enumerate() {
                if at > 0 {
                    let _ = sql.write_char(',');
                }
                quote(&mut sql, name);
            }
            sql.push_str("]::pg_catalog.text[]) AS n;");
        }
        if self.every {
            sql.push_str(EVERY);
        }
        (!sql.is_empty()).then_some(sql)
    }
}

/// How many session locks, temporary objects, cursors WITH HOLD, statements of SQL PREPARE, and subscriptions there are.
const PINS: &str = "SELECT 'p', (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' \
    AND pid = pg_catalog.pg_backend_pid()) + (SELECT count(*) FROM pg_catalog.pg_class \
    WHERE relnamespace = pg_catalog.pg_my_temp_schema()) + (SELECT count(*) FROM pg_catalog.pg_cursors \
    WHERE is_holdable) + (SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql AND pg_catalog.left(name, 3) <> 'tg_') \
    + (SELECT count(*) FROM pg_catalog.pg_listening_channels());";

const EVERY: &str =
    "SELECT 's', name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings WHERE source = 'session';";

/// What a question's rows said.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) pinned: Option<bool>,
    pub(crate) settings: Vec<(String, Option<String>)>,
}

impl Answers {
    /// Takes a row.
    pub(crate) fn row(&mut self, row: &[Option<&[u8]>]) {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        match row {
            [Some(b"p"), Some(count)] => self.pinned = Some(*count != b"0"),
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
            touched.look(sql);
            touched.question(["known"].into_iter())
        };
        assert_eq!(question(b"SET LOCAL work_mem = '1MB'"), None);
        let set = question(b"SET work_mem = '1MB'").unwrap();
        assert!(set.contains("E'work_mem'") && !set.contains("pg_locks") && !set.contains("known"));
        assert!(question(b"SELECT pg_advisory_lock(1)").unwrap().contains("pg_locks"));
        assert!(
            question(b"SELECT set_config('a.b', 'c', false)")
                .unwrap()
                .contains("E'known'")
        );
        assert_eq!(question(b"RESET work_mem"), None);
        let mut touched = Touched::default();
        touched.look(b"SET a.b = 1; RESET A.B");
        assert_eq!(touched.reset().collect::<Vec<_>>(), ["a.b"]);
    }

    #[test]
    fn finds_a_lone_deallocate() {
        let mut touched = Touched::default();
        assert_eq!(touched.look(b"DEALLOCATE s1").deallocates.as_deref(), Some(&b"s1"[..]));
        assert_eq!(touched.look(b"DEALLOCATE s1; SELECT 1").deallocates, None);
        assert!(touched.look(b"BEGIN ISOLATION LEVEL SERIALIZABLE").begins);
    }
}
