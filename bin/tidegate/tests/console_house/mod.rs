//! A gateway with a console.
#![allow(dead_code)] // a module of several test binaries; each uses its part

use std::collections::BTreeMap;

use tidegate_kit::{Frame, Gateway, Mode, Postgres, RawClient, Settings, Target};

pub(crate) const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
pub(crate) const CONSOLE: &str = "console: { admin_users: [ops], stats_users: [watcher] }";

/// A gateway with a console, and the PostgreSQL behind it.
pub(crate) struct House {
    pub(crate) postgres: Postgres,
    pub(crate) settings: Settings,
    pub(crate) gateway: Gateway,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|settings| settings)
    }

    pub(crate) fn with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let postgres = Postgres::start();
        let settings = Settings::new(&postgres, Mode::Transaction)
            .user("ops", "ops-secret")
            .user("watcher", "watcher-secret")
            .user("stranger", "stranger-secret")
            .listener(CONSOLE);
        let settings = change(settings);
        let gateway = settings.start(TIDEGATE);
        Self {
            postgres,
            settings,
            gateway,
        }
    }

    pub(crate) fn target(&self, user: &str) -> Target {
        let password = format!("{user}-secret");
        self.settings
            .target()
            .with_user(user, &password)
            .with_database("pgbouncer")
    }

    pub(crate) fn console(&self) -> RawClient {
        RawClient::connect(&self.target("ops"))
    }
}

/// The rows of a table, as maps from column to value.
pub(crate) fn show(console: &mut RawClient, table: &str) -> Vec<BTreeMap<String, String>> {
    let reply = console.query(&format!("SHOW {table}"));
    assert_eq!(reply.sqlstate(), "", "{reply:?}");
    let names = columns(&reply.frames[0]);
    let names: Vec<_> = names.split(' ').filter_map(|column| column.split(':').next()).collect();
    let row = |values: Vec<String>| names.iter().map(|name| (*name).to_owned()).zip(values).collect();
    reply.rows().into_iter().map(row).collect()
}

/// The one row of a table for which `column` is `value`.
#[track_caller]
pub(crate) fn row(console: &mut RawClient, table: &str, column: &str, value: &str) -> BTreeMap<String, String> {
    let rows = show(console, table);
    let mut found: Vec<_> = rows.iter().filter(|row| row[column] == value).cloned().collect();
    assert_eq!(found.len(), 1, "{table} where {column} = {value}: {rows:?}");
    found.remove(0)
}

#[track_caller]
pub(crate) fn holds(row: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    for (column, value) in expected {
        assert_eq!(row[*column], *value, "{column} of {row:?}");
    }
}

/// Name and type of each column of a `RowDescription`, and that their sizes are those of the types.
pub(crate) fn columns(frame: &Frame) -> String {
    let mut rest = frame.body.get(2..).expect("a count");
    let mut columns = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        let fixed = &rest[end + 1..end + 19];
        let kind = u32::from_be_bytes(fixed[6..10].try_into().expect("four bytes"));
        let size = i16::from_be_bytes(fixed[10..12].try_into().expect("two bytes"));
        let kind = match (kind, size) {
            (25, -1) => "text",
            (23, 4) => "int4",
            (20, 8) => "int8",
            (1700, -1) => "numeric",
            (17, -1) => "bytea",
            other => panic!("{name} is of type and size {other:?}"),
        };
        columns.push(format!("{name}:{kind}"));
        rest = &rest[end + 19..];
    }
    columns.join(" ")
}
