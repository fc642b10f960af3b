//! From accept to the point where a client is handed to its core: hello, TLS, route, login. Runs on login threads.

mod greeting;
mod login;
mod lookup;
mod peer;
mod route;
mod seats;
mod visit;

pub(crate) use greeting::admit;
pub(crate) use lookup::Lookups;
pub(crate) use seats::Seat;

use std::sync::Arc;

use tidegate_cluster::Role;
use tidegate_limit::Permit;
use tidegate_net::Parked;
use tidegate_postgres_wire::login::Credential;
use tidegate_postgres_wire::{Startup, Version};

use crate::plan::Manners;

/// A client that is who it says it is, on its way to its core. AuthenticationOk is not said yet: whether there is a
/// server for it, its core finds out.
pub(crate) struct Client {
    pub(crate) stream: Parked,
    /// What it sent behind its login, without the room that its login was read into: an idle client is not to keep it.
    pub(crate) early: Box<[u8]>,
    /// What is to be said before AuthenticationOk.
    pub(crate) last_words: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) listener: Arc<str>,
    pub(crate) peer: String,
    pub(crate) is_tls: bool,
    /// Who it is, where that is not the user of its pool.
    pub(crate) user: Option<Box<str>>,
    pub(crate) route: Route,
    /// Settings that its start-up packet asks for, `options` included.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) credential: Credential,
    pub(crate) manners: Manners,
    /// What it is told as it comes in.
    pub(crate) notice: Option<Arc<str>>,
    /// Its places among those that may be here.
    pub(crate) permits: Vec<Permit<Seat>>,
}

/// Where a client goes. Until its login is done `user` is the name that it came by, and from then on its pool's: the one at the
/// servers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) cluster: Arc<str>,
    pub(crate) role: Role,
    pub(crate) database: String,
    pub(crate) user: String,
}

/// The longest name that PostgreSQL keeps (`NAMEDATALEN`).
const MOST_NAME: usize = 63;

/// Puts the client's address behind its own name for itself, which is cut where both are too long for the server.
pub(crate) fn add_host(settings: &mut Vec<(String, String)>, host: &str) {
    const NAME: &str = "application_name";
    let known = settings.iter().rposition(|(name, _)| name.eq_ignore_ascii_case(NAME));
    let own = known.map_or("app", |at| settings[at].1.as_str());
    let mut end = own.len().min(MOST_NAME.saturating_sub(host.len() + 3));
    while !own.is_char_boundary(end) {
        end -= 1;
    }
    let name = format!("{} - {host}", &own[..end]);
    match known {
        Some(at) => settings[at].1 = name,
        None => settings.push((NAME.to_owned(), name)),
    }
}

/// The settings of a start-up packet, those in `options` last, as PostgreSQL applies them. Words in `options` that are
/// no setting stay an option, to be refused by the server as it would refuse them from the client.
pub(crate) fn settings_of(startup: &Startup) -> Vec<(String, String)> {
    let mut settings: Vec<_> = startup
        .settings()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let options = startup.options();
    if options.unknown.is_empty() {
        settings.extend(options.settings);
    } else if let Some(raw) = startup.get("options") {
        settings.push(("options".to_owned(), raw.to_owned()));
    }
    if startup.is_replication()
        && let Some(value) = startup.get("replication")
    {
        settings.push(("replication".to_owned(), value.to_owned()));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], host: &str, expected: &str) {
        let settings = names
            .iter()
            .map(|name| ("application_name".to_owned(), (*name).to_owned()));
        let mut settings: Vec<_> = settings.collect();
        add_host(&mut settings, host);
        assert_eq!(settings.last().unwrap().1, expected);
        assert!(expected.len() <= MOST_NAME);
    }

    #[test]
    fn a_name_and_where_it_comes_from() {
        check(&["psql"], "10.0.0.1:5000", "psql - 10.0.0.1:5000");
        check(&["first", "last"], "unix:uid=0", "last - unix:uid=0");
        check(&[], "10.0.0.1:5000", "app - 10.0.0.1:5000");
        let long = format!("{} - 10.0.0.1:5000", "ä".repeat(23));
        check(&["ä".repeat(60).as_str()], "10.0.0.1:5000", &long);
    }
}
