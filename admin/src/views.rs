//! What the engine shows, in JSON. Times are in seconds.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use tidegate_engine::{Answer, ClientView, ListenerView, PoolView, ServerView, Value};

#[derive(Debug, Serialize)]
pub(crate) struct Listener {
    name: String,
    protocol: &'static str,
    address: String,
    tls: &'static str,
    clients: usize,
    max_clients: usize,
    certificate_expires_in_seconds: Option<u64>,
}

impl From<ListenerView> for Listener {
    fn from(view: ListenerView) -> Self {
        Self {
            name: view.name,
            protocol: view.protocol,
            address: view.address,
            tls: view.tls,
            clients: view.clients,
            max_clients: view.max_clients,
            certificate_expires_in_seconds: view.certificate_expires_in.map(|left| left.as_secs()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Client {
    id: u64,
    protocol: &'static str,
    listener: String,
    peer: String,
    user: String,
    space: String,
    application_name: String,
    cluster: String,
    state: &'static str,
    tls: bool,
    age_seconds: f64,
    exchanges: u64,
    core: usize,
}

impl From<ClientView> for Client {
    fn from(view: ClientView) -> Self {
        Self {
            id: view.id,
            protocol: view.protocol,
            listener: view.listener,
            peer: view.peer,
            user: view.user,
            space: view.space,
            application_name: view.application_name,
            cluster: view.cluster,
            state: view.state,
            tls: view.tls,
            age_seconds: millis(view.age),
            exchanges: view.exchanges,
            core: view.core,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Pool {
    protocol: &'static str,
    cluster: String,
    endpoint: String,
    role: &'static str,
    space: String,
    user: String,
    mode: &'static str,
    size: usize,
    active: usize,
    idle: usize,
    opening: usize,
    waiting: usize,
    core: usize,
}

impl From<PoolView> for Pool {
    fn from(view: PoolView) -> Self {
        Self {
            protocol: view.protocol,
            cluster: view.cluster,
            endpoint: view.endpoint,
            role: view.role,
            space: view.space,
            user: view.user,
            mode: view.mode,
            size: view.size,
            active: view.active,
            idle: view.idle,
            opening: view.opening,
            waiting: view.waiting,
            core: view.core,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Server {
    protocol: &'static str,
    cluster: String,
    endpoint: String,
    space: String,
    user: String,
    ident: String,
    state: &'static str,
    client: Option<u64>,
    tls: bool,
    age_seconds: f64,
    exchanges: u64,
    core: usize,
}

impl From<ServerView> for Server {
    fn from(view: ServerView) -> Self {
        Self {
            protocol: view.protocol,
            cluster: view.cluster,
            endpoint: view.endpoint,
            space: view.space,
            user: view.user,
            ident: view.ident,
            state: view.state,
            client: view.client,
            tls: view.tls,
            age_seconds: millis(view.age),
            exchanges: view.exchanges,
            core: view.core,
        }
    }
}

/// A table as a list of its rows, each with its columns in their order.
pub(crate) fn rows(answer: Answer) -> Vec<Map<String, Json>> {
    let columns = answer.columns;
    let row = |values: Vec<Value>| {
        let values = values.into_iter().map(|value| match value {
            Value::Null => Json::Null,
            Value::Text(text) => Json::from(text),
            Value::Number(number) => Json::from(number),
        });
        let names = columns.iter().map(|column| column.name.to_owned());
        names.zip(values).collect()
    };
    answer.rows.into_iter().map(row).collect()
}

/// Seconds with three decimals.
fn millis(age: Duration) -> f64 {
    (age.as_secs_f64() * 1000.0).round() / 1000.0
}
