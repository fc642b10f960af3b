//! The test kit: throw-away servers, certificates, faults, hand-made clients, and the driver
//! suites that run against any address.
//!
//! It is only ever called from a test, so it does not return errors: what cannot be set up ends
//! the test with a message that says what is missing.

mod admin;
mod certificates;
mod client;
mod drivers;
mod fault;
mod files;
mod gateway;
mod port;
mod postgres;
mod process;
mod programs;
mod raw;
mod redis;
mod resp;
mod sasl;
pub mod suites;
mod target;
mod wait;

pub use admin::Admin;
pub use certificates::{Certificates, Identity};
pub use client::{Client, block_on};
pub use drivers::Drivers;
pub use fault::{Direction, FaultProxy, Faults};
pub use gateway::{Gateway, GatewayBuilder, Settings};
pub use port::Port;
pub use postgres::{Postgres, PostgresBuilder, Stop};
pub use process::{Cpu, Proc, Watchdog};
pub use programs::Programs;
pub use raw::{Frame, RawClient, Reply, message};
pub use redis::{Flavour, Redis, RedisBuilder, RedisCluster, RedisSentinels};
pub use resp::{Resp, RespClient};
pub use target::{Mode, Target, Tls};
pub use wait::{eventually, wait_until};
