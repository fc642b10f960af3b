use std::fmt;

use futures_util::future::LocalBoxFuture;

use crate::{Exchange, ExchangeId, Interest, Need};

/// One decision about an exchange: written once, runs on every protocol. A step belongs to one session, so it takes
/// `&mut self` and needs no lock; many exchanges of a pipeline can be under way in it, told apart by their id.
pub trait Transform {
    /// What must be shown; stated when a Plan is built, and nothing else is ever shown.
    fn interest(&self) -> Interest;

    /// A request came in. A request of which the client sends parts and waits in between comes in several calls with
    /// the same id; all but the first have the `continues` flag.
    fn on_request(&mut self, id: ExchangeId, exchange: &mut dyn Exchange) -> Flow;

    /// What [`Flow::Wait`] waited for is there.
    fn resume(&mut self, id: ExchangeId, exchange: &mut dyn Exchange, verdict: Verdict) -> Flow {
        let _ = (id, exchange, verdict);
        Flow::Next { reply: Need::Pass }
    }

    /// A part of the reply flows by. With a need of `Head` or `Facts` only the last part is shown, without bytes.
    fn on_reply(&mut self, id: ExchangeId, part: Part<'_>) -> Reply {
        let _ = (id, part);
        Reply::Pass
    }

    /// Something that answers no request flows by.
    fn on_push(&mut self, part: Part<'_>) -> Reply {
        let _ = part;
        Reply::Pass
    }
}

/// Makes a session's own step; built once per Plan from validated configuration.
pub trait Factory: Send + Sync {
    /// The transform's name, as in configuration.
    fn name(&self) -> &'static str;
    /// What its steps must be shown.
    fn interest(&self) -> Interest;
    /// A step for one session.
    fn step(&self) -> Box<dyn Transform>;
}

impl fmt::Debug for dyn Factory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// How a request goes on.
pub enum Flow {
    /// To the next step; `reply` says what this step must be shown of the reply, at most its stated interest.
    Next {
        /// What must be shown of the reply.
        reply: Need,
    },
    /// No further: the step has refused or replayed.
    Stop,
    /// Not before this is there. Earlier replies keep flowing meanwhile.
    Wait(LocalBoxFuture<'static, Verdict>),
}

impl fmt::Debug for Flow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next { reply } => write!(out, "Next({reply:?})"),
            Self::Stop => out.write_str("Stop"),
            Self::Wait(_) => out.write_str("Wait"),
        }
    }
}

/// What came of a wait: bytes that the waiting step understands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict(pub Vec<u8>);

/// A stretch of a reply or of a push.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// One whole protocol message where `Body` is needed; else empty.
    pub bytes: &'a [u8],
    /// `bytes` is a stretch of a message that is longer than what is held. Who keeps replies must give such a one up.
    pub is_cut: bool,
    /// Set on the last part: how the exchange ended.
    pub end: Option<Outcome<'a>>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// As asked.
    Done,
    /// With an error of this native code.
    Failed(&'a str),
}

/// What happens with a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It goes on as it is.
    Pass,
    /// These bytes go on in its place.
    Replace(Vec<u8>),
    /// Nothing goes on in its place; the step keeps what it needs and gives it with a later part.
    Hold,
}
