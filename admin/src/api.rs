use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::error::Refused;
use crate::page::Range;
use crate::server::Hall;
use crate::views::{Client, Listener, Pool, Server, rows};

pub(crate) async fn listeners(State(hall): State<Arc<Hall>>, range: Range) -> Response {
    range.of(hall.source.listeners().await, Listener::from)
}

pub(crate) async fn pools(State(hall): State<Arc<Hall>>, range: Range) -> Response {
    let rooms = hall.source.rooms().await.into_iter();
    let mut pools: Vec<_> = rooms.flat_map(|room| room.pools).collect();
    pools.sort_by(|one, other| {
        let key = |pool: &tidegate_engine::PoolView| (pool.cluster.clone(), pool.space.clone(), pool.user.clone());
        key(one)
            .cmp(&key(other))
            .then_with(|| one.endpoint.cmp(&other.endpoint))
    });
    range.of(pools, Pool::from)
}

pub(crate) async fn clients(State(hall): State<Arc<Hall>>, range: Range) -> Response {
    let rooms = hall.source.rooms().await.into_iter();
    let mut clients: Vec<_> = rooms.flat_map(|room| room.clients).collect();
    // A stable order, so that pages of a moment's list neither repeat nor miss one that stays.
    clients.sort_by_key(|client| (client.core, client.id));
    range.of(clients, Client::from)
}

pub(crate) async fn servers(State(hall): State<Arc<Hall>>, range: Range) -> Response {
    let rooms = hall.source.rooms().await.into_iter();
    range.of(rooms.flat_map(|room| room.servers).collect(), Server::from)
}

pub(crate) async fn console(State(hall): State<Arc<Hall>>, Path(table): Path<String>) -> Response {
    match hall.source.console(&table).await {
        Ok(answer) => Json(rows(answer)).into_response(),
        Err(names) => {
            Refused::NoTable(format!("there is no such table: there is {}", names.join(", "))).into_response()
        }
    }
}

pub(crate) async fn version(State(hall): State<Arc<Hall>>) -> Response {
    Json(hall.source.version()).into_response()
}

pub(crate) async fn config(State(hall): State<Arc<Hall>>) -> Response {
    Json(hall.source.config().await).into_response()
}

pub(crate) async fn reload(State(hall): State<Arc<Hall>>) -> Response {
    let source = Arc::clone(&hall.source);
    // In a task of its own: a client that goes away must not stop a reload half way.
    let outcome = tokio::spawn(async move { source.reload().await }).await;
    match outcome {
        Ok(Ok(reloaded)) => Json(reloaded).into_response(),
        Ok(Err(mistakes)) => Refused::Reload(mistakes).into_response(),
        Err(error) => Refused::Reload(vec![error.to_string()]).into_response(),
    }
}
