/// The neutral description of a request, borrowed from the read buffer. A request can carry several statements.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// What is asked, in order; never more than the protocol's bound on statements it describes.
    pub statements: &'a [Statement<'a>],
    /// The database, keyspace, or other name space that the request runs in.
    pub space: &'a str,
    /// On whose behalf.
    pub user: &'a str,
    /// What holds for the request as a whole.
    pub flags: Flags,
}

/// One statement or command of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statement<'a> {
    /// What it does.
    pub verb: Verb,
    /// Its text or name, as the client wrote it.
    pub text: &'a [u8],
    /// Equal for statements that differ only in their values; 0 where the protocol has no such notion.
    pub fingerprint: u64,
}

/// What a statement does, as far as every protocol can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verb {
    /// Reads data.
    Read,
    /// Changes data.
    Write,
    /// Changes the shape of data.
    Define,
    /// Begins, ends or marks a transaction.
    Transaction,
    /// Changes the session.
    Session,
    /// Subscribes or publishes.
    Publish,
    /// Administers the server.
    Administer,
    /// Cannot be told.
    #[default]
    Unknown,
}

impl Verb {
    /// Every verb, for metric labels of fixed cardinality.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::Define,
        Self::Transaction,
        Self::Session,
        Self::Publish,
        Self::Administer,
        Self::Unknown,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Define => "define",
            Self::Transaction => "transaction",
            Self::Session => "session",
            Self::Publish => "publish",
            Self::Administer => "administer",
            Self::Unknown => "unknown",
        }
    }

    /// The position in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What holds for a request as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// A transaction was open when the request came.
    pub in_transaction: bool,
    /// The request is longer than the bound on what is held; only its beginning is described.
    pub truncated: bool,
    /// The request goes on from an earlier part of the same exchange, which the client had to send first.
    pub continues: bool,
}
