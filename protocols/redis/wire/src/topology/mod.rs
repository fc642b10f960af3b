//! What servers tell of who serves what: CLUSTER SLOTS, CLUSTER INFO, INFO replication, ROLE, and what sentinels know.
//! Both versions of the protocol say the same, RESP3 with maps where RESP2 has keys and values in turn.

mod fields;
mod role;
mod sentinel;
mod slots;

pub use fields::{ClusterInfo, Replication, fields};
pub use role::{Link, Role};
pub use sentinel::{Master, Place, Watched, place, watched};
pub use slots::slot_ranges;
