use std::borrow::Cow;
use std::io;

use tidegate_base::{Classify, Kind, Origin};
use tidegate_net::NetError;

/// Why the engine cannot do as the Plan says.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A listener's address cannot be had.
    #[error("listener {listener}: {source}")]
    Listen {
        /// Which listener.
        listener: String,
        /// Why not.
        source: NetError,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Why a session ended otherwise than by its client's goodbye.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct SessionError {
    /// Whose fault it is.
    pub origin: Origin,
    /// What sort of failure it is.
    pub kind: Kind,
    /// What happened; never holds a secret.
    pub text: Cow<'static, str>,
}

impl SessionError {
    /// An error with these words.
    pub fn new(origin: Origin, kind: Kind, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            origin,
            kind,
            text: text.into(),
        }
    }

    /// The client's stream broke.
    pub fn downstream(error: &io::Error) -> Self {
        Self::new(Origin::Downstream, Kind::Closed, format!("client connection: {error}"))
    }
}

impl Classify for SessionError {
    fn origin(&self) -> Origin {
        self.origin
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<NetError> for SessionError {
    fn from(error: NetError) -> Self {
        Self::new(error.origin(), error.kind(), error.to_string())
    }
}
