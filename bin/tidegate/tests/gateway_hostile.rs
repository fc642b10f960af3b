//! CON-14: what comes from hostile or broken clients ends with them: by a limit, in bounded memory, and unseen by others.

use std::io::ErrorKind::{TimedOut, WouldBlock};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tidegate_kit::{
    Admin, Certificates, Frame, Gateway, Mode, Postgres, RawClient, Settings, Target, eventually, message,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
/// A length of 2 GiB less one byte.
const HUGE: [u8; 4] = [0x7f, 0xff, 0xff, 0xff];

#[track_caller]
fn serves(target: &Target) {
    let mut client = RawClient::connect(target);
    assert_eq!(client.query("SELECT 41 + 1").value(), "42");
    client.terminate();
}

/// Reads what comes, an error message perhaps, until the end; `None` when there is none in time.
fn last_words(client: &mut RawClient, limit: Duration) -> Option<Vec<Frame>> {
    let begin = Instant::now();
    client.patience(limit);
    let mut frames = Vec::new();
    while begin.elapsed() < limit {
        match client.try_frame() {
            Ok(frame) => frames.push(frame),
            Err(e) => return (!matches!(e.kind(), WouldBlock | TimedOut)).then_some(frames),
        }
    }
    None
}

/// Bytes without a meaning, always the same.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let next = |state: &mut u64| {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            state.to_le_bytes()[0]
        };
        (0..length).map(|_| next(&mut self.0)).collect()
    }
}

/// A gateway with TLS, and how much it held when it had served one client.
struct Target14 {
    settings: Settings,
    gateway: Gateway,
    memory: u64,
    descriptors: usize,
}

impl Target14 {
    fn new(postgres: &Postgres) -> Self {
        let certificates = Certificates::new();
        let settings = Settings::new(postgres, Mode::Transaction)
            .tls(&certificates.server(), &certificates.ca())
            .listener("pre_auth_timeout: 2s");
        let gateway = settings.start(TIDEGATE);
        serves(&settings.target());
        Self {
            memory: gateway.rss_kib(),
            descriptors: gateway.fds(),
            settings,
            gateway,
        }
    }

    /// All that is gone, and so is what it took.
    #[track_caller]
    fn is_as_before(&self, probes: u64) {
        eventually("descriptors are at the baseline", || {
            self.gateway.fds() <= self.descriptors + 2
        });
        let grown = self.gateway.rss_kib().saturating_sub(self.memory);
        // Threads' stacks and the allocator's arenas are touched once, whatever the number of probes.
        assert!(grown < 8 * 1024 + probes * 2, "{grown} KiB more after {probes} probes");
        serves(&self.settings.target());
    }
}

#[test]
fn probes_and_garbage_leave_nothing() {
    let postgres = Postgres::start();
    let stage = Target14::new(&postgres);
    for _ in 0..500 {
        drop(TcpStream::connect(stage.settings.address()).expect("connect"));
    }
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    for length in 1..300 {
        // It may have been closed while it is being sent.
        let _closed = RawClient::open(stage.settings.address()).try_send(&noise.bytes(length));
    }
    for _ in 0..100 {
        let mut client = RawClient::open(stage.settings.address());
        client.send(&message::ssl_request());
        assert_eq!(client.byte(), b'S');
        // The beginning of a ClientHello, and never the rest.
        client.send(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
        client.reset();
    }
    stage.is_as_before(900);
}

/// A length that nobody will ever send, before the login and in it.
#[test]
fn huge_lengths_before_login_reserve_nothing() {
    let postgres = Postgres::start();
    let stage = Target14::new(&postgres);
    let address = stage.settings.address();
    for _ in 0..50 {
        let mut hello = RawClient::open(address);
        hello.send(&[&HUGE[..], &[0, 3, 0, 0]].concat());
        let words = last_words(&mut hello, Duration::from_secs(4)).expect("an end");
        assert_eq!(words.first().map(Frame::sqlstate).as_deref(), Some("08P01"));
        let mut password = RawClient::open(address);
        password.send(&message::startup(message::PROTOCOL_3_0, &[("user", "app")]));
        assert_eq!(password.frame().tag, b'R');
        password.send(&[&b"p"[..], &HUGE].concat());
        assert!(
            last_words(&mut password, Duration::from_secs(4)).is_some(),
            "still open"
        );
    }
    stage.is_as_before(100);
}

/// Clients that say nothing, or too slowly, end by `pre_auth_timeout`, however many there are.
#[test]
fn slow_hellos_end_by_the_pre_auth_timeout() {
    let postgres = Postgres::start();
    let stage = Target14::new(&postgres);
    let hello = message::startup(message::PROTOCOL_3_0, &[("user", "app"), ("database", "app")]);
    let begin = Instant::now();
    let mut clients: Vec<RawClient> = (0..200).map(|_| RawClient::open(stage.settings.address())).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        match number % 4 {
            // Nothing at all.
            0 => {}
            // TLS that is asked for and does not begin.
            1 => client.send(&message::ssl_request()),
            // A login that stops at the password.
            2 => client.send(&hello),
            // One byte at a time.
            _ => client.send(&hello[..1]),
        }
    }
    let mut at = 1;
    while begin.elapsed() < Duration::from_millis(2_500) {
        for client in clients.iter_mut().skip(3).step_by(4) {
            let _closed = client.try_send(&hello[at..=at]);
        }
        at += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 4 == 1 {
            assert_eq!(client.byte(), b'S');
        }
        let words = last_words(client, Duration::from_secs(5));
        assert!(words.is_some(), "client {number} is open after {:?}", begin.elapsed());
    }
    let metric = Admin::of(&stage.settings).metric("tidegate_logins_failed_total", &["timeout"]);
    assert!(metric >= 200.0, "{metric} of 200 are counted");
    stage.is_as_before(200);
}

/// What comes after a login and is no message of the protocol: FATAL 08P01, and the end.
#[test]
fn what_is_no_message_ends_the_session() {
    let postgres = Postgres::start();
    let broken: [(&str, Vec<u8>); 7] = [
        ("2 GiB of Query", [&b"Q"[..], &HUGE].concat()),
        ("a negative length", vec![b'P', 0xff, 0xff, 0xff, 0xff]),
        ("a length below 4", vec![b'Q', 0, 0, 0, 3]),
        ("an unknown type", message::frame(b'y', b"what?")),
        ("a message of the server's", message::frame(b'Z', b"I")),
        ("a password again", message::password("secret")),
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
    ];
    for mode in [Mode::Session, Mode::Transaction] {
        let settings = Settings::new(&postgres, mode).size(2);
        let gateway = settings.start(TIDEGATE);
        let mut other = RawClient::connect(&settings.target());
        let memory = gateway.rss_kib();
        for (what, bytes) in &broken {
            for before in ["SELECT 1", "BEGIN; SELECT 1"] {
                let mut client = RawClient::connect(&settings.target());
                client.query(before);
                client.send(bytes);
                let words = last_words(&mut client, Duration::from_secs(5));
                let words = words.unwrap_or_else(|| panic!("{mode:?}, {before}: {what} is taken"));
                let said: Vec<_> = words.iter().map(|frame| (frame.tag, frame.sqlstate())).collect();
                assert_eq!(said, [(b'E', "08P01".to_owned())], "{mode:?}, {before}: {what}");
                assert_eq!(words[0].field('V'), "FATAL");
                assert_eq!(other.query("SELECT 7").value(), "7", "{mode:?}, {before}: {what}");
            }
        }
        assert!(gateway.rss_kib() < memory + 8 * 1024, "a length was taken at its word");
        eventually("no transaction is left open", || {
            postgres.value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == "0"
        });
    }
}

/// A Terminate that claims a body which never comes.
#[test]
fn half_a_goodbye_is_a_goodbye() {
    let postgres = Postgres::start();
    for mode in [Mode::Session, Mode::Transaction] {
        let settings = Settings::new(&postgres, mode);
        let _gateway = settings.start(TIDEGATE);
        for before in ["SELECT 1", "BEGIN; SELECT 1"] {
            for request in [Vec::new(), message::query("SELECT 2")] {
                let mut client = RawClient::connect(&settings.target());
                client.query(before);
                client.send(&[&request[..], &[b'X', 0, 0, 4, 0]].concat());
                assert!(
                    last_words(&mut client, Duration::from_secs(5)).is_some(),
                    "{mode:?}, {before}"
                );
            }
        }
        let panics = Admin::of(&settings).metric("tidegate_session_panics_total", &[]);
        assert!(panics == 0.0, "{mode:?}: {panics} panics");
    }
}

/// What comes behind a request and is no message never reaches the server, which by then may be another client's.
#[test]
fn what_is_no_message_hits_nobody_else() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).size(1);
    let _gateway = settings.start(TIDEGATE);
    let mut other = RawClient::connect(&settings.target());
    let pid = other.query("SELECT pg_backend_pid()").value();
    for tag in [b'y', b'p', b'Z', 0] {
        let mut client = RawClient::connect(&settings.target());
        let request = [message::query("SELECT 1"), message::frame(tag, b"what?")].concat();
        client.send(&request);
        for _ in 0..20 {
            let reply = other.query("SELECT 'mine'");
            assert_eq!(
                (reply.sqlstate().as_str(), reply.value().as_str()),
                ("", "mine"),
                "{tag}"
            );
        }
        assert!(
            last_words(&mut client, Duration::from_secs(5)).is_some(),
            "{tag} is taken"
        );
    }
    let log = postgres.log();
    assert!(!log.contains("invalid frontend message"), "it reached the server {pid}");
}

/// What a client hears of a script: the types, and of errors the codes too.
fn transcript(client: &mut RawClient, script: &[u8]) -> Vec<String> {
    client.send(&[script, &message::sync(), &message::query("ROLLBACK; SELECT 'the end'")].concat());
    let mut heard = Vec::new();
    let mut is_last = false;
    while let Ok(frame) = client.try_frame() {
        is_last |= frame.tag == b'D' && frame.body.ends_with(b"the end");
        match frame.tag {
            b'E' => heard.push(format!("E {} {}", frame.field('V'), frame.sqlstate())),
            b'Z' => heard.push(format!("Z{}", char::from(frame.body[0]))),
            b'N' => {}
            tag => heard.push(char::from(tag).to_string()),
        }
        if is_last && frame.tag == b'Z' {
            return heard;
        }
    }
    heard.push("closed".to_owned());
    heard
}

/// Messages that are right in themselves and come in the wrong place are answered as the server itself answers them.
#[test]
fn messages_out_of_place_are_answered_as_by_the_server() {
    use message::{bind, close, copy_data, copy_done, copy_fail, describe, execute, flush, parse, query, sync};
    let postgres = Postgres::start();
    postgres.execute("CREATE TABLE heap (n int); GRANT ALL ON heap TO app");
    let copy_in = || query("COPY heap FROM STDIN");
    let scripts: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("Sync alone", vec![sync(), sync(), sync()]),
        ("Flush alone", vec![flush(), flush()]),
        (
            "COPY without a COPY",
            vec![copy_data(b"1\n"), copy_done(), copy_fail("no"), copy_data(b"2\n")],
        ),
        ("Execute without Bind", vec![execute("", 0), query("SELECT 1"), sync()]),
        ("Execute of no portal", vec![execute("none", 0), flush(), sync()]),
        ("Bind of no statement", vec![bind("", "none", &[]), execute("", 0)]),
        (
            "Describe of nothing",
            vec![describe(b'S', "none"), sync(), describe(b'P', "none")],
        ),
        ("Describe of neither", vec![describe(b'X', "")]),
        (
            "Close of nothing",
            vec![close(b'S', "none"), close(b'P', "none"), close(b'S', "")],
        ),
        (
            "too many parameters",
            vec![parse("", "SELECT 1"), bind("", "", &[Some("1")]), execute("", 0)],
        ),
        (
            "Query in a batch",
            vec![
                parse("", "SELECT 1"),
                bind("", "", &[]),
                query("SELECT 2"),
                execute("", 0),
            ],
        ),
        (
            "Query behind an error",
            vec![parse("", "SELEC"), query("SELECT 2"), bind("", "", &[])],
        ),
        ("Query in a COPY", vec![copy_in(), query("SELECT 2")]),
        (
            "Sync in a COPY",
            vec![copy_in(), copy_data(b"1\n"), sync(), flush(), copy_done()],
        ),
        (
            "Parse in a COPY",
            vec![copy_in(), copy_data(b"1\n"), parse("", "SELECT 1")],
        ),
        (
            "CopyFail",
            vec![copy_in(), copy_data(b"1\n"), copy_fail("no more"), copy_data(b"2\n")],
        ),
        (
            "rubbish in a COPY",
            vec![copy_in(), copy_data(b"one\n"), copy_data(b"2\n"), copy_done()],
        ),
        (
            "an empty Query",
            vec![query(""), query(";"), parse("", ""), bind("", "", &[]), execute("", 0)],
        ),
        ("an empty body", vec![message::frame(b'Q', b"")]),
        ("no terminator", vec![message::frame(b'Q', b"SELECT 1")]),
        ("a short Parse", vec![message::frame(b'P', b"\0")]),
        ("a short Bind", vec![message::frame(b'B', b"\0\0\0")]),
        ("a short Execute", vec![message::frame(b'E', b"\0")]),
        (
            "an unknown function",
            vec![message::frame(b'F', &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0])],
        ),
    ];
    for mode in [Mode::Session, Mode::Transaction] {
        let settings = Settings::new(&postgres, mode);
        let _gateway = settings.start(TIDEGATE);
        for (what, script) in &scripts {
            for before in ["SELECT 1", "BEGIN; SELECT 1"] {
                let heard = |target: &Target| {
                    let mut client = RawClient::connect(target);
                    client.query(before);
                    transcript(&mut client, &script.concat())
                };
                let (expected, found) = (heard(&postgres.target()), heard(&settings.target()));
                assert_eq!(found, expected, "{mode:?}, {before}: {what}");
            }
        }
    }
}
