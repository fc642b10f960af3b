//! What a client is shown of the cluster behind the gateway: nothing, or one made of gateways.
//!
//! Every gateway can serve every slot. So a client that knows clusters is shown the gateways as the nodes, each with an
//! equal part of the slots, and never hears of a real node. The parts are of the slots in their order, not of the
//! servers that have them: all gateways show the same without asking each other, and a failover or a slot that moves
//! changes nothing that clients would have to learn. Where servers have runs of slots, as they nearly always do, a
//! gateway's part is that of few servers.

mod answer;
mod layout;
mod replies;
#[cfg(test)]
mod tests;

pub(crate) use answer::{ADMINISTERED, Answer, Seen, answer};
pub(crate) use layout::{Gateway, Shown};
