//! CON-12: a cancel request ends what its own client is running, on whichever server that is, and nothing else.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidegate_kit::{Certificates, Gateway, Mode, Port, Postgres, RawClient, Settings, eventually, message, wait_until};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const MODES: [Mode; 2] = [Mode::Session, Mode::Transaction];

fn sleeping(postgres: &Postgres, what: &str) -> bool {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{what}%'"
    );
    postgres.value(&count) != "0"
}

/// A client that runs something long.
fn asleep(settings: &Settings, postgres: &Postgres, name: &str) -> RawClient {
    let mut client = RawClient::connect(&settings.target());
    client.send(&message::query(&format!("SELECT '{name}', pg_sleep(60)")));
    eventually("the query runs", || sleeping(postgres, name));
    client
}

/// The client learns it within a second, and goes on.
#[track_caller]
fn check_cancelled(client: &mut RawClient, cancel: impl FnOnce()) {
    let begin = Instant::now();
    cancel();
    let reply = client.reply();
    assert_eq!(
        (reply.sqlstate().as_str(), reply.status()),
        ("57014", Some('I')),
        "{reply:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(1), "after {:?}", begin.elapsed());
    assert_eq!(client.query("SELECT 7").value(), "7");
}

/// Sends a cancel request in the clear, and waits for its only answer, the end.
fn cancel(settings: &Settings, request: &[u8]) {
    let mut line = RawClient::open(settings.address());
    line.send(request);
    assert!(
        line.closed_within(Duration::from_secs(5)),
        "a cancel is answered by closing"
    );
}

/// The same within TLS, verified.
fn cancel_within_tls(settings: &Settings, ca: &Path, request: &[u8]) {
    let mut openssl = Command::new("openssl")
        .args([
            "s_client",
            "-starttls",
            "postgres",
            "-verify_return_error",
            "-quiet",
            "-CAfile",
        ])
        .arg(ca)
        .args(["-connect", &settings.address().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed by `make setup`");
    let mut input = openssl.stdin.take().expect("a pipe");
    input.write_all(request).expect("write");
    let mut status = None;
    let ended = wait_until(Duration::from_secs(10), || {
        status = openssl.try_wait().expect("wait");
        status.is_some()
    });
    assert!(ended, "a cancel is answered by closing");
}

#[test]
fn a_cancel_ends_the_query_with_tls_and_without() {
    let certificates = Certificates::new();
    let postgres = Postgres::start();
    for mode in MODES {
        let settings = Settings::new(&postgres, mode).tls(&certificates.server(), &certificates.ca());
        let _gateway = settings.start(TIDEGATE);
        let mut client = asleep(&settings, &postgres, "first");
        let request = client.cancel_request();
        check_cancelled(&mut client, || cancel(&settings, &request));
        let mut client = asleep(&settings, &postgres, "second");
        let request = client.cancel_request();
        check_cancelled(&mut client, || {
            cancel_within_tls(&settings, &certificates.ca(), &request);
        });
    }
}

/// Two clusters of two servers each, and clients all over them: a cancel finds the one that is meant.
#[test]
fn a_cancel_finds_its_server_among_several() {
    let servers: Vec<Postgres> = (0..4).map(|_| Postgres::start()).collect();
    let port = Port::reserve();
    let endpoints = |pair: &[Postgres]| {
        let addresses = pair
            .iter()
            .map(|server| format!("{{ address: \"{}\" }}", server.address()));
        addresses.collect::<Vec<_>>().join(", ")
    };
    let cluster = |pair: &[Postgres], mode: &str| {
        format!(
            "{{ protocol: postgres, balance: round_robin, endpoints: [ {} ], pool: {{ mode: {mode} }} }}",
            endpoints(pair)
        )
    };
    let yaml = format!(
        "admin: {{ enabled: false }}\nlisteners:\n  main:\n    protocol: postgres\n    address: \"{}\"\n    login: {{ users: \
         {{ app: {{ password: app-secret }} }} }}\n    routes:\n      - {{ match: {{ application_name: left }}, cluster: \
         left }}\n      - {{ cluster: right }}\nclusters:\n  left: {}\n  right: {}\n",
        port.address(),
        cluster(&servers[..2], "transaction"),
        cluster(&servers[2..], "session"),
    );
    let _gateway = Gateway::builder(TIDEGATE, &yaml).listens(port.address()).start();
    let mut target = servers[0].target();
    target.port = port.number();
    let mut clients: Vec<RawClient> = (0..12)
        .map(|number| {
            let name = ["left", "right"][number % 2];
            let client = RawClient::try_connect_with(&target, &[("application_name", name)]);
            let mut client = client.expect("a login");
            client.send(&message::query(&format!("SELECT 'client-{number}-', pg_sleep(60)")));
            client
        })
        .collect();
    let running = |number: usize| {
        servers
            .iter()
            .filter(|server| sleeping(server, &format!("client-{number}-")))
            .count()
    };
    eventually("all queries run", || (0..12).all(|number| running(number) == 1));
    let loads: Vec<usize> = servers.iter().map(|server| server.backends("app").len()).collect();
    assert_eq!(loads, [3, 3, 3, 3]);
    // The last ones first, so that numbers and places do not agree by chance.
    for number in (0..12).rev() {
        let request = clients[number].cancel_request();
        check_cancelled(&mut clients[number], || {
            let mut line = RawClient::open(port.address());
            line.send(&request);
            assert!(line.closed_within(Duration::from_secs(5)));
        });
        assert!(
            (0..number).all(|other| running(other) == 1),
            "the cancel of {number} hit another"
        );
    }
}

/// Keys that are made up, outlived or altered cancel nothing, and are answered as the right ones are.
#[test]
fn a_wrong_key_cancels_nothing() {
    let postgres = Postgres::start();
    for mode in MODES {
        let settings = Settings::new(&postgres, mode);
        let _gateway = settings.start(TIDEGATE);
        let gone = RawClient::connect(&settings.target());
        let outlived = gone.cancel_request();
        gone.terminate();
        let mut client = asleep(&settings, &postgres, "mine");
        let (pid, secret) = client.key.clone().expect("a key");
        let mut altered = secret.clone();
        altered[0] ^= 1;
        for request in [
            message::cancel(pid, &altered),
            message::cancel(pid, &[&secret[..], &[0]].concat()),
            message::cancel(pid ^ 1, &secret),
            message::cancel(-1, &secret),
            message::cancel(0, &[0; 4]),
            outlived,
        ] {
            let mut line = RawClient::open(settings.address());
            line.send(&request);
            assert!(line.closed_within(Duration::from_secs(5)), "{request:?}");
        }
        assert!(sleeping(&postgres, "mine"), "{mode:?}: cancelled by a wrong key");
        let request = client.cancel_request();
        check_cancelled(&mut client, || cancel(&settings, &request));
    }
}

/// A client that waits for a server is cancelled without one; whoever has the server notices nothing.
#[test]
fn who_waits_is_cancelled_too() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).size(1);
    let _gateway = settings.start(TIDEGATE);
    let mut holder = RawClient::connect(&settings.target());
    holder.query("BEGIN; SELECT 1");
    let mut waiter = RawClient::connect(&settings.target());
    waiter.send(&message::query("SELECT 2"));
    let request = waiter.cancel_request();
    // Until the waiter's request has been read, there is nothing to cancel.
    waiter.patience(Duration::from_millis(200));
    let cancelled = wait_until(Duration::from_secs(5), || {
        cancel(&settings, &request);
        waiter.try_frame().is_ok_and(|frame| frame.sqlstate() == "57014")
    });
    assert!(cancelled, "the waiter waits on");
    assert_eq!(holder.query("SELECT 3").value(), "3");
    assert_eq!(holder.query("COMMIT").status(), Some('I'));
    waiter.patience(Duration::from_secs(10));
    assert_eq!(waiter.until(b'Z').len(), 1);
    assert_eq!(waiter.query("SELECT 4").value(), "4");
}

/// Says that it is over, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two clients take turns on one server while the cancels of one of them rain down. They often come when their query is
/// over and the server is about to be the other's, who must never be hit.
#[test]
fn a_late_cancel_hits_nobody_else() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).size(1);
    let _gateway = settings.start(TIDEGATE);
    let mut victim = RawClient::connect(&settings.target());
    let mut cancelled = RawClient::connect(&settings.target());
    let request = cancelled.cancel_request();
    let over = AtomicBool::new(false);
    let hits = std::thread::scope(|scope| {
        let (over, settings, request) = (&over, &settings, &request);
        let is_over = || over.load(Ordering::Relaxed);
        let guard = Over(over);
        scope.spawn(move || {
            while !is_over() {
                cancel(settings, request);
            }
        });
        let short = scope.spawn(move || {
            let mut hits = 0;
            for number in 0.. {
                if is_over() {
                    break;
                }
                hits += u32::from(cancelled.query("SELECT pg_sleep(0.004)").sqlstate() == "57014");
                // A client that asks again at once keeps the server that a cancel is still on its way to.
                std::thread::sleep(Duration::from_millis(5 + number % 7));
            }
            hits
        });
        for number in 0..400 {
            let reply = victim.query(&format!("SELECT {number}, pg_sleep(0.001)"));
            assert_eq!(reply.sqlstate(), "", "the cancel of another client hit query {number}");
        }
        drop(guard);
        short.join().expect("the cancelled client")
    });
    assert!(
        hits > 10,
        "only {hits} cancels hit their own query: the test shows nothing"
    );
}
