use std::borrow::Cow;
use std::time::Duration;

/// Why a request or a client is turned away; each protocol says it in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Policy says no.
    Denied,
    /// The client is not who it says, or did not say.
    Unauthenticated,
    /// A limit was reached; trying again later may work.
    Overloaded,
    /// The data side cannot be reached.
    Unavailable,
    /// A wait reached its limit.
    TimedOut,
    /// This process is going down.
    ShuttingDown,
    /// The request cannot be understood or is not supported here.
    Invalid,
}

/// A turned-away request: the only way by which Tidegate's own words reach a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The protocol's own code where a caller knows a better one than the reason's default (a SQLSTATE, an error name).
    pub code: Option<Cow<'static, str>>,
    /// What the client reads: what happened, and what to do about it. Never holds a secret or a server's address.
    pub text: Cow<'static, str>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with the reason's default code.
    pub fn new(reason: Reason, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            code: None,
            text: text.into(),
            retry_after: None,
        }
    }

    /// With the protocol's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }
}
