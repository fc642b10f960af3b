//! SUSPEND: sessions stop where they are, and go on as if nothing had been.

mod console_house;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console_house::{House, row, show};
use tidegate_kit::{RawClient, Target, eventually, message, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing may move for it to count as stopped.
const STILL: Duration = Duration::from_secs(1);
const ROWS: usize = 200_000;
const LINES: usize = 80_000;

/// A client in a thread of its own, and how far it is.
struct Busy {
    done: Arc<AtomicUsize>,
    thread: JoinHandle<RawClient>,
}

/// Streams hurry from here on: before, they must not be over too soon.
static HURRIES: AtomicBool = AtomicBool::new(false);

fn take_time(number: usize) {
    if number.is_multiple_of(10) && !HURRIES.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Busy {
    fn start(target: &Target, work: impl FnOnce(&mut RawClient, &AtomicUsize) + Send + 'static) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let mut client = RawClient::connect(target);
        client.patience(PATIENCE);
        let counted = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            work(&mut client, &counted);
            client
        });
        Self { done, thread }
    }

    /// A client that logs in.
    fn start_login(target: &Target) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let (target, counted) = (target.clone(), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            let mut client = RawClient::open(std::net::SocketAddr::from(([127, 0, 0, 1], target.port)));
            client.patience(PATIENCE);
            let names = [("user", &*target.user), ("database", &*target.database)];
            client.send(&message::startup(message::PROTOCOL_3_0, &names));
            client.log_in(&target).expect("it comes in");
            client.until(b'Z');
            counted.store(1, Ordering::Relaxed);
            client
        });
        Self { done, thread }
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether nothing has happened for a while.
    fn is_still(&self) -> bool {
        let (before, began) = (self.done(), Instant::now());
        while began.elapsed() < STILL {
            if self.done() != before {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

/// Reads rows that are numbered, and finds each of them.
fn read_rows(client: &mut RawClient, done: &AtomicUsize) {
    client.send(&message::query(&format!(
        "SELECT i, repeat('x', 1000) FROM generate_series(1, {ROWS}) i"
    )));
    loop {
        let frame = client.frame();
        match frame.tag {
            b'D' => {
                let number = done.fetch_add(1, Ordering::Relaxed) + 1;
                let columns = frame.columns();
                let expected = [number.to_string().into_bytes(), vec![b'x'; 1000]];
                let is_whole = columns
                    .iter()
                    .map(Option::as_deref)
                    .eq(expected.iter().map(|e| Some(&**e)));
                assert!(is_whole, "row {number}");
                take_time(number);
            }
            b'Z' => return,
            b'T' | b'C' => {}
            tag => panic!("{tag}: {frame:?}"),
        }
    }
}

fn copy_in(client: &mut RawClient, done: &AtomicUsize) {
    client.send(&message::query("COPY taken FROM STDIN"));
    assert_eq!(client.frame().tag, b'G');
    let rest = "y".repeat(1000);
    for number in 1..=LINES {
        let line = message::copy_data(format!("{number}\t{rest}\n").as_bytes());
        let mut socket = client.socket();
        socket.write_all(&line).expect("the gateway takes it");
        done.store(number, Ordering::Relaxed);
        take_time(number);
    }
    client.send(&message::copy_done());
    assert_eq!(client.reply().sqlstate(), "");
}

#[test]
fn streams_stop_and_every_byte_arrives() {
    let house = House::new();
    house
        .postgres
        .execute("CREATE UNLOGGED TABLE taken (i int, t text); GRANT ALL ON taken TO app");
    let (mut console, app) = (house.console(), house.settings.target());
    let mut idle = RawClient::connect(&app);
    idle.query("SELECT 1");
    let rows = Busy::start(&app, read_rows);
    let lines = Busy::start(&app, copy_in);
    eventually("both are in the midst", || rows.done() > 1000 && lines.done() > 1000);

    console.patience(PATIENCE);
    assert_eq!(console.query("SUSPEND").tags(), "CZ");
    // What sockets held may still come.
    HURRIES.store(true, Ordering::Relaxed);
    assert!(
        wait_until(PATIENCE, || rows.is_still() && lines.is_still()),
        "something moves"
    );
    assert!(
        rows.done() < ROWS && lines.done() < LINES,
        "{} {}",
        rows.done(),
        lines.done()
    );
    let state = show(&mut console, "state");
    let states: Vec<_> = state.iter().map(|row| row["value"].as_str()).collect();
    assert_eq!(states, ["no", "no", "yes"]);
    assert_eq!(row(&mut console, "databases", "name", &app.database)["paused"], "0");
    for statement in ["SUSPEND", "PAUSE"] {
        let error = console.query(statement).error().expect("an error");
        assert_eq!(error.field('M'), "already suspended/paused");
    }
    // Who asks, or comes in, waits.
    idle.send(&message::query("SELECT 2"));
    let late = Busy::start_login(&app);
    assert!(late.is_still() && rows.is_still() && lines.is_still());
    idle.patience(Duration::from_millis(300));
    assert!(idle.try_frame().is_err());
    idle.patience(PATIENCE);

    assert_eq!(console.query("RESUME").tags(), "CZ");
    assert_eq!(idle.reply().value(), "2");
    for (busy, all) in [(rows, ROWS), (lines, LINES), (late, 1)] {
        let done = Arc::clone(&busy.done);
        let mut client = busy.thread.join().expect("it is whole");
        assert_eq!(done.load(Ordering::Relaxed), all);
        assert_eq!(client.query("SELECT 3").value(), "3");
    }
    let taken = "SELECT count(*) || ' ' || sum(i) || ' ' || bool_and(t = repeat('y', 1000)) FROM taken";
    let sum = LINES * (LINES + 1) / 2;
    assert_eq!(house.postgres.value(taken), format!("{LINES} {sum} true"));
}

#[test]
fn who_takes_nothing_is_closed_in_the_end() {
    let house = House::new();
    let limit = house.settings.yaml() + "runtime: { suspend_timeout: 1s }\n";
    house.gateway.reload(&limit);
    let (mut console, app) = (house.console(), house.settings.target());
    eventually("the limit is in force", || {
        row(&mut console, "config", "key", "runtime.suspend_timeout")["value"] == "1s"
    });
    let mut deaf = RawClient::connect(&app);
    deaf.send(&message::query(
        "SELECT repeat('x', 1000) FROM generate_series(1, 200000)",
    ));
    let mut other = RawClient::connect(&app);
    other.query("SELECT 1");
    let direct = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'";
    eventually("its server is stopped by it", || house.postgres.value(direct) == "1");
    console.patience(PATIENCE);
    let began = Instant::now();
    assert_eq!(console.query("SUSPEND").tags(), "CZ");
    assert!(began.elapsed() >= Duration::from_secs(1), "it had no time");
    assert_eq!(show(&mut console, "clients").len(), 1, "the other stays");
    assert_eq!(console.query("RESUME").tags(), "CZ");
    assert_eq!(other.query("SELECT 2").value(), "2");
    drop(deaf);
    // A resume while it is waited for ends the wait.
    assert_eq!(console.query("SUSPEND").tags(), "CZ");
    assert_eq!(console.query("RESUME").tags(), "CZ");
}

/// Until a server is in the midst of what a client has asked for.
#[track_caller]
fn wait_for_sleeper(house: &House) {
    let sleepers = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    eventually("it is at work", || house.postgres.value(sleepers) == "1");
}

/// What is due while everything stands still is due so much later: nobody could say or hear anything.
#[test]
fn limits_of_time_stand_still_too() {
    let house = House::with(|settings| settings.cluster("timeouts: { query: 2s, client_idle: 2s }"));
    let (mut console, app) = (house.console(), house.settings.target());
    let (mut idle, mut busy) = (RawClient::connect(&app), RawClient::connect(&app));
    assert_eq!(idle.query("SELECT 1").value(), "1");
    busy.send(&message::query("SELECT 'slow' FROM pg_sleep(1)"));
    wait_for_sleeper(&house);
    assert_eq!(console.query("SUSPEND").tags(), "CZ");
    idle.send(&message::query("SELECT 2"));
    // Longer than every limit.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(console.query("RESUME").tags(), "CZ");
    assert_eq!(busy.reply().value(), "slow");
    assert_eq!(idle.reply().value(), "2");
}

/// Whoever is suspended is served to the end when the process goes down.
#[test]
fn a_suspended_gateway_goes_down_gently() {
    let mut house = House::new();
    let (mut console, app) = (house.console(), house.settings.target());
    let mut busy = RawClient::connect(&app);
    busy.send(&message::query("SELECT 'done' FROM pg_sleep(1)"));
    wait_for_sleeper(&house);
    assert_eq!(console.query("SUSPEND").tags(), "CZ");
    let began = Instant::now();
    house.gateway.begin_drain();
    busy.patience(PATIENCE);
    assert_eq!(busy.reply().value(), "done");
    assert!(house.gateway.wait(PATIENCE).success());
    assert!(began.elapsed() < Duration::from_secs(25), "before drain_timeout");
}
