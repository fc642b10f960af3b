//! What a client is shown of the cluster behind the gateway: nothing, or one made of gateways.
//!
//! Every gateway can serve every slot. So a client that knows clusters is shown the gateways as the nodes, and never
//! hears of a real one. The real shards are dealt out over the gateways, by the order of their lowest slots: all
//! gateways show the same without asking each other, a failover changes nothing, and what a client asks of every node
//! and adds up itself (DBSIZE, SCAN) comes out right when each gateway answers for its own shards
//! ([`Shown::shards`]). Gateways beyond the number of shards are shown as replicas: who reads from replicas uses them.

mod answer;
mod layout;
mod replies;
#[cfg(test)]
mod tests;

pub(crate) use answer::{ADMINISTERED, Answer, Seen, answer};
pub(crate) use layout::{Gateway, Shown};
