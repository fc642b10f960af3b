use std::process::Command;

use super::{RedisTarget, revive};
use crate::Redis;
use crate::drivers::{Drivers, run_while};

const BASE: [&str; 8] = [
    "types",
    "pipeline",
    "transactions",
    "scripts",
    "blocking",
    "pubsub",
    "login",
    "reconnect",
];

/// redis-py, in RESP2 and RESP3: types, pipelines, transactions that watch, scripts and functions, blocking pops,
/// subscriptions, cursors, databases, logins, a server that ends.
#[track_caller]
pub fn redis_py(target: &RedisTarget, server: &mut Redis) {
    if !Drivers::skipped() {
        let command = Drivers::find().python("redis_suite.py");
        run(command, target, server, &twice(&["resp3", "scan", "databases"]));
    }
}

/// ioredis: the same, and subscriptions that it makes again by itself.
#[track_caller]
pub fn ioredis(target: &RedisTarget, server: &mut Redis) {
    if !Drivers::skipped() {
        let more = ["resp3", "scan", "databases"].map(str::to_owned);
        let checks: Vec<String> = BASE.map(str::to_owned).into_iter().chain(more).collect();
        run(Drivers::find().node("redis_suite.cjs"), target, server, &checks);
    }
}

/// Jedis, in RESP2 and RESP3.
#[track_caller]
pub fn jedis(target: &RedisTarget, server: &mut Redis) {
    if !Drivers::skipped() {
        let command = Drivers::find().java_redis("RedisSuite.java");
        run(command, target, server, &twice(&["scan", "databases"]));
    }
}

/// Lettuce, in RESP2 and in the RESP3 that it asks for by itself; it connects again by itself.
#[track_caller]
pub fn lettuce(target: &RedisTarget, server: &mut Redis) {
    if !Drivers::skipped() {
        let command = Drivers::find().java_redis("LettuceSuite.java");
        run(command, target, server, &twice(&["version", "databases"]));
    }
}

/// go-redis, in RESP2 and RESP3. A machine without a Go that is new enough goes without, and says so.
#[track_caller]
pub fn go_redis(target: &RedisTarget, server: &mut Redis) {
    if Drivers::skipped() {
        return;
    }
    match Drivers::find().go() {
        Some((command, _folder)) => run(command, target, server, &twice(&["scan", "databases"])),
        None => eprintln!("LEFT OUT: go-redis, since `make setup` found no Go that is new enough"),
    }
}

/// The checks of a suite that runs in both versions of the protocol.
fn twice(more: &[&str]) -> Vec<String> {
    let each = |version: &'static str| {
        let names = BASE.iter().chain(more);
        names.map(move |name| format!("{name} {version}"))
    };
    each("RESP2").chain(each("RESP3")).collect()
}

#[track_caller]
fn run(mut command: Command, target: &RedisTarget, server: &mut Redis, checks: &[String]) {
    command.envs(target.environment(server));
    run_while(command, checks, || revive(server));
}
