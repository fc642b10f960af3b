use std::collections::BTreeMap;

use tidegate_config::quoted;

use crate::access::Access;
use crate::clusters::Clusters;
use crate::files::Files;
use crate::out::Out;
use crate::place::{Notes, Place};
use crate::read::{Entry, Ini};
use crate::users;

/// A line of YAML and where it comes from.
type Line = (String, Option<Place>);

/// The keys that say how users are looked up, both of `[pgbouncer]` and of `[databases]`.
const KEYS: [&str; 3] = ["auth_user", "auth_query", "auth_dbname"];

/// Where users and their secrets come from.
pub(crate) struct Login {
    /// The `auth_file`.
    file: Option<(String, Place)>,
    /// What stands in it.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Whom users are asked of who do not stand in it.
    query: Vec<Line>,
    /// The same for entries of `[databases]` that say it by themselves, by their names.
    queries: BTreeMap<String, Vec<Line>>,
    /// The beginning of the file.
    pub(crate) top: Place,
}

impl Login {
    /// Reads the `auth_file`.
    pub(crate) fn read(ini: &Ini, top: Place, files: &mut Files<'_>, notes: &mut Notes) -> Self {
        let mut login = Self {
            file: None,
            secrets: BTreeMap::new(),
            query: Vec::new(),
            queries: BTreeMap::new(),
            top,
        };
        let main = &ini.main;
        let auth_type = main.word("auth_type");
        if let Some(place) = main.place("auth_type").filter(|_| ["pam", "ldap"].contains(&auth_type)) {
            let text = format!(
                "auth_type: there is no {auth_type} here: use `scram-sha-256` with an `auth_file` or an `auth_user`"
            );
            notes.wrong(place, text);
        }
        if let (Some(name), Some(place)) = (main.some_text("auth_file"), main.place("auth_file"))
            && let Some((file, text)) = files.named(&name, place, notes)
        {
            login.secrets = users::read(&file, &text, notes);
            login.file = Some((name, place.clone()));
        }
        let has_query =
            ini.entries().any(|entry| entry.settings.is_given("auth_user")) || main.some_text("auth_user").is_some();
        if main.some_text("auth_file").is_none() && !has_query && !["any", "pam", "ldap"].contains(&auth_type) {
            let place = main.place("auth_type").unwrap_or(&login.top).clone();
            notes.wrong(&place, "nobody could log in: `auth_file` or `auth_user` is needed");
        }
        login.forced(ini, notes);
        login
    }

    /// `any` takes no names, so that every database must have a user of its own.
    fn forced(&self, ini: &Ini, notes: &mut Notes) {
        if ini.main.word("auth_type") != "any" {
            return;
        }
        for entry in ini.entries().filter(|entry| !entry.settings.is_given("user")) {
            notes.wrong(&entry.name.place, "`auth_type = any` needs `user` in every database");
        }
    }

    /// Decides whom users are asked of who stand in no file: the database that the client wants, unless one is named.
    pub(crate) fn look_up(&mut self, ini: &Ini, clusters: &Clusters<'_>, notes: &mut Notes) {
        self.query = self.query(ini, None, clusters, notes);
        for entry in ini.entries() {
            if KEYS.iter().any(|key| entry.settings.is_given(key)) {
                let query = self.query(ini, Some(entry), clusters, notes);
                self.queries.insert(entry.name.value.clone(), query);
            }
        }
    }

    /// How users are looked up, for one entry or for all. What an entry does not say, `[pgbouncer]` does.
    fn query(&self, ini: &Ini, entry: Option<&Entry>, clusters: &Clusters<'_>, notes: &mut Notes) -> Vec<Line> {
        let of = |key: &str| {
            let own = entry
                .map(|entry| &entry.settings)
                .filter(|settings| settings.is_given(key));
            let settings = own.unwrap_or(&ini.main);
            (settings.text(key), settings.place(key))
        };
        let [(user, place), (statement, of_statement), (wanted, of_wanted)] = KEYS.map(of);
        let Some(place) = place.filter(|_| !user.is_empty()) else {
            if let Some(entry) = entry {
                let text = "auth_query and auth_dbname: they have no effect without `auth_user`, as in PgBouncer";
                notes.warn(&entry.name.place, text);
            }
            return Vec::new();
        };
        let mut lines = Vec::new();
        if let Some(of_wanted) = of_wanted.filter(|_| !wanted.is_empty()) {
            let named = ini.databases.iter().find(|entry| entry.name.value == wanted);
            let Some(target) = named.or(ini.fallback.as_ref()) else {
                let text = format!("auth_dbname: there is no database `{wanted}` in `[databases]`");
                notes.wrong(of_wanted, text);
                return Vec::new();
            };
            let cluster = format!("cluster: {}", quoted(clusters.name(target)));
            lines.push((cluster, Some(of_wanted.clone())));
            let database = format!("database: {}", quoted(&target.database(&wanted)));
            lines.push((database, Some(of_wanted.clone())));
        }
        lines.push((format!("user: {}", quoted(&user)), Some(place.clone())));
        match self.password(&user) {
            Ok(Some(password)) => lines.push((format!("password: {}", quoted(&password)), Some(place.clone()))),
            Ok(None) => {}
            Err(text) => notes.warn(place, format!("auth_user: {text}")),
        }
        lines.push((format!("statement: {}", quoted(&statement)), of_statement.cloned()));
        lines
    }

    /// The password of a user in the `auth_file`, with which the gateway can log in to a server.
    pub(crate) fn password(&self, user: &str) -> Result<Option<String>, String> {
        match self.secrets.get(user) {
            None => Ok(None),
            Some(secret) if secret.is_empty() => Ok(None),
            Some(secret) if secret.starts_with("SCRAM-SHA-256$") || is_md5(secret) => Err(format!(
                "the `auth_file` has only a hash of the password of `{user}`, with which the gateway cannot log in to a server"
            )),
            Some(secret) => Ok(Some(secret.clone())),
        }
    }

    /// Writes the login of a listener.
    pub(crate) fn write(&self, access: &Access, out: &mut Out) {
        out.line(2, "login:");
        access.write(out);
        if let Some((name, place)) = &self.file {
            out.from(3, format!("user_file: {}", quoted(name)), Some(place));
        }
        write_query(3, "query:", &self.query, out);
    }

    /// Writes how the users of an entry are looked up, where that is its own.
    pub(crate) fn write_own(&self, entry: &Entry, out: &mut Out) {
        let query = self.queries.get(&entry.name.value);
        write_query(2, "login_query:", query.map_or(&[], Vec::as_slice), out);
    }
}

fn write_query(depth: usize, key: &str, query: &[Line], out: &mut Out) {
    if !query.is_empty() {
        out.line(depth, key);
    }
    for (line, place) in query {
        out.also(depth + 1, line, place.as_ref());
    }
}

/// PostgreSQL's test for an MD5 hash (`get_password_type`).
fn is_md5(secret: &str) -> bool {
    let hash = secret.strip_prefix("md5").unwrap_or_default();
    hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}
