use std::sync::Arc;

use tidegate_base::{Kind, Origin, Reason, Refusal, Secret};
use tidegate_engine::SessionError;
use tidegate_postgres_wire::login::{Accepted, Credential, Downstream, Method, Next, Reusable, Stored, Terms};
use tidegate_postgres_wire::{Frame, Head, sqlstate};

use super::Route;
use super::greeting::{Hello, protocol};
use crate::Postgres;
use crate::config::LoginMethod;
use crate::dial::fill;
use crate::plan::{ClusterRules, KnownUser, ListenerRules};
use crate::server::unavailable;

/// What came of a login.
pub(super) enum Answerer {
    Proven(Proven),
    Refused(Refusal),
    Gone,
}

/// A client that proved who it is.
pub(super) struct Proven {
    pub(super) last_words: Vec<u8>,
    pub(super) credential: Credential,
}

/// Asks a client who it is, as the listener's rules say.
pub(super) async fn log_in(
    postgres: &Postgres,
    hello: &mut Hello,
    rules: &ListenerRules,
    listener: &Arc<str>,
    route: &Route,
) -> Result<Answerer, SessionError> {
    let known = rules.users.get(&route.user);
    if let Some(refusal) = known.and_then(|user| forbids(user, rules.method, route)) {
        return Ok(Answerer::Refused(refusal));
    }
    let stored = match known {
        Some(user) => user.stored.clone(),
        None => match postgres.lookups().stored(postgres, rules, listener, &route.user).await {
            Ok(stored) => stored,
            // Why is for the log: the client is told no more than that it may try again.
            Err(_) => {
                return Ok(Answerer::Refused(unavailable(
                    "users cannot be looked up at the moment; try again",
                )));
            }
        },
    };
    let method = match rules.method {
        LoginMethod::Cert => return Ok(by_certificate(postgres, hello, route, stored)),
        LoginMethod::Trust => Method::Trust,
        LoginMethod::Password => Method::Cleartext,
        LoginMethod::Md5 => Method::Md5,
        LoginMethod::ScramSha256 => Method::Scram,
    };
    let binding = hello.identity.as_ref().map(|identity| identity.end_point.clone());
    let terms = Terms {
        method,
        user: route.user.clone(),
        stored: stored.clone(),
        binding: binding.filter(|hash| !hash.is_empty()),
    };
    let mut login = Downstream::new(terms, postgres.disguise());
    let mut next = login.begin(&mut |bytes| fill(bytes));
    loop {
        match next {
            Next::Send(bytes) => hello.say(&bytes).await?,
            Next::Done(accepted) => return Ok(Answerer::Proven(proven(postgres, accepted, stored, route))),
            Next::Failed(error) => {
                tracing::info!(user = %route.user, peer = %hello.peer, %listener, %error, "login failed");
                return Ok(Answerer::Refused(error.refusal()));
            }
        }
        let Some(length) = answer(hello).await? else {
            return Ok(Answerer::Gone);
        };
        let Ok(Some((frame, _))) = Frame::read(&hello.held) else {
            return Err(protocol("no message where one is expected"));
        };
        next = login.handle(frame);
        hello.held.drain(..length);
    }
}

/// Waits for one whole message; `None` when the client leaves.
async fn answer(hello: &mut Hello) -> Result<Option<usize>, SessionError> {
    loop {
        let wrong = |text: String| SessionError::new(Origin::Downstream, Kind::Protocol, text);
        if let Some(head) = Head::read(&hello.held).map_err(|error| wrong(error.to_string()))? {
            Downstream::LIMITS
                .check(head)
                .map_err(|error| wrong(error.to_string()))?;
            if hello.held.len() >= head.total() {
                return Ok(Some(head.total()));
            }
        }
        if !hello.read().await? {
            return Ok(None);
        }
    }
}

/// What the configuration forbids a user whatever its password is.
fn forbids(user: &KnownUser, method: LoginMethod, route: &Route) -> Option<Refusal> {
    let no = |text: String| Some(Refusal::new(Reason::Denied, text).with_code(sqlstate::INVALID_AUTHORIZATION));
    if !user.enabled {
        return no(format!("role \"{}\" is not permitted to log in", route.user));
    }
    if !user.methods.is_empty() && !user.methods.contains(&method) {
        return no(format!(
            "role \"{}\" may not log in by this listener's method",
            route.user
        ));
    }
    if !user.databases.is_empty() && !user.databases.contains(&route.database) {
        let text = format!("permission denied for database \"{}\"", route.database);
        return Some(Refusal::new(Reason::Denied, text));
    }
    None
}

/// A checked certificate whose common name, or an alternative name, is the user.
fn by_certificate(postgres: &Postgres, hello: &Hello, route: &Route, stored: Option<Stored>) -> Answerer {
    let is_user = hello.identity.as_ref().is_some_and(|identity| {
        identity.common_name.as_ref() == Some(&route.user) || identity.alternative_names.contains(&route.user)
    });
    if !is_user {
        let text = format!("certificate authentication failed for user \"{}\"", route.user);
        let refusal = Refusal::new(Reason::Unauthenticated, text).with_code(sqlstate::INVALID_AUTHORIZATION);
        return Answerer::Refused(refusal);
    }
    let accepted = Accepted {
        last_words: Vec::new(),
        reusable: Reusable::Nothing,
    };
    Answerer::Proven(proven(postgres, accepted, stored, route))
}

/// With what the gateway logs in to the server: the cluster's own credential, or what the client's login or the stored
/// secret leave for it.
fn proven(postgres: &Postgres, accepted: Accepted, stored: Option<Stored>, route: &Route) -> Proven {
    let plan = postgres.plan();
    let rules: Option<&Arc<ClusterRules>> = plan.clusters.get(&route.cluster);
    let own = rules.filter(|rules| rules.credential.is_some());
    let credential = match own {
        Some(rules) => rules
            .password()
            .map_or(Credential::None, |secret| Credential::Password(secret.clone())),
        None => match (accepted.reusable, stored) {
            (Reusable::Password(password), _) => Credential::Password(password),
            (_, Some(Stored::Password(password))) => Credential::Password(Secret::clone(&password)),
            (Reusable::ScramKeys(keys), _) => Credential::ScramKeys(keys),
            (Reusable::Md5(hash), _) | (Reusable::Nothing, Some(Stored::Md5(hash))) => Credential::Md5(hash),
            (Reusable::Nothing, _) => Credential::None,
        },
    };
    Proven {
        last_words: accepted.last_words,
        credential,
    }
}
