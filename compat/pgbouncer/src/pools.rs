use tidegate_config::quoted;

use crate::listeners::named;
use crate::out::Out;
use crate::place::{Notes, Place};
use crate::read::{Entry, Ini};
use crate::settings::Settings;
use crate::value::{SECOND, period};

/// Limits of time that a user may have of its own: our name, PgBouncer's, and whether it is that of the user at the server.
const TIMEOUTS: [(&str, &str, bool); 4] = [
    ("query", "query_timeout", true),
    ("transaction", "transaction_timeout", true),
    ("idle_in_transaction", "idle_transaction_timeout", true),
    ("client_idle", "client_idle_timeout", false),
];

/// The sizes of an entry's pools.
struct Sizes<'s> {
    main: &'s Settings,
    entry: &'s Entry,
    hosts: i64,
}

impl Sizes<'_> {
    /// Of one user's pools at one host.
    fn of(&self, user: Option<&Settings>) -> i64 {
        let own = user.and_then(|user| user.some_number("pool_size"));
        let size = own.or_else(|| self.entry.settings.some_number("pool_size"));
        self.each(size.unwrap_or_else(|| self.main.number("default_pool_size")))
    }

    /// The reserve of that.
    fn reserve(&self, user: Option<&Settings>) -> i64 {
        let of_user = user.and_then(|user| user.some_number("reserve_pool_size"));
        let own = ["reserve_pool_size", "reserve_pool"];
        let own = own.into_iter().find_map(|key| self.entry.settings.some_number(key));
        let reserve = of_user.or(own);
        let reserve = reserve.unwrap_or_else(|| self.main.number("reserve_pool_size"));
        self.each(reserve.max(0))
    }

    /// The part of each host.
    fn each(&self, all: i64) -> i64 {
        all.saturating_add(self.hosts - 1) / self.hosts
    }
}

/// Writes the pool of a cluster of so many hosts, and what differs for some users.
pub(crate) fn write(ini: &Ini, entry: &Entry, hosts: i64, out: &mut Out, notes: &mut Notes) {
    let (main, own, place) = (&ini.main, &entry.settings, &entry.name.place);
    let forced = forced(ini, entry);
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
    out.line(2, "pool:");
    out.from(
        3,
        format!("mode: {}", mode.unwrap_or("session")),
        main.place("pool_mode"),
    );
    out.from(3, format!("size: {size}"), main.place("default_pool_size"));
    let reserve = sizes.reserve(forced);
    if reserve > 0 {
        let place = main.place("reserve_pool_size");
        out.from(3, format!("reserve_size: {reserve}"), place);
    }
    let has_reserve = reserve > 0 || ini.users.iter().any(|user| sizes.reserve(Some(&user.settings)) > 0);
    if has_reserve {
        let after = period(main.time("reserve_pool_timeout"));
        out.from(3, format!("reserve_after: {after}"), main.place("reserve_pool_timeout"));
    }
    let least = sizes.each(of_entry(entry, main, "min_pool_size"));
    if least > 0 {
        out.from(3, format!("min_size: {}", least.min(size)), main.place("min_pool_size"));
    }
    let most = of_entry(entry, main, "max_db_connections");
    if most > 0 {
        let place = main.place("max_db_connections");
        out.from(3, format!("max_per_database: {most}"), place);
    }
    waits(main, entry, hosts, out, notes);
    lives(main, own, out);
    if let Some(query) = own.some_text("connect_query") {
        out.from(3, format!("connect_query: {}", quoted(&query)), Some(place));
    }
    reset(main, out);
    if main.number("max_prepared_statements") == 0 {
        let place = main.place("max_prepared_statements");
        out.from(3, "prepared_statements: 0B", place);
    }
    if !own.is_given("user") {
        users(ini, &sizes, (size, reserve), out, notes);
    }
}

/// The settings of the user that all are at the server, where the entry has one: its pool is that user's.
fn forced<'i>(ini: &'i Ini, entry: &Entry) -> Option<&'i Settings> {
    let name = entry.settings.some_text("user")?;
    let user = ini.users.iter().find(|known| known.name.value == name)?;
    Some(&user.settings)
}

/// A number of an entry, or of all; 0 where there is none.
fn of_entry(entry: &Entry, main: &Settings, key: &str) -> i64 {
    let own = entry.settings.some_number(key);
    own.unwrap_or_else(|| main.number(key)).max(0)
}

/// How long clients wait.
fn waits(main: &Settings, entry: &Entry, hosts: i64, out: &mut Out, notes: &mut Notes) {
    let wait = match entry.settings.some_number("query_wait_timeout") {
        Some(seconds) => period(seconds.unsigned_abs().saturating_mul(SECOND)),
        None => period(main.time("query_wait_timeout")),
    };
    out.from(3, format!("queue_timeout: {wait}"), main.place("query_wait_timeout"));
    let notice = main.number("query_wait_notify");
    if notice > 0 {
        let place = main.place("query_wait_notify");
        out.from(3, format!("queue_notice: {notice}s"), place);
    }
    if hosts == 1 {
        // At once there, and never here.
        let again = period(main.time("server_login_retry").max(1000));
        out.from(3, format!("retry_after: {again}"), main.place("server_login_retry"));
    } else if let Some(place) = main.place("server_login_retry") {
        let name = &entry.name.value;
        let text = format!(
            "server_login_retry: `{name}` has several hosts: who waits for one that cannot be reached is told so, and the next one gets another"
        );
        notes.warn(place, text);
    }
}

/// How long connections live.
fn lives(main: &Settings, own: &Settings, out: &mut Out) {
    let life = match own.some_number("server_lifetime").filter(|seconds| *seconds > 0) {
        Some(seconds) => seconds.unsigned_abs().saturating_mul(SECOND),
        // "Once" there, and "for ever" here.
        None => main.time("server_lifetime").max(1000),
    };
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
}

fn reset(main: &Settings, out: &mut Out) {
    if main.is_given("server_reset_query") {
        let query = quoted(&main.text("server_reset_query"));
        out.from(3, format!("reset_query: {query}"), main.place("server_reset_query"));
    }
}

/// Writes the limits of time of a cluster, which are those of its user where it has one.
pub(crate) fn timeouts(ini: &Ini, entry: &Entry, out: &mut Out) {
    let forced = forced(ini, entry);
    let of = |(ours, key, is_servers): (&str, &'static str, bool)| {
        let own = forced.filter(|_| is_servers).and_then(|user| seconds(user, key));
        let micros = own.unwrap_or_else(|| ini.main.time(key));
        let line = (micros > 0).then(|| format!("{ours}: {}", period(micros)))?;
        Some((line, ini.main.place(key)))
    };
    let lines: Vec<_> = TIMEOUTS.into_iter().filter_map(of).collect();
    if !lines.is_empty() {
        out.line(2, "timeouts:");
    }
    for (line, place) in lines {
        out.from(3, line, place);
    }
}

/// A time of a user's own, in microseconds; 0 stands for "not set".
fn seconds(user: &Settings, key: &str) -> Option<u64> {
    let seconds = user.some_number(key).filter(|seconds| *seconds > 0)?;
    Some(seconds.unsigned_abs().saturating_mul(SECOND))
}

/// What differs for some users.
fn users(ini: &Ini, sizes: &Sizes<'_>, (usual, reserve): (i64, i64), out: &mut Out, notes: &mut Notes) {
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
        let own = sizes.reserve(Some(&user.settings));
        if own != reserve {
            parts.push(format!("reserve_size: {own}"));
        }
        if let Some(seconds) = user.settings.some_number("query_wait_timeout") {
            let wait = period(seconds.unsigned_abs().saturating_mul(SECOND));
            parts.push(format!("queue_timeout: {wait}"));
        }
        let timeouts = TIMEOUTS.into_iter().filter_map(|(ours, key, _)| {
            let micros = seconds(&user.settings, key)?;
            Some(format!("{ours}: {}", period(micros)))
        });
        let timeouts: Vec<_> = timeouts.collect();
        if !timeouts.is_empty() {
            parts.push(format!("timeouts: {{ {} }}", timeouts.join(", ")));
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

/// Tells of what a user has of its own by the name that it comes by, where entries have one user for all.
pub(crate) fn tell_of_forced(ini: &Ini, notes: &mut Notes) {
    if !ini.entries().any(|entry| entry.settings.is_given("user")) {
        return;
    }
    for user in &ini.users {
        for key in ["query_wait_timeout", "client_idle_timeout"] {
            if user.settings.is_given(key) {
                let text = format!("{key}: in databases with `user` all clients have that of the database");
                notes.warn(&user.name.place, text);
            }
        }
    }
}
