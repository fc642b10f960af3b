//! Which servers a cluster of the configuration consists of, and which of them has a key.
//!
//! A [`Layout`] is an immutable snapshot. The [`Atlas`] of a cluster holds the one in force, and lives on through reloads.
//! `watch` asks the servers, on the control plane: regularly, and soon after somebody saw a sign of change. How they are
//! asked, and whom to believe, is `cluster`'s, `sentinel`'s and `replicated`'s matter.

mod announcements;
mod atlas;
mod book;
mod cluster;
mod config;
mod epochs;
mod lag;
mod mistakes;
mod node;
mod reads;
mod replicated;
mod ring;
mod sentinel;
mod shards;
mod survey;
mod talk;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use atlas::Atlas;
pub use config::{
    RedisDistribution, RedisEndpoint, RedisHash, RedisKind, RedisNameError, RedisReads, RedisReadsFrom, RedisTopology,
};
pub(crate) use mistakes::mistakes;
pub(crate) use node::Node;
pub(crate) use reads::Reads;
pub(crate) use shards::{Bucket, Layout, Shard};
pub(crate) use talk::Talk;
pub(crate) use watch::watch;
