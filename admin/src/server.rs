use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tidegate_base::{Address, Secret};
use tidegate_telemetry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::error::Refused;
use crate::gauges::Gauges;
use crate::{AdminConfig, AdminError, Source, api, auth, health};

/// The most connections at once; whoever comes after them is closed without an answer.
const MOST_CONNECTIONS: usize = 128;
/// The most bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
/// The most header lines.
const MOST_HEADERS: usize = 64;
/// How long a request's head may take to arrive, also the pause between two requests.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long an answer may take to make.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long one connection may live, so that a client that reads nothing does not keep its place.
const CONNECTION_TIME: Duration = Duration::from_mins(5);
/// The pause after the system refused to accept, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The admin API, bound to its address.
pub struct Admin {
    listener: TcpListener,
    hall: Arc<Hall>,
}

/// What every handler works with.
pub(crate) struct Hall {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) token: Option<Secret>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) gauges: Gauges,
}

impl Admin {
    /// Binds the address; nothing is answered before [`Self::serve`]. An empty token counts as none.
    pub async fn bind(
        config: &AdminConfig,
        source: Arc<dyn Source>,
        registry: Arc<Registry>,
    ) -> Result<Self, AdminError> {
        let Address::Tcp { host, port } = &config.address else {
            return Err(AdminError::NotTcp(config.address.to_string()));
        };
        let listener = TcpListener::bind((host.as_str(), *port)).await;
        let listener = listener.map_err(|source| AdminError::Listen {
            address: config.address.to_string(),
            source,
        })?;
        let gauges = Gauges::default();
        registry.collect(gauges.clone());
        let token = config.token.clone().filter(|token| !token.reveal().is_empty());
        if token.is_none() {
            tracing::warn!("no admin.token: only /livez, /readyz and /metrics answer");
        }
        let hall = Hall {
            source,
            token,
            registry,
            gauges,
        };
        Ok(Self {
            listener,
            hall: Arc::new(hall),
        })
    }

    /// The address that was really bound.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the task is aborted; its connections end with it.
    pub async fn serve(self) {
        let router = router(self.hall);
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        let router = router.clone();
                        connections.spawn(async move {
                            let _ = tokio::time::timeout(CONNECTION_TIME, converse(stream, router)).await;
                            drop(place);
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "admin: cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Admin")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// One connection, which is bounded in time by its caller. What goes wrong in it concerns its client alone.
async fn converse(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = conversation.await {
        tracing::debug!(%error, "admin: a connection ended");
    }
}

fn router(hall: Arc<Hall>) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/listeners", get(api::listeners))
        .route("/v1/pools", get(api::pools))
        .route("/v1/clients", get(api::clients))
        .route("/v1/servers", get(api::servers))
        .route("/v1/console/{table}", get(api::console))
        .route("/v1/version", get(api::version))
        .route("/v1/config", get(api::config))
        .route("/v1/reload", post(api::reload))
        .fallback(|| async { Refused::NotFound })
        .method_not_allowed_fallback(|method: Method| async move { Refused::Method(method) })
        .layer(middleware::from_fn_with_state(Arc::clone(&hall), auth::guard))
        .layer(middleware::from_fn(in_time))
        .with_state(hall)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::TooSlow.into_response(),
    }
}
