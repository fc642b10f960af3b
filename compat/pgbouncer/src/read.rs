use crate::files::Files;
use crate::ini::{self, Item};
use crate::keys::{DATABASES, PEERS, PGBOUNCER, USERS};
use crate::place::{At, Notes, Place};
use crate::settings::Settings;
use crate::value::is_reserved;

/// Everything that `pgbouncer.ini` says.
pub(crate) struct Ini {
    /// The section `[pgbouncer]`.
    pub(crate) main: Settings,
    /// In the order of the file, without `*`.
    pub(crate) databases: Vec<Entry>,
    /// `*`: what holds for all other databases.
    pub(crate) fallback: Option<Entry>,
    pub(crate) users: Vec<Entry>,
    pub(crate) peers: Vec<Entry>,
}

/// A name with settings of its own.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: At<String>,
    pub(crate) settings: Settings,
}

impl Ini {
    /// Reads a file and what it includes. None when it is none of PgBouncer's.
    pub(crate) fn read(name: &str, files: &mut Files<'_>, notes: &mut Notes) -> Self {
        let mut ini = Self {
            main: Settings::new(PGBOUNCER),
            databases: Vec::new(),
            fallback: None,
            users: Vec::new(),
            peers: Vec::new(),
        };
        let items = ini::read(name, files, notes);
        let mut section: Option<String> = None;
        let mut main: Option<Place> = None;
        for item in items {
            match item {
                Item::Section(At { value, place }) => {
                    if value == "pgbouncer" {
                        ini.begin_main(main.as_ref(), &place, notes);
                        main = Some(place.clone());
                    } else if !["databases", "users", "peers"].contains(&value.as_str()) {
                        notes.wrong(&place, format!("`[{value}]` is no section of PgBouncer"));
                    }
                    section = Some(value);
                }
                Item::Pair { key, value } => match section.as_deref() {
                    Some("pgbouncer") => ini.main.take(&key.value, &value, &key.place, notes),
                    Some("databases") => ini.database(key, &value, notes),
                    Some("users") => set(&mut ini.users, entry(key, &value, USERS, notes)),
                    Some("peers") => ini.peer(key, &value, notes),
                    Some(_) => {}
                    None => notes.wrong(&key.place, "a section is expected first, as `[pgbouncer]`"),
                },
            }
        }
        if main.is_none() && notes.mistakes.is_empty() {
            notes.wrong(&Place::new(&name.into(), 1, 1), "the section `[pgbouncer]` is missing");
        }
        ini
    }

    /// All entries of `[databases]`, the fallback last, as it is asked last.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.databases.iter().chain(&self.fallback)
    }

    /// PgBouncer takes all defaults anew where this section begins a second time (`cfparser.c`, `fill_defaults`).
    fn begin_main(&mut self, before: Option<&Place>, place: &Place, notes: &mut Notes) {
        let Some(before) = before else { return };
        self.main = Settings::new(PGBOUNCER);
        let text =
            format!("[pgbouncer] a second time: what the section at {before} says has no effect, as in PgBouncer");
        notes.warn(place, text);
    }

    fn database(&mut self, name: At<String>, text: &str, notes: &mut Notes) {
        if is_reserved(&name.value) {
            return notes.wrong(
                &name.place,
                format!("`{}` is a reserved name, and no database", name.value),
            );
        }
        let entry = entry(name, text, DATABASES, notes);
        if entry.name.value == "*" {
            self.fallback = Some(entry);
        } else {
            set(&mut self.databases, entry);
        }
    }

    fn peer(&mut self, mut name: At<String>, text: &str, notes: &mut Notes) {
        match name.value.parse::<u16>() {
            // As it is, however it is written.
            Ok(number) if number > 0 => name.value = number.to_string(),
            _ => {
                let message = format!("`{}`: the number of a peer is expected, from 1 to 65535", name.value);
                notes.wrong(&name.place, message);
            }
        }
        let entry = entry(name, text, PEERS, notes);
        if !entry.settings.is_given("host") {
            return notes.wrong(&entry.name.place, "`host` is missing: where the peer is");
        }
        set(&mut self.peers, entry);
    }
}

fn entry(name: At<String>, text: &str, keys: &'static [crate::keys::Key], notes: &mut Notes) -> Entry {
    let settings = Settings::of_pairs(keys, text, &name.place, notes);
    Entry { name, settings }
}

/// The last entry of a name counts.
fn set(entries: &mut Vec<Entry>, entry: Entry) {
    match entries.iter_mut().find(|known| known.name.value == entry.name.value) {
        Some(known) => *known = entry,
        None => entries.push(entry),
    }
}
