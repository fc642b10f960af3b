use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::{RedisTarget, revive};
use crate::{Redis, eventually};

/// A fresh redis-cli for each command, in one version of the protocol.
struct Cli<'t> {
    program: std::path::PathBuf,
    target: &'t RedisTarget,
    version: &'static str,
}

/// redis-cli (Valkey's in front of a Valkey), with `-2` and `-3`: commands, sessions by standard input, transactions,
/// scripts, mass insertion, its cursors, subscriptions, databases, wrong passwords, a server that ends.
#[track_caller]
pub fn redis_cli(target: &RedisTarget, server: &mut Redis) {
    for version in ["-2", "-3"] {
        let cli = Cli {
            program: server.flavour().cli(),
            target,
            version,
        };
        commands(&cli);
        sessions(&cli);
        scripts(&cli);
        inserts_and_scans(&cli);
        subscribes(&cli);
        logs_in(&cli);
        returns(&cli, server);
    }
}

#[track_caller]
fn commands(cli: &Cli<'_>) {
    cli.says(&["FLUSHALL"], "OK");
    cli.says(&["PING"], "PONG");
    cli.says(&["SET", "cli:a", "naïve ✓"], "OK");
    cli.says(&["GET", "cli:a"], "naïve ✓");
    cli.says(&["GET", "cli:none"], "");
    cli.says(&["INCRBY", "cli:n", "41"], "41");
    cli.says(&["-r", "3", "INCR", "cli:n"], "42\n43\n44");
    cli.says(&["RPUSH", "cli:l", "a", "b", "c"], "3");
    cli.says(&["LRANGE", "cli:l", "0", "-1"], "a\nb\nc");
    cli.says(&["HSET", "cli:h", "one", "1"], "1");
    cli.says(&["--csv", "HGETALL", "cli:h"], "\"one\",\"1\"");
    let hash = if cli.version == "-3" {
        "1# \"one\" => \"1\""
    } else {
        "1) \"one\"\n2) \"1\""
    };
    cli.says(&["--no-raw", "HGETALL", "cli:h"], hash);
    cli.says(&["-n", "3", "SET", "cli:db", "three"], "OK");
    cli.says(&["EXISTS", "cli:db"], "0");
    cli.says(&["-n", "3", "GET", "cli:db"], "three");
    cli.says(&["BLPOP", "cli:l", "1"], "cli:l\na");
    assert!(cli.run(&["NOSUCH"], "").contains("unknown command"));
    assert!(cli.run(&["GET", "cli:h"], "").contains("WRONGTYPE"));
    assert_eq!(cli.run(&["-x", "SET", "cli:stdin"], "from here"), "OK");
    cli.says(&["STRLEN", "cli:stdin"], "9");
    assert!(cli.run(&["INFO", "server"], "").contains("tcp_port:"));
}

#[track_caller]
fn sessions(cli: &Cli<'_>) {
    let script = "MULTI\nSET cli:t 1\nINCR cli:t\nEXEC\nGET cli:t\n";
    assert_eq!(cli.run(&[], script), "OK\nQUEUED\nQUEUED\nOK\n2\n2");
    let watched = "WATCH cli:t\nSET cli:t 5\nMULTI\nINCR cli:t\nEXEC\nGET cli:t\n";
    assert_eq!(cli.run(&[], watched), "OK\nOK\nOK\nQUEUED\n\n5");
    let dropped = "MULTI\nSET cli:t 9\nDISCARD\nGET cli:t\n";
    assert_eq!(cli.run(&[], dropped), "OK\nQUEUED\nOK\n5");
    let named =
        "CLIENT SETNAME me\nCLIENT GETNAME\nSELECT 4\nSET cli:four 4\nGET cli:four\nSELECT 0\nEXISTS cli:four\n";
    assert_eq!(cli.run(&[], named), "OK\nme\nOK\nOK\n4\nOK\n0");
}

#[track_caller]
fn scripts(cli: &Cli<'_>) {
    let file = crate::files::temporary("lua");
    let path = file.path().join("add.lua");
    crate::files::write(&path, "return redis.call('INCRBY', KEYS[1], ARGV[1])");
    let path = path.to_string_lossy();
    cli.says(&["--eval", &path, "cli:lua", ",", "5"], "5");
    cli.says(&["--eval", &path, "cli:lua", ",", "5"], "10");
    cli.says(&["EVAL", "return {KEYS[1], ARGV[1]}", "1", "k", "v"], "k\nv");
}

#[track_caller]
fn inserts_and_scans(cli: &Cli<'_>) {
    let commands: Vec<String> = (0..3000).map(|n| format!("SET scan:{n} {n}\r\n")).collect();
    let told = cli.run(&["--pipe"], &commands.concat());
    assert!(told.contains("errors: 0, replies: 3000"), "{told}");
    let found = cli.run(&["--scan", "--pattern", "scan:*"], "");
    let mut keys: Vec<&str> = found.lines().collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3000);
    assert!(cli.run(&["--bigkeys", "-i", "0"], "").contains("Sampled 30"));
}

#[track_caller]
fn subscribes(cli: &Cli<'_>) {
    let mut command = cli.command(&["SUBSCRIBE", "cli:a", "cli:b"]);
    let mut listening = Ended(command.stdout(Stdio::piped()).spawn().expect("redis-cli"));
    let mut lines = BufReader::new(listening.0.stdout.take().expect("a pipe")).lines();
    let mut next = |count: usize| -> Vec<String> { lines.by_ref().take(count).map_while(Result::ok).collect() };
    assert_eq!(next(6), ["subscribe", "cli:a", "1", "subscribe", "cli:b", "2"]);
    cli.says(&["PUBLISH", "cli:b", "hello"], "1");
    assert_eq!(next(3), ["message", "cli:b", "hello"]);
    drop(listening);
    eventually("nobody listens", || cli.run(&["PUBLISH", "cli:b", "hello"], "") == "0");
}

#[track_caller]
fn logs_in(cli: &Cli<'_>) {
    let wrong = RedisTarget {
        password: "wrong".to_owned(),
        ..cli.target.clone()
    };
    let stranger = Cli {
        program: cli.program.clone(),
        target: &wrong,
        version: cli.version,
    };
    let told = stranger.run(&["GET", "cli:a"], "");
    assert!(told.contains("WRONGPASS"), "{told}");
    assert!(told.contains("NOAUTH"), "{told}");
    cli.says(&["ACL", "WHOAMI"], &cli.target.user);
}

#[track_caller]
fn returns(cli: &Cli<'_>, server: &mut Redis) {
    server.kill();
    server.run();
    revive(server);
    eventually("it is served again", || cli.run(&["SET", "cli:back", "1"], "") == "OK");
    cli.says(&["GET", "cli:a"], "");
    cli.says(&["GET", "cli:back"], "1");
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

impl Cli<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-u", &self.target.url(""), self.version, "--no-auth-warning"]);
        for name in ["REDISCLI_AUTH", "REDISCLI_RCFILE", "REDISCLI_HISTFILE"] {
            command.env_remove(name);
        }
        command.args(arguments);
        command
    }

    /// Everything that it says, without the last end of a line.
    #[track_caller]
    fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let mut stdin = child.stdin.take();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes())));
            let output = child.wait_with_output().expect("redis-cli ends");
            let (text, errors) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            let both = format!("{text}{errors}");
            both.trim_end_matches('\n').to_owned()
        })
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], wanted: &str) {
        assert_eq!(self.run(arguments, ""), wanted, "{arguments:?} with {}", self.version);
    }
}
