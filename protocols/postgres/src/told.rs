//! What the log tells of connections as they come and go, at `debug`: `told::opened`, `told::closed`, and `told::refused` for
//! what clients are told in errors of the gateway's own. Where nobody wants it nothing is made of it.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_base::Refusal;
use tracing::Level;

use crate::admit::Route;
use crate::session::Shared;

const OPENED: &str = "tidegate_postgres::told::opened";
const CLOSED: &str = "tidegate_postgres::told::closed";
const REFUSED: &str = "tidegate_postgres::told::refused";

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Farewell {
    /// Its client has gone without a word.
    #[default]
    Left,
    /// Its client has said goodbye.
    Goodbye,
    /// It was told this.
    Told(Box<Refusal>),
}

/// A client that is at no core, as it calls itself: it is not logged in yet, or it is at the console.
pub(crate) struct Newcomer<'n> {
    pub(crate) peer: &'n dyn fmt::Display,
    pub(crate) database: &'n str,
    pub(crate) user: &'n str,
    pub(crate) since: Instant,
    /// How it was asked to show who it is: `scram`, or empty.
    pub(crate) proof: &'static str,
}

impl Farewell {
    fn reason(&self) -> &str {
        match self {
            Self::Left => "the client has left",
            Self::Goodbye => "the client has said goodbye",
            Self::Told(refusal) => &refusal.text,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Told(refusal) => refusal.code.as_deref().unwrap_or_default(),
            _ => "",
        }
    }
}

impl Newcomer<'_> {
    /// It asks to come in.
    pub(crate) fn asks(&self, is_tls: bool) {
        tracing::debug!(name: "client asks", target: OPENED, peer = %self.peer, database = self.database,
            user = self.user, tls = is_tls, "a client asks to come in");
    }

    /// It is not let in, or has gone.
    pub(crate) fn ends(&self, farewell: &Farewell) {
        let (reason, code) = (farewell.reason(), farewell.code());
        tracing::debug!(name: "client ended", target: CLOSED, peer = %self.peer, cluster = "", database = self.database,
            user = self.user, age = self.since.elapsed().as_secs(), proof = self.proof, reason, code, "a client has ended");
        if matches!(farewell, Farewell::Told(_)) {
            tracing::debug!(name: "client refused", target: REFUSED, peer = %self.peer, cluster = "",
                database = self.database, user = self.user, proof = self.proof, reason, code, "a client is told an error");
        }
    }
}

/// A session tells its client of something that is wrong.
pub(crate) fn refused(shared: &Shared, refusal: &Refusal) {
    let route = &shared.group.route;
    let code = refusal.code.as_deref().unwrap_or_default();
    tracing::debug!(name: "client refused", target: REFUSED, peer = %shared.peer, cluster = %route.cluster,
        database = route.database, user = shared.user(), reason = %refusal.text, code, "a client is told an error");
}

/// A session has ended.
pub(crate) fn ended(shared: &Shared) {
    if !tracing::enabled!(target: CLOSED, Level::DEBUG) {
        return;
    }
    let farewell = shared.farewell.take();
    let route = &shared.group.route;
    tracing::debug!(name: "client ended", target: CLOSED, peer = %shared.peer, cluster = %route.cluster,
        database = route.database, user = shared.user(), age = shared.since.elapsed().as_secs(),
        reason = farewell.reason(), code = farewell.code(), "a client's session has ended");
}

/// A server connection that is open; its end is told when this is dropped.
#[derive(Debug)]
pub(crate) struct Opened {
    cluster: Arc<str>,
    database: String,
    user: String,
    server: String,
    since: Instant,
    lifetime: Option<Duration>,
    why: Cell<&'static str>,
}

impl Opened {
    /// Tells of it, and of its end; none where nobody wants to hear of either.
    pub(crate) fn tell(route: &Route, server: &dyn fmt::Display, lifetime: Option<Duration>) -> Option<Box<Self>> {
        tracing::debug!(name: "server opened", target: OPENED, cluster = %route.cluster, database = route.database,
            user = route.user, %server, "a server connection is open");
        tracing::enabled!(target: CLOSED, Level::DEBUG).then(|| {
            Box::new(Self {
                cluster: Arc::clone(&route.cluster),
                database: route.database.clone(),
                user: route.user.clone(),
                server: server.to_string(),
                since: Instant::now(),
                lifetime,
                why: Cell::new(""),
            })
        })
    }

    /// Says why it ends, before it does.
    pub(crate) fn because(&self, why: &'static str) {
        self.why.set(why);
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let age = self.since.elapsed();
        let reason = match self.why.get() {
            "" if self.lifetime.is_some_and(|lifetime| age >= lifetime) => "its lifetime is over",
            "" => "nobody needs it",
            why => why,
        };
        tracing::debug!(name: "server ended", target: CLOSED, cluster = %self.cluster, database = self.database,
            user = self.user, server = self.server, age = age.as_secs(), reason, "a server connection has ended");
    }
}
