//! On a bad day: servers down, pools full, broken configuration.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tidegate_kit::{
    Client, Gateway, Mode, Postgres, RawClient, Settings, Stop, Target, block_on, eventually, message, wait_until,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// `GET` without a library: the status code.
fn status(address: SocketAddr, path: &str) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut socket = TcpStream::connect(address).expect("the admin API listens");
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: tidegate\r\nConnection: close\r\n\r\n"
    )
    .expect("write");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("no status line: {text}"))
}

#[track_caller]
fn serves(target: &Target) {
    let mut client = RawClient::connect(target);
    assert_eq!(client.query("SELECT 41 + 1").value(), "42");
    client.terminate();
}

fn start(postgres: &Postgres, mode: Mode) -> (Settings, Gateway) {
    let settings = Settings::new(postgres, mode);
    let gateway = settings.start(TIDEGATE);
    (settings, gateway)
}

/// CON-3.
#[test]
fn a_server_that_is_down_at_start_is_waited_for() {
    let mut postgres = Postgres::start();
    postgres.stop(Stop::Fast);
    let (settings, _gateway) = start(&postgres, Mode::Transaction);
    assert_eq!(status(settings.admin_address(), "/livez"), 200);
    assert_eq!(status(settings.admin_address(), "/readyz"), 503);
    let refused = match RawClient::try_connect(&settings.target()) {
        Err(error) => error.sqlstate(),
        Ok(mut client) => client.query("SELECT 1").sqlstate(),
    };
    assert_eq!(refused, "57P03");
    postgres.run();
    let served = wait_until(Duration::from_secs(2), || {
        let client = block_on(Client::try_connect(&settings.target()));
        client.is_ok() && status(settings.admin_address(), "/readyz") == 200
    });
    assert!(served, "not within 2 s of the server's start");
    serves(&settings.target());
}

/// CON-2.
#[test]
fn a_full_pool_says_53300_after_the_wait_limit() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .size(1)
        .pool("queue_timeout: 1s");
    let _gateway = settings.start(TIDEGATE);
    let mut holder = RawClient::connect(&settings.target());
    assert_eq!(holder.query("BEGIN; SELECT 1").status(), Some('T'));
    let mut waiter = RawClient::connect(&settings.target());
    let begin = Instant::now();
    assert_eq!(waiter.query("SELECT 1").sqlstate(), "53300");
    let delay = begin.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(3)).contains(&delay),
        "{delay:?}"
    );
    assert_eq!(holder.query("COMMIT").status(), Some('I'));
    serves(&settings.target());
}

/// PG-8: the oldest waiter is served first.
#[test]
fn waiters_are_served_in_order() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).size(1);
    let _gateway = settings.start(TIDEGATE);
    let mut holder = RawClient::connect(&settings.target());
    assert_eq!(holder.query("BEGIN; SELECT 1").status(), Some('T'));
    let mut waiters: Vec<RawClient> = (0..10)
        .map(|_| {
            let mut client = RawClient::connect(&settings.target());
            client.send(&message::query("SELECT clock_timestamp()::text FROM pg_sleep(0.02)"));
            std::thread::sleep(Duration::from_millis(30));
            client
        })
        .collect();
    assert_eq!(postgres.backends("app").len(), 1, "all wait for one server");
    holder.query("COMMIT");
    let moments: Vec<String> = waiters.iter_mut().map(|client| client.reply().value()).collect();
    assert!(moments.is_sorted(), "{moments:?}");
}

#[test]
fn a_broken_configuration_on_reload_changes_nothing() {
    let postgres = Postgres::start();
    let (settings, gateway) = start(&postgres, Mode::Transaction);
    let mut before = RawClient::connect(&settings.target());
    gateway.reload(
        &settings
            .yaml()
            .replace("queue_timeout", "x")
            .replace("size: 20", "sise: 20"),
    );
    gateway.wait_for_log("sise");
    serves(&settings.target());
    assert_eq!(before.query("SELECT 1").value(), "1");
    gateway.reload(&settings.yaml().replace("size: 20", "size: 5"));
    eventually("the new configuration serves", || {
        block_on(Client::try_connect(&settings.target())).is_ok()
    });
    assert_eq!(
        before.query("SELECT 2").value(),
        "2",
        "a live client keeps its connection"
    );
}

/// A client of session mode leaves a clean server also where the mode has changed since it came.
#[test]
fn a_mode_that_changes_leaves_nothing_behind() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Session).size(1);
    let gateway = settings.start(TIDEGATE);
    let mut before = RawClient::connect(&settings.target());
    let pid = before.query("SELECT pg_backend_pid()").value();
    before.query("CREATE TEMP TABLE left_behind (a int); SET work_mem = '5MB'; SELECT pg_advisory_lock(7)");
    let yaml = settings.yaml();
    assert!(yaml.contains("mode: session"), "{yaml}");
    gateway.reload(&yaml.replace("mode: session", "mode: transaction"));
    gateway.wait_for_log("configuration in force");
    assert_eq!(before.query("SELECT count(*) FROM left_behind").value(), "0");
    before.terminate();
    let mut after = RawClient::connect(&settings.target());
    let left = "SELECT pg_backend_pid(), coalesce(to_regclass('left_behind')::text, 'nothing'), \
                current_setting('work_mem'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";
    assert_eq!(after.query(left).rows()[0], [pid.as_str(), "nothing", "4MB", "0"]);
}

/// CON-4: idle servers are kept, and CON-13: dead ones are not lent out.
#[test]
fn servers_are_kept_while_well_and_replaced_when_dead() {
    let mut postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).size(1);
    let _gateway = settings.start(TIDEGATE);
    let mut client = RawClient::connect(&settings.target());
    let pid = client.query("SELECT pg_backend_pid()").value();
    for _ in 0..20 {
        assert_eq!(client.query("SELECT pg_backend_pid()").value(), pid);
    }
    postgres.terminate_backend(pid.parse().expect("a process id"));
    eventually("the server is gone", || postgres.backends("app").is_empty());
    assert_ne!(
        client.query("SELECT pg_backend_pid()").value(),
        pid,
        "the client noticed nothing"
    );
    postgres.restart();
    eventually("the same client is served again", || {
        client.query("SELECT 1").sqlstate().is_empty()
    });
}
