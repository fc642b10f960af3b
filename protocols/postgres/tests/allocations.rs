//! A pass-through transaction allocates nothing, with a chain and without. One test alone in its process, so that nobody
//! else's allocations count.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use common::Subjected;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate_chain::Factory;
use tidegate_conformance::Subject as _;
use tidegate_count::{Count, CountConfig};
use tidegate_kit::message;
use tidegate_telemetry::Registry;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const TRANSACTIONS: usize = 5_000;
/// What timers and health checks of the same process may allocate meanwhile.
const BACKGROUND: usize = TRANSACTIONS / 10;

/// Says it and reads until so many exchanges have ended, without an allocation of its own.
fn exchange(mut socket: &TcpStream, request: &[u8], ends: usize, buffer: &mut [u8]) {
    socket.write_all(request).expect("the gateway reads");
    let (mut length, mut seen) = (0, 0);
    while seen < ends {
        let read = socket.read(&mut buffer[length..]).expect("the gateway answers");
        assert!(read > 0, "the gateway closed");
        length += read;
        let (mut at, mut complete) = (0, 0);
        while let Some(head) = buffer[..length].get(at..at + 5) {
            let size = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize + 1;
            assert_ne!(head[0], b'E', "an error");
            complete += usize::from(head[0] == b'Z' && at + size <= length);
            at += size;
        }
        seen = complete;
    }
}

/// A transaction, in the ways that clients say it; how many ReadyForQuery answer it.
fn transactions() -> [(&'static str, Vec<u8>, usize); 4] {
    let bind = |statement| {
        let parts = [
            message::bind("", statement, &[Some("7")]),
            message::describe(b'P', ""),
            message::execute("", 0),
            message::sync(),
        ];
        parts.concat()
    };
    let extended = [message::parse("", "SELECT $1::int"), bind("")].concat();
    let bracketed = ["BEGIN", "SELECT 1", "SELECT 2", "COMMIT"].map(message::query).concat();
    [
        ("simple", message::query("SELECT 1"), 1),
        ("extended", extended, 1),
        ("prepared", bind("by name"), 1),
        ("bracketed", bracketed, 4),
    ]
}

fn measure(label: &str, chain: Vec<Arc<dyn Factory>>) {
    let subject = Subjected::with_pool(chain, &json!({ "mode": "transaction", "size": 2 }));
    let client = subject.connect().0;
    let mut buffer = vec![0; 1 << 16];
    let prepare = [message::parse("by name", "SELECT $1::int"), message::sync()].concat();
    exchange(client.socket(), &prepare, 1, &mut buffer);
    for (name, request, ends) in transactions() {
        for _ in 0..100 {
            exchange(client.socket(), &request, ends, &mut buffer);
        }
        let region = Region::new(ALLOCATOR);
        for _ in 0..TRANSACTIONS {
            exchange(client.socket(), &request, ends, &mut buffer);
        }
        let change = region.change();
        let count = change.allocations + change.reallocations;
        println!("{label}, {name}: {count} allocations in {TRANSACTIONS} transactions");
        assert!(
            count < BACKGROUND,
            "{label}, {name}: {count} allocations in {TRANSACTIONS} transactions"
        );
    }
}

#[test]
fn a_pass_through_transaction_allocates_nothing() {
    measure("no chain", Vec::new());
    let registry = Registry::new();
    measure(
        "count",
        vec![Arc::new(Count::new(&CountConfig::default(), "main", &registry))],
    );
}
