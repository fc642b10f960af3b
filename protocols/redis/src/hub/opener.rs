use std::fmt;

use futures_util::future::LocalBoxFuture;
use tidegate_base::{Address, Refusal};
use tidegate_net::Stream;
use tidegate_redis_wire::reply::Redirect;

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Spot {
    /// Any server will do: the bus of a cluster carries messages to all of them.
    Any,
    /// This server.
    Node(Address),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Node(address) => address.fmt(f),
        }
    }
}

/// What the hub must know of the servers. It asks; the layout of a cluster is none of its business.
pub(crate) trait Opener {
    /// Opens a connection that is logged in with the gateway's credential and speaks RESP3, and does so within a limit
    /// of its own. What fails is logged there.
    fn open(&self, at: &Spot) -> LocalBoxFuture<'static, Result<Stream, Refusal>>;

    /// Whether an ordinary channel has a server of its own too, as over servers that know nothing of one another.
    fn spreads(&self) -> bool {
        false
    }

    /// Where a shard channel belongs, and any where they spread.
    fn spot_of(&self, channel: &[u8]) -> Spot;

    /// Whether the server there knows when a shard channel is not its own any more: it is of the layout, and the others
    /// tell it.
    fn knows(&self, at: &Spot) -> bool;

    /// Every server that tells of its own keys: the primaries of a cluster, or [`Spot::Any`] where there is one server.
    fn primaries(&self) -> Vec<Spot>;

    /// A server says that a shard channel belongs elsewhere: where that is. A redirect without a host means the host
    /// that was asked.
    fn moved(&self, from: &Spot, to: &Redirect<'_>) -> Spot;
}
