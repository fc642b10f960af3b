//! What comes from hostile or broken clients ends with them: by a limit, in bounded memory, and unseen by others.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::Both;
use common::random::Random;
use serde_json::json;
use tidegate_kit::{Flavour, Proc, Redis as Server, RedisCluster, Resp, RespClient, eventually, wait_until};

const PATIENCE: Duration = Duration::from_secs(10);

/// Memory is measured of the whole process, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serves(client: &mut RespClient) {
    assert_eq!(client.ask(&["ECHO", "served"]).text(), "served");
}

fn memory() -> u64 {
    Proc::new(std::process::id()).anonymous_kib()
}

/// With a password, so that there are strangers.
fn closed(flavour: Flavour) -> Both {
    let listener = json!({ "login": { "users": { "default": { "password": "secret" } } } });
    Both::with(Server::start(flavour), &listener, &json!({}))
}

/// The bytes until the end, or `None` when there is none in time.
fn last_words(address: std::net::SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    // It may have been closed while it is being sent.
    let _closed = stream.write_all(bytes);
    let mut words = Vec::new();
    match stream.read_to_end(&mut words) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => None,
        _ => Some(words),
    }
}

/// What a server does not take for its protocol.
const BROKEN: [&[u8]; 16] = [
    b"*x\r\n",
    b"*99999999999999999999\r\n",
    b"*2147483648\r\n",
    b"*1\r\nGET\r\n",
    b"*1\r\n:3\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$3\r\nGET\r\n$600000000\r\n",
    b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n",
    b"GET \"a\r\n",
    b"GET 'a'b\r\n",
    b"\"\r\n",
    b"PING\r\n*1\r\n$-5\r\n",
    b"*11\r\n",
    b"*1\r\n$20000\r\n",
];

/// What a server itself would close on, before the login and after it; the words are its own.
#[test]
fn a_broken_protocol_is_answered_as_by_the_server() {
    let _alone = alone();
    for flavour in Flavour::ALL {
        for password in [false, true] {
            let both = if password {
                closed(flavour)
            } else {
                Both::start(flavour)
            };
            let builder = Server::builder(flavour).setting("proto-max-bulk-len", "64mb");
            let direct = if password { builder.password("secret") } else { builder };
            let direct = direct.start();
            let mut other = both.client();
            if password {
                other.ask(&["AUTH", "secret"]);
            }
            for bytes in BROKEN {
                let what = String::from_utf8_lossy(bytes).into_owned();
                let is_open = !password && matches!(bytes, b"*11\r\n" | b"*1\r\n$20000\r\n");
                if is_open {
                    // What is only forbidden to strangers.
                    continue;
                }
                let [expected, told] = [direct.address(), both.house.address()].map(|address| {
                    let words = last_words(address, bytes);
                    words.map(|words| String::from_utf8_lossy(&words).into_owned())
                });
                assert_eq!(told, expected, "{flavour:?}, with a password: {password}, {what:?}");
            }
            serves(&mut other);
            eventually("all others are gone", || both.house.clients().len() == 1);
        }
    }
}

/// A browser that was made to speak to a Redis is closed without a word, and nothing behind its headers is run.
#[test]
fn http_is_not_served() {
    let _alone = alone();
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        for request in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nSET evil 1\r\n",
            "GET / HTTP/1.1\r\nHost: localhost:6379\r\nUser-Agent: x\r\n\r\nSET evil 1\r\n",
            "post x\r\nSET evil 1\r\n",
            "*1\r\n$4\r\nPOST\r\nSET evil 1\r\n",
        ] {
            let words = last_words(both.house.address(), request.as_bytes());
            let words = words.map(|words| String::from_utf8_lossy(&words).into_owned());
            let words = words.unwrap_or_else(|| panic!("{request:?} is not closed"));
            assert!(
                words.is_empty() || words.starts_with("-ERR wrong number"),
                "{request:?}: {words:?}"
            );
        }
        assert_eq!(both.server.ask(&["EXISTS", "evil"]), Resp::Integer(0));
    }
}

/// SH-08: a length that is only declared takes no memory, before the login and after it.
#[test]
fn declared_lengths_reserve_nothing() {
    let _alone = alone();
    let both = closed(Flavour::Redis);
    let mut other = both.client();
    other.ask(&["AUTH", "secret"]);
    serves(&mut other);
    let user = |bytes: &[u8]| {
        let mut client = both.client();
        assert_eq!(client.ask(&["AUTH", "secret"]), Resp::Simple("OK".to_owned()));
        client.send(bytes);
        client
    };
    // Once, for what stays with the allocator.
    drop(user(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$60000000\r\nxxx"));
    let before = memory();
    let mut held = Vec::new();
    for _ in 0..8 {
        for bytes in [
            &b"*1000000\r\n$4\r\nMGET\r\n"[..],
            b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$60000000\r\nxxx",
            b"*2\r\n$60000000\r\nxxx",
        ] {
            held.push(user(bytes));
        }
        // Of a stranger.
        for bytes in [&b"*10\r\n$4\r\nAUTH\r\n$16384\r\nx"[..], b"*9\r\n$16000\r\n"] {
            let mut client = both.client();
            client.send(bytes);
            held.push(client);
        }
    }
    eventually("they are all there", || both.house.clients().len() >= 25);
    for _ in 0..200 {
        serves(&mut other);
    }
    let grown = memory().saturating_sub(before);
    assert!(
        grown < 6 << 10,
        "{grown} KiB for the lengths that {} clients declared",
        held.len()
    );
    for bytes in [&b"*2\r\n$3\r\nGET\r\n$100000000\r\n"[..], b"*1\r\n$67108865\r\n"] {
        let mut client = user(bytes);
        assert_eq!(
            client.reply(),
            Resp::Error("ERR Protocol error: invalid bulk length".to_owned())
        );
        assert!(client.closed_within(PATIENCE));
    }
    drop(held);
    eventually("all others are gone", || {
        both.house.clients().len() == 1 && both.house.lent() == 0
    });
}

/// A client that asks and asks and never listens: what waits for it is bounded, and others are served.
#[test]
fn a_pipeline_that_nobody_reads_is_bounded() {
    let _alone = alone();
    let both = Both::with(
        Server::start(Flavour::Valkey),
        &json!({ "login": { "method": "trust" } }),
        &json!({ "pool": { "shared": 1, "reply_buffer": "8MiB" } }),
    );
    let mut other = both.client();
    serves(&mut other);
    other.ask(&["SET", "value", &"v".repeat(1000)]);
    let before = memory();
    let mut deaf = TcpStream::connect(both.house.address()).expect("a connection");
    deaf.set_nonblocking(true).expect("a stream that does not block");
    let (command, mut sent) = (RespClient::encode(&["GET", "value"]), 0);
    let pipeline = command.repeat(1000);
    let (begin, mut most, mut slow) = (Instant::now(), 0, 0);
    while sent < 100_000 * command.len() && begin.elapsed() < Duration::from_secs(4) {
        match deaf.write(&pipeline[sent % command.len()..]) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        let asked = Instant::now();
        serves(&mut other);
        slow += usize::from(asked.elapsed() > Duration::from_secs(1));
        most = most.max(memory().saturating_sub(before));
    }
    assert_eq!(slow, 0, "others wait for one that does not read");
    assert!(most < 32 << 10, "{most} KiB for answers that nobody reads");
    drop(deaf);
    eventually("it is gone", || both.house.clients().len() == 1);
    serves(&mut other);
}

/// The same, of one that reads in the end: every answer comes, in order.
#[test]
fn a_pipeline_of_a_hundred_thousand_is_answered_in_order() {
    let _alone = alone();
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let mut writer = TcpStream::connect(both.house.address()).expect("a connection");
        let mut reader = std::io::BufReader::new(writer.try_clone().expect("the same"));
        let asks = std::thread::spawn(move || {
            for begin in (0..100_000).step_by(1000) {
                let bytes: Vec<u8> = (begin..begin + 1000)
                    .flat_map(|number: u32| RespClient::encode(&["ECHO", &format!("{number:06}")]))
                    .collect();
                writer.write_all(&bytes).expect("the gateway takes it");
            }
            writer
        });
        let mut answer = [0; 12];
        for number in 0..100_000 {
            reader.read_exact(&mut answer).expect("an answer");
            assert_eq!(String::from_utf8_lossy(&answer), format!("$6\r\n{number:06}\r\n"));
        }
        asks.join().expect("all is sent");
    }
}

/// A byte now and then keeps no server busy; a stranger's time is limited by `pre_auth_timeout`, a user's by nothing.
#[test]
fn who_sends_a_byte_at_a_time_is_in_nobodys_way() {
    let _alone = alone();
    let both = Both::with(
        Server::start(Flavour::Redis),
        &json!({ "login": { "method": "trust" } }),
        &json!({ "pool": { "size": 1, "shared": 1 } }),
    );
    let mut other = both.client();
    let mut slow: Vec<RespClient> = (0..50).map(|_| both.client()).collect();
    let command = RespClient::encode(&["SET", "slow", "value"]);
    for byte in &command {
        for client in &mut slow {
            client.send(std::slice::from_ref(byte));
        }
        assert_eq!(
            both.house.lent(),
            0,
            "a command that is not here yet takes no connection"
        );
        assert_eq!(other.ask(&["MULTI"]), Resp::Simple("OK".to_owned()));
        assert_eq!(other.ask(&["EXEC"]), Resp::Array(Vec::new()));
        eventually("it is back", || both.house.lent() == 0);
    }
    for client in &mut slow {
        assert_eq!(client.reply(), Resp::Simple("OK".to_owned()));
    }
}

/// Pieces of sessions, sane and not: cut, joined and bitten.
fn garbage(random: &mut Random) -> Vec<u8> {
    const PIECES: [&[u8]; 24] = [
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nxyz\r\n",
        b"*1\r\n$5\r\nMULTI\r\n",
        b"*1\r\n$4\r\nEXEC\r\n",
        b"*2\r\n$5\r\nWATCH\r\n$1\r\na\r\n",
        b"*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$4\r\n0.01\r\n",
        b"*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$1\r\n0\r\n",
        b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n",
        b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
        b"*1\r\n$5\r\nRESET\r\n",
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n",
        b"*4\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n$1\r\na\r\n",
        b"*3\r\n$4\r\nEVAL\r\n$1\r\nx\r\n$20\r\n99999999999999999999\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$70000\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"\r\n",
        b"PING\r\n",
        b"SET a 'x y'\r\n",
        b"*4\r\n$4\r\nXADD\r\n$0\r\n\r\n$1\r\n*\r\n$0\r\n\r\n",
        b"*2\r\n$4\r\nMGET\r\n$0\r\n\r\n",
        b"*3\r\n$6\r\nOBJECT\r\n$8\r\nENCODING\r\n$1\r\na\r\n",
        b"*2\r\n$6\r\nCLIENT\r\n$0\r\n\r\n",
    ];
    let mut bytes = Vec::new();
    for _ in 0..=random.next(12) {
        bytes.extend_from_slice(PIECES[random.next(PIECES.len())]);
    }
    for _ in 0..random.next(3) {
        let at = random.next(bytes.len());
        match random.next(4) {
            0 => bytes[at] = u8::try_from(random.next(256)).unwrap_or(0),
            1 => bytes.truncate(at.max(1)),
            2 => bytes.insert(at, b'9'),
            _ => {
                bytes.remove(at);
                bytes.push(b'\n');
            }
        }
    }
    bytes
}

/// Whole sessions of garbage, in cuts of any length: nothing panics, hangs or stays, and others never notice.
fn fuzz(house: &tidegate_conformance::House, seed: u64, count: usize) {
    let mut random = Random(seed);
    let mut other = RespClient::connect(house.address());
    for number in 0..count {
        let bytes = garbage(&mut random);
        let mut stream = TcpStream::connect(house.address()).expect("a connection");
        stream.set_nonblocking(true).expect("a stream that does not block");
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(1 + random.next(60)));
            let _gone = stream.write(now);
            rest = later;
            if random.next(4) == 0 {
                serves(&mut other);
                let _none = stream.read(&mut [0; 512]);
            }
        }
        if random.next(2) == 0 {
            let _gone = stream.shutdown(std::net::Shutdown::Write);
        }
        serves(&mut other);
        drop(stream);
        if number % 20 == 19 {
            let left = wait_until(PATIENCE, || house.clients().len() == 1 && house.lent() == 0);
            assert!(left, "seed {seed}, number {number}: {:?} are left", house.clients());
        }
    }
}

#[test]
fn sessions_of_garbage_leave_nothing() {
    let _alone = alone();
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        fuzz(&both.house, 0x9E37_79B9_7F4A_7C15, 2000);
    }
    let cluster = RedisCluster::of(Flavour::Redis, 2, 0);
    let trust = json!({ "login": { "method": "trust" } });
    let kind = json!({ "topology": { "kind": "cluster" } });
    let house = common::gateway(&cluster.addresses()[..1], &trust, &kind, Vec::new());
    fuzz(&house, 0xA5A5_79B9_7F4A_7C15, 1000);
}
