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

use crate::Postgres;
use crate::config::LoginQuery;
use crate::dial::{self, Order, next_frame};
use crate::plan::ListenerRules;

/// The most users that are remembered.
const MOST_KNOWN: usize = 10_000;

/// What databases said of users, remembered for a while. Shared by the login threads.
#[derive(Debug, Default)]
pub(crate) struct Lookups(Mutex<HashMap<(Arc<str>, String), Known>>);

#[derive(Debug, Clone)]
struct Known {
    stored: Option<Stored>,
    until: Instant,
}

impl Lookups {
    /// What is stored for a user who is not in the configuration: in the user file, else in the database.
    pub(super) async fn stored(
        &self,
        postgres: &Postgres,
        rules: &ListenerRules,
        listener: &Arc<str>,
        user: &str,
    ) -> Result<Option<Stored>, SessionError> {
        if let Some(stored) = rules.user_file.as_ref().and_then(|file| file.stored(user)) {
            return Ok(Some(stored));
        }
        let Some(query) = &rules.query else {
            return Ok(None);
        };
        let key = (Arc::clone(listener), user.to_owned());
        let now = Instant::now();
        if let Some(known) = self.known(&key, now) {
            return Ok(known.stored);
        }
        let stored = ask(postgres, query, user).await.map_err(|text| {
            tracing::warn!(%listener, cluster = %query.cluster, error = %text, "cannot look a user up");
            SessionError::new(Origin::Upstream, Kind::Unavailable, text)
        })?;
        self.remember(key, stored.clone(), now + query.cache.duration(), now);
        Ok(stored)
    }

    fn known(&self, key: &(Arc<str>, String), now: Instant) -> Option<Known> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|known| known.until > now).cloned()
    }

    fn remember(&self, key: (Arc<str>, String), stored: Option<Stored>, until: Instant, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.retain(|_, known| known.until > now);
        }
        if known.len() < MOST_KNOWN {
            known.insert(key, Known { stored, until });
        }
    }
}

/// Asks the database, over a connection of its own.
async fn ask(postgres: &Postgres, query: &LoginQuery, user: &str) -> Result<Option<Stored>, String> {
    let plan = postgres.plan();
    let rules = plan.clusters.get(query.cluster.as_str()).ok_or("its cluster is gone")?;
    let mut picker = Picker::new(Arc::clone(&rules.cluster), 1);
    let endpoint = picker
        .pick(Role::Primary, Instant::now(), || user)
        .ok_or("its cluster has no primary")?;
    let credential = query.password.clone().map_or(Credential::None, Credential::Password);
    let order = Order {
        rules: Arc::clone(rules),
        endpoint: Arc::clone(endpoint),
        database: query.database.clone(),
        user: query.user.clone(),
        credential,
        parameters: vec![("application_name".to_owned(), "tidegate login".to_owned())],
        verbose: true,
    };
    let opened = dial::open(&order, postgres.salted())
        .await
        .map_err(|error| error.to_string())?;
    let mut stream = opened.stream.adopt().map_err(|error| error.to_string())?;
    let limit = rules.connect.timeout.duration().max(Duration::from_secs(1));
    match tokio::time::timeout(limit, run(&mut stream, &query.statement, user)).await {
        Ok(answer) => answer,
        Err(_) => Err("the look-up took too long".to_owned()),
    }
}

/// Runs the statement with the user's name as its parameter; the name never becomes part of the text.
async fn run(stream: &mut Stream, statement: &str, user: &str) -> Result<Option<Stored>, String> {
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
            b'D' => found.push(secret(frame)?),
            b'E' => {
                return Err(ErrorFields::read(frame.body).map_or_else(|e| e.to_string(), |f| f.message().into_owned()));
            }
            b'Z' => break,
            _ => {}
        }
        held.drain(..length);
    }
    match found.len() {
        0 | 1 => Ok(found.pop().flatten()),
        _ => Err("the statement returns more than one row".to_owned()),
    }
}

/// The second column of a row: the secret. NULL is a user without a password.
fn secret(frame: Frame<'_>) -> Result<Option<Stored>, String> {
    let row = backend::read_row(frame.body).map_err(|error| error.to_string())?;
    match row.get(1) {
        Some(Some(text)) => Ok(Some(Stored::parse(&String::from_utf8_lossy(text)))),
        Some(None) => Ok(None),
        None => Err("the statement must return two columns, name and secret".to_owned()),
    }
}
