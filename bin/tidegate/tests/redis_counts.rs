//! The budget of system calls for Redis: at most 6.1 of the data thread for each round trip of one client, counted by
//! strace, whether it brings one command or sixteen. Two reads, two writes and two waits are the floor of an epoll loop.

mod common;

use common::strace::{Strace, data_thread};
use tidegate_kit::{Flavour, Gateway, Port, Redis, RespClient};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const ROUNDS: u32 = 4_000;
const BUDGET: f64 = 6.1;

fn start(server: &Redis, port: &Port) -> Gateway {
    let yaml = format!(
        "runtime: {{ data_threads: 1 }}\n\
         admin: {{ enabled: false }}\n\
         listeners:\n\
         \x20 main:\n\
         \x20   protocol: redis\n\
         \x20   address: \"{}\"\n\
         \x20   login: {{ method: trust }}\n\
         \x20   routes: [ {{ cluster: cache }} ]\n\
         clusters:\n\
         \x20 cache:\n\
         \x20   protocol: redis\n\
         \x20   endpoints: [ {{ address: \"{}\" }} ]\n",
        port.address(),
        server.address(),
    );
    Gateway::builder(TIDEGATE, &yaml).listens(port.address()).start()
}

/// What one round of these commands costs, after a hundred of them.
#[track_caller]
fn check(what: &str, words: &[&str], count: usize) {
    let server = Redis::start(Flavour::Redis);
    let port = Port::reserve();
    let gateway = start(&server, &port);
    let mut client = RespClient::connect(port.address());
    let request = RespClient::encode(words).repeat(count);
    let mut round = || {
        client.send(&request);
        for _ in 0..count {
            let reply = client.reply();
            assert!(!matches!(reply, tidegate_kit::Resp::Error(_)), "{reply:?}");
        }
    };
    for _ in 0..100 {
        round();
    }
    let strace = Strace::attach(data_thread(&gateway));
    for _ in 0..ROUNDS {
        round();
    }
    let calls = strace.finish();
    let total: u32 = calls.iter().map(|(_, calls)| calls).sum();
    let each = f64::from(total) / f64::from(ROUNDS);
    println!("{what}: {each:.3} system calls per round trip: {calls:?}");
    assert!(total > ROUNDS, "strace saw nothing: {calls:?}");
    assert!(
        each <= BUDGET,
        "{what}: {each:.3} system calls per round trip: {calls:?}"
    );
}

#[test]
fn a_command_makes_few_system_calls() {
    check("GET", &["GET", "key"], 1);
}

#[test]
fn a_write_makes_few_system_calls() {
    check("SET", &["SET", "key", "a value of some length"], 1);
}

#[test]
fn a_pipeline_makes_as_few_as_a_command() {
    check("16 GETs", &["GET", "key"], 16);
}
