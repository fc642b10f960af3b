//! One Redis or Valkey client connection, from hello to goodbye.
//!
//! The way of the data: [`Redis`] greets a client on a login thread (`admit`), its core's `room` gives it a `session`.
//! Ordinary commands of all clients go over a few shared connections (`line`), whose books say whose reply comes next.
//! What makes state on a connection runs on one of the client's own (`server`), and `pin` decides when that may go to
//! somebody else.

#[cfg_attr(not(test), expect(dead_code, reason = "the session does not ask it yet"))]
mod acl;
mod admit;
mod config;
mod dial;
mod group;
mod health;
mod line;
mod login;
mod passthrough;
mod pin;
mod plan;
mod protocol;
mod room;
mod server;
mod session;
mod users;

pub use config::{
    RedisCluster, RedisCredential, RedisListener, RedisLogin, RedisLoginMethod, RedisPool, RedisRoute, RedisRules,
    RedisTimeouts, RedisUser,
};
pub use plan::{RedisMistake, RedisPlan, targets};
pub use protocol::Redis;
