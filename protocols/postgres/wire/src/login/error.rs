use tidegate_base::{Classify, Kind, Origin, Reason, Refusal};

use crate::{BodyError, sqlstate};

/// Why a client was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Wrong password, unknown user, or a stored secret that does not suit the method: the client cannot tell.
    #[error("password authentication failed for user \"{user}\"")]
    Rejected {
        /// Who it said it was.
        user: String,
    },
    /// Another message than the answer to the gateway's question.
    #[error("expected a password response, got message {:?}", char::from(*.0))]
    Unexpected(u8),
    /// The answer is too long to be one.
    #[error("the password response is too long: {0} bytes")]
    TooLong(usize),
    /// The answer's fields are broken.
    #[error("malformed password response: {0}")]
    Body(#[from] BodyError),
    /// A SCRAM message is broken.
    #[error("malformed SCRAM message: {0}")]
    Scram(&'static str),
    /// The client chose a mechanism that was not offered.
    #[error("client selected an invalid SASL authentication mechanism")]
    Mechanism,
    /// The client's view of channel binding does not fit what was offered: somebody may sit in between.
    #[error("SCRAM channel binding check failed: {0}")]
    ChannelBinding(&'static str),
}

impl LoginError {
    /// What the client is told.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Rejected { .. } => Refusal::new(Reason::Unauthenticated, self.to_string()),
            Self::ChannelBinding(_) => {
                Refusal::new(Reason::Unauthenticated, self.to_string()).with_code(sqlstate::INVALID_AUTHORIZATION)
            }
            _ => Refusal::new(Reason::Invalid, self.to_string()),
        }
    }
}

impl Classify for LoginError {
    fn origin(&self) -> Origin {
        Origin::Downstream
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Rejected { .. } | Self::ChannelBinding(_) => Kind::Login,
            _ => Kind::Protocol,
        }
    }
}

/// Why a server did not let the gateway in, or was not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerLoginError {
    /// The server said no.
    #[error("the server refused the login: {message} (SQLSTATE {code})")]
    Refused {
        /// Its SQLSTATE.
        code: String,
        /// Its message.
        message: String,
    },
    /// The server asks for a password and there is none.
    #[error("the server asks for a password, and none is configured for this user")]
    NoPassword,
    /// What is known of the password cannot answer the method asked for.
    #[error("the server asks for {0}, which the stored secret cannot answer; configure the plain password")]
    Unsuited(&'static str),
    /// A password in the clear over an unencrypted stream.
    #[error("the server asks for the password in the clear on an unencrypted connection; use TLS to it, or allow this")]
    Cleartext,
    /// A method that is not spoken here.
    #[error("the server asks for authentication method {0}, which is not supported")]
    Method(u32),
    /// No mechanism in common.
    #[error("the server offers no SASL mechanism known here (SCRAM-SHA-256, SCRAM-SHA-256-PLUS)")]
    Mechanism,
    /// Binding was required and did not happen.
    #[error("channel binding is required, and the server did not authenticate with it")]
    ChannelBinding,
    /// A SCRAM message is broken.
    #[error("malformed SCRAM message from the server: {0}")]
    Scram(&'static str),
    /// The server wants more hashing than is reasonable.
    #[error("the server asks for {0} SCRAM iterations, more than the limit of 1000000")]
    Iterations(u64),
    /// The server could not prove that it knows the password's verifier.
    #[error("the server does not know this user's password verifier: it may be an impostor")]
    Signature,
    /// It negotiated a version that was not asked for.
    #[error("the server wants to speak protocol {0}, which was not asked for")]
    Version(crate::Version),
    /// Another message than the login's next.
    #[error("unexpected message {:?} from the server during login", char::from(*.0))]
    Unexpected(u8),
    /// A message, or the number of them, is beyond reason.
    #[error("the server sends too much during login")]
    TooMuch,
    /// A message's fields are broken.
    #[error("malformed message from the server during login: {0}")]
    Body(#[from] BodyError),
}

impl Classify for ServerLoginError {
    fn origin(&self) -> Origin {
        Origin::Upstream
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Refused { code, .. } => match code.as_str() {
                sqlstate::TOO_MANY_CONNECTIONS => Kind::Limit,
                sqlstate::CANNOT_CONNECT_NOW | sqlstate::ADMIN_SHUTDOWN => Kind::Unavailable,
                _ => Kind::Login,
            },
            Self::NoPassword
            | Self::Unsuited(_)
            | Self::Cleartext
            | Self::Method(_)
            | Self::Mechanism
            | Self::ChannelBinding
            | Self::Signature => Kind::Login,
            _ => Kind::Protocol,
        }
    }

    fn retry_is_safe(&self) -> bool {
        matches!(self.kind(), Kind::Limit | Kind::Unavailable)
    }
}
