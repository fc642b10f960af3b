use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::error::Refused;

/// The most elements that one answer holds.
const LARGEST: usize = 10_000;
/// How many it holds unless asked otherwise.
const USUAL: usize = 1000;

/// Which part of a list is wanted: `?limit=1000&offset=0`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Range {
    limit: usize,
    offset: usize,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            limit: USUAL,
            offset: 0,
        }
    }
}

/// A part of a list, and how long the whole is.
#[derive(Debug, Serialize)]
struct Page<T> {
    items: Vec<T>,
    total: usize,
    offset: usize,
    limit: usize,
}

impl Range {
    /// The wanted part of these; only that part is turned into JSON.
    pub(crate) fn of<V, T: Serialize>(self, all: Vec<V>, view: impl Fn(V) -> T) -> Response {
        let limit = self.limit.min(LARGEST);
        let total = all.len();
        let items = all.into_iter().skip(self.offset).take(limit).map(view).collect();
        let page = Page {
            items,
            total,
            offset: self.offset,
            limit,
        };
        Json(page).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Range {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let wrong = |error: QueryRejection| Refused::Query(error.body_text());
        let Query(range) = Query::<Self>::from_request_parts(parts, state).await.map_err(wrong)?;
        Ok(range)
    }
}
