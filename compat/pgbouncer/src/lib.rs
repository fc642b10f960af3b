//! PgBouncer's files and its console, in Tidegate's terms. Its [`console`] answers over a listener of the gateway.
//!
//! PgBouncer's files (`pgbouncer.ini`, `userlist.txt`, an HBA file, an identity map) turned into a configuration of
//! Tidegate. Text in, text out: whoever calls reads the files.
//!
//! Every key is honoured, or a warning says what becomes of it. What PgBouncer would not start with is a mistake here
//! too, and all mistakes are told at once. References of the form `loader.c` are to the sources of PgBouncer 1.25, and
//! `cfparser.c` to those of libusual, which reads its ini file.

mod access;
mod address;
mod clusters;
mod connection;
pub mod console;
mod files;
mod hba;
mod ident;
mod ini;
mod keys;
mod limits;
mod listeners;
mod login;
mod network;
mod out;
mod peers;
pub mod phrases;
mod place;
mod pools;
mod read;
mod routes;
mod settings;
mod tokens;
mod transport;
mod users;
mod value;

use tidegate_config::{Mistake, quoted};

use clusters::Clusters;
use console::Setting;
use files::Files;
use login::Login;
use out::{Out, last};
use place::Notes;
use read::Ini;
use value::period;

pub use files::Read;
pub use keys::{Fate, Key, SECTIONS, Section, settable, table};
pub use place::{Place, Warning};
pub use value::Kind;

/// The highest number that a gateway can have.
const MOST_NODE: i64 = 63;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Tidegate's configuration, YAML.
    pub yaml: String,
    /// What is otherwise than it was, in the order of the files. The same stands in comments.
    pub warnings: Vec<Warning>,
    /// Every file that was read, the first included.
    pub files: Vec<String>,
    /// Every key of `[pgbouncer]`, as the console shows it.
    pub settings: Vec<Setting>,
    places: Vec<Option<Place>>,
}

impl Imported {
    /// Where a line of the YAML, counted from 1, comes from.
    pub fn place(&self, line: usize) -> Option<&Place> {
        self.places.get(line.checked_sub(1)?)?.as_ref()
    }
}

/// What is wrong, and the files that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Every mistake.
    pub mistakes: Vec<Mistake>,
    /// Every file that was read, or was to be.
    pub files: Vec<String>,
}

/// Turns PgBouncer's configuration into Tidegate's. `name` is its `pgbouncer.ini`; `read` reads that and the files that
/// it names, whose relative names are as they stand there. Reports every mistake.
pub fn import(name: &str, read: &Read<'_>) -> Result<Imported, Refused> {
    import_with(name, &[], read)
}

/// The same, with keys of `[pgbouncer]` that have other values than the file gives them, as the console's `SET` does it.
/// The origin of a mistake about one is `SET` and its name.
pub fn import_with(name: &str, sets: &[(String, String)], read: &Read<'_>) -> Result<Imported, Refused> {
    let mut files = Files::new(read);
    let mut notes = Notes::default();
    let mut ini = Ini::read(name, &mut files, &mut notes);
    for (key, value) in sets {
        let place = Place::new(&format!("SET {key}").into(), 1, 1);
        ini.main.take(key, value, &place, &mut notes);
    }
    let title = format!("Made from {}, a configuration of PgBouncer.", last(name));
    let out = configuration(name, &ini, &mut files, &mut notes);
    if !notes.mistakes.is_empty() {
        notes.mistakes.sort();
        notes.mistakes.dedup();
        return Err(Refused {
            mistakes: notes.mistakes,
            files: files.names,
        });
    }
    let order = |place: &Place| (files.names.iter().position(|name| **name == *place.file), place.span);
    notes.warnings.sort_by_key(|warning| order(&warning.place));
    let (yaml, places) = out.finish(&title, &notes.warnings);
    Ok(Imported {
        yaml,
        warnings: notes.warnings,
        files: files.names,
        settings: shown(name, &ini),
        places,
    })
}

/// Every key of `[pgbouncer]` with its value, in the order of their names.
fn shown(name: &str, ini: &Ini) -> Vec<Setting> {
    let setting = |key: &Key| Setting {
        path: key.name.to_owned(),
        value: match key.name {
            "conffile" => name.to_owned(),
            key => ini.main.shown(key),
        },
        default: Some(key.default.to_owned()),
        is_changeable: keys::is_changeable(key.name),
    };
    let mut settings: Vec<_> = keys::PGBOUNCER.iter().map(setting).collect();
    settings.sort_by(|one, other| one.path.cmp(&other.path));
    settings
}

fn configuration(name: &str, ini: &Ini, files: &mut Files<'_>, notes: &mut Notes) -> Out {
    let mut out = Out::default();
    let top = Place::new(&name.into(), 1, 1);
    if !notes.mistakes.is_empty() && ini.entries().next().is_none() {
        // Nothing was understood; what follows from that is not told.
        return out;
    }
    log(ini, &mut out);
    runtime(ini, &mut out);
    peers::write(ini, &mut out, notes);
    let mut login = Login::read(ini, top, files, notes);
    let clusters = Clusters::new(ini);
    login.look_up(ini, &clusters, notes);
    limits::write(ini, &mut out, notes);
    listeners::write(ini, &clusters, &login, files, &mut out, notes);
    clusters.write(&login, &mut out, notes);
    out
}

/// What the gateway tells of connections, and the keys that say whether.
const TOLD: [(&str, &str); 3] = [
    ("log_connections", "tidegate_postgres::told::opened"),
    ("log_disconnections", "tidegate_postgres::told::closed"),
    ("log_pooler_errors", "tidegate_postgres::told::refused"),
];

fn log(ini: &Ini, out: &mut Out) {
    let verbose = ini.main.number("verbose");
    let level = match verbose {
        ..=0 => "info",
        1 => "debug",
        _ => "trace",
    };
    let is_told = |(key, _): &&(&str, &str)| ini.main.number(key) != 0;
    let told: Vec<_> = TOLD.iter().filter(is_told).collect();
    let mut levels = vec![level.to_owned()];
    if told.len() == TOLD.len() {
        levels.push("tidegate_postgres::told=debug".to_owned());
    } else {
        let level_of = |told: &(&str, &str)| if is_told(&told) { "debug" } else { "off" };
        levels.extend(TOLD.iter().map(|told| format!("{}={}", told.1, level_of(told))));
    }
    out.line(0, "log:");
    out.from(
        1,
        format!("level: {}", quoted(&levels.join(","))),
        ini.main.place("verbose"),
    );
    if let Some(file) = ini.main.some_text("logfile") {
        out.from(1, format!("output: {}", quoted(&file)), ini.main.place("logfile"));
    }
    if ini.main.number("log_stats") != 0 {
        let seconds = u64::try_from(ini.main.number("stats_period")).unwrap_or(0);
        out.from(
            1,
            format!("stats: {}", period(seconds * value::SECOND)),
            ini.main.place("stats_period"),
        );
    }
}

fn runtime(ini: &Ini, out: &mut Out) {
    let file = ini.main.some_text("pidfile");
    let timeout = ini.main.place("suspend_timeout");
    if file.is_none() && timeout.is_none() {
        return;
    }
    out.line(0, "runtime:");
    if let Some(file) = file {
        out.from(1, format!("pid_file: {}", quoted(&file)), ini.main.place("pidfile"));
    }
    if let Some(place) = timeout {
        let timeout = period(ini.main.time("suspend_timeout"));
        out.from(1, format!("suspend_timeout: {timeout}"), Some(place));
    }
}
