use tidegate_config::quoted;

use crate::listeners::named;
use crate::out::Out;
use crate::place::{Notes, Place};
use crate::read::{Entry, Ini};
use crate::settings::Settings;
use crate::value::{SECOND, period};

/// The sizes of an entry's pools.
struct Sizes<'s> {
    main: &'s Settings,
    entry: &'s Entry,
    hosts: i64,
}

impl Sizes<'_> {
    /// Of one user's pools at one host: no larger than any limit that stands over them.
    fn of(&self, user: Option<&Settings>) -> i64 {
        let own = user.and_then(|user| user.some_number("pool_size"));
        let size = own.or_else(|| self.entry.settings.some_number("pool_size"));
        let size = size.unwrap_or_else(|| self.main.number("default_pool_size"));
        let of_database = self.entry.settings.some_number("max_db_connections");
        let of_user = user.and_then(|user| user.some_number("max_user_connections"));
        let limits = [
            of_database.unwrap_or_else(|| self.main.number("max_db_connections")),
            of_user.unwrap_or_else(|| self.main.number("max_user_connections")),
        ];
        let least = limits.into_iter().filter(|limit| *limit > 0).fold(size, i64::min);
        self.each(least)
    }

    /// The part of each host.
    fn each(&self, all: i64) -> i64 {
        all.saturating_add(self.hosts - 1) / self.hosts
    }
}

/// Writes the pool of a cluster of so many hosts, and what differs for some users.
pub(crate) fn write(ini: &Ini, entry: &Entry, hosts: i64, out: &mut Out, notes: &mut Notes) {
    let (main, own, place) = (&ini.main, &entry.settings, &entry.name.place);
    // The pool of an entry with a user of its own is that user's.
    let forced = own
        .some_text("user")
        .and_then(|user| ini.users.iter().find(|known| known.name.value == user));
    let forced = forced.map(|user| &user.settings);
    let sizes = Sizes { main, entry, hosts };
    if hosts > 1 {
        let text =
            format!("host: a pool is of one server, so that each of the {hosts} hosts gets its part of the size");
        notes.warn(place, text);
    }
    let modes = forced.into_iter().chain([own, main]);
    let mode = modes
        .map(|settings| settings.word("pool_mode"))
        .find(|mode| !mode.is_empty());
    let size = sizes.of(forced);
    if size < 1 {
        notes.wrong(place, "the size of its pool is not above 0, and nobody would be served");
    }
    let least = own
        .some_number("min_pool_size")
        .unwrap_or_else(|| main.number("min_pool_size"));
    let least = sizes.each(least.max(0)).min(size);
    let wait = match own.some_number("query_wait_timeout") {
        Some(seconds) => period(seconds.unsigned_abs().saturating_mul(SECOND)),
        None => period(main.time("query_wait_timeout")),
    };
    let life = match own.some_number("server_lifetime").filter(|seconds| *seconds > 0) {
        Some(seconds) => seconds.unsigned_abs().saturating_mul(SECOND),
        // "Once" there, and "for ever" here.
        None => main.time("server_lifetime").max(1000),
    };
    out.line(2, "pool:");
    out.from(
        3,
        format!("mode: {}", mode.unwrap_or("session")),
        main.place("pool_mode"),
    );
    out.from(3, format!("size: {size}"), main.place("default_pool_size"));
    if least > 0 {
        out.from(3, format!("min_idle: {least}"), main.place("min_pool_size"));
    }
    out.from(3, format!("queue_timeout: {wait}"), main.place("query_wait_timeout"));
    let idle = period(main.time("server_idle_timeout"));
    out.from(3, format!("idle_timeout: {idle}"), main.place("server_idle_timeout"));
    out.from(
        3,
        format!("max_lifetime: {}", period(life)),
        main.place("server_lifetime"),
    );
    if main.number("server_round_robin") != 0 {
        out.from(3, "order: fifo", main.place("server_round_robin"));
    }
    let notice = main.number("query_wait_notify");
    if notice > 0 {
        let place = main.place("query_wait_notify");
        out.from(3, format!("queue_notice: {notice}s"), place);
    }
    if let Some(query) = own.some_text("connect_query") {
        out.from(3, format!("connect_query: {}", quoted(&query)), Some(place));
    }
    reset(main, out);
    if main.number("max_prepared_statements") == 0 {
        let place = main.place("max_prepared_statements");
        out.from(3, "prepared_statements: 0B", place);
    }
    if forced.is_none() && !own.is_given("user") {
        users(ini, &sizes, size, out, notes);
    }
}

fn reset(main: &Settings, out: &mut Out) {
    if main.is_given("server_reset_query") {
        let query = quoted(&main.text("server_reset_query"));
        out.from(3, format!("reset_query: {query}"), main.place("server_reset_query"));
    }
}

/// What differs for some users.
fn users(ini: &Ini, sizes: &Sizes<'_>, usual: i64, out: &mut Out, notes: &mut Notes) {
    let mut lines: Vec<(String, &Place)> = Vec::new();
    for user in &ini.users {
        let mut parts = Vec::new();
        if user.settings.is_given("pool_mode") {
            parts.push(format!("mode: {}", user.settings.word("pool_mode")));
        }
        let size = sizes.of(Some(&user.settings));
        if size < 1 {
            notes.wrong(
                &user.name.place,
                "the size of its pools is not above 0, and it would not be served",
            );
        } else if size != usual {
            parts.push(format!("size: {size}"));
        }
        if !parts.is_empty() {
            let rest = format!("{{ {} }}", parts.join(", "));
            lines.push((named(&user.name.value, &rest), &user.name.place));
        }
    }
    if !lines.is_empty() {
        out.line(2, "users:");
    }
    for (line, place) in lines {
        out.from(3, line, Some(place));
    }
}
