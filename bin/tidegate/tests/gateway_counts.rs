//! The budget of system calls: at most 6.1 of the data thread per query at one client, counted by strace, with a step in
//! the chain and without. Two reads, two writes and two waits are the floor of an epoll loop for one client.

mod common;

use common::strace::{Strace, data_thread};
use tidegate_kit::{Gateway, Mode, Postgres, RawClient, Settings, message};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const QUERIES: u32 = 4_000;
const BUDGET: f64 = 6.1;

#[track_caller]
fn check(what: &str, chain: &str, prepare: &[u8], request: &[u8], tags: &str) {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).listener(chain);
    let yaml = format!("runtime: {{ data_threads: 1 }}\n{}", settings.yaml());
    let gateway = Gateway::builder(TIDEGATE, &yaml).listens(settings.address()).start();
    let mut client = RawClient::connect(&settings.target());
    let mut ask = |bytes: &[u8], tags: &str| {
        client.send(bytes);
        assert_eq!(client.reply().tags(), tags);
    };
    if !prepare.is_empty() {
        ask(prepare, "1Z");
    }
    for _ in 0..100 {
        ask(request, tags);
    }
    let strace = Strace::attach(data_thread(&gateway));
    for _ in 0..QUERIES {
        ask(request, tags);
    }
    let calls = strace.finish();
    let total: u32 = calls.iter().map(|(_, calls)| calls).sum();
    let each = f64::from(total) / f64::from(QUERIES);
    println!("{what}: {each:.3} system calls per query: {calls:?}");
    assert!(total > QUERIES, "strace saw nothing: {calls:?}");
    assert!(each <= BUDGET, "{what}: {each:.3} system calls per query: {calls:?}");
}

const COUNT: &str = "chain:\n  - count: {}";

fn simple(chain: &str) {
    let what = format!("simple, chain `{chain}`");
    check(&what, chain, &[], &message::query("SELECT 1"), "TDCZ");
}

fn prepared(chain: &str) {
    let prepare = [message::parse("s", "SELECT $1::int"), message::sync()].concat();
    let bind = message::bind("", "s", &[Some("7")]);
    let request = [bind, message::execute("", 0), message::sync()].concat();
    check(&format!("prepared, chain `{chain}`"), chain, &prepare, &request, "2DCZ");
}

#[test]
fn a_simple_query_makes_few_system_calls() {
    simple("");
}

#[test]
fn a_simple_query_that_is_counted_makes_few_system_calls() {
    simple(COUNT);
}

#[test]
fn a_prepared_query_makes_few_system_calls() {
    prepared("");
}

#[test]
fn a_prepared_query_that_is_counted_makes_few_system_calls() {
    prepared(COUNT);
}
