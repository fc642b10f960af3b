/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The client side.
    Downstream,
    /// The data side.
    Upstream,
    /// This process.
    Internal,
}

impl Origin {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Downstream => "downstream",
            Self::Upstream => "upstream",
            Self::Internal => "internal",
        }
    }
}

/// What sort of failure an error is; also the metric label `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The peer closed or reset the stream.
    Closed,
    /// A wait reached its limit.
    Timeout,
    /// The peer broke its protocol.
    Protocol,
    /// Login failed.
    Login,
    /// TLS could not be agreed on.
    Tls,
    /// A limit was reached.
    Limit,
    /// The other side cannot be reached.
    Unavailable,
    /// The configuration asks for something impossible.
    Config,
    /// A defect of this process.
    Defect,
    /// The process is going down.
    Shutdown,
}

impl Kind {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Login => "login",
            Self::Tls => "tls",
            Self::Limit => "limit",
            Self::Unavailable => "unavailable",
            Self::Config => "config",
            Self::Defect => "defect",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Every error says its origin, its kind and whether trying again is safe.
pub trait Classify {
    /// Whose fault it is.
    fn origin(&self) -> Origin;
    /// What sort of failure it is.
    fn kind(&self) -> Kind;
    /// Whether the same request can be tried again without doing something twice.
    fn retry_is_safe(&self) -> bool {
        false
    }
}
