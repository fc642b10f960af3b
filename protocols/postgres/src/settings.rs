use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::{Rc, Weak};

use crate::effects::Reading;

/// Settings of a session: what its start-up packet asked for, and what it has SET since.
///
/// Equal settings of one core are one allocation, so that "does this server suit this client" is one comparison of
/// pointers in nearly every transaction.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Settings {
    values: BTreeMap<Box<str>, Box<str>>,
    /// What of them changes how a statement is planned.
    planning: u64,
    reading: Reading,
}

/// The settings whose values change what a statement's text means.
const PLANNING: [&str; 3] = ["search_path", ROLE, USER];

impl Settings {
    /// A setting's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(AsRef::as_ref)
    }

    /// Names and values, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How the session's texts are read.
    pub(crate) fn reading(&self) -> Reading {
        self.reading
    }

    /// Equal where the same text means the same statement.
    pub(crate) fn planning(&self) -> u64 {
        self.planning
    }
}

/// A core's settings, each kept once for as long as somebody has it.
#[derive(Debug, Default)]
pub(crate) struct SettingsTable {
    known: RefCell<HashMap<u64, Vec<Weak<Settings>>>>,
    added: RefCell<usize>,
}

/// How many additions pass between two sweeps of entries that nobody has any more.
const SWEEP: usize = 1024;

impl SettingsTable {
    /// The one copy of these settings. A name given twice has its last value.
    pub(crate) fn intern<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Rc<Settings> {
        let values = values
            .into_iter()
            .map(|(name, value)| (canonical(name), Box::from(value)))
            .collect();
        self.intern_map(values)
    }

    /// The one copy of `settings` with `changes` applied; `None` takes a setting out.
    pub(crate) fn with<'a>(
        &self,
        settings: &Settings,
        changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Rc<Settings> {
        let mut values = settings.values.clone();
        for (name, value) in changes {
            match value {
                Some(value) => values.insert(canonical(name), Box::from(value)),
                None => values.remove(&canonical(name)),
            };
        }
        self.intern_map(values)
    }

    fn intern_map(&self, values: BTreeMap<Box<str>, Box<str>>) -> Rc<Settings> {
        let key = hash_of(&values);
        let mut known = self.known.borrow_mut();
        let same = known.entry(key).or_default();
        if let Some(found) = same
            .iter()
            .filter_map(Weak::upgrade)
            .find(|found| found.values == values)
        {
            return found;
        }
        let mut planning = DefaultHasher::new();
        for name in PLANNING {
            values.get(name).hash(&mut planning);
        }
        let settings = Rc::new(Settings {
            reading: Reading::of(|name| values.get(name).map(AsRef::as_ref)),
            planning: planning.finish(),
            values,
        });
        same.push(Rc::downgrade(&settings));
        let mut added = self.added.borrow_mut();
        *added += 1;
        if *added >= SWEEP {
            *added = 0;
            known.retain(|_, same| {
                same.retain(|settings| settings.strong_count() > 0);
                !same.is_empty()
            });
        }
        settings
    }
}

/// A statement that turns `have` into `want`, where `started` is what the server connection was opened with, `base` what the
/// query that it began with has set, if there was one, and `default_of` knows some of the server's own defaults.
///
/// `Ok(None)` when nothing is to be done; `Err(())` when it cannot be done: the connection was opened with a setting
/// that the other client does not have, and whose default is unknown, so that no SET can bring it back; or its query may have
/// set what the server does not list.
pub(crate) fn transition<'d>(
    have: &Settings,
    want: &Settings,
    started: &Settings,
    base: Option<&Settings>,
    default_of: impl Fn(&str) -> Option<&'d str>,
) -> Result<Option<String>, ()> {
    let based = |name: &str| base.and_then(|base| base.get(name));
    let mut calls = Calls::default();
    for (name, value) in want.iter() {
        if have.get(name) == Some(value) {
            continue;
        }
        if UNSETTABLE.contains(&name) {
            return Err(());
        }
        calls.set(name, value);
    }
    for (name, _) in have.iter() {
        if want.get(name).is_some() {
            continue;
        }
        if UNSETTABLE.contains(&name) {
            return Err(());
        }
        if let Some(value) = based(name) {
            calls.set(name, value);
        } else if started.get(name).is_some() {
            calls.set(name, default_of(name).ok_or(())?);
        } else if base.is_some() && is_unlisted(name) {
            return Err(());
        } else {
            set_config(&mut calls.others, name, None);
        }
    }
    // Whoever becomes another user has no role.
    if !calls.user.is_empty()
        && calls.role.is_empty()
        && let Some(role) = want.get(ROLE).or_else(|| based(ROLE))
    {
        calls.set(ROLE, role);
    }
    Ok(calls.statement())
}

/// A statement that makes again those of these settings that something else has set over, or may have.
pub(crate) fn restated<'s>(
    settings: impl Iterator<Item = (&'s str, &'s str)>,
    is_over: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut calls = Calls::default();
    for (name, value) in settings.filter(|(name, _)| is_unlisted(name) || is_over(name)) {
        calls.set(name, value);
    }
    calls.statement()
}

const USER: &str = "session_authorization";
const ROLE: &str = "role";

/// Whether the server's list of settings may not have this one: who one is, and what clients have made up.
pub(crate) fn is_unlisted(name: &str) -> bool {
    name == ROLE || name == USER || name.contains('.')
}

/// A role comes last: it may not have the right to change what comes after it. It ends where the session's user changes.
#[derive(Default)]
struct Calls {
    others: String,
    user: String,
    role: String,
}

impl Calls {
    fn set(&mut self, name: &str, value: &str) {
        let sql = match name {
            ROLE => &mut self.role,
            USER => &mut self.user,
            _ => &mut self.others,
        };
        set_config(sql, name, Some(value));
    }

    fn statement(self) -> Option<String> {
        let mut calls = self.others + &self.user + &self.role;
        // The trailing comma of the last call.
        calls.pop()?;
        calls.insert_str(0, "SELECT ");
        Some(calls)
    }
}

/// Settings whose old value may have become impossible, since they name things that can be dropped. Nothing may run
/// before they are known to hold, least of all a role.
const DOUBTFUL: [&str; 6] = [
    ROLE,
    USER,
    "default_tablespace",
    "temp_tablespaces",
    "default_table_access_method",
    "default_text_search_config",
];

/// Whether going from one to the other may fail.
pub(crate) fn is_doubtful(have: &Settings, want: &Settings) -> bool {
    DOUBTFUL.iter().any(|name| have.get(name) != want.get(name))
}

/// What can only be asked for at start-up.
const UNSETTABLE: [&str; 2] = ["replication", "options"];

/// `set_config(name, NULL, false)` is RESET.
fn set_config(sql: &mut String, name: &str, value: Option<&str>) {
    sql.push_str("pg_catalog.set_config(");
    quote(sql, name);
    sql.push(',');
    match value {
        Some(value) => quote(sql, value),
        None => sql.push_str("NULL"),
    }
    sql.push_str(",false),");
}

/// An escape string means the same whatever `standard_conforming_strings` says.
pub(crate) fn quote(sql: &mut String, text: &str) {
    sql.push_str("E'");
    for letter in text.chars() {
        if matches!(letter, '\'' | '\\') {
            sql.push(letter);
        }
        let _ = sql.write_char(letter);
    }
    sql.push('\'');
}

fn canonical(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into_boxed_str()
}

fn hash_of(values: &BTreeMap<Box<str>, Box<str>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_settings_are_one() {
        let table = SettingsTable::default();
        let one = table.intern([("TimeZone", "UTC"), ("datestyle", "ISO")]);
        let other = table.intern([("DateStyle", "ISO"), ("timezone", "UTC")]);
        assert!(Rc::ptr_eq(&one, &other));
        let changed = table.with(&one, [("timezone", Some("CET"))]);
        assert!(!Rc::ptr_eq(&one, &changed));
        assert!(Rc::ptr_eq(&one, &table.with(&changed, [("TIMEZONE", Some("UTC"))])));
        assert_eq!(one.planning(), changed.planning());
        assert_ne!(
            one.planning(),
            table.with(&one, [("search_path", Some("x"))]).planning()
        );
    }

    fn check(
        have: &[(&str, &str)],
        want: &[(&str, &str)],
        started: &[(&str, &str)],
        expected: Result<Option<&str>, ()>,
    ) {
        let table = SettingsTable::default();
        let settings = |values: &[(&str, &str)]| table.intern(values.iter().copied());
        let default_of = |name: &str| (name == "timezone").then_some("Etc/UTC");
        let base = settings(&[("work_mem", "7MB"), ("role", "usual")]);
        let found = transition(
            &settings(have),
            &settings(want),
            &settings(started),
            Some(&base),
            default_of,
        );
        assert_eq!(found.as_ref().map(Option::as_deref), expected.as_ref().map(|e| *e));
    }

    #[test]
    fn transitions() {
        check(&[("a", "1")], &[("a", "1")], &[], Ok(None));
        check(
            &[("a", "1")],
            &[("role", "r"), ("x", "it's \\")],
            &[],
            Ok(Some(
                "SELECT pg_catalog.set_config(E'x',E'it''s \\\\',false),\
                 pg_catalog.set_config(E'a',NULL,false),\
                 pg_catalog.set_config(E'role',E'r',false)",
            )),
        );
        check(&[("a", "1")], &[], &[("a", "1")], Err(()));
        check(
            &[("timezone", "CET")],
            &[],
            &[("timezone", "CET")],
            Ok(Some("SELECT pg_catalog.set_config(E'timezone',E'Etc/UTC',false)")),
        );
        check(&[], &[("replication", "true")], &[], Err(()));
        // What every connection begins with is what one goes back to.
        check(
            &[("role", "other"), ("work_mem", "1MB"), ("x", "1")],
            &[],
            &[("work_mem", "2MB")],
            Ok(Some(
                "SELECT pg_catalog.set_config(E'work_mem',E'7MB',false),\
                 pg_catalog.set_config(E'x',NULL,false),\
                 pg_catalog.set_config(E'role',E'usual',false)",
            )),
        );
    }

    /// Behind a query that every connection begins with: the name that the client made up may have had another value.
    #[test]
    fn what_is_not_listed_is_not_reset() {
        check(&[("app.tenant", "42")], &[], &[], Err(()));
        check(
            &[("app.tenant", "42")],
            &[("app.tenant", "7")],
            &[],
            Ok(Some("SELECT pg_catalog.set_config(E'app.tenant',E'7',false)")),
        );
        let table = SettingsTable::default();
        let (have, none) = (table.intern([("app.tenant", "42")]), table.intern([]));
        let found = transition(&have, &none, &none, None, |_| None);
        assert_eq!(
            found,
            Ok(Some(
                "SELECT pg_catalog.set_config(E'app.tenant',NULL,false)".to_owned()
            ))
        );
    }

    /// To become another user ends the role, so that it is taken again.
    #[test]
    fn the_role_comes_behind_the_user() {
        let both = |role: &str| {
            format!(
                "SELECT pg_catalog.set_config(E'session_authorization',E'u',false),\
                 pg_catalog.set_config(E'role',E'{role}',false)"
            )
        };
        let user = ("session_authorization", "u");
        check(&[], &[user], &[], Ok(Some(&both("usual"))));
        check(&[], &[user, ("role", "r")], &[], Ok(Some(&both("r"))));
        check(&[("role", "r")], &[user, ("role", "r")], &[], Ok(Some(&both("r"))));
    }

    #[test]
    fn settings_are_made_again() {
        let settings = [("timezone", "CET"), ("x", "1")];
        let made = |over: &[&str]| restated(settings.into_iter(), |name| over.contains(&name));
        assert_eq!(made(&["y"]), None);
        let expected = "SELECT pg_catalog.set_config(E'timezone',E'CET',false)";
        assert_eq!(made(&["role", "timezone"]).as_deref(), Some(expected));
        // Nobody can say what was set over these.
        let made = restated([("role", "r"), ("app.x", "1"), ("x", "1")].into_iter(), |_| false);
        let expected = "SELECT pg_catalog.set_config(E'app.x',E'1',false),pg_catalog.set_config(E'role',E'r',false)";
        assert_eq!(made.as_deref(), Some(expected));
    }
}
