use std::io;

use tidegate_base::{Classify, Kind, Origin};

/// What can go wrong between an address and a byte stream.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The peer cannot be reached.
    #[error("cannot connect to {address}: {source}")]
    Dial {
        /// The peer.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The peer did not answer in time.
    #[error("{what} took longer than {limit:?}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: std::time::Duration,
    },
    /// A certificate, key or authority file cannot be used.
    #[error("{file}: {reason}")]
    Certificate {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS could not be agreed on.
    #[error("TLS handshake failed: {0}")]
    Handshake(String),
    /// The stream broke.
    #[error("{0}")]
    Stream(#[from] io::Error),
}

impl Classify for NetError {
    fn origin(&self) -> Origin {
        match self {
            Self::Dial { .. } | Self::TimedOut { .. } => Origin::Upstream,
            Self::Listen { .. } | Self::Certificate { .. } => Origin::Internal,
            Self::Handshake(_) | Self::Stream(_) => Origin::Downstream,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Listen { .. } | Self::Certificate { .. } => Kind::Config,
            Self::Dial { .. } => Kind::Unavailable,
            Self::TimedOut { .. } => Kind::Timeout,
            Self::Handshake(_) => Kind::Tls,
            Self::Stream(_) => Kind::Closed,
        }
    }

    fn retry_is_safe(&self) -> bool {
        matches!(self, Self::Dial { .. })
    }
}
