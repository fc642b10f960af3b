use std::collections::BTreeSet;

use tidegate_config::quoted;

use crate::address::Host;
use crate::listeners::named;
use crate::login::Login;
use crate::out::Out;
use crate::place::Notes;
use crate::pools;
use crate::read::{Entry, Ini};
use crate::settings::Settings;
use crate::transport;
use crate::value::{SECOND, period};

/// The cluster of each entry of `[databases]`.
pub(crate) struct Clusters<'i> {
    ini: &'i Ini,
    names: Vec<String>,
}

impl Entry {
    /// The database at the server for a client that asks for this one.
    pub(crate) fn database(&self, asked: &str) -> String {
        self.settings.some_text("dbname").unwrap_or_else(|| asked.to_owned())
    }
}

impl<'i> Clusters<'i> {
    /// Names them as their databases, as far as these are names that a configuration and metrics like.
    pub(crate) fn new(ini: &'i Ini) -> Self {
        let mut taken = BTreeSet::new();
        let names = ini.entries().map(|entry| {
            let is_fine = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
            let plain: String = match entry.name.value.as_str() {
                "*" => "fallback".to_owned(),
                name => name
                    .chars()
                    .map(|char| if is_fine(char) { char } else { '_' })
                    .collect(),
            };
            let mut name = plain.clone();
            let mut next = 2;
            while !taken.insert(name.clone()) {
                name = format!("{plain}_{next}");
                next += 1;
            }
            name
        });
        Self {
            names: names.collect(),
            ini,
        }
    }

    pub(crate) fn name(&self, entry: &Entry) -> &str {
        let at = self.ini.entries().position(|known| known.name == entry.name);
        at.and_then(|at| self.names.get(at)).map_or("", String::as_str)
    }

    /// Where a route leads.
    pub(crate) fn destination(&self, entry: &Entry) -> String {
        let cluster = quoted(self.name(entry));
        match entry
            .settings
            .some_text("dbname")
            .filter(|name| *name != entry.name.value)
        {
            Some(database) => format!("cluster: {cluster}, database: {}", quoted(&database)),
            None => format!("cluster: {cluster}"),
        }
    }

    /// Writes all clusters.
    pub(crate) fn write(&self, login: &Login, out: &mut Out, notes: &mut Notes) {
        pools::tell_of_forced(self.ini, notes);
        out.line(0, "clusters:");
        for entry in self.ini.entries() {
            let place = &entry.name.place;
            out.from(1, named(self.name(entry), "").trim_end(), Some(place));
            out.line(2, "protocol: postgres");
            let hosts = endpoints(&self.ini.main, entry, out, notes);
            connections(&self.ini.main, out);
            transport::keepalive(&self.ini.main, out);
            transport::to_servers(&self.ini.main, out, notes);
            pools::write(self.ini, entry, hosts, out, notes);
            credential(entry, login, out, notes);
            parameters(entry, out);
            login.write_own(entry, out);
            pools::timeouts(self.ini, entry, out);
            clients(&self.ini.main, entry, out);
        }
    }
}

/// Writes where an entry's servers are; returns how many.
fn endpoints(main: &Settings, entry: &Entry, out: &mut Out, notes: &mut Notes) -> i64 {
    let place = &entry.name.place;
    let port = entry.settings.number("port");
    if !(1..=65535).contains(&port) {
        notes.wrong(place, format!("port: `{port}` is no port"));
    }
    let listed = entry
        .settings
        .some_text("host")
        .or_else(|| main.some_text("unix_socket_dir"));
    let Some(listed) = listed else {
        notes.wrong(
            place,
            "`host` is missing, and `unix_socket_dir` is empty: where is the server?",
        );
        return 1;
    };
    let hosts: Vec<&str> = listed.split(',').map(str::trim).collect();
    let mut has_name = false;
    out.line(2, "endpoints:");
    for host in &hosts {
        match Host::read(host, port) {
            Ok(Host { address, is_name }) => {
                has_name |= is_name;
                out.from(3, format!("- {{ address: {} }}", quoted(&address)), Some(place));
            }
            Err(text) => notes.wrong(place, format!("host: {text}")),
        }
    }
    if hosts.len() > 1 || has_name {
        out.line(2, "balance: round_robin");
    }
    if has_name {
        let interval = main.time("dns_max_ttl").max(SECOND);
        let line = format!("discovery: {{ dns: {{ interval: {} }} }}", period(interval));
        out.from(2, line, main.place("dns_max_ttl"));
    }
    i64::try_from(hosts.len()).unwrap_or(i64::MAX)
}

fn connections(main: &Settings, out: &mut Out) {
    let limit = match main.time("server_connect_timeout") {
        0 => "1h".to_owned(),
        micros => period(micros),
    };
    out.from(
        2,
        format!("connect: {{ timeout: {limit} }}"),
        main.place("server_connect_timeout"),
    );
}

/// Who to be at the server.
fn credential(entry: &Entry, login: &Login, out: &mut Out, notes: &mut Notes) {
    let place = &entry.name.place;
    let Some(user) = entry.settings.some_text("user") else {
        if entry.settings.is_given("password") {
            notes.warn(place, "password: it has no effect without `user`, as in PgBouncer");
        }
        return;
    };
    let password = match entry.settings.some_text("password") {
        Some(password) => Ok(Some(password)),
        None => login.password(&user),
    };
    let mut line = format!("user: {}", quoted(&user));
    match password {
        Ok(Some(password)) => line = format!("{line}, password: {}", quoted(&password)),
        Ok(None) => {}
        Err(text) => notes.warn(place, format!("user: {text}")),
    }
    out.from(2, format!("credential: {{ {line} }}"), Some(place));
}

/// Settings of clients that do not ask for their own.
fn parameters(entry: &Entry, out: &mut Out) {
    let names = ["client_encoding", "datestyle", "timezone", "application_name"];
    let given = names.iter().filter_map(|name| {
        let value = entry.settings.some_text(name)?;
        Some(format!("{name}: {}", quoted(&value)))
    });
    let given: Vec<String> = given.collect();
    if !given.is_empty() {
        let line = format!("parameters: {{ {} }}", given.join(", "));
        out.from(2, line, Some(&entry.name.place));
    }
}

/// How many clients a database may have.
fn clients(main: &Settings, entry: &Entry, out: &mut Out) {
    let own = entry.settings.some_number("max_db_client_connections");
    let most = own.unwrap_or_else(|| main.number("max_db_client_connections"));
    if most > 0 {
        let place = main.place("max_db_client_connections");
        out.from(2, format!("max_clients_per_database: {most}"), place);
    }
}
