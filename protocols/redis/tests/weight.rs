//! What an idle client weighs on the heap. One test alone in its process, so that nobody else's allocations count.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::Both;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate_kit::{Flavour, eventually};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const CLIENTS: usize = 1000;
/// The budget is 2 KiB, of which tables that grow by doubling take their share.
const MOST: usize = 1950;

fn ask(mut socket: &TcpStream, request: &[u8], reply: &[u8]) {
    let mut answer = [0; 64];
    let answer = &mut answer[..reply.len()];
    socket.write_all(request).expect("the gateway reads");
    socket.read_exact(answer).expect("the gateway answers");
    assert_eq!(answer, reply);
}

fn get(socket: &TcpStream) {
    ask(socket, b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n", b"$-1\r\n");
}

#[test]
fn an_idle_client_weighs_little() {
    let both = Both::start(Flavour::Redis);
    let connect = || TcpStream::connect(both.house.address()).expect("the gateway listens");
    // What is there for all clients, and what grows in steps.
    let first: Vec<TcpStream> = (0..300).map(|_| connect()).collect();
    first.iter().for_each(get);
    let mut clients = Vec::with_capacity(CLIENTS);
    let region = Region::new(ALLOCATOR);
    let weigh = || {
        let change = region.change();
        (change.bytes_allocated.saturating_sub(change.bytes_deallocated)) / CLIENTS
    };
    clients.extend((0..CLIENTS).map(|_| connect()));
    eventually("all are there", || both.house.clients().len() == CLIENTS + 300);
    let connected = weigh();
    clients.iter().for_each(get);
    let asked = weigh();
    for client in &clients {
        let pipeline = b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n".repeat(10);
        ask(client, &pipeline, &b"$-1\r\n".repeat(10));
    }
    let piped = weigh();
    println!("{connected} bytes connected, {asked} behind a GET, {piped} behind ten at once");
    assert!(asked <= MOST, "{connected} bytes connected, {asked} behind a GET");
    assert!(piped <= MOST + 50, "{piped} bytes behind ten at once");
}
