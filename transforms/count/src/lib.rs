//! Counts exchanges by verb and outcome, on whatever protocol its chain belongs to.
//!
//! Each thread that makes steps gets one set of counters ([`shard`]), which all sessions of that core share: an exchange
//! costs one uncontended atomic addition and allocates nothing, and the number of counters does not grow with sessions.

mod config;
mod count;
mod shard;

pub use config::CountConfig;
pub use count::Count;
