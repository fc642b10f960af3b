//! One Redis or Valkey client connection, from hello to goodbye.
//!
//! The way of the data: [`Redis`] greets a client on a login thread (`admit`), its core's `room` gives it a `session`.
//! Ordinary commands of all clients go over a few shared connections (`line`), whose books say whose reply comes next.
//! What makes state on a connection runs on one of the client's own (`server`), and `pin` decides when that may go to
//! somebody else.

mod admit;
mod config;
mod dial;
mod group;
mod health;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the sessions begin to use it when they know several servers"
    )
)]
mod layout;
mod line;
mod login;
mod pin;
mod plan;
mod protocol;
mod room;
mod server;
mod session;
mod users;

pub use config::{
    RedisCluster, RedisCredential, RedisListener, RedisLogin, RedisLoginMethod, RedisPool, RedisRoute, RedisTimeouts,
    RedisUser,
};
pub use layout::{
    RedisDistribution, RedisEndpoint, RedisHash, RedisKind, RedisNameError, RedisReads, RedisReadsFrom, RedisTopology,
};
pub use plan::{RedisMistake, RedisPlan, targets};
pub use protocol::Redis;
