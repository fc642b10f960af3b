//! `tidegate demo` with the PostgreSQL and the Redis of this machine.

mod common;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Folder, command, http};
use rustix::process::Signal;
use tidegate_kit::{Port, Programs, RespClient, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);

/// A demo that does not outlive its test.
struct Demo(Child);

impl Demo {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).spawn().expect("start"))
    }

    /// Everything that it says before its last line.
    fn said(&mut self) -> String {
        let lines = BufReader::new(self.0.stdout.take().expect("standard output")).lines();
        let lines = lines.map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
        said.join("\n")
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(&mut self) -> Option<i32> {
        common::signal(self.0.id(), Signal::INT);
        let mut status = None;
        wait_until(PATIENCE, || {
            status = self.0.try_wait().ok().flatten();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[test]
fn says_what_to_type_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let (port, redis) = (Port::reserve(), Port::reserve());
    let taken = TcpListener::bind(port.address()).expect("the port");
    // Both want the same one after that.
    let admin = (port.number() + 1).to_string();
    let mut demo = Demo::start(
        command(&folder)
            .args(["demo", "--port", &port.number().to_string(), "--admin-port", &admin])
            .args(["--redis-port", &redis.number().to_string()])
            .env("TMPDIR", folder.path()),
    );
    let said = demo.said();
    let admin = listening_at(&said);
    assert!(
        said.contains(&format!("Port {} for clients is taken", port.number())),
        "{said}"
    );
    assert!(said.contains("psql postgresql://demo:demo@127.0.0.1:"), "{said}");
    let (_, at) = said
        .split_once("redis-cli -u redis://demo:demo@")
        .expect("what to type for Redis");
    let at = at.lines().next().and_then(|address| address.trim().parse().ok());
    let mut client = RespClient::connect(at.expect("an address"));
    assert!(client.ask(&["GET", "greeting"]).text().starts_with("NOAUTH"));
    assert!(client.ask(&["AUTH", "demo", "wrong"]).text().starts_with("WRONGPASS"));
    assert_eq!(client.ask(&["AUTH", "demo", "demo"]).text(), "OK");
    assert_eq!(client.ask(&["GET", "greeting"]).text(), "Hello from behind Tidegate");
    assert_eq!(client.ask(&["HGET", "customer:7", "name"]).text(), "customer 7");
    assert_eq!(http(admin, "GET", "/livez").0, 200);
    assert_eq!(
        http(admin, "GET", "/v1/pools").0,
        401,
        "the token is another at each start"
    );
    let left = |folder: &Folder| std::fs::read_dir(folder.path()).map_or(0, Iterator::count);
    assert_eq!(left(&folder), 1);

    assert_eq!(demo.interrupt(), Some(0));
    assert_eq!(left(&folder), 0);
    drop(taken);
}

#[test]
fn a_killed_demo_leaves_nothing_behind_either() {
    let folder = Folder::new();
    let mut demo = Demo::start(
        with_ports(&mut command(&folder))
            .arg("--no-tls")
            .env("TMPDIR", folder.path()),
    );
    assert!(demo.said().lines().count() > 5);
    drop(demo);
    let is_empty = || std::fs::read_dir(folder.path()).map_or(0, Iterator::count) == 0;
    assert!(wait_until(PATIENCE, is_empty), "the temporary directory is still there");
}

#[test]
fn without_redis_it_shows_postgres() {
    let folder = Folder::new();
    // What a machine without Redis has: a shell for the guard, and PostgreSQL.
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools).expect("a folder");
    for tool in ["sh", "sleep", "rm"] {
        std::os::unix::fs::symlink(format!("/bin/{tool}"), tools.join(tool)).expect("a link");
    }
    let postgres = Programs::find().path("postgres");
    let mut demo = Demo::start(
        with_ports(&mut command(&folder))
            .env("PATH", &tools)
            .env("PG_BIN", postgres.parent().expect("a folder"))
            .env_remove("REDIS_BIN")
            .env_remove("VALKEY_BIN")
            .env("TMPDIR", folder.path()),
    );
    let said = demo.said();
    assert!(said.contains("apt-get install redis-server"), "{said}");
    assert!(said.contains("psql postgresql://"), "{said}");
    assert!(!said.contains("redis://"), "{said}");
    assert_eq!(demo.interrupt(), Some(0));
}

/// A demo that asks for ports which are free, or were just now.
fn with_ports(command: &mut Command) -> &mut Command {
    command.arg("demo");
    for flag in ["--port", "--redis-port", "--admin-port"] {
        command.args([flag, &Port::reserve().number().to_string()]);
    }
    command
}

/// The admin API's address, as the demo says it.
fn listening_at(said: &str) -> SocketAddr {
    let (_, rest) = said.split_once("metrics  http://").expect("where the metrics are");
    let (address, _) = rest.split_once('/').expect("a path");
    address.parse().expect("an address")
}
