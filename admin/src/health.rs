use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::server::Hall;

/// The process runs and answers.
pub(crate) async fn live() -> Response {
    Json(json!({ "live": true })).into_response()
}

/// Whether clients should be sent here, and why not.
pub(crate) async fn ready(State(hall): State<Arc<Hall>>) -> Response {
    let reasons = hall.source.unready().await;
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    (status, Json(body)).into_response()
}

/// Everything that is counted, in Prometheus text.
pub(crate) async fn metrics(State(hall): State<Arc<Hall>>) -> Response {
    let source = &hall.source;
    let (listeners, rooms) = (source.listeners().await, source.rooms().await);
    let is_ready = source.unready().await.is_empty();
    hall.gauges.see(&listeners, &rooms, is_ready);
    (
        [(CONTENT_TYPE, tidegate_telemetry::CONTENT_TYPE)],
        hall.registry.render(),
    )
        .into_response()
}
