//! One Redis or Valkey client connection, from hello to goodbye.
//!
//! The way of the data: [`Redis`] greets a client on a login thread (`admit`), its core's `room` gives it a `session`.
//! Ordinary commands of all clients go over a few shared connections (`line`, moved by its `carrier`), whose books say
//! whose reply comes next.
//! What makes state on a connection runs on one of the client's own (`server`), and `pin` decides when that may go to
//! somebody else.

mod acl;
mod admit;
mod carrier;
mod config;
mod dial;
mod group;
mod health;
mod hub;
mod job;
mod layout;
mod line;
mod listening;
mod login;
mod metrics;
mod passthrough;
mod pin;
mod plan;
mod protocol;
mod room;
mod scatter;
mod server;
mod session;
mod shown;
mod turns;
mod users;

pub use config::{
    RedisAdvertise, RedisCluster, RedisCredential, RedisListener, RedisLogin, RedisLoginMethod, RedisPool, RedisRoute,
    RedisRules, RedisTimeouts, RedisUser,
};
pub use layout::{
    RedisDistribution, RedisEndpoint, RedisHash, RedisKind, RedisNameError, RedisReads, RedisReadsFrom, RedisTopology,
};
pub use plan::{RedisMistake, RedisPlan, targets};
pub use protocol::Redis;
