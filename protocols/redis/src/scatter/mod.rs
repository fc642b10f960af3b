//! One command over several servers, and their answers made one.
//!
//! Pure: [`way`] says where a command goes, and what it gives back knows how the replies become the one that the client
//! gets. Who sends what, follows redirects and waits is the session.
//!
//! What clients of one server are used to, and what several cannot give them (the guide says so too):
//! - MSET in parts is not atomic: another client can see some of its keys set and others not yet.
//! - DBSIZE, KEYS, FLUSHALL and the like are not of one moment.
//! - SCAN promises what one server's does, as long as no slot moves from a server that is still to be scanned to one
//!   that was, and no replica takes over from the server that is being scanned: its cursors are its own.

mod merge;
mod parts;
mod raw;
mod rule;
mod scan;
#[cfg(test)]
mod tests;
mod way;

pub(crate) use parts::Scatter;
pub(crate) use rule::PATTERNS;
pub(crate) use scan::ScanStep;
pub(crate) use way::{Way, Which, way};

use tidegate_redis_wire::reply::Version;

/// How keys are dealt out.
pub(crate) trait Buckets {
    /// The slot of a key in a Redis Cluster; the number of its shard where keys are hashed over plain servers.
    fn bucket(&self, key: &[u8]) -> u16;
    /// Whether buckets are slots.
    fn is_slots(&self) -> bool;
}

/// Who gets the merged reply.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asker {
    /// The version that the client speaks; the replies are in it too.
    pub(crate) version: Version,
    /// Whether the client is shown a cluster.
    pub(crate) sees_cluster: bool,
    /// A random number, for what is picked at random.
    pub(crate) dice: u64,
}
