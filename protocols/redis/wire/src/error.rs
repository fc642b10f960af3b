use thiserror::Error;
use tidegate_base::{Classify, Kind, Origin};

/// A request that cannot be read. What it says is what Redis says behind `-ERR `, and like Redis the gateway closes
/// the connection behind it (`networking.c`, `setProtocolError`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// An inline command without an end.
    #[error("Protocol error: too big inline request")]
    InlineTooLong,
    /// Quotes of an inline command that do not close, or close in the middle of a word.
    #[error("Protocol error: unbalanced quotes in request")]
    Quotes,
    /// A count of arguments without an end.
    #[error("Protocol error: too big mbulk count string")]
    CountTooLong,
    /// A count of arguments that is no number, or above the limit.
    #[error("Protocol error: invalid multibulk length")]
    Count,
    /// More arguments than somebody unknown may send.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedCount,
    /// The length of an argument without an end.
    #[error("Protocol error: too big bulk count string")]
    LengthTooLong,
    /// An argument that is no bulk string.
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    NotBulk(u8),
    /// The length of an argument that is no number, or above the limit.
    #[error("Protocol error: invalid bulk length")]
    Length,
    /// A longer argument than somebody unknown may send.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedLength,
    /// An argument that is not followed by CRLF. Redis skips the two bytes whatever they are; a server that does not
    /// would see other commands than the gateway did.
    #[error("Protocol error: expected CRLF behind a bulk string")]
    NotEnded,
    /// A request that is longer as a whole than the limit.
    #[error("Protocol error: too big request")]
    TooLong,
}

impl Classify for RequestError {
    fn origin(&self) -> Origin {
        Origin::Downstream
    }

    fn kind(&self) -> Kind {
        match self {
            Self::UnauthenticatedCount | Self::UnauthenticatedLength | Self::TooLong => Kind::Limit,
            _ => Kind::Protocol,
        }
    }
}

/// A reply that cannot be read: the stream it came from is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplyError {
    /// No type of RESP2 or RESP3 begins with this byte.
    #[error("no reply begins with the byte {0:#04x}")]
    Type(u8),
    /// A length that is no number, below -1, or impossible.
    #[error("a reply with an invalid length")]
    Length,
    /// A line or a string that does not end with CRLF.
    #[error("a reply that does not end with CRLF")]
    NotEnded,
    /// Streamed aggregates within more of them than are followed.
    #[error("streamed replies nested too deep")]
    Depth,
    /// An end, a chunk or a push where none may stand.
    #[error("a reply with a part out of place")]
    OutOfPlace,
    /// A number, boolean or format that cannot be read.
    #[error("a reply with an invalid value")]
    Value,
    /// The bytes end before the reply does.
    #[error("a reply that is cut off")]
    Cut,
}

impl Classify for ReplyError {
    fn origin(&self) -> Origin {
        Origin::Upstream
    }

    fn kind(&self) -> Kind {
        Kind::Protocol
    }
}
