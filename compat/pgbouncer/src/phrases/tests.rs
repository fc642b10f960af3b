use std::time::Duration;

use super::*;

/// The lines of an event, without time and process, and without the marks.
#[track_caller]
fn check(level: &str, name: &str, message: &str, fields: &[(&str, &str)], expected: &[&str]) {
    let fields: Vec<(&str, String)> = fields
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let event = Event {
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_274_861_007),
        level,
        name,
        message,
        fields: &fields,
    };
    let lines = lines(&event, 77);
    let told: Vec<String> = lines
        .lines()
        .map(|line| {
            let rest = line
                .strip_prefix("2026-11-21 15:27:41.007 UTC [77] ")
                .expect("time and process");
            match rest.split_once("-0x") {
                Some((start, rest)) => format!("{start}{}", rest.split_once(':').expect("a mark").1),
                None => rest.to_owned(),
            }
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn clients_come_and_go() {
    let who = [("peer", "10.0.0.1:7"), ("database", "shop"), ("user", "app")];
    let with = |more: &[(&'static str, &'static str)]| [&who, more].concat();
    check(
        "DEBUG",
        "client asks",
        "",
        &with(&[("tls", "false")]),
        &["LOG C shop/app@10.0.0.1:7 login attempt: db=shop user=app tls=no"],
    );
    let left = [("age", "3"), ("reason", "the client has left"), ("code", "")];
    check(
        "DEBUG",
        "client ended",
        "",
        &with(&left),
        &["LOG C shop/app@10.0.0.1:7 closing because: client unexpected eof (age=3s)"],
    );
    let wrong = [
        ("age", "0"),
        ("reason", "password authentication failed for user \"app\""),
        ("code", ""),
    ];
    check(
        "DEBUG",
        "client ended",
        "",
        &with(&wrong),
        &["LOG C shop/app@10.0.0.1:7 closing because: password authentication failed (age=0s)"],
    );
    check(
        "DEBUG",
        "client refused",
        "",
        &with(&wrong),
        &["WARNING C shop/app@10.0.0.1:7 pooler error: password authentication failed"],
    );
    let none = [("age", "0"), ("reason", "no route"), ("code", "3D000")];
    check(
        "DEBUG",
        "client ended",
        "",
        &with(&none),
        &[
            "LOG C shop/app@10.0.0.1:7 login failed: db=shop user=app",
            "LOG C shop/app@10.0.0.1:7 closing because: no such database: shop (age=0s)",
        ],
    );
}

#[test]
fn databases_go_by_the_names_that_clients_ask_for() {
    let server = |cluster: &'static str| {
        [
            ("cluster", cluster),
            ("database", "prod"),
            ("user", "app"),
            ("server", "unix:/run/.s.PGSQL.5432"),
        ]
    };
    check(
        "DEBUG",
        "server opened",
        "",
        &server("shop"),
        &["LOG S shop/app@unix new connection to server"],
    );
    check(
        "DEBUG",
        "server opened",
        "",
        &server("fallback"),
        &["LOG S prod/app@unix new connection to server"],
    );
}

#[test]
fn what_has_no_phrase_is_told_plainly_and_on_one_line() {
    check(
        "WARN",
        "event x.rs:1",
        "no\nluck",
        &[("path", "a"), ("error", "b\tc")],
        &["WARNING no luck path=a error=b c"],
    );
    check(
        "INFO",
        "event x.rs:1",
        "listening",
        &[("address", "127.0.0.1:6432")],
        &["LOG listening on 127.0.0.1:6432"],
    );
    check("INFO", "login failed", "login failed", &[], &[]);
    let fields = [
        ("database", "shop"),
        ("user", "app"),
        ("peer", "10.0.0.1:7"),
        ("rule", "hba.conf:4"),
    ];
    let expected = ["LOG C shop/app@10.0.0.1:7 login refused: rule=hba.conf:4"];
    check("INFO", "login failed", "login failed", &fields, &expected);
}

#[test]
fn numbers_and_signals() {
    let numbers = [
        ("transactions", "1"),
        ("queries", "2"),
        ("received", "3"),
        ("sent", "4"),
        ("wait_us", "5"),
    ];
    check(
        "INFO",
        "stats",
        "",
        &numbers,
        &[
            "LOG stats: 1 xacts/s, 2 queries/s, 0 client parses/s, 0 server parses/s, 0 binds/s, in 3 B/s, out 4 B/s, xact 0 us, query 0 us, wait 5 us",
        ],
    );
    check(
        "INFO",
        "signal",
        "",
        &[("signal", "SIGINT"), ("meaning", "wait_for_servers")],
        &["LOG got SIGINT, shutting down, waiting for all servers connections to be released"],
    );
}
