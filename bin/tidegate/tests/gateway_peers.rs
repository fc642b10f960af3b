//! CON-12 across gateways: a cancel that reaches another one of those behind an address finds its client all the same.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tidegate_kit::{
    Admin, Certificates, Gateway, Mode, Port, Postgres, RawClient, Settings, eventually, message, wait_until,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway with a number and other gateways.
fn start(settings: &Settings, node: u8, peers: &str) -> Gateway {
    let yaml = format!("node: {node}\npeers: {{ {peers} }}\n{}", settings.yaml());
    let gateway = Gateway::builder(TIDEGATE, &yaml);
    gateway
        .listens(settings.address())
        .listens(settings.admin_address())
        .start()
}

fn settings(postgres: &Postgres) -> Settings {
    Settings::new(postgres, Mode::Transaction).listener("console: { admin_users: [app] }")
}

fn sleeping(postgres: &Postgres, what: &str) -> bool {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{what}%'"
    );
    postgres.value(&count) != "0"
}

fn asleep(settings: &Settings, postgres: &Postgres, name: &str) -> RawClient {
    let mut client = RawClient::connect(&settings.target());
    client.send(&message::query(&format!("SELECT '{name}', pg_sleep(60)")));
    eventually("the query runs", || sleeping(postgres, name));
    client
}

/// Sends a request, and waits for its only answer, the end; says how long that took.
#[track_caller]
fn send(address: SocketAddr, request: &[u8]) -> Duration {
    let begin = Instant::now();
    let mut line = RawClient::open(address);
    line.send(request);
    assert!(line.closed_within(PATIENCE), "a cancel is answered by closing");
    begin.elapsed()
}

#[track_caller]
fn check_cancelled(client: &mut RawClient, address: SocketAddr) {
    let begin = Instant::now();
    send(address, &client.cancel_request());
    assert_eq!(client.reply().sqlstate(), "57014");
    assert!(begin.elapsed() < Duration::from_secs(1), "after {:?}", begin.elapsed());
    assert_eq!(client.query("SELECT 7").value(), "7");
}

#[track_caller]
fn console(settings: &Settings, statement: &str) -> Vec<Vec<String>> {
    let target = settings.target().with_database("tidegate");
    RawClient::connect(&target).query(statement).rows()
}

fn cancels(settings: &Settings, outcome: &str) -> f64 {
    let outcome = format!("outcome=\"{outcome}\"");
    Admin::of(settings).metric("tidegate_postgres_peer_cancels_total", &[&outcome])
}

/// Two gateways: one is reached by verified TLS, the other by a Unix socket. Both have the same list.
#[test]
fn a_cancel_finds_its_gateway() {
    let postgres = Postgres::start();
    let certificates = Certificates::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (settings(&postgres), settings(&postgres));
    let one = one.tls(&certificates.server(), &certificates.ca());
    let socket = folder.path().join("two");
    let peers = format!(
        "\"1\": {{ address: \"{}\", tls: {{ mode: verify-full, ca: {} }} }}, \"2\": {{ address: \"unix:{}\", max_cancels: 3 }}",
        one.address(),
        certificates.ca().display(),
        socket.display()
    );
    let second = format!(
        "  side:\n    protocol: postgres\n    address: \"unix:{}\"\n    login: {{ method: trust }}\n    routes: [ {{ cluster: app }} ]\nclusters:",
        socket.display()
    );
    let yaml = two.yaml().replace("clusters:", &second);
    let _first = start(&one, 1, &peers);
    let _second = Gateway::builder(TIDEGATE, &format!("node: 2\npeers: {{ {peers} }}\n{yaml}"))
        .listens(two.address())
        .listens_unix(&socket)
        .start();
    let mut of_one = asleep(&one, &postgres, "of-one");
    let mut of_two = asleep(&two, &postgres, "of-two");
    check_cancelled(&mut of_one, two.address());
    assert!(sleeping(&postgres, "of-two"), "the cancel hit another gateway's client");
    check_cancelled(&mut of_two, one.address());
    assert_eq!((cancels(&one, "sent"), cancels(&two, "sent")), (1.0, 1.0));
    // A wrong key travels and hits nothing.
    let mut of_two = asleep(&two, &postgres, "again-two");
    let (process, mut secret) = of_two.key.clone().expect("a key");
    secret[0] ^= 1;
    send(one.address(), &message::cancel(process, &secret));
    assert!(sleeping(&postgres, "again-two"));
    check_cancelled(&mut of_two, two.address());
    let expected = [["2", socket.to_str().expect("UTF-8"), "", "3"]];
    assert_eq!(console(&one, "SHOW PEERS"), expected);
    assert_eq!(console(&one, "SHOW PEER_POOLS"), [["2", "0", "0", "0", "0"]]);
    let port = one.address().port().to_string();
    assert_eq!(console(&two, "SHOW PEERS"), [["1", "127.0.0.1", port.as_str(), "20"]]);
}

/// A balancer that gives each connection to the next gateway, and so psql's cancel to another one than psql.
fn balancer(targets: Vec<SocketAddr>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for (client, target) in listener.incoming().flatten().zip(targets) {
            let Ok(server) = TcpStream::connect(target) else { return };
            for (mut from, mut to) in [(&client, &server), (&server, &client)].map(|(from, to)| {
                let clone = |stream: &TcpStream| stream.try_clone().expect("clone");
                (clone(from), clone(to))
            }) {
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = from.read(&mut buffer) {
                        if to.write_all(&buffer[..length]).is_err() {
                            break;
                        }
                    }
                    let _gone = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}

/// Ctrl-C in psql, with TLS and behind a balancer.
#[test]
fn ctrl_c_behind_a_balancer() {
    let postgres = Postgres::start();
    let certificates = Certificates::new();
    let tls = |settings: Settings| settings.tls(&certificates.server(), &certificates.ca());
    let (one, two) = (tls(settings(&postgres)), tls(settings(&postgres)));
    let peer = |number: u8, settings: &Settings| format!("\"{number}\": {{ address: \"{}\" }}", settings.address());
    let peers = format!("{}, {}", peer(0, &one), peer(5, &two));
    let _first = start(&one, 0, &peers);
    let _second = start(&two, 5, &peers);
    let front = balancer(vec![one.address(), two.address()]);
    let target = one.target();
    let ca: &Path = &certificates.ca();
    let mut psql = postgres.programs().command("psql");
    let port = front.port().to_string();
    psql.args([
        "-X",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        &target.user,
        "-d",
        &target.database,
    ])
    .args(["-c", "SELECT 'interrupted', pg_sleep(60)"])
    .env("PGPASSWORD", &target.password)
    .env("PGSSLMODE", "verify-full")
    .env("PGSSLROOTCERT", ca)
    .stdin(Stdio::null())
    .stdout(Stdio::null())
    .stderr(Stdio::piped());
    let child = psql.spawn().expect("psql");
    eventually("the query runs", || sleeping(&postgres, "interrupted"));
    let begin = Instant::now();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("an id");
    kill_process(pid, Signal::INT).expect("signal");
    let output = child.wait_with_output().expect("psql ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("canceling statement due to user request"), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(1), "after {:?}", begin.elapsed());
    assert!((cancels(&two, "sent") - 1.0).abs() < f64::EPSILON);
}

/// Peers that are down, silent, or that name each other for a third: every cancel ends, and nothing else notices.
#[test]
fn peers_that_do_not_answer_hold_nobody() {
    let postgres = Postgres::start();
    let (one, two) = (settings(&postgres), settings(&postgres));
    let (down, silent) = (Port::reserve(), Port::reserve());
    let mute = TcpListener::bind(silent.address()).expect("bind");
    let peers = |other: &Settings| {
        format!(
            "\"2\": {{ address: \"{}\" }}, \"3\": {{ address: \"{}\" }}, \"4\": {{ address: \"{}\", timeout: 2s, max_cancels: 1 }}",
            other.address(),
            down.address(),
            silent.address()
        )
    };
    let _first = start(&one, 1, &peers(&two));
    let _second = start(&two, 7, &peers(&one));
    let of_node = |node: i32| message::cancel((node << 25) | 1, &[1, 2, 3, 4]);
    // Number 2 is each other for both: sent on once, and not back.
    send(one.address(), &of_node(2));
    assert_eq!((cancels(&one, "sent"), cancels(&two, "sent")), (1.0, 0.0));
    send(one.address(), &of_node(3));
    assert!((cancels(&one, "failed") - 1.0).abs() < f64::EPSILON);
    assert!(
        send(one.address(), &of_node(63)) < Duration::from_secs(5),
        "nobody has that number"
    );
    let mut lines: Vec<RawClient> = (0..3)
        .map(|_| {
            let mut line = RawClient::open(one.address());
            line.send(&of_node(4));
            line
        })
        .collect();
    eventually("one is on its way, two wait", || {
        console(&one, "SHOW PEER_POOLS").contains(&["4", "1", "2", "1", "0"].map(str::to_owned).to_vec())
    });
    assert_eq!(RawClient::connect(&one.target()).query("SELECT 7").value(), "7");
    assert!(lines.iter_mut().all(|line| line.closed_within(PATIENCE)));
    assert!((cancels(&one, "failed") - 4.0).abs() < f64::EPSILON);
    assert!(console(&one, "SHOW PEER_POOLS").contains(&["4", "0", "0", "0", "0"].map(str::to_owned).to_vec()));
    drop(mute);
}

/// A reload brings peers, and takes them away.
#[test]
fn peers_come_and_go_with_a_reload() {
    let postgres = Postgres::start();
    let (one, two) = (settings(&postgres), settings(&postgres));
    let first = start(&one, 1, "");
    let _second = start(&two, 2, "");
    let mut client = asleep(&two, &postgres, "reloaded");
    send(one.address(), &client.cancel_request());
    assert!(sleeping(&postgres, "reloaded"), "there is no peer");
    let with = |peers: &str| format!("node: 1\npeers: {{ {peers} }}\n{}", one.yaml());
    first.reload(&with("two: { address: \"127.0.0.1:1\" }"));
    first.wait_for_log("peers.two");
    first.reload(&with(&format!("\"2\": {{ address: \"{}\" }}", two.address())));
    eventually("the peer is there", || console(&one, "SHOW PEERS").len() == 1);
    check_cancelled(&mut client, one.address());
    first.reload(&with(""));
    assert!(wait_until(PATIENCE, || console(&one, "SHOW PEERS").is_empty()));
}
