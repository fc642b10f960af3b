//! CON-18: how the gateway goes down.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tidegate_kit::{Admin, Gateway, Mode, Postgres, RawClient, Settings, eventually, message};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const PATIENCE: Duration = Duration::from_secs(20);

fn start(postgres: &Postgres, mode: Mode, limit: &str) -> (Settings, Gateway) {
    let settings = Settings::new(postgres, mode);
    let yaml = format!("runtime: {{ drain_timeout: {limit} }}\n{}", settings.yaml());
    let gateway = Gateway::builder(TIDEGATE, &yaml)
        .listens(settings.address())
        .listens(settings.admin_address())
        .start();
    (settings, gateway)
}

fn signal(gateway: &Gateway, signal: Signal) {
    let pid = i32::try_from(gateway.process().pid()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), signal).expect("a signal");
}

/// What the client is told, and that its connection ends.
#[track_caller]
fn check_closed(client: &mut RawClient) {
    let error = client.frame();
    assert_eq!(
        (error.field('V').as_str(), error.sqlstate().as_str()),
        ("FATAL", "57P01"),
        "{error:?}"
    );
    assert!(client.closed_within(PATIENCE));
}

/// Not ready at once; nobody new; those who ask for nothing leave; transactions end in their own time; exit code 0.
#[test]
fn transactions_under_way_are_finished() {
    let postgres = Postgres::start();
    postgres.execute("CREATE TABLE done (what text); GRANT ALL ON done TO app");
    for mode in [Mode::Session, Mode::Transaction] {
        let (settings, mut gateway) = start(&postgres, mode, "60s");
        let admin = Admin::of(&settings);
        eventually("the servers are seen to be well", || admin.status("/readyz") == 200);
        let client = || RawClient::connect(&settings.target());
        let (mut idle, mut fresh, mut open, mut put_off) = (client(), client(), client(), client());
        let (mut sleeping, mut copying) = (client(), client());
        assert_eq!(idle.query("SELECT 1").value(), "1");
        assert_eq!(
            open.query("BEGIN; INSERT INTO done VALUES ('open')").status(),
            Some('T')
        );
        assert_eq!(put_off.query("BEGIN").status(), Some('T'));
        sleeping.send(&message::query("INSERT INTO done SELECT 'slept' FROM pg_sleep(1.5)"));
        copying.send(&message::query("COPY done FROM STDIN"));
        assert_eq!(copying.frame().tag, b'G');

        gateway.begin_drain();
        eventually("readiness is false", || admin.status("/readyz") == 503);
        assert_eq!(admin.status("/livez"), 200);
        let refused = RawClient::try_connect(&settings.target()).expect_err("a client during the drain");
        assert_eq!(refused.sqlstate(), "57P01");
        check_closed(&mut idle);
        check_closed(&mut fresh);

        copying.send(&[message::copy_data(b"copied\n"), message::copy_done()].concat());
        let copied = copying.until(b'Z');
        assert!(
            copied.iter().any(|frame| frame.body.starts_with(b"COPY 1")),
            "{copied:?}"
        );
        check_closed(&mut copying);
        assert_eq!(sleeping.until(b'Z').first().map(|frame| frame.tag), Some(b'C'));
        check_closed(&mut sleeping);
        assert_eq!(put_off.query("INSERT INTO done VALUES ('put off')").status(), Some('T'));
        assert_eq!(put_off.query("COMMIT").status(), Some('I'));
        check_closed(&mut put_off);
        assert_eq!(open.query("SELECT count(*) FROM done WHERE what = 'open'").value(), "1");
        assert_eq!(open.query("COMMIT").tags(), "CZ");
        check_closed(&mut open);

        assert_eq!(gateway.wait(PATIENCE).code(), Some(0), "{mode:?}");
        let done = "SELECT string_agg(what, ', ' ORDER BY what) FROM done";
        assert_eq!(postgres.value(done), "copied, open, put off, slept", "{mode:?}");
        postgres.execute("TRUNCATE done");
        assert!(TcpStream::connect(settings.address()).is_err());
        eventually("its servers are gone", || postgres.backends("app").is_empty());
    }
}

/// A client that waits for a server at that moment is served first.
#[test]
fn who_waits_is_served() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).size(1);
    let mut gateway = settings.start(TIDEGATE);
    let admin = Admin::of(&settings);
    let mut holder = RawClient::connect(&settings.target());
    holder.query("BEGIN; SELECT 1");
    let mut waiter = RawClient::connect(&settings.target());
    waiter.send(&message::query("SELECT 'served'"));
    eventually("somebody waits", || {
        admin.metric("tidegate_pool_waiting_clients", &[]) > 0.0
    });
    gateway.begin_drain();
    eventually("readiness is false", || admin.status("/readyz") == 503);
    assert_eq!(holder.query("COMMIT").status(), Some('I'));
    assert_eq!(waiter.reply().value(), "served");
    check_closed(&mut waiter);
    check_closed(&mut holder);
    assert_eq!(gateway.wait(PATIENCE).code(), Some(0));
}

/// Who is left when the time is up is closed, and the exit code says so.
#[test]
fn the_drain_has_a_limit() {
    for mode in [Mode::Session, Mode::Transaction] {
        let postgres = Postgres::start();
        let (settings, mut gateway) = start(&postgres, mode, "1s");
        let mut open = RawClient::connect(&settings.target());
        open.query("BEGIN; SELECT 1");
        let mut asleep = RawClient::connect(&settings.target());
        asleep.send(&message::query("SELECT pg_sleep(60)"));
        let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sl%' AND state = 'active'";
        eventually("the query runs", || postgres.value(active) == "1");
        let begin = Instant::now();
        assert_eq!(gateway.terminate(PATIENCE).code(), Some(4), "{mode:?}");
        let elapsed = begin.elapsed();
        assert!(
            (Duration::from_secs(1)..Duration::from_secs(6)).contains(&elapsed),
            "{mode:?}: {elapsed:?}"
        );
        assert!(gateway.log().contains("after drain_timeout"));
        check_closed(&mut open);
        assert_eq!(asleep.reply().sqlstate(), "57014", "its query is cancelled");
        check_closed(&mut asleep);
        assert_eq!(postgres.value(active), "0");
        eventually("no transaction is left open", || {
            postgres.value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == "0"
        });
    }
}

/// Whoever is in a hurry asks twice.
#[test]
fn a_second_signal_ends_at_once() {
    let postgres = Postgres::start();
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (settings, mut gateway) = start(&postgres, Mode::Transaction, "60s");
        let mut open = RawClient::connect(&settings.target());
        open.query("BEGIN; SELECT 1");
        gateway.begin_drain();
        gateway.wait_for_log("draining");
        signal(&gateway, second);
        assert_eq!(gateway.wait(Duration::from_secs(5)).code(), Some(code));
        assert!(open.closed_within(PATIENCE));
    }
}
