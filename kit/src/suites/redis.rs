//! What clients of Redis do. Each suite also ends the server in its midst, through its own port, and wants to be served
//! again when it is back; whoever calls it hands the server over for that.

mod cli;
mod programs;
mod redis_rs;

use std::net::SocketAddr;

use crate::Redis;

pub use self::cli::redis_cli;
pub use self::programs::{go_redis, ioredis, jedis, lettuce, redis_py};
pub use self::redis_rs::redis_rs;

/// Where a suite goes, and as whom.
#[derive(Clone, Debug)]
pub struct RedisTarget {
    /// The address: a server's own, or that of what stands before it.
    pub address: SocketAddr,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl RedisTarget {
    /// What the programs of `kit/drivers` read.
    fn environment(&self, server: &Redis) -> Vec<(&'static str, String)> {
        vec![
            ("REDIS_HOST", self.address.ip().to_string()),
            ("REDIS_PORT", self.address.port().to_string()),
            ("REDIS_USER", self.user.clone()),
            ("REDIS_PASSWORD", self.password.clone()),
            ("REDIS_SERVER_PORT", server.port().to_string()),
        ]
    }

    /// As a URL, of which `rest` is what follows the address.
    fn url(&self, rest: &str) -> String {
        format!("redis://{}:{}@{}/{rest}", self.user, self.password, self.address)
    }
}

/// Starts a server again that has ended.
fn revive(server: &mut Redis) {
    if server.process().is_some_and(|process| !process.alive()) {
        server.kill();
        server.run();
    }
}
