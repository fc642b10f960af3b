use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::error::Refused;
use crate::server::Hall;

/// Paths that answer without a token.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Lets through what is open or shows the token; what does not exist is hidden behind it too.
pub(crate) async fn guard(State(hall): State<Arc<Hall>>, request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Some(token) = &hall.token else {
        return Refused::NoToken.into_response();
    };
    let shown = bearer(request.headers()).unwrap_or_default();
    if bool::from(shown.as_bytes().ct_eq(token.reveal().as_bytes())) {
        next.run(request).await
    } else {
        Refused::WrongToken.into_response()
    }
}

/// The token of `Authorization: Bearer`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
