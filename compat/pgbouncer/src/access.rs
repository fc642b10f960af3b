use std::collections::BTreeMap;
use std::fmt::Write as _;

use tidegate_config::quoted;

use crate::hba::{Connection, Method, Names, Rule};
use crate::ident::Mapping;
use crate::out::{Out, key, shown};
use crate::place::{Notes, Place};

/// Who comes in at a listener, and by what: lines of its `login`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    lines: Vec<(usize, String, Option<Place>)>,
}

/// What a listener can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) is_local: bool,
    /// Whether clients with TLS are asked for a certificate.
    pub(crate) asks_certificate: bool,
}

impl Access {
    /// The same for everybody.
    pub(crate) fn of_method(method: &str, is_known_only: bool) -> Self {
        let mut access = Self { lines: Vec::new() };
        access.lines.push((3, format!("method: {method}"), None));
        access.known_only(is_known_only);
        access
    }

    /// Nobody.
    pub(crate) fn none() -> Self {
        let rules = [(3, "rules:"), (4, "- { method: reject }")];
        Self {
            lines: rules.map(|(depth, line)| (depth, line.to_owned(), None)).to_vec(),
        }
    }

    /// The rules of an HBA file that may hold at a listener, in their order.
    pub(crate) fn of_rules(
        rules: &[Rule],
        maps: &BTreeMap<String, Vec<Mapping>>,
        door: Door,
        notes: &mut Notes,
    ) -> Self {
        let mut access = Self { lines: Vec::new() };
        access.lines.push((3, "rules:".to_owned(), None));
        let mut used = BTreeMap::new();
        let mut vouches = false;
        for rule in rules
            .iter()
            .filter(|rule| (rule.connection == Connection::Local) == door.is_local)
        {
            let method = method(rule, door, notes);
            let is_mapped = matches!(method, Method::Cert | Method::Peer);
            vouches |= is_mapped || method == Method::Trust;
            let map = rule.map.as_ref().filter(|_| is_mapped);
            for matches in matches(rule) {
                let mut line = format!(
                    "- {{ name: {}, match: {{ {matches} }}, method: {}",
                    quoted(&shown(&rule.place)),
                    method.name()
                );
                if let Some(map) = map {
                    let _ = write!(line, ", map: {}", quoted(map));
                }
                access.lines.push((4, line + " }", Some(rule.place.clone())));
            }
            used.extend(map.and_then(|map| maps.get_key_value(map)));
        }
        if access.lines.len() == 1 {
            return Self::none();
        }
        access.maps(&used);
        access.known_only(vouches);
        access
    }

    /// Writes it.
    pub(crate) fn write(&self, out: &mut Out) {
        for (depth, line, place) in &self.lines {
            out.from(*depth, line, place.as_ref());
        }
    }

    fn maps(&mut self, maps: &BTreeMap<&String, &Vec<Mapping>>) {
        if !maps.is_empty() {
            self.lines.push((3, "maps:".to_owned(), None));
        }
        for (name, mappings) in maps {
            self.lines.push((4, format!("{}:", key(name)), None));
            for Mapping { system, user, place } in *mappings {
                let user = user
                    .as_ref()
                    .map_or_else(String::new, |user| format!(", user: {}", quoted(user)));
                let line = format!("- {{ system: {}{user} }}", quoted(system));
                self.lines.push((5, line, Some(place.clone())));
            }
        }
    }

    /// PgBouncer lets in whom it knows, also where it asks for nothing.
    fn known_only(&mut self, is_so: bool) {
        if is_so {
            self.lines.push((3, "known_users_only: true".to_owned(), None));
        }
    }
}

/// What a rule comes to at a listener.
fn method(rule: &Rule, door: Door, notes: &mut Notes) -> Method {
    let why = match rule.method {
        Method::Ldap => "there is no LDAP: these clients are refused",
        Method::Peer if !door.is_local => "`peer` is for `local`: these clients are refused, as by PgBouncer",
        Method::Cert if !door.asks_certificate => {
            "nobody is asked for a certificate there (`client_tls_sslmode`, `client_tls_ca_file`): these clients are refused"
        }
        method => return method,
    };
    notes.warn(&rule.place, why);
    Method::Reject
}

/// The conditions of a rule. It takes several where names beside `sameuser` or `replication` are meant, as these are
/// conditions of their own.
fn matches(rule: &Rule) -> Vec<String> {
    let connection = match rule.connection {
        Connection::Local => "local",
        Connection::Host => "host",
        Connection::HostSsl => "hostssl",
        Connection::HostNoSsl => "hostnossl",
    };
    let mut matches = Vec::new();
    let mut add = |databases: &str, users: &str| {
        let mut line = format!("connection: {connection}");
        for part in [databases, users].into_iter().filter(|part| !part.is_empty()) {
            let _ = write!(line, ", {part}");
        }
        if let Some(network) = rule.network {
            let _ = write!(line, ", addresses: [{}]", quoted(&network.to_string()));
        }
        matches.push(line);
    };
    let same = "database_is_user: true";
    let (databases, users) = (listed("databases", &rule.databases), listed("users", &rule.users));
    if let Some(users) = &users {
        if let Some(databases) = &databases {
            add(databases, users);
        }
        if rule.databases.is_same() {
            add(same, users);
        }
    }
    if rule.users.is_same() && (databases.is_some() || rule.databases.is_same()) {
        let databases = databases.as_deref().filter(|_| !rule.databases.is_same());
        add(databases.unwrap_or_default(), same);
    }
    if rule.databases.replication {
        if let Some(users) = &users {
            add("replication: true", users);
        }
        if rule.users.is_same() {
            add("replication: true", same);
        }
    }
    matches
}

/// A condition on names: empty for all, none for nobody.
fn listed(key: &str, names: &Names) -> Option<String> {
    if names.all {
        return Some(String::new());
    }
    let listed: Vec<String> = names.listed.iter().map(|name| quoted(name)).collect();
    (!listed.is_empty()).then(|| format!("{key}: [{}]", listed.join(", ")))
}
