use crate::ReplyError;
use crate::reply::Value;

/// What a server says of itself by ROLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role<'a> {
    /// It takes writes, and has come this far in its history.
    Master {
        /// Bytes written.
        offset: i64,
        /// How many replicas are connected.
        replicas: usize,
    },
    /// It follows another.
    Replica {
        /// Whom: a host.
        host: &'a [u8],
        /// And its port.
        port: u16,
        /// How it stands between the two.
        link: Link,
        /// How far it has come; -1 when it never was in step.
        offset: i64,
    },
    /// It watches over others.
    Sentinel,
}

/// The state of a replica's link to its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// In step.
    Connected,
    /// It takes over all the data.
    Sync,
    /// There is none yet, or none any more.
    Down,
}

impl<'a> Role<'a> {
    /// From the reply to ROLE.
    pub fn read(reply: &Value<'a>) -> Result<Self, ReplyError> {
        let mut items = reply.items().ok_or(ReplyError::Value)?;
        let mut next = || items.next().unwrap_or(Err(ReplyError::Length));
        match next()?.text() {
            Some(b"master") => Ok(Self::Master {
                offset: next()?.integer().ok_or(ReplyError::Value)?,
                replicas: next()?.items().ok_or(ReplyError::Value)?.count(),
            }),
            Some(b"slave") => Ok(Self::Replica {
                host: next()?.text().ok_or(ReplyError::Value)?,
                port: port(&next()?)?,
                link: match next()?.text() {
                    Some(b"connected") => Link::Connected,
                    Some(b"sync") => Link::Sync,
                    _ => Link::Down,
                },
                offset: next()?.integer().ok_or(ReplyError::Value)?,
            }),
            Some(b"sentinel") => Ok(Self::Sentinel),
            _ => Err(ReplyError::Value),
        }
    }
}

/// A port, which is said as a number or as text.
pub(super) fn port(value: &Value<'_>) -> Result<u16, ReplyError> {
    let number = value.integer().ok_or(ReplyError::Value)?;
    u16::try_from(number).map_err(|_| ReplyError::Value)
}
