use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use tidegate_base::{Address, Classify, Kind, Refusal};
use tidegate_cluster::{Connect, Endpoint};
use tidegate_limit::Backoff;
use tidegate_net::tls::Connector;
use tidegate_net::{Keepalive, NetError, Parked, Stream, TlsClientMode, dial};
use tidegate_postgres_wire::login::{
    ChannelBinding, Credential, Ready, SaltedKeys, ServerLoginError, Step, Upstream, UpstreamTerms,
};
use tidegate_postgres_wire::{Frame, FrameError, Head, Version, cancel_request, sqlstate, ssl_request};

use crate::begin::{Begun, begin};
use crate::plan::ClusterRules;
use crate::server::unavailable;

/// How much of a server's words during login are read at once.
const READ: usize = 8 * 1024;
/// The most logins whose hashed keys are remembered.
const MOST_SALTED: usize = 1024;

/// What to open a connection with.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) rules: Arc<ClusterRules>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) credential: Credential,
    pub(crate) parameters: Vec<(String, String)>,
    /// Tell the client what exactly went wrong.
    pub(crate) verbose: bool,
}

/// A connection that is logged in, on its way to its core.
pub(crate) struct Opened {
    pub(crate) stream: Parked,
    pub(crate) ready: Ready,
    /// What the query has done that every connection begins with.
    pub(crate) begun: Begun,
}

/// Where a stream leads to, and with how much TLS.
pub(crate) struct Way<'w> {
    pub(crate) address: &'w Address,
    /// The name to verify.
    pub(crate) name: &'w str,
    pub(crate) tls: &'w Connector,
    pub(crate) keepalive: Keepalive,
}

/// Why no connection could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Login(#[from] ServerLoginError),
    #[error("the server does not speak PostgreSQL's protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("the server refuses TLS, and the cluster's tls.mode demands it")]
    TlsRefused,
    #[error("pool.connect_query failed: {0}")]
    Begin(String),
    #[error("the server closed the connection during login")]
    Closed,
}

/// Keys that were hashed once, so that the next login to the same server hashes nothing. Shared by the login threads.
#[derive(Debug, Default)]
pub(crate) struct SaltedCache(Mutex<HashMap<(String, String), SaltedKeys>>);

impl SaltedCache {
    fn get(&self, key: &(String, String)) -> Option<SaltedKeys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn set(&self, key: (String, String), keys: Option<SaltedKeys>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match keys {
            Some(keys) if known.len() < MOST_SALTED || known.contains_key(&key) => drop(known.insert(key, keys)),
            Some(_) => {}
            None => drop(known.remove(&key)),
        }
    }
}

impl<'w> Way<'w> {
    fn of(rules: &'w ClusterRules, endpoint: &'w Endpoint) -> Self {
        Self {
            address: &endpoint.address,
            name: endpoint.tls_name(),
            tls: &rules.tls,
            keepalive: rules.keepalive,
        }
    }
}

impl DialError {
    /// Whether the server was reached and has not let the gateway in.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Login(_))
    }

    /// Whether another attempt makes sense: the server may be about to come up.
    fn is_passing(&self) -> bool {
        match self {
            Self::Net(error) => error.kind() != Kind::Config && error.kind() != Kind::Tls,
            Self::Login(ServerLoginError::Refused { code, .. }) => code == sqlstate::CANNOT_CONNECT_NOW,
            Self::Closed => true,
            _ => false,
        }
    }

    /// Whether the server itself is ill, as against this login being wrong.
    pub(crate) fn is_servers_fault(&self) -> bool {
        match self {
            Self::Login(ServerLoginError::Refused { code, .. }) => code == sqlstate::CANNOT_CONNECT_NOW,
            Self::Login(_) | Self::TlsRefused | Self::Begin(_) => false,
            _ => true,
        }
    }

    /// What a client is told. A server's own refusal is passed on, since it says what the client did wrong (no such
    /// database); the rest names no address unless the listener is verbose.
    pub(crate) fn refusal(&self, endpoint: &Endpoint, verbose: bool) -> Refusal {
        match self {
            Self::Login(ServerLoginError::Refused { code, message }) if code == sqlstate::CANNOT_CONNECT_NOW => {
                unavailable(message.clone())
            }
            Self::Login(ServerLoginError::Refused { code, message }) => {
                unavailable(message.clone()).with_code(code.clone())
            }
            _ if verbose => unavailable(format!("failed to connect to backend {}: {self}", endpoint.address)),
            Self::Login(_) | Self::TlsRefused => {
                unavailable("the gateway cannot log in to the server; its log says why").with_code("08001")
            }
            Self::Begin(_) => {
                unavailable("the gateway cannot make its connection to the server ready; its log says why")
                    .with_code("08001")
            }
            _ => unavailable("the database server cannot be reached at the moment; try again"),
        }
    }
}

/// Opens a connection, trying again as the cluster's rules say. Runs on a login thread.
pub(crate) async fn open(order: &Order, salted: &SaltedCache) -> Result<Opened, DialError> {
    let Connect {
        retries,
        backoff,
        multiplier,
        backoff_cap,
        ..
    } = order.rules.connect;
    let backoff = Backoff {
        first: backoff.duration(),
        multiplier,
        cap: backoff_cap.limit(),
    };
    let mut tried = 0;
    loop {
        match open_once(order, salted).await {
            Ok(opened) => {
                order.endpoint.succeeded(Instant::now());
                return Ok(opened);
            }
            Err(error) => {
                if error.is_servers_fault() && order.endpoint.failed(order.rules.cluster.health.failures) {
                    tracing::warn!(cluster = %order.rules.cluster.name, endpoint = %order.endpoint.address, %error,
                        "endpoint ejected: too many failures in a row");
                }
                if tried >= retries || !error.is_passing() {
                    return Err(error);
                }
                tokio::time::sleep(backoff.wait(tried)).await;
                tried += 1;
            }
        }
    }
}

async fn open_once(order: &Order, salted: &SaltedCache) -> Result<Opened, DialError> {
    let limit = order.rules.connect.timeout.duration();
    let attempt = async {
        let (mut stream, binding) = reach(&Way::of(&order.rules, &order.endpoint), limit).await?;
        let mut ready = log_in(&mut stream, order, binding, salted).await?;
        let query = order.rules.connect_query.as_str();
        // Who replicates speaks another language.
        let is_replication = order.parameters.iter().any(|(name, _)| name == "replication");
        let begun = if query.is_empty() || is_replication {
            Begun::default()
        } else {
            begin(&mut stream, query, &order.parameters, &mut ready).await?
        };
        let stream = stream.park().map_err(NetError::from)?;
        Ok(Opened { stream, ready, begun })
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(DialError::Net(NetError::TimedOut {
            what: format!("opening a connection to {}", order.endpoint.address),
            limit,
        })),
    }
}

/// A stream, with TLS as its way asks for, and its channel binding.
async fn reach(way: &Way<'_>, limit: Duration) -> Result<(Stream, Option<Vec<u8>>), DialError> {
    let mut stream = dial(way.address, limit, &way.keepalive).await?;
    let is_unix = way.address.host().is_none();
    if is_unix || way.tls.mode() == TlsClientMode::Disable {
        return Ok((stream, None));
    }
    let mut ask = Vec::new();
    ssl_request(&mut ask);
    stream.write_all(&ask).await.map_err(NetError::from)?;
    // One byte and no more: what follows belongs to TLS, and bytes before it would be an intruder's (CVE-2021-23222).
    let mut answer = Vec::new();
    stream.read_some(&mut answer, 1).await.map_err(NetError::from)?;
    match answer.first() {
        Some(b'S') => {
            let binding = way.tls.connect(&mut stream, way.name).await?;
            Ok((stream, binding))
        }
        Some(b'N') if way.tls.mode() == TlsClientMode::Prefer => Ok((stream, None)),
        Some(b'N') => Err(DialError::TlsRefused),
        _ => Err(DialError::Closed),
    }
}

async fn log_in(
    stream: &mut Stream,
    order: &Order,
    binding: Option<Vec<u8>>,
    salted: &SaltedCache,
) -> Result<Ready, DialError> {
    let key = (order.endpoint.address.to_string(), order.user.clone());
    let cleartext_allowed = order.rules.credential.as_ref().is_some_and(|c| c.allow_cleartext);
    let mut login = Upstream::new(UpstreamTerms {
        user: order.user.clone(),
        credential: order.credential.clone(),
        version: Version::V3_0,
        encrypted: stream.tls().is_some(),
        cleartext_allowed,
        binding,
        channel_binding: ChannelBinding::Prefer,
        salted: salted.get(&key),
    });
    let mut out = Vec::new();
    let parameters = order
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    login.begin(&mut out, &order.database, parameters);
    stream.write_all(&out).await.map_err(NetError::from)?;
    let mut held = Vec::new();
    loop {
        let Some((frame, length)) = next_frame(stream, &mut held).await? else {
            return Err(DialError::Closed);
        };
        let mut step = login.handle(frame, &mut |bytes| fill(bytes));
        if let Step::Hash(job) = step {
            step = login.hashed(job.run());
        }
        held.drain(..length);
        match step {
            Step::More => {}
            Step::Send(bytes) => stream.write_all(&bytes).await.map_err(NetError::from)?,
            Step::Done(ready) => {
                salted.set(key, ready.salted.clone());
                return Ok(*ready);
            }
            Step::Failed(error) => {
                salted.set(key, None);
                return Err(error.into());
            }
            Step::Hash(_) => return Err(DialError::Login(ServerLoginError::Scram("hashed twice"))),
        }
    }
}

/// The next whole message; `None` at the end of the stream. The caller drains its length from `held`.
pub(crate) async fn next_frame<'h>(
    stream: &mut Stream,
    held: &'h mut Vec<u8>,
) -> Result<Option<(Frame<'h>, usize)>, DialError> {
    loop {
        if let Some(head) = Head::read(held)? {
            Upstream::LIMITS.check(head)?;
            if held.len() >= head.total() {
                break;
            }
        }
        if stream.read_some(held, READ).await.map_err(NetError::from)? == 0 {
            return Ok(None);
        }
    }
    Ok(Frame::read(held)?)
}

/// Cancels what a server process is doing. Returns when the server has closed the connection, which it does after the
/// signal was sent: a query that is sent afterwards is safe from it.
pub(crate) async fn cancel(
    rules: &ClusterRules,
    endpoint: &Endpoint,
    process: i32,
    secret: &[u8],
) -> Result<(), DialError> {
    let limit = rules.connect.timeout.duration();
    send_cancel(&Way::of(rules, endpoint), limit, process, secret).await
}

/// The same to whatever takes cancels: a server, or another gateway.
pub(crate) async fn send_cancel(way: &Way<'_>, limit: Duration, process: i32, secret: &[u8]) -> Result<(), DialError> {
    let attempt = async {
        let (mut stream, _) = reach(way, limit).await?;
        let mut packet = Vec::new();
        cancel_request(&mut packet, process, secret);
        stream.write_all(&packet).await.map_err(NetError::from)?;
        let mut rest = Vec::new();
        while stream.read_some(&mut rest, 64).await.is_ok_and(|read| read > 0) {
            rest.clear();
        }
        Ok(())
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(DialError::Closed),
    }
}

/// Asks an endpoint whether it takes connections, as `pg_isready` does: any demand for a password, and any refusal but
/// "cannot connect now", means yes. Needs no credential.
pub(crate) async fn probe(rules: &ClusterRules, endpoint: &Endpoint, limit: Duration) -> Result<(), DialError> {
    let attempt = async {
        let (mut stream, _) = reach(&Way::of(rules, endpoint), limit).await?;
        let mut packet = Vec::new();
        let parameters = [("user", "tidegate_health"), ("database", "postgres")];
        tidegate_postgres_wire::startup_packet(&mut packet, Version::V3_0, parameters);
        stream.write_all(&packet).await.map_err(NetError::from)?;
        let mut held = Vec::new();
        let Some((frame, _)) = next_frame(&mut stream, &mut held).await? else {
            return Err(DialError::Closed);
        };
        let fields = tidegate_postgres_wire::backend::ErrorFields::read(frame.body);
        match (frame.kind, fields) {
            (b'R', _) => Ok(()),
            (b'E', Ok(fields)) if fields.code() != sqlstate::CANNOT_CONNECT_NOW.as_bytes() => Ok(()),
            (b'E', Ok(fields)) => Err(DialError::Login(ServerLoginError::Refused {
                code: sqlstate::CANNOT_CONNECT_NOW.to_owned(),
                message: fields.message().into_owned(),
            })),
            (kind, _) => Err(DialError::Login(ServerLoginError::Unexpected(kind))),
        }
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(DialError::Net(NetError::TimedOut {
            what: format!("checking {}", endpoint.address),
            limit,
        })),
    }
}

/// Random bytes. The system's source does not fail once the process runs; if it does, the bytes stay zero and the login
/// or cancel that they are for fails safely at the other end.
pub(crate) fn fill(bytes: &mut [u8]) {
    if rand::fill(bytes).is_err() {
        bytes.fill(0);
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Order")
            .field("endpoint", &self.endpoint.address)
            .field("database", &self.database)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
