use axum::Json;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why the admin API cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Its address cannot be had.
    #[error("admin: cannot listen on {address}: {source}; set admin.address to a free one, or admin.enabled to false")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Its address is a Unix socket.
    #[error("admin: {0} is no address for HTTP; write host:port")]
    NotTcp(String),
}

/// A request that is answered with an error.
#[derive(Debug)]
pub(crate) enum Refused {
    NoToken,
    WrongToken,
    NotFound,
    Method(Method),
    Query(String),
    NoTable(String),
    TooSlow,
    Reload(Vec<String>),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::NotFound | Self::NoTable(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Reload(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::NoToken => {
                "no token is configured, so only /livez, /readyz and /metrics answer: set admin.token, for example to \
                 \"${TIDEGATE_ADMIN_TOKEN}\", and restart"
            }
            Self::WrongToken => "this needs the header `Authorization: Bearer` with the value of admin.token",
            Self::NotFound => {
                "there is /livez, /readyz, /metrics, /v1/listeners, /v1/pools, /v1/clients, /v1/servers, \
                 /v1/console/{table}, /v1/version, /v1/config, and POST /v1/reload"
            }
            Self::Method(Method::GET) => "this path takes POST",
            Self::Method(_) => "this path takes GET",
            Self::Query(message) | Self::NoTable(message) => message,
            Self::TooSlow => "the answer took too long; the gateway is very busy",
            Self::Reload(_) => "the configuration has mistakes; the old one stays in force",
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut error = json!({ "message": self.message() });
        if let Self::Reload(mistakes) = &self {
            error["mistakes"] = json!(mistakes);
        }
        let mut response = (self.status(), Json(json!({ "error": error }))).into_response();
        if matches!(self, Self::NoToken | Self::WrongToken) {
            let challenge = HeaderValue::from_static("Bearer realm=\"tidegate\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
