//! The log of a gateway with PgBouncer's files: what rules look for in PgBouncer's stands in it too.

mod dialect;

use std::time::Duration;

use dialect::{Dialect, Peer};
use tidegate_kit::{RawClient, Target, eventually};

const MAIN: &str = "client_idle_timeout = 1\nidle_transaction_timeout = 1\nlog_stats = 0\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// Comes, asks, and goes in every way that there is a phrase for.
fn visit(target: &Target) {
    let mut polite = RawClient::connect(target);
    polite.query("SELECT 1");
    polite.terminate();
    let wrong = target.clone().with_user("app", "wrong");
    assert!(RawClient::try_connect(&wrong).is_err());
    let mut idle = RawClient::connect(target);
    is_closed(&mut idle);
    let mut open = RawClient::connect(target);
    open.query("BEGIN");
    open.query("SELECT 1");
    is_closed(&mut open);
    let mut rude = RawClient::connect(target);
    rude.query("SELECT 1");
    drop(rude);
}

/// It is told why, and that is the end.
fn is_closed(client: &mut RawClient) {
    client.patience(PATIENCE);
    assert_eq!(client.frame().field('S'), "FATAL");
    assert!(client.closed_within(PATIENCE));
}

/// What is told of clients, and of new server connections: without times, numbers and addresses.
fn told(log: &str) -> Vec<String> {
    let phrase = |line: &str| {
        let (head, rest) = line.split_once("-0x")?;
        let (_, level) = head.split_once("] ")?;
        let (_, rest) = rest.split_once(": ")?;
        let (who, text) = rest.split_once(' ')?;
        let (who, _) = who.split_once('@')?;
        let is_known = level.ends_with('C') || text.starts_with("new connection");
        let text = text.split(" (age=").next()?.split(" (from ").next()?;
        is_known.then(|| format!("{level} {who} {text}"))
    };
    let mut told: Vec<String> = log.lines().filter_map(phrase).collect();
    told.sort();
    told.dedup();
    told
}

#[test]
fn phrases_are_those_of_pgbouncer() {
    check("md5", "password authentication failed", &[]);
    let more = "ERROR C shop/app password authentication failed";
    check("scram-sha-256", "SASL authentication failed", &[more]);
}

#[track_caller]
fn check(auth_type: &str, wrong: &str, more: &[&str]) {
    let dialect = Dialect::new(&format!("{MAIN}auth_type = {auth_type}\n"));
    visit(&dialect.shop());
    let log = || dialect.gateway.log();
    eventually("the last one is told", || log().contains("client unexpected eof"));
    let here = told(&log());
    let expected = [
        "LOG C shop/app closing because: client close request",
        "LOG C shop/app closing because: client unexpected eof",
        "LOG C shop/app closing because: client_idle_timeout",
        "LOG C shop/app closing because: idle transaction timeout",
        &format!("LOG C shop/app closing because: {wrong}"),
        "LOG C shop/app login attempt: db=shop user=app tls=no",
        "LOG S shop/app new connection to server",
        "WARNING C shop/app pooler error: client_idle_timeout",
        "WARNING C shop/app pooler error: idle transaction timeout",
        &format!("WARNING C shop/app pooler error: {wrong}"),
    ];
    let mut expected: Vec<String> = expected.iter().chain(more).map(|line| (*line).to_owned()).collect();
    expected.sort();
    assert_eq!(here, expected, "{}", log());
    let Some(peer) = Peer::start(&dialect) else {
        return eprintln!("there is no PgBouncer to compare with");
    };
    visit(&peer.at(dialect.shop()));
    eventually("the last one is told", || peer.log().contains("client unexpected eof"));
    assert_eq!(told(&peer.log()), here, "{}", peer.log());
}

#[test]
fn lines_have_pgbouncers_form_and_its_keys_choose_among_them() {
    let mut dialect = Dialect::new("log_connections = 0\nstats_period = 1\nserver_idle_timeout = 1\n");
    let mut client = RawClient::connect(&dialect.shop());
    client.query("SELECT 1");
    let nobody = dialect.shop().with_user("nobody", "x");
    assert!(RawClient::try_connect(&nobody).is_err());
    assert!(RawClient::try_connect(&dialect.shop().with_database("nodb")).is_err());
    dialect.console().terminate();
    let is_told = |log: &str| {
        let of_console = |line: &&str| line.contains(" pgbouncer/ops@");
        log.lines()
            .filter(of_console)
            .any(|line| line.contains("closing because: client close request (age=0s)"))
    };
    eventually("the console tells of its own", || is_told(&dialect.gateway.log()));
    for part in [
        "LOG process up: ",
        "LOG listening on 127.0.0.1:",
        "login failed: db=nodb user=app",
        "closing because: no such database: nodb (age=0s)",
        "pooler error: no such database: nodb",
        "closing because: server idle timeout (age=",
        " xacts/s, ",
    ] {
        eventually(part, || dialect.gateway.log().contains(part));
    }
    client.terminate();
    dialect.gateway.signal(rustix::process::Signal::TERM);
    assert_eq!(dialect.gateway.wait(PATIENCE).code(), Some(0));
    let log = dialect.gateway.log();
    assert!(
        log.contains("LOG got SIGTERM, shutting down, waiting for all clients disconnect"),
        "{log}"
    );
    assert!(
        !log.contains("login attempt") && !log.contains("new connection to server"),
        "{log}"
    );
    let is_line = |line: &str| {
        let (time, rest) = line.split_at_checked(23)?;
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let rest = rest.strip_prefix(" UTC [")?.split_once("] ")?.1;
        let level = rest.split(' ').next()?;
        (shape == "0000-00-00 00:00:00.000" && ["LOG", "WARNING", "ERROR"].contains(&level)).then_some(())
    };
    let other: Vec<&str> = log.lines().filter(|line| is_line(line).is_none()).collect();
    assert!(other.is_empty(), "{other:#?}");
}
