//! What is told about a configuration, to the line and column.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod sample;

use std::fmt::Write as _;

use sample::{check, prepared};
use tidegate_config::{Document, Mistake, Path, report, report_with_source};

#[test]
fn five_mistakes_in_one_file_are_five_lines() {
    check(
        "tidegate.yaml",
        "\
log: { level: info, format: jsno }
listeners:
  main:
    protocol: postgres
    adress: 127.0.0.1:6432
    max_clients: many
    tls:
      mode: alow
    pre_auth_timeout: soon
",
        &[],
        &[
            "tidegate.yaml:1:29: `jsno` is no valid value of log.format; did you mean `json`? (one of: text, json)",
            "tidegate.yaml:3:3: listeners.main needs the key `address`: an address (host:port, [ipv6]:port or unix:/path)",
            "tidegate.yaml:5:5: unknown key `adress` in listeners.main; did you mean `address`?",
            "tidegate.yaml:6:18: listeners.main.max_clients must be a whole number, but is text",
            "tidegate.yaml:8:13: `alow` is no valid value of listeners.main.tls.mode; did you mean `allow`? (one of: disable, allow, require)",
            "tidegate.yaml:9:23: `soon` of listeners.main.pre_auth_timeout is not a length of time (250ms, 5s, 1m 30s, 2h, or 0 for off)",
        ],
    );
}

#[test]
fn the_same_in_toml() {
    check(
        "tidegate.toml",
        "\
[log]
format = \"jsno\"
[listeners.main]
protocol = \"postgres\"
adress = \"127.0.0.1:6432\"
max_clients = \"many\"
tls = { mode = \"alow\" }
pre_auth_timeout = \"soon\"
",
        &[],
        &[
            "tidegate.toml:2:10: `jsno` is no valid value of log.format; did you mean `json`? (one of: text, json)",
            "tidegate.toml:3:12: listeners.main needs the key `address`: an address (host:port, [ipv6]:port or unix:/path)",
            "tidegate.toml:5:1: unknown key `adress` in listeners.main; did you mean `address`?",
            "tidegate.toml:6:15: listeners.main.max_clients must be a whole number, but is text",
            "tidegate.toml:7:16: `alow` is no valid value of listeners.main.tls.mode; did you mean `allow`? (one of: disable, allow, require)",
            "tidegate.toml:8:20: `soon` of listeners.main.pre_auth_timeout is not a length of time (250ms, 5s, 1m 30s, 2h, or 0 for off)",
        ],
    );
}

#[test]
fn the_right_alternative_is_the_one_that_was_meant() {
    check(
        "t.yaml",
        "\
listeners:
  one: { protocol: redis, address: 'a:1', max_clients: 3 }
  two: { protocol: postgers, address: 'a:1' }
  three: { address: 'a:1' }
  four:
    protocol: postgres
    address: a:1
    login: { method: scram-sha-256, user: {} }
    chain:
      - cuont: {}
      - limit: { rate: 0 }
      - { count: {}, limit: { rate: 1 } }
      - count
    threads: autoo
",
        &[],
        &[
            "t.yaml:2:43: unknown key `max_clients` in listeners.one; expected one of: address, databases, protocol",
            "t.yaml:3:20: `postgers` is no valid value of listeners.two.protocol; did you mean `postgres`? (one of: postgres, redis)",
            "t.yaml:4:3: listeners.three needs the key `protocol`: one of postgres, redis",
            "t.yaml:8:37: unknown key `user` in listeners.four.login; did you mean `users`?",
            "t.yaml:10:9: unknown key `cuont` in listeners.four.chain[0]; did you mean `count`?",
            "t.yaml:11:24: listeners.four.chain[1].limit.rate must be between 1 and 1000",
            "t.yaml:12:9: listeners.four.chain[2] takes exactly one key of: count, limit",
            "t.yaml:13:9: listeners.four.chain[3] must be a map with the key `count`, or a map with the key `limit`, but is text",
            "t.yaml:14:14: `autoo` is no valid value of listeners.four.threads; did you mean `auto`?",
        ],
    );
}

#[test]
fn texts_that_look_like_something_else() {
    check(
        "t.yaml",
        "\
listeners:
  main:
    protocol: postgres
    address: localhost
    max_clients: 4294967296
    buffer: 16
    tls: { mode: require, min_version: 1.2 }
    pre_auth_timeout: 0
    routes: { cluster: a }
clusters:
  a:
    endpoints: [ { address: 'a:1', weight: off, enabled: on } ]
  b:
    endpoints: []
  c:
",
        &[],
        &[
            "t.yaml:4:14: `localhost` of listeners.main.address is not an address (host:port, [ipv6]:port or unix:/path)",
            "t.yaml:5:18: listeners.main.max_clients must be between 0 and 4294967295",
            "t.yaml:6:13: listeners.main.buffer must be a size (512B, 16KiB, 64MiB, 1GiB), but is a whole number; put it in quotes",
            "t.yaml:7:40: listeners.main.tls.min_version must be text, but is a number; put it in quotes",
            "t.yaml:9:13: listeners.main.routes must be a list, but is a map",
            "t.yaml:12:44: clusters.a.endpoints[0].weight must be a number, but is text",
            "t.yaml:12:58: clusters.a.endpoints[0].enabled must be true or false, but is text; write true",
            "t.yaml:14:5: clusters.b.endpoints needs at least 1 element(s)",
            "t.yaml:15:3: clusters.c must be a map, but is nothing",
        ],
    );
}

#[test]
fn what_is_no_document_is_told_with_its_place() {
    check(
        "t.yaml",
        "log: { level: a\nx: [",
        &[],
        &["t.yaml:2:2: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'"],
    );
    check(
        "t.yaml",
        "log: {}\nlog: {}\n",
        &[],
        &["t.yaml:2:1: key `log` stands twice; the first is on line 1"],
    );
    check(
        "t.yaml",
        "log: {}\n---\nlog: {}\n",
        &[],
        &["t.yaml:2:1: a second document begins here; write one per file"],
    );
    check(
        "t.yaml",
        "[a]: b\n",
        &[],
        &["t.yaml:1:1: a key must be a text, not a map or a list"],
    );
    check(
        "t.yaml",
        "log: !include x\n",
        &[],
        &["t.yaml:1:6: tag `!include` is not understood; remove it"],
    );
    check(
        "t.yaml",
        "- a\n",
        &[],
        &["t.yaml:1:1: the top level must be a map, but is a list"],
    );
    check("t.yaml", "", &[], &[]);
    check("t.yaml", "# nothing\n", &[], &[]);
}

#[test]
fn anchors_work_within_a_budget() {
    check(
        "t.yaml",
        "\
clusters:
  a: &a { endpoints: [ { address: 'a:1' } ] }
  b: *a
",
        &[],
        &[],
    );
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 9].join(",");
        let _ = writeln!(laughs, "a{level}: &a{level} [{list}]");
    }
    let told = prepared("t.yaml", &laughs, &[]).unwrap_err();
    assert_eq!(told.len(), 1);
    assert!(told[0].message.starts_with("more than 200000 values"), "{}", told[0]);
    let told = prepared("t.yaml", &("[".repeat(70) + &"]".repeat(70)), &[]).unwrap_err();
    assert!(told[0].message.starts_with("nested deeper"), "{}", told[0]);
    assert!(prepared("t.yaml", &"[".repeat(100_000), &[]).is_err());
    for depth in [70, 100, 100_000] {
        let dots = vec!["a"; depth].join(".");
        for text in [
            format!("{dots} = 1"),
            format!("[{dots}]"),
            format!("x = {{ {dots} = 1 }}"),
        ] {
            assert!(prepared("t.toml", &text, &[]).is_err(), "{depth}");
        }
        let lists = format!("x = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(prepared("t.toml", &lists, &[]).is_err(), "{depth}");
    }
}

#[test]
fn later_checks_point_at_places() {
    let text = "clusters:\n  a:\n    endpoints:\n      - address: 'a:1'\n";
    let document = prepared("t.yaml", text, &[]).unwrap();
    let told = |path: Path| Mistake::at(&document, path, "no").to_string();
    assert_eq!(told("clusters.a.endpoints[0].address".into()), "t.yaml:4:9: no");
    assert_eq!(told("clusters.a.endpoints[0]".into()), "t.yaml:4:9: no");
    assert_eq!(told("clusters.a.pool.size".into()), "t.yaml:2:3: no");
    assert_eq!(told(Path::root()), "t.yaml:1:1: no");
}

#[test]
fn the_report_for_people_shows_the_line_but_no_value_that_may_be_secret() {
    let text = "\
log: { levle: hunter1 }
listeners:
  main:
    protocol: postgres
    address: nowhere
    login: { method: scram-sha-256, users: { a: { password: hunter2, pasword: hunter3 } } }
";
    let told = prepared("t.yaml", text, &[]).unwrap_err();
    let mut document = Document::parse("t.yaml", text).unwrap();
    document.resolve(&sample::schema(), &sample::environment(&[]), sample::OVERRIDES);
    assert_eq!(
        report_with_source(&told, &document),
        "\
t.yaml:1:8: unknown key `levle` in log; did you mean `level`?
 1 | log: { levle: ***
   |        ^
t.yaml:5:14: `nowhere` of listeners.main.address is not an address (host:port, [ipv6]:port or unix:/path)
 5 |     address: nowhere
   |              ^
t.yaml:6:70: unknown key `pasword` in listeners.main.login.users.a; did you mean `password`?
 6 |     login: { method: scram-sha-256, users: { a: { password: ***
   |                                                                      ^
"
    );
    assert_eq!(report(&told).lines().count(), 3);
}
