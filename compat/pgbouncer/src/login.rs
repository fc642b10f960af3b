use std::collections::BTreeMap;

use tidegate_config::quoted;

use crate::access::Access;
use crate::clusters::Clusters;
use crate::files::Files;
use crate::listeners::named;
use crate::out::Out;
use crate::place::{Notes, Place};
use crate::read::{Entry, Ini};
use crate::users;

/// Where users and their secrets come from.
pub(crate) struct Login {
    /// The `auth_file`.
    file: Option<(String, Place)>,
    /// What stands in it.
    pub(crate) secrets: BTreeMap<String, String>,
    query: Vec<(String, Option<Place>)>,
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

    /// Decides whom users are asked of who stand in no file: one place for all databases.
    pub(crate) fn look_up(&mut self, ini: &Ini, clusters: &Clusters<'_>, notes: &mut Notes) {
        let main = &ini.main;
        let asks = |entry: &&Entry| main.some_text("auth_user").is_some() || entry.settings.is_given("auth_user");
        let Some(first) = ini.entries().find(asks) else { return };
        let of = |key: &str| match main.some_text(key) {
            Some(text) => (text, main.place(key)),
            None => (first.settings.text(key), first.settings.place(key)),
        };
        let (user, place) = of("auth_user");
        let wanted = Some(of("auth_dbname")).filter(|(name, _)| !name.is_empty());
        let (target, database) = match &wanted {
            None if first.name.value == "*" => (
                Some(first),
                first.settings.some_text("dbname").unwrap_or("postgres".to_owned()),
            ),
            None => (Some(first), first.database(&first.name.value)),
            Some((name, _)) => {
                let target = ini
                    .databases
                    .iter()
                    .find(|entry| entry.name.value == *name)
                    .or(ini.fallback.as_ref());
                (target, target.map_or_else(String::new, |entry| entry.database(name)))
            }
        };
        let (Some(target), Some(place)) = (target, place) else {
            if let Some((name, Some(place))) = &wanted {
                notes.wrong(
                    place,
                    format!("auth_dbname: there is no database `{name}` in `[databases]`"),
                );
            }
            return;
        };
        if wanted.is_none() && ini.entries().count() > 1 {
            let name = &target.name.value;
            let text = format!(
                "auth_user: users are looked up in the database `{database}` of `{name}`, whatever database they want"
            );
            notes.warn(place, text);
        }
        let statement = match first.settings.some_text("auth_query") {
            Some(own) if !main.is_given("auth_query") => (own, first.settings.place("auth_query")),
            _ => (main.text("auth_query"), main.place("auth_query")),
        };
        let cluster = quoted(clusters.name(target));
        self.query = vec![
            (format!("cluster: {cluster}"), Some(target.name.place.clone())),
            (
                format!("database: {}", quoted(&database)),
                Some(target.name.place.clone()),
            ),
            (format!("user: {}", quoted(&user)), Some(place.clone())),
        ];
        match self.password(&user) {
            Ok(Some(password)) => self
                .query
                .push((format!("password: {}", quoted(&password)), Some(place.clone()))),
            Ok(None) => {}
            Err(text) => notes.warn(place, format!("auth_user: {text}")),
        }
        let (statement, place) = statement;
        self.query
            .push((format!("statement: {}", quoted(&statement)), place.cloned()));
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
        out.line(3, format!("method: {}", access.method));
        if !access.disabled.is_empty() {
            out.line(3, "users:");
            for user in &access.disabled {
                out.line(4, named(user, "{ enabled: false }"));
            }
        }
        if let Some((name, place)) = &self.file {
            out.from(3, format!("user_file: {}", quoted(name)), Some(place));
        }
        if !self.query.is_empty() {
            out.line(3, "query:");
            for (line, place) in &self.query {
                out.also(4, line, place.as_ref());
            }
        }
    }
}

/// PostgreSQL's test for an MD5 hash (`get_password_type`).
fn is_md5(secret: &str) -> bool {
    let hash = secret.strip_prefix("md5").unwrap_or_default();
    hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}
