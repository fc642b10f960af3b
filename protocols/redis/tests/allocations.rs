//! A pass-through command allocates nothing in steady state, and what a transaction allocates is counted. One test alone
//! in its process, so that nobody else's allocations count.

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use common::Both;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate_kit::{Flavour, RedisCluster, RespClient};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5_000;
/// What timers and health checks of the same process may allocate meanwhile.
const BACKGROUND: usize = ROUNDS / 10;

/// What a client says in one write, and the bytes that answer it.
struct Case {
    name: &'static str,
    hello: Vec<u8>,
    request: Vec<u8>,
    reply: Vec<u8>,
    /// Allocations that each may make.
    allowed: usize,
}

/// One command, and the bytes that answer it.
fn exchange(words: &[&str], reply: &str) -> (Vec<u8>, Vec<u8>) {
    (RespClient::encode(words), reply.as_bytes().to_vec())
}

fn cases() -> Vec<Case> {
    let value = "v".repeat(100);
    let kib = "v".repeat(1024);
    let get = exchange(&["GET", "hundred"], &format!("$100\r\n{value}\r\n"));
    let set = exchange(&["SET", "hundred", &value], "+OK\r\n");
    let large = exchange(&["GET", "kib"], &format!("$1024\r\n{kib}\r\n"));
    let several = exchange(
        &["MGET", "hundred", "none", "hundred"],
        &format!("*3\r\n$100\r\n{value}\r\n$-1\r\n$100\r\n{value}\r\n"),
    );
    let error = exchange(&["INCR", "hundred"], "-ERR value is not an integer or out of range\r\n");
    let none = exchange(&["GET", "none"], "_\r\n");
    // On a connection of the client's own, which is lent for it and comes back.
    let transaction = (
        [&["MULTI"][..], &["GET", "hundred"], &["EXEC"]]
            .map(RespClient::encode)
            .concat(),
        format!("+OK\r\n+QUEUED\r\n*1\r\n$100\r\n{value}\r\n").into_bytes(),
    );
    let mixed = (
        [&get, &set, &large, &several, &error]
            .map(|(request, _)| request.as_slice())
            .concat(),
        [&get, &set, &large, &several, &error]
            .map(|(_, reply)| reply.as_slice())
            .concat(),
    );
    vec![
        case("GET", &get, 1),
        case("SET", &set, 1),
        case("GET of 1 KiB", &large, 1),
        case("MGET", &several, 1),
        case("an error", &error, 1),
        case("16 GETs", &get, 16),
        case("100 of five kinds", &mixed, 20),
        // The lease's box.
        Case {
            allowed: 1,
            ..case("MULTI to EXEC", &transaction, 1)
        },
        Case {
            hello: RespClient::encode(&["HELLO", "3"]),
            ..case("GET in RESP3", &none, 1)
        },
    ]
}

fn case(name: &'static str, (request, reply): &(Vec<u8>, Vec<u8>), times: usize) -> Case {
    Case {
        name,
        hello: Vec::new(),
        request: request.repeat(times),
        reply: reply.repeat(times),
        allowed: 0,
    }
}

/// Keys of all nodes of a cluster, whose answers come in another order than the client asked in.
fn over_a_cluster() -> Vec<Case> {
    let keys: Vec<_> = (0..16)
        .map(|number| exchange(&["SET", &format!("key:{number}"), "v"], "+OK\r\n"))
        .collect();
    let all = (
        keys.iter().flat_map(|(request, _)| request.clone()).collect(),
        keys.iter().flat_map(|(_, reply)| reply.clone()).collect(),
    );
    vec![
        case("SET at one node", &keys[0], 1),
        case("16 SETs at three nodes", &all, 1),
    ]
}

/// Says it and reads its answer, without an allocation of its own.
fn round(mut socket: &TcpStream, case: &Case, buffer: &mut [u8]) {
    socket.write_all(&case.request).expect("the gateway reads");
    let answer = &mut buffer[..case.reply.len()];
    socket.read_exact(answer).expect("the gateway answers");
    assert!(*answer == *case.reply, "{} is answered by something else", case.name);
}

fn connect(gateway: SocketAddr, hello: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(gateway).expect("the gateway listens");
    socket.set_nodelay(true).expect("a socket");
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .expect("a time limit");
    if !hello.is_empty() {
        socket.write_all(hello).expect("the gateway reads");
        let mut greeting = [0; 4096];
        let read = socket.read(&mut greeting).expect("the gateway greets");
        assert!(greeting[..read].starts_with(b"%"), "no greeting");
    }
    socket
}

/// The allocations of so many rounds, each by every client in turn.
fn measure(gateway: SocketAddr, case: &Case, clients: usize) {
    let mut buffer = vec![0; 1 << 16];
    let sockets: Vec<TcpStream> = (0..clients).map(|_| connect(gateway, &case.hello)).collect();
    let mut rounds = |count: usize| {
        for at in 0..count {
            round(&sockets[at % clients], case, &mut buffer);
        }
    };
    rounds(200);
    let region = Region::new(ALLOCATOR);
    rounds(ROUNDS);
    let change = region.change();
    let count = change.allocations + change.reallocations;
    let name = case.name;
    println!("{name}, {clients} clients: {count} allocations in {ROUNDS} rounds");
    assert!(
        count < case.allowed * ROUNDS + BACKGROUND,
        "{name}, {clients} clients: {count} allocations in {ROUNDS} rounds"
    );
}

#[test]
fn a_pass_through_command_allocates_nothing() {
    let both = Both::start(Flavour::Redis);
    let mut client = both.client();
    client.ask(&["SET", "hundred", &"v".repeat(100)]);
    client.ask(&["SET", "kib", &"v".repeat(1024)]);
    for case in cases() {
        for clients in [1, 8] {
            measure(both.house.address(), &case, clients);
        }
    }
    let cluster = RedisCluster::start(Flavour::Redis);
    let listener = json!({ "login": { "method": "trust" } });
    // Nobody looks at the servers meanwhile.
    let quiet = json!({ "topology": { "kind": "cluster", "refresh": "1h" }, "health": { "interval": "1h" } });
    let house = common::gateway(&cluster.addresses(), &listener, &quiet, Vec::new());
    for case in over_a_cluster() {
        for clients in [1, 8] {
            measure(house.address(), &case, clients);
        }
    }
}
