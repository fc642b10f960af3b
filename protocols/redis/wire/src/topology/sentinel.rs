use crate::reply::{Items, Value};
use crate::{ReplyError, number};

/// Where a server listens, as a sentinel says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// An address or a name.
    pub host: &'a str,
    /// The port.
    pub port: u16,
}

/// What SENTINEL MASTER says, as far as it matters to somebody outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Master {
    /// Counts the failovers: of two sentinels, the one that says the higher number is right.
    pub config_epoch: u64,
}

/// A server that a sentinel watches: an entry of SENTINEL REPLICAS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched<'a> {
    /// Where it listens.
    pub place: Place<'a>,
    /// Whether the sentinel reaches it.
    pub is_up: bool,
}

/// From the reply to SENTINEL GET-MASTER-ADDR-BY-NAME; `None` when the name is not known.
pub fn place<'a>(reply: &Value<'a>) -> Result<Option<Place<'a>>, ReplyError> {
    if matches!(reply, Value::Null) {
        return Ok(None);
    }
    let mut items = reply.items().ok_or(ReplyError::Value)?;
    let mut next = || items.next().unwrap_or(Err(ReplyError::Length));
    let (host, port) = (next()?, next()?);
    place_of(host.text(), port.text()).map(Some)
}

impl Master {
    /// From the reply to SENTINEL MASTER.
    pub fn read(reply: &Value<'_>) -> Result<Self, ReplyError> {
        let mut config_epoch = None;
        for pair in reply.pairs().ok_or(ReplyError::Value)? {
            let (name, value) = pair?;
            if name.text() == Some(b"config-epoch") {
                config_epoch = value.text().and_then(unsigned);
            }
        }
        Ok(Self {
            config_epoch: config_epoch.ok_or(ReplyError::Value)?,
        })
    }
}

/// From the reply to SENTINEL REPLICAS: the servers one after another.
pub fn watched<'a>(
    reply: &Value<'a>,
) -> Result<impl Iterator<Item = Result<Watched<'a>, ReplyError>> + use<'a>, ReplyError> {
    let items: Items<'a> = reply.items().ok_or(ReplyError::Value)?;
    Ok(items.map(|item| one(&item?)))
}

fn one<'a>(entry: &Value<'a>) -> Result<Watched<'a>, ReplyError> {
    let (mut host, mut port, mut flags) = (None, None, None);
    for pair in entry.pairs().ok_or(ReplyError::Value)? {
        let (name, value) = pair?;
        match name.text() {
            Some(b"ip") => host = value.text(),
            Some(b"port") => port = value.text(),
            Some(b"flags") => flags = value.text(),
            _ => {}
        }
    }
    let flags = flags.ok_or(ReplyError::Value)?;
    let is_down = |flag: &[u8]| matches!(flag, b"s_down" | b"o_down" | b"disconnected");
    Ok(Watched {
        place: place_of(host, port)?,
        is_up: !flags.split(|byte| *byte == b',').any(is_down),
    })
}

fn place_of<'a>(host: Option<&'a [u8]>, port: Option<&'a [u8]>) -> Result<Place<'a>, ReplyError> {
    let host = host.and_then(|host| std::str::from_utf8(host).ok());
    let port = port.and_then(number::parse).and_then(|port| u16::try_from(port).ok());
    match (host, port) {
        (Some(host), Some(port)) if !host.is_empty() && port > 0 => Ok(Place { host, port }),
        _ => Err(ReplyError::Value),
    }
}

fn unsigned(text: &[u8]) -> Option<u64> {
    u64::try_from(number::parse(text)?).ok()
}
