use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_base::{Classify, Kind, Reason, Refusal, Secret};
use tidegate_cluster::{Connect, Endpoint};
use tidegate_limit::Backoff;
use tidegate_net::{NetError, Parked, Stream, TlsClientMode, dial};
use tidegate_redis_wire::ReplyError;
use tidegate_redis_wire::reply::{Code, Cursor, Failure, Value, Version};
use tidegate_redis_wire::request;

use crate::passthrough::Credential;
use crate::plan::ClusterRules;

/// How much of a server's words during login are read at once, and at most.
const READ: usize = 4 * 1024;
pub(crate) const MOST: usize = 64 * 1024;

/// What a connection is opened for: state that all who use it have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Key {
    pub(crate) version: Version,
    pub(crate) database: u32,
    /// A replica of a cluster may answer: READONLY was sent.
    pub(crate) reads: bool,
    /// Whose login it has; 0 for the cluster's own.
    pub(crate) identity: u64,
}

impl Key {
    /// Whether the other differs in nothing but who may answer.
    pub(crate) fn is_kin(self, other: Self) -> bool {
        Self { reads: false, ..self } == Self { reads: false, ..other }
    }
}

/// What to open a connection with.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) rules: Arc<ClusterRules>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) key: Key,
    /// Who to be, where that is not for the cluster's rules to say.
    pub(crate) credential: Option<Arc<Credential>>,
}

impl Order {
    /// Who to log in as. What was ordered for a client of its own login is never opened with another.
    fn login(&self) -> Result<Option<(&str, &Secret)>, DialError> {
        match (&self.credential, &self.rules.credential) {
            (Some(own), _) => Ok(Some((&own.user, &own.password))),
            (None, _) if self.key.identity != 0 => Err(DialError::Left),
            (None, shared) => Ok(shared.as_ref().map(|(user, password)| (user.as_str(), password))),
        }
    }
}

/// A connection that is logged in, on its way to its core.
pub(crate) struct Opened {
    pub(crate) stream: Parked,
    pub(crate) greeting: Greeting,
}

/// What a server says of itself, by HELLO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) server: String,
    pub(crate) version: String,
    pub(crate) id: i64,
    pub(crate) mode: String,
    pub(crate) role: String,
}

/// Why no connection could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the server does not speak Redis's protocol: {0}")]
    Reply(#[from] ReplyError),
    #[error("the server refuses {asked}: {text}")]
    Refused { asked: &'static str, text: String },
    #[error("the server closed the connection during login")]
    Closed,
    #[error("the client whose login it was to have is gone")]
    Left,
}

impl DialError {
    /// Whether another attempt makes sense: the server may be about to come up.
    fn is_passing(&self) -> bool {
        match self {
            Self::Net(error) => error.kind() != Kind::Config && error.kind() != Kind::Tls,
            Self::Refused { text, .. } => Failure::new(text.as_bytes()).code() == Code::Loading,
            Self::Closed => true,
            Self::Reply(_) | Self::Left => false,
        }
    }

    /// Whether the server itself is ill, as against this login being wrong.
    fn is_servers_fault(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::Left) || self.is_passing()
    }

    /// What a client is told: the server's own words about what the client itself asked, and no address.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Refused { asked: "SELECT", text } => {
                let (code, text) = text.split_once(' ').unwrap_or(("ERR", text));
                Refusal::new(Reason::Invalid, text.to_owned()).with_code(code.to_owned())
            }
            Self::Refused { text, .. } if Failure::new(text.as_bytes()).code() == Code::Loading => {
                let text = text.split_once(' ').map_or("", |(_, text)| text).to_owned();
                Refusal::new(Reason::Unavailable, text).with_code("LOADING")
            }
            Self::Refused { .. } => Refusal::new(
                Reason::Unavailable,
                "the gateway cannot log in to the server; its log says why",
            ),
            _ => Refusal::new(
                Reason::Unavailable,
                "the server cannot be reached at the moment; try again",
            ),
        }
    }
}

/// Opens a connection, trying again as the cluster's rules say. Runs on a login thread.
pub(crate) async fn open(order: &Order) -> Result<Opened, DialError> {
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
        match open_once(order).await {
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

async fn open_once(order: &Order) -> Result<Opened, DialError> {
    let limit = order.rules.connect.timeout.duration();
    let attempt = async {
        let mut stream = reach(&order.rules, &order.endpoint, limit).await?;
        let greeting = log_in(&mut stream, order).await?;
        let stream = stream.park().map_err(NetError::from)?;
        Ok(Opened { stream, greeting })
    };
    within(limit, &order.endpoint, attempt).await
}

pub(crate) async fn within<T>(
    limit: Duration,
    endpoint: &Endpoint,
    attempt: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(DialError::Net(NetError::TimedOut {
            what: format!("opening a connection to {}", endpoint.address),
            limit,
        })),
    }
}

/// A stream to an endpoint, with TLS as the cluster's rules say.
pub(crate) async fn reach(rules: &ClusterRules, endpoint: &Endpoint, limit: Duration) -> Result<Stream, DialError> {
    let mut stream = dial(&endpoint.address, limit, &rules.keepalive).await?;
    let is_unix = endpoint.address.host().is_none();
    if !is_unix && !matches!(rules.tls.mode(), TlsClientMode::Disable | TlsClientMode::Prefer) {
        rules.tls.connect(&mut stream, endpoint.tls_name()).await?;
    }
    Ok(stream)
}

/// HELLO with AUTH, and SELECT, in one write.
async fn log_in(stream: &mut Stream, order: &Order) -> Result<Greeting, DialError> {
    let mut out = Vec::new();
    let number = order.key.version.number().to_string();
    match order.login()? {
        Some((user, password)) => {
            let words = ["HELLO", &number, "AUTH", user, password.reveal()];
            request::command(&mut out, &words);
        }
        None => request::command(&mut out, &["HELLO", &number]),
    }
    let selects = order.key.database != 0;
    if selects {
        request::command(&mut out, &["SELECT", &order.key.database.to_string()]);
    }
    if order.key.reads {
        request::command(&mut out, &["READONLY"]);
    }
    stream.write_all(&out).await.map_err(NetError::from)?;
    let mut held = Vec::new();
    let length = next_reply(stream, &mut held, "HELLO", MOST).await?;
    let greeting = greeting_of(held.get(..length).unwrap_or_default())?;
    held.drain(..length);
    if selects {
        let length = next_reply(stream, &mut held, "SELECT", MOST).await?;
        held.drain(..length);
    }
    if order.key.reads {
        next_reply(stream, &mut held, "READONLY", MOST).await?;
    }
    Ok(greeting)
}

/// The length of the next reply, which stands at the start of `held`; an error reply is an error, and so is one that is much
/// longer than `most`.
pub(crate) async fn next_reply(
    stream: &mut Stream,
    held: &mut Vec<u8>,
    asked: &'static str,
    most: usize,
) -> Result<usize, DialError> {
    let mut cursor = Cursor::new();
    let mut at = 0;
    loop {
        let walk = cursor.walk(held.get(at..).unwrap_or_default())?;
        at += walk.run;
        if walk.ended {
            break;
        }
        if held.len() > most || stream.read_some(held, READ).await.map_err(NetError::from)? == 0 {
            return Err(DialError::Closed);
        }
    }
    match held.get(..at).and_then(<[u8]>::split_first) {
        Some((b'-', text)) => Err(DialError::Refused {
            asked,
            text: String::from_utf8_lossy(text).trim_end().to_owned(),
        }),
        _ => Ok(at),
    }
}

fn greeting_of(reply: &[u8]) -> Result<Greeting, DialError> {
    let (value, _) = Value::read(reply)?;
    let mut greeting = Greeting {
        server: "redis".to_owned(),
        version: String::new(),
        id: 0,
        mode: "standalone".to_owned(),
        role: "master".to_owned(),
    };
    let fields: Vec<Value<'_>> = match (value.pairs(), value.items()) {
        (Some(pairs), _) => {
            let pairs: Result<Vec<_>, _> = pairs.collect();
            pairs?.into_iter().flat_map(|(name, value)| [name, value]).collect()
        }
        (None, Some(items)) => items.collect::<Result<_, _>>()?,
        (None, None) => Vec::new(),
    };
    for pair in fields.chunks_exact(2) {
        let [name, value] = pair else { continue };
        let text = || String::from_utf8_lossy(value.text().unwrap_or_default()).into_owned();
        match name.text() {
            Some(b"server") => greeting.server = text(),
            Some(b"version") => greeting.version = text(),
            Some(b"id") => greeting.id = value.integer().unwrap_or(0),
            Some(b"mode") => greeting.mode = text(),
            Some(b"role") => greeting.role = text(),
            _ => {}
        }
    }
    Ok(greeting)
}
