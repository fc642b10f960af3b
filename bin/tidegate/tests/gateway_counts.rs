//! The budget of system calls: at most 6.1 of the data thread per query at one client, counted by strace, with a step in
//! the chain and without. Two reads, two writes and two waits are the floor of an epoll loop for one client.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tidegate_kit::{Gateway, Mode, Postgres, RawClient, Settings, message, wait_until};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const QUERIES: u32 = 4_000;
const BUDGET: f64 = 6.1;

/// strace, attached to one thread and counting.
struct Strace {
    child: Child,
    folder: tempfile::TempDir,
}

impl Strace {
    fn attach(thread: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("strace")
            .args(["-c", "-o"])
            .arg(folder.path().join("counts"))
            .args(["-p", &thread.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is installed by `make setup`");
        let mut said = String::new();
        let stderr = child.stderr.as_mut().expect("a pipe");
        BufReader::new(stderr)
            .read_line(&mut said)
            .expect("strace says something");
        assert!(said.contains("attached"), "strace cannot attach: {said}");
        Self { child, folder }
    }

    /// How often each call was made.
    fn finish(mut self) -> Vec<(String, u32)> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process id"), Signal::INT).expect("a signal");
        let ended = wait_until(Duration::from_secs(10), || {
            self.child.try_wait().is_ok_and(|status| status.is_some())
        });
        assert!(ended, "strace does not end");
        let table = std::fs::read_to_string(self.folder.path().join("counts")).expect("a table");
        let calls = table.lines().filter_map(|line| {
            // % time, seconds, usecs/call, calls, perhaps errors, name
            let words: Vec<_> = line.split_whitespace().collect();
            let (calls, name) = (words.get(3)?.parse().ok()?, words.last()?);
            (*name != "total").then(|| ((*name).to_owned(), calls))
        });
        calls.collect()
    }
}

/// The thread that serves clients; there is one.
fn data_thread(gateway: &Gateway) -> u32 {
    let tasks = format!("/proc/{}/task", gateway.process().pid());
    let found = std::fs::read_dir(&tasks).expect("threads").flatten().find(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.trim() == "data-0"
    });
    let found = found.expect("a data thread").file_name();
    found.to_string_lossy().parse().expect("a number")
}

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
