//! PgBouncer's log: its lines, and its phrases for what the gateway tells of connections, so that rules which look for them
//! go on finding them. What PgBouncer has no phrase for is told in the gateway's own words.

use std::fmt::Write as _;
use std::time::SystemTime;

/// Something that is logged.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// When.
    pub at: SystemTime,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: &'e str,
    /// Its name, for those that have one.
    pub name: &'e str,
    /// What is said.
    pub message: &'e str,
    /// What is said of it.
    pub fields: &'e [(&'e str, String)],
}

/// The lines that an event becomes, each with its end; `process` is the number of the process.
pub fn lines(event: &Event<'_>, process: u32) -> String {
    let phrases = phrases(event).unwrap_or_else(|| vec![(level(event.level), plain(event))]);
    let at = humantime::format_rfc3339_millis(event.at).to_string();
    let at = at.replace('T', " ").replace('Z', " UTC");
    let mut out = String::new();
    for (level, text) in phrases {
        let text: String = text
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        let _ = writeln!(out, "{at} [{process}] {level} {text}");
    }
    out
}

/// A level, and what is said at it.
type Phrase = (&'static str, String);

fn phrases(event: &Event<'_>) -> Option<Vec<Phrase>> {
    let field = |name: &str| event.field(name);
    Some(match event.name {
        "client asks" => {
            let tls = if field("tls") == "true" { "TLS" } else { "no" };
            let (database, user) = (field("database"), field("user"));
            let text = format!("login attempt: db={database} user={user} tls={tls}");
            vec![log(event.client(&text))]
        }
        "client ended" => {
            let reason = client_reason(event);
            let closing = format!("closing because: {reason} (age={}s)", field("age"));
            let failed = format!("login failed: db={} user={}", field("database"), field("user"));
            let is_unknown = reason.starts_with(NO_DATABASE);
            let failed = is_unknown.then(|| log(event.client(&failed)));
            failed.into_iter().chain([log(event.client(&closing))]).collect()
        }
        "client refused" => vec![(
            "WARNING",
            event.client(&format!("pooler error: {}", client_reason(event))),
        )],
        "login failed" => {
            let proof = (field("proof") == "scram").then(|| ("ERROR", event.client("password authentication failed")));
            // PgBouncer does not say by which line of the HBA file. Why is told when its client is closed.
            let is_named = !["", "login.method"].contains(&field("rule"));
            let rule = is_named.then(|| log(event.client(&format!("login refused: rule={}", field("rule")))));
            proof.into_iter().chain(rule).collect()
        }
        "server opened" => vec![log(event.server("new connection to server"))],
        "server ended" => {
            let closing = format!("closing because: {} (age={}s)", server_reason(event), field("age"));
            vec![log(event.server(&closing))]
        }
        "server not opened" if field("refused") == "true" => vec![
            ("WARNING", format!("server login failed: FATAL {}", field("error"))),
            log(event.server("closing because: login failed (age=0s)")),
        ],
        "server not opened" => vec![
            log(event.server("closing because: connect failed (age=0s)")),
            ("WARNING", plain(event)),
        ],
        "signal" => vec![log(signal(field("signal"), field("meaning")))],
        "started" => vec![log(format!("process up: {}", event.message))],
        "stats" => vec![log(stats(event))],
        _ if event.message == "listening" => vec![log(format!("listening on {}", field("address")))],
        _ => return None,
    })
}

const NO_DATABASE: &str = "no such database: ";

/// Why a client is closed, or what it is told.
fn client_reason(event: &Event<'_>) -> String {
    let (reason, code) = (event.field("reason"), event.field("code"));
    let known = match (code, reason) {
        (_, "the client has said goodbye") => "client close request",
        (_, "the client has left") => "client unexpected eof",
        ("57P05", _) => "client_idle_timeout",
        ("25P03", _) => "idle transaction timeout",
        ("25P04", _) => "transaction timeout",
        (_, text) if text.starts_with("no server connection became free in time") => "query_wait_timeout",
        (_, text) if text.starts_with("the query was cancelled (query timeout)") => "query timeout",
        (_, "the connection to the server was lost") => "server conn crashed?",
        (_, "terminating connection due to administrator command") => "admin forced disconnect",
        (_, text) if text.starts_with("password authentication failed") => match event.field("proof") {
            "scram" => "SASL authentication failed",
            _ => "password authentication failed",
        },
        (_, text) if text.starts_with("sorry, too many clients already") => {
            "no more connections allowed (max_client_conn)"
        }
        ("3D000", _) => return format!("{NO_DATABASE}{}", event.field("database")),
        _ => reason,
    };
    known.to_owned()
}

fn server_reason<'e>(event: &'e Event<'e>) -> &'e str {
    match event.field("reason") {
        "its lifetime is over" => "server lifetime over",
        "it was idle for too long" => "server idle timeout",
        "it is paused" => "pause mode",
        "it is made anew" => "database configuration changed",
        "the connection was lost" => "server conn crashed?",
        "its client left it at work" => "client disconnect while server was not ready",
        other => other,
    }
}

fn signal(signal: &str, meaning: &str) -> String {
    let what = match meaning {
        "reload" => "re-reading config",
        "pause" => "pausing all activity",
        "resume" => "continuing from PAUSE",
        "wait_for_clients" => "shutting down, waiting for all clients disconnect",
        "wait_for_servers" => "shutting down, waiting for all servers connections to be released",
        "again" => return format!("got {signal} while shutting down, fast exit"),
        _ => "fast exit",
    };
    format!("got {signal}, {what}")
}

fn stats(event: &Event<'_>) -> String {
    let parts = [
        ("", "transactions", "xacts/s"),
        ("", "queries", "queries/s"),
        ("", "client_parses", "client parses/s"),
        ("", "server_parses", "server parses/s"),
        ("", "binds", "binds/s"),
        ("in ", "received", "B/s"),
        ("out ", "sent", "B/s"),
        ("xact ", "transaction_us", "us"),
        ("query ", "query_us", "us"),
        ("wait ", "wait_us", "us"),
    ];
    let part = |(before, name, unit): (&str, &str, &str)| {
        let number = Some(event.field(name))
            .filter(|number| !number.is_empty())
            .unwrap_or("0");
        format!("{before}{number} {unit}")
    };
    format!("stats: {}", parts.map(part).join(", "))
}

fn log(text: String) -> Phrase {
    ("LOG", text)
}

fn level(level: &str) -> &'static str {
    match level {
        "ERROR" => "ERROR",
        "WARN" => "WARNING",
        "DEBUG" => "DEBUG",
        "TRACE" => "NOISE",
        _ => "LOG",
    }
}

/// The gateway's own words.
fn plain(event: &Event<'_>) -> String {
    event
        .fields
        .iter()
        .fold(event.message.to_owned(), |mut text, (name, value)| {
            let _ = write!(text, " {name}={value}");
            text
        })
}

impl Event<'_> {
    fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    fn client(&self, text: &str) -> String {
        let peer = self.field("peer");
        format!(
            "C-{}: {}/{}@{} {text}",
            mark(peer),
            self.database(),
            self.field("user"),
            short(peer)
        )
    }

    fn server(&self, text: &str) -> String {
        let server = self.field("server");
        let server = if server.is_empty() {
            self.field("endpoint")
        } else {
            server
        };
        format!(
            "S-{}: {}/{}@{} {text}",
            mark(server),
            self.database(),
            self.field("user"),
            short(server)
        )
    }

    /// The name that clients ask for: that of the cluster, which the importer names so, but for the one for all others.
    fn database(&self) -> &str {
        match self.field("cluster") {
            "" | "fallback" => self.field("database"),
            cluster => cluster,
        }
    }
}

/// What stands in the place of an address in PgBouncer's memory: the same for a connection from its beginning to its end.
pub(crate) fn mark(address: &str) -> String {
    // FNV-1a: a few bits of it suffice.
    let hash = address.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("0x{:012x}", hash >> 16)
}

/// An address; of a Unix socket only that it is one.
fn short(address: &str) -> &str {
    if address.starts_with("unix") { "unix" } else { address }
}

#[cfg(test)]
mod tests;
