use tidegate_net::{NetError, Stream};
use tidegate_postgres_wire::backend::{ErrorFields, ParameterStatus, Status, read_ready, read_row};
use tidegate_postgres_wire::frontend;
use tidegate_postgres_wire::login::Ready;

use crate::dial::{DialError, next_frame};
use crate::effects::PINS;
use crate::settings::{is_unlisted, restated};

/// What the session has that it was not opened with, and who it is, which the server does not list.
const SET: &str = "SELECT pg_catalog.lower(name), pg_catalog.current_setting(name) FROM pg_catalog.pg_settings \
    WHERE source = 'session' UNION ALL SELECT name, pg_catalog.current_setting(name, true) \
    FROM (VALUES ('role'), ('session_authorization')) AS unlisted (name)";

/// What the query has done that every connection begins with.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    /// What it has set.
    pub(crate) set: Vec<(String, String)>,
    /// How much of what would hold a connection for its client it has made.
    pub(crate) pins: u64,
}

/// Runs what the configuration wants run on every new connection. Where the connection was
/// opened with a setting of the same name, that one holds.
pub(crate) async fn begin(
    stream: &mut Stream,
    query: &str,
    parameters: &[(String, String)],
    ready: &mut Ready,
) -> Result<Begun, DialError> {
    let mut beginning = Beginning {
        stream,
        ready,
        held: Vec::new(),
    };
    beginning.ask(query).await?;
    let mut set = beginning.ask(SET).await?;
    // Such a one may be as the connection was opened.
    let is_as_opened = |name: &str, value: &str| {
        let mut same = parameters.iter().filter(|(known, _)| known == name);
        is_unlisted(name) && same.any(|(_, known)| known == value)
    };
    set.retain(|(name, value)| !is_as_opened(name, value));
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    if let Some(sql) = restated(parameters, |name| set.iter().any(|(known, _)| known == name)) {
        beginning.ask(&sql).await?;
    }
    let pins = beginning.ask(PINS).await?;
    let pins = pins.first().and_then(|(_, count)| count.parse().ok());
    Ok(Begun {
        set,
        pins: pins.unwrap_or_default(),
    })
}

struct Beginning<'b> {
    stream: &'b mut Stream,
    ready: &'b mut Ready,
    held: Vec<u8>,
}

impl Beginning<'_> {
    /// Says a query and waits for the end of its answer; returns the rows that are pairs.
    async fn ask(&mut self, query: &str) -> Result<Vec<(String, String)>, DialError> {
        let mut out = Vec::new();
        frontend::query(&mut out, query.as_bytes());
        self.stream.write_all(&out).await.map_err(NetError::from)?;
        let mut pairs = Vec::new();
        loop {
            let Some((frame, length)) = next_frame(self.stream, &mut self.held).await? else {
                return Err(DialError::Closed);
            };
            match frame.kind {
                b'E' => {
                    let told = ErrorFields::read(frame.body).ok();
                    let words = told.map(|fields| fields.message().into_owned());
                    return Err(DialError::Begin(words.unwrap_or_default()));
                }
                b'S' => {
                    if let Ok(status) = ParameterStatus::read(frame.body) {
                        self.ready.parameters.push((lossy(status.name), lossy(status.value)));
                    }
                }
                b'D' => pairs.extend(pair(frame.body)),
                b'Z' if read_ready(frame.body) == Ok(Status::Idle) => {
                    self.held.drain(..length);
                    return Ok(pairs);
                }
                b'Z' => return Err(DialError::Begin("it leaves a transaction open".to_owned())),
                b'G' | b'H' | b'W' => return Err(DialError::Begin("COPY cannot be had here".to_owned())),
                _ => {}
            }
            self.held.drain(..length);
        }
    }
}

fn pair(row: &[u8]) -> Option<(String, String)> {
    match read_row(row).ok()?.as_slice() {
        [Some(name), Some(value)] => Some((lossy(name), lossy(value))),
        _ => None,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
