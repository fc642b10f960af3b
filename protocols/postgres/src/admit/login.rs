use std::sync::Arc;

use tidegate_base::{Kind, Origin, Reason, Refusal, Secret};
use tidegate_engine::SessionError;
use tidegate_postgres_wire::login::{Accepted, Credential, Downstream, Method, Next, Reusable, Stored, Terms};
use tidegate_postgres_wire::{Frame, Head, Startup, sqlstate};

use super::Route;
use super::greeting::{Hello, protocol};
use super::lookup::Account;
use super::peer::system_user;
use crate::Postgres;
use crate::config::LoginMethod;
use crate::dial::fill;
use crate::login_rules::{Applicant, Rule};
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

/// Asks a client who it is, as the rule that holds for it says.
pub(super) async fn log_in(
    postgres: &Postgres,
    hello: &mut Hello,
    rules: &ListenerRules,
    listener: &Arc<str>,
    startup: &Startup,
    route: &Route,
) -> Result<Answerer, SessionError> {
    let applicant = Applicant {
        address: hello.peer.ip(),
        is_encrypted: hello.identity.is_some(),
        is_replication: startup.is_physical_replication(),
        database: startup.database(),
        user: startup.user(),
    };
    let rule = rules.login.decide(&applicant);
    let outcome = match rule.map(|rule| (rule, rule.method())) {
        None => Ok(Answerer::Refused(turned_away("no login rule for", "from", &applicant))),
        Some((_, LoginMethod::Reject)) => Ok(Answerer::Refused(turned_away(
            "a login rule rejects",
            "for",
            &applicant,
        ))),
        Some((rule, method)) => match account(postgres, rules, listener, method, route).await {
            Ok(account) => prove(postgres, hello, rules, rule, route, account).await,
            Err(refusal) => Ok(Answerer::Refused(refusal)),
        },
    };
    if let Ok(Answerer::Refused(refusal)) = &outcome {
        let rule = rule.map_or("none".to_owned(), ToString::to_string);
        tracing::info!(name: "login failed", database = startup.database(), user = %route.user, peer = %hello.peer, %listener, rule,
            proof = hello.proof, error = %refusal.text, "login failed");
    }
    outcome
}

/// What is known of a user who may log in by this method; none of one that is not known.
async fn account(
    postgres: &Postgres,
    rules: &ListenerRules,
    listener: &Arc<str>,
    method: LoginMethod,
    route: &Route,
) -> Result<Option<Account>, Refusal> {
    let Some(user) = rules.users.get(&route.user) else {
        let found = postgres.lookups().account(postgres, rules, listener, route).await;
        // Why is for the log: the client is told no more than that it may try again.
        return found.map_err(|_| unavailable("users cannot be looked up at the moment; try again"));
    };
    match forbids(user, method, route) {
        Some(refusal) => Err(refusal),
        None => Ok(Some(Account {
            stored: user.stored.clone(),
        })),
    }
}

/// Has the client show what the rule asks for.
async fn prove(
    postgres: &Postgres,
    hello: &mut Hello,
    rules: &ListenerRules,
    rule: &Rule,
    route: &Route,
    account: Option<Account>,
) -> Result<Answerer, SessionError> {
    let is_open = account.is_some() || !rules.known_users_only;
    let stored = account.and_then(|account| account.stored);
    let vouched = |is_so: bool, method: &str| {
        if !is_so || !is_open {
            return Answerer::Refused(unproven(method, route));
        }
        let accepted = Accepted {
            last_words: Vec::new(),
            reusable: Reusable::Nothing,
        };
        Answerer::Proven(proven(postgres, accepted, stored.clone(), route))
    };
    let method = match rule.method() {
        LoginMethod::Password => Method::Cleartext,
        LoginMethod::Md5 => Method::Md5,
        LoginMethod::ScramSha256 => Method::Scram,
        LoginMethod::Trust => return Ok(vouched(true, "trust")),
        LoginMethod::Cert => return Ok(vouched(rule.admits(&names(hello), &route.user), "certificate")),
        LoginMethod::Peer => {
            let name = system_user(hello.peer).await;
            let is_so = name.is_some_and(|name| rule.admits(&[&name], &route.user));
            return Ok(vouched(is_so, "peer"));
        }
        LoginMethod::Reject => return Ok(vouched(false, "login")),
    };
    by_password(postgres, hello, method, route, stored).await
}

async fn by_password(
    postgres: &Postgres,
    hello: &mut Hello,
    method: Method,
    route: &Route,
    stored: Option<Stored>,
) -> Result<Answerer, SessionError> {
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
            Next::Send(bytes) => {
                // AuthenticationSASL (PostgreSQL protocol 55.7).
                if bytes.get(5..9) == Some(&[0, 0, 0, 10]) {
                    hello.proof = "scram";
                }
                hello.say(&bytes).await?;
            }
            Next::Done(accepted) => return Ok(Answerer::Proven(proven(postgres, accepted, stored, route))),
            Next::Failed(error) => return Ok(Answerer::Refused(error.refusal())),
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

/// The names of a checked certificate; none where there is none.
fn names(hello: &Hello) -> Vec<&str> {
    let identity = hello.identity.iter();
    identity
        .flat_map(|identity| identity.common_name.iter().chain(&identity.alternative_names))
        .map(String::as_str)
        .collect()
}

/// In PostgreSQL's words, but for the name of its file.
fn turned_away(what: &str, link: &str, applicant: &Applicant<'_>) -> Refusal {
    let Applicant { user, database, .. } = applicant;
    let host = applicant
        .address
        .map_or("[local]".to_owned(), |address| address.to_string());
    let encryption = if applicant.is_encrypted {
        "SSL encryption"
    } else {
        "no encryption"
    };
    let text = if applicant.is_replication {
        format!("{what} replication connection {link} host \"{host}\", user \"{user}\", {encryption}")
    } else {
        format!("{what} connection {link} host \"{host}\", user \"{user}\", database \"{database}\", {encryption}")
    };
    Refusal::new(Reason::Denied, text).with_code(sqlstate::INVALID_AUTHORIZATION)
}

fn unproven(method: &str, route: &Route) -> Refusal {
    let text = format!("{method} authentication failed for user \"{}\"", route.user);
    Refusal::new(Reason::Unauthenticated, text).with_code(sqlstate::INVALID_AUTHORIZATION)
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
