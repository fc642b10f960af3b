use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_base::{Kind, Origin};
use tidegate_cluster::{Picker, Role};
use tidegate_engine::SessionError;
use tidegate_net::Stream;
use tidegate_postgres_wire::backend::{self, ErrorFields};
use tidegate_postgres_wire::login::{Credential, Stored};
use tidegate_postgres_wire::{Frame, frontend};

use super::Route;
use crate::Postgres;
use crate::config::LoginQuery;
use crate::dial::{self, Order, next_frame};
use crate::plan::ListenerRules;

/// The most users that are remembered.
const MOST_KNOWN: usize = 10_000;
/// The database that a cluster is asked in where the query names only the cluster.
const NAMED_CLUSTER: &str = "postgres";

/// A user whom the gateway knows.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// None where there is no password.
    pub(super) stored: Option<Stored>,
}

/// What databases said of users, remembered for a while. Shared by the login threads.
#[derive(Debug, Default)]
pub(crate) struct Lookups(Mutex<HashMap<Question, Known>>);

/// Whom a database is asked for: a user of one database need not be one of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    cluster: Arc<str>,
    database: String,
    asker: String,
    statement: String,
    user: String,
}

#[derive(Debug, Clone)]
struct Known {
    account: Option<Account>,
    until: Instant,
}

impl Lookups {
    /// A user who is not in the configuration: in the user file, else in the database.
    pub(super) async fn account(
        &self,
        postgres: &Postgres,
        rules: &ListenerRules,
        listener: &Arc<str>,
        route: &Route,
    ) -> Result<Option<Account>, SessionError> {
        if let Some(stored) = rules.user_file.as_ref().and_then(|file| file.stored(&route.user)) {
            return Ok(Some(Account { stored: Some(stored) }));
        }
        let plan = postgres.plan();
        let own = plan
            .clusters
            .get(&route.cluster)
            .and_then(|rules| rules.login_query.as_deref());
        let Some((query, question)) = own
            .or(rules.query.as_deref())
            .and_then(|query| Question::new(query, route))
        else {
            return Ok(None);
        };
        let now = Instant::now();
        if let Some(known) = self.known(&question, now) {
            return Ok(known.account);
        }
        let account = ask(postgres, query, &question).await.map_err(|text| {
            let Question { cluster, database, .. } = &question;
            tracing::warn!(%listener, %cluster, %database, error = %text, "cannot look a user up");
            SessionError::new(Origin::Upstream, Kind::Unavailable, text)
        })?;
        self.remember(question, account.clone(), now + query.cache.duration(), now);
        Ok(account)
    }

    fn known(&self, question: &Question, now: Instant) -> Option<Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(question).filter(|known| known.until > now).cloned()
    }

    fn remember(&self, question: Question, account: Option<Account>, until: Instant, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.retain(|_, known| known.until > now);
        }
        if known.len() < MOST_KNOWN {
            known.insert(question, Known { account, until });
        }
    }
}

impl Question {
    /// Where a client's user is looked up; nowhere when the client goes to no cluster, and the query names none.
    fn new<'q>(query: &'q LoginQuery, route: &Route) -> Option<(&'q LoginQuery, Self)> {
        let (cluster, database) = match &query.cluster {
            Some(cluster) => (Arc::from(cluster.as_str()), NAMED_CLUSTER),
            None if route.cluster.is_empty() => return None,
            None => (Arc::clone(&route.cluster), route.database.as_str()),
        };
        let question = Self {
            cluster,
            database: query.database.clone().unwrap_or_else(|| database.to_owned()),
            asker: query.user.clone(),
            statement: query.statement.clone(),
            user: route.user.clone(),
        };
        Some((query, question))
    }
}

/// Asks the database, over a connection of its own.
async fn ask(postgres: &Postgres, query: &LoginQuery, question: &Question) -> Result<Option<Account>, String> {
    let plan = postgres.plan();
    let rules = plan.clusters.get(&question.cluster).ok_or("its cluster is gone")?;
    let mut picker = Picker::new(Arc::clone(&rules.cluster), 1);
    let endpoint = picker
        .pick(Role::Primary, Instant::now(), || question.user.as_str())
        .ok_or("its cluster has no primary")?;
    let credential = query.password.clone().map_or(Credential::None, Credential::Password);
    let order = Order {
        rules: Arc::clone(rules),
        endpoint: Arc::clone(endpoint),
        database: question.database.clone(),
        user: question.asker.clone(),
        credential,
        parameters: vec![("application_name".to_owned(), "tidegate login".to_owned())],
        verbose: true,
    };
    let opened = dial::open(&order, postgres.salted())
        .await
        .map_err(|error| error.to_string())?;
    let mut stream = opened.stream.adopt().map_err(|error| error.to_string())?;
    let limit = rules.connect.timeout.duration().max(Duration::from_secs(1));
    match tokio::time::timeout(limit, run(&mut stream, &question.statement, &question.user)).await {
        Ok(answer) => answer,
        Err(_) => Err("the look-up took too long".to_owned()),
    }
}

/// Runs the statement with the user's name as its parameter; the name never becomes part of the text.
async fn run(stream: &mut Stream, statement: &str, user: &str) -> Result<Option<Account>, String> {
    let mut out = Vec::new();
    frontend::parse(&mut out, b"", statement.as_bytes(), &[]);
    frontend::bind(&mut out, b"", b"", &[Some(user.as_bytes())]);
    frontend::execute(&mut out, b"", 2);
    frontend::sync(&mut out);
    frontend::terminate(&mut out);
    stream.write_all(&out).await.map_err(|error| error.to_string())?;
    let mut held = Vec::new();
    let mut found = Vec::new();
    loop {
        let Some((frame, length)) = next_frame(stream, &mut held).await.map_err(|error| error.to_string())? else {
            return Err("the server closed the connection".to_owned());
        };
        match frame.kind {
            b'D' => found.push(account(frame)?),
            b'E' => {
                return Err(ErrorFields::read(frame.body).map_or_else(|e| e.to_string(), |f| f.message().into_owned()));
            }
            b'Z' => break,
            _ => {}
        }
        held.drain(..length);
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err("the statement returns more than one row".to_owned()),
    }
}

/// The second column of a row: the secret. NULL is a user without a password.
fn account(frame: Frame<'_>) -> Result<Account, String> {
    let row = backend::read_row(frame.body).map_err(|error| error.to_string())?;
    match row.get(1) {
        Some(secret) => Ok(Account {
            stored: secret.map(|text| Stored::parse(&String::from_utf8_lossy(text))),
        }),
        None => Err("the statement must return two columns, name and secret".to_owned()),
    }
}
