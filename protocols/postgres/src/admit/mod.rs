//! From accept to the point where a client is handed to its core: hello, TLS, route, login. Runs on login threads.

mod greeting;
mod login;
mod lookup;
mod route;
mod visit;

pub(crate) use greeting::admit;
pub(crate) use lookup::Lookups;

use std::sync::Arc;

use tidegate_cluster::Role;
use tidegate_limit::Permit;
use tidegate_net::Parked;
use tidegate_postgres_wire::login::Credential;
use tidegate_postgres_wire::{Startup, Version};

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
    pub(crate) route: Route,
    /// Settings that its start-up packet asks for, `options` included.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) credential: Credential,
    pub(crate) verbose: bool,
    pub(crate) permit: Option<Permit<String>>,
}

/// Where a client goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) cluster: Arc<str>,
    pub(crate) role: Role,
    pub(crate) database: String,
    pub(crate) user: String,
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
