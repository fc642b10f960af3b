//! Files of PgBouncer, and what becomes of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate_config::Document;
use tidegate_pgbouncer::{Fate, Imported, Kind, Refused, SECTIONS, import, table};

/// Imports `p.ini` among files.
fn try_import(files: &[(&str, &str)]) -> Result<Imported, Refused> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    import("p.ini", &|name: &str| {
        let found = files.get(name).map(|text| (*text).to_owned());
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    })
}

#[track_caller]
fn imported(files: &[(&str, &str)]) -> Imported {
    try_import(files).unwrap_or_else(|refused| panic!("{:?}", refused.mistakes))
}

#[track_caller]
fn json(imported: &Imported) -> Json {
    let document = Document::parse("tidegate.yaml", imported.yaml.clone());
    document
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{}", imported.yaml))
        .to_json()
}

#[track_caller]
fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
    let refused = try_import(files).expect_err("mistakes");
    refused.mistakes.iter().map(ToString::to_string).collect()
}

fn warnings(imported: &Imported) -> Vec<String> {
    imported.warnings.iter().map(ToString::to_string).collect()
}

/// The smallest configuration, and lines for `[pgbouncer]`.
fn small(lines: &str) -> String {
    format!("[databases]\na = host=h\n[pgbouncer]\nauth_file = u\nlisten_addr = 127.0.0.1\nunix_socket_dir =\n{lines}")
}

const USERS: (&str, &str) = (
    "u",
    "\"app\" \"secret\"\n\"hashed\" \"md50123456789abcdef0123456789abcdef\"\n",
);

#[test]
fn a_rich_configuration_as_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rich");
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let imported = import("pgbouncer.ini", &read).expect("no mistake");
    let expected = read("tidegate.yaml").expect("the golden file");
    assert_eq!(imported.yaml, expected, "\n{}", imported.yaml);
    assert_eq!(imported.files, ["pgbouncer.ini", "userlist.txt", "hba.conf"]);
    for warning in &imported.warnings {
        let comment = format!("# {warning}\n");
        assert!(imported.yaml.contains(&comment), "{warning}");
    }
}

#[test]
fn what_is_absent_is_as_in_pgbouncer() {
    let imported = imported(&[("p.ini", "[databases]\na=\n[pgbouncer]\nauth_file=u\n"), USERS]);
    let expected = json!({
        "log": { "level": "info,tidegate_postgres::told=debug", "stats": "60s" },
        "limits": { "max_clients": 100 },
        "listeners": { "unix": {
            "protocol": "postgres",
            "address": "unix:/tmp/.s.PGSQL.6432",
            "unix": { "mode": "0777" },
            "max_clients": 0,
            "pre_auth_timeout": "60s",
            "console": { "databases": ["pgbouncer"] },
            "login": { "method": "md5", "user_file": "u" },
            "routes": [{ "match": { "database": "a" }, "cluster": "a" }],
        } },
        "clusters": { "a": {
            "protocol": "postgres",
            "endpoints": [{ "address": "unix:/tmp/.s.PGSQL.5432" }],
            "connect": { "timeout": "15s" },
            "pool": {
                "mode": "session",
                "size": 20,
                "queue_timeout": "120s",
                "retry_after": "15s",
                "idle_timeout": "600s",
                "max_lifetime": "3600s",
                "queue_notice": "5s",
            },
        } },
    });
    assert_eq!(json(&imported), expected);
    assert_eq!(imported.warnings, []);
}

#[test]
fn lines_know_where_they_come_from() {
    let imported = imported(&[("p.ini", &small("max_client_conn = 7\n")), USERS]);
    let line = imported
        .yaml
        .lines()
        .position(|line| line.contains("max_clients: 7"))
        .expect("the line");
    assert_eq!(
        imported.place(line + 1).map(ToString::to_string),
        Some("p.ini:7".to_owned())
    );
    assert_eq!(imported.place(1), None);
    assert_eq!(imported.place(0), None);
}

#[test]
fn mistakes_are_all_told_with_their_lines() {
    let ini = "\
early = 1
[databases]
a = host=h port=x
b = host=h hots=i pool_mode=sesion
pgbouncer = host=h
c = host=h password=two words
d = host=@abstract
e = host=h,,i
f = host=h pool_size=0
'g?' = host=h port=0
[pgbouncer]
listen_port = 70000
listen_addr = 127.0.0.1
unix_socket_dir = run
pool_mode = sesion
default_pool_size = 20 connections
query_timeout = 5s
max_client_con = 5
auth_type = scram
auth_file = none
server_tls_sslmode = verify-full
client_tls_sslmode = require
client_tls_protocols = tlsv1.4
max_client_conn = 0
tcp_keepalive = on
[peers]
0 = port=1
[section]
x = 1
[unclosed
";
    let expected = [
        "p.ini:1:1: a section is expected first, as `[pgbouncer]`",
        "p.ini:3:1: port: `x`: a whole number is expected",
        "p.ini:4:1: `hots` is no key of PgBouncer here; did you mean `host`?",
        "p.ini:4:1: pool_mode: `sesion`: one of session, transaction, statement is expected",
        "p.ini:5:1: `pgbouncer` is a reserved name, and no database",
        "p.ini:6:1: `key=value` is expected behind `password`; a value with spaces stands in single quotes",
        "p.ini:8:1: host: a host of the list is empty",
        "p.ini:9:1: the size of its pool is not above 0, and nobody would be served",
        "p.ini:10:1: port: `0` is no port",
        "p.ini:12:1: listen_port: `70000` is no port",
        "p.ini:14:1: unix_socket_dir: `run`: an absolute path is expected",
        "p.ini:15:1: pool_mode: `sesion`: one of session, transaction, statement is expected",
        "p.ini:16:1: default_pool_size: `20 connections`: a whole number is expected",
        "p.ini:17:1: query_timeout: `5s`: a number of seconds, as `15` or `0.5`, is expected",
        "p.ini:18:1: `max_client_con` is no key of PgBouncer here; did you mean `max_client_conn`?",
        "p.ini:19:1: auth_type: `scram`: one of any, trust, plain, md5, cert, hba, ldap, pam, scram-sha-256 is expected",
        "p.ini:20:1: `none`: cannot read the file: entity not found",
        "p.ini:21:1: `server_tls_ca_file` is needed for that: name the file of the system's authorities",
        "p.ini:22:1: `client_tls_key_file` and `client_tls_cert_file` are needed for that",
        "p.ini:23:1: client_tls_protocols: `tlsv1.4`: one of tlsv1.2, tlsv1.3, secure and all is expected",
        "p.ini:24:1: max_client_conn: nobody could come in; here 0 means no limit",
        "p.ini:25:1: tcp_keepalive: `on`: a whole number is expected",
        "p.ini:27:1: `0`: the number of a peer is expected, from 1 to 65535",
        "p.ini:27:1: `host` is missing: where the peer is",
        "p.ini:28:1: `[section]` is no section of PgBouncer",
        "p.ini:30:1: a section is written `[name]`",
    ];
    let told = mistakes(&[("p.ini", ini), USERS]);
    let told: Vec<_> = told
        .iter()
        .filter(|told| !told.contains("no version is left"))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn what_cannot_be_is_a_mistake() {
    for (ini, expected) in [
        ("", "p.ini:1:1: the section `[pgbouncer]` is missing"),
        (
            "[pgbouncer]\nauth_file = u\n",
            "p.ini:1:1: there are no databases: `[databases]` has no entry",
        ),
        (
            "[databases]\na=host=h\n[pgbouncer]\n",
            "p.ini:1:1: nobody could log in: `auth_file` or `auth_user` is needed",
        ),
        (&small("auth_type = pam"), "p.ini:7:1: auth_type: there is no pam here"),
        (
            &small("auth_type = any"),
            "p.ini:2:1: `auth_type = any` needs `user` in every database",
        ),
        (
            &small("auth_type = cert"),
            "p.ini:7:1: `auth_type = cert` needs `client_tls_sslmode = verify-full`",
        ),
        (
            &small("auth_type = hba"),
            "p.ini:7:1: `auth_type = hba` needs `auth_hba_file`",
        ),
        (
            &small("auth_user = x\nauth_dbname = b"),
            "p.ini:8:1: auth_dbname: there is no database `b`",
        ),
        (
            &small("auth_user = x\nauth_dbname = pgbouncer"),
            "p.ini:8:1: auth_dbname: `pgbouncer` is a reserved name",
        ),
        (&small("listen_addr ="), "p.ini:7:1: nobody can come in anywhere"),
        (
            &small("client_tls_sslmode = verify-ca\nclient_tls_key_file=k\nclient_tls_cert_file=c"),
            "p.ini:7:1: `client_tls_ca_file` is needed for that",
        ),
    ] {
        let told = mistakes(&[("p.ini", ini), USERS]);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}\n{told:?}");
    }
    let told = mistakes(&[("p.ini", &small("")), ("u", "app secret\n")]);
    assert_eq!(told, ["u:1:1: a line of the form `\"user\" \"secret\"` is expected"]);
}

/// Peers have the numbers that gateways can have; a gateway's own entry is there because all may have the same file.
#[test]
fn peers_are_gateways() {
    let peers = "peer_id = 2\n[peers]\n1 = host=::1 port=7\n2 = host=own\n03 = host=@name pool_size=4\n64 = host=far\n3 = host=b\n";
    let imported = imported(&[("p.ini", &small(peers)), USERS]);
    let expected = json!({
        "1": { "address": "[::1]:7", "timeout": "15s", "max_cancels": 20 },
        "3": { "address": "b:6432", "timeout": "15s", "max_cancels": 20 },
    });
    assert_eq!(json(&imported)["peers"], expected);
    assert_eq!(json(&imported)["node"], 2);
    assert_eq!(
        warnings(&imported),
        ["p.ini:12: `64` is above 63, the highest `node`, and left out"]
    );
}

/// Sockets of the abstract namespace, to listen at and to reach servers by.
#[test]
fn sockets_without_files() {
    let ini = small("").replace(
        "unix_socket_dir =\n",
        "unix_socket_dir = @here\nunix_socket_group = 7\n",
    );
    let imported = imported(&[("p.ini", &ini.replace("host=h", "host=@there")), USERS]);
    let json = json(&imported);
    assert_eq!(json["listeners"]["unix"]["address"], "unix:@here/.s.PGSQL.6432");
    assert_eq!(json["listeners"]["unix"].get("unix"), None);
    assert_eq!(
        json["clusters"]["a"]["endpoints"][0]["address"],
        "unix:@there/.s.PGSQL.5432"
    );
}

/// Where an entry has a user for all, what users have of their own by the names that they come by does not hold, and is told.
#[test]
fn what_users_have_of_their_own_is_told_where_all_are_one() {
    let users = "[users]\nv = client_idle_timeout=5 query_timeout=6\nf = query_timeout=7 reserve_pool_size=2\n";
    let text = |entry: &str| small(users).replace("a = host=h", entry);
    let imported = imported(&[("p.ini", &text("a = host=h user=f\nb = host=h")), USERS]);
    let told = warnings(&imported);
    assert_eq!(
        told.last().map(String::as_str),
        Some("p.ini:9: client_idle_timeout: in databases with `user` all clients have that of the database"),
        "{told:?}"
    );
    let json = json(&imported);
    let [a, b] = ["a", "b"].map(|name| &json["clusters"][name]);
    assert_eq!(
        (&a["timeouts"], &a["pool"]["reserve_size"]),
        (&json!({ "query": "7s" }), &json!(2))
    );
    assert_eq!(a.get("users"), None);
    let expected = json!({
        "v": { "timeouts": { "query": "6s", "client_idle": "5s" } },
        "f": { "reserve_size": 2, "timeouts": { "query": "7s" } },
    });
    assert_eq!(b["users"], expected);
}

#[test]
fn a_second_main_section_begins_anew() {
    let imported = imported(&[("p.ini", &format!("[pgbouncer]\nverbose = 1\n{}", small(""))), USERS]);
    assert_eq!(json(&imported)["log"]["level"], "info,tidegate_postgres::told=debug");
    assert_eq!(
        warnings(&imported),
        ["p.ini:5: [pgbouncer] a second time: what the section at p.ini:1 says has no effect, as in PgBouncer"]
    );
}

/// A value that is not the default, and what else must stand there for it to count.
fn sample(name: &str, kind: Kind) -> (&'static str, &'static str) {
    match (name, kind) {
        ("listen_addr", _) => ("127.0.0.9", ""),
        ("unix_socket_dir", _) => ("/elsewhere", ""),
        ("auth_file" | "auth_query" | "logfile", _) => ("other", ""),
        ("auth_type", _) => ("plain", ""),
        ("auth_hba_file", _) => ("later", "auth_type = hba\nauth_hba_file = hba"),
        ("auth_ident_file", _) => ("map", "auth_type = hba\nauth_hba_file = hba"),
        ("auth_dbname", _) => ("other", ""),
        ("client_tls_protocols" | "server_tls_protocols", _) => ("tlsv1.3", ""),
        ("client_tls_sslmode" | "server_tls_sslmode", _) => ("require", ""),
        (
            "max_prepared_statements"
            | "tcp_keepalive"
            | "log_connections"
            | "log_disconnections"
            | "log_pooler_errors"
            | "log_stats",
            _,
        ) => ("0", ""),
        ("pool_mode", _) => ("statement", ""),
        ("host", _) => ("10.0.0.1", ""),
        ("load_balance_hosts", _) => ("disable", ""),
        ("reserve_pool_timeout", _) => ("7", "reserve_pool_size = 1"),
        (_, Kind::Word(words)) => (words[words.len() - 1], ""),
        (_, Kind::Integer | Kind::Unsigned | Kind::Seconds | Kind::Digits) => ("7", ""),
        (_, Kind::Text | Kind::Database) => ("x", ""),
    }
}

/// What is said of a key in the table is so: one that is honoured changes something, one that is not is told.
#[test]
fn the_table_is_true() {
    let base = "auth_file = u\nauth_user = app\nunix_socket_dir = /tmp\nlisten_addr = 127.0.0.1\n\
                client_tls_sslmode = verify-full\nclient_tls_key_file = k\nclient_tls_cert_file = c\nclient_tls_ca_file = a\n\
                server_tls_sslmode = verify-full\nserver_tls_ca_file = a\n";
    let files = |database: &str, user: &str, peer: &str, main: &str| {
        let ini = format!(
            "[databases]\na = host=h user=f {database}\nb = host=h {database}\n* = host=h\n\
             [users]\nv = {user}\n[peers]\n1 = host=p {peer}\n[pgbouncer]\n{base}{main}\n"
        );
        imported(&[
            ("p.ini", &ini),
            USERS,
            ("other", "\"app\" \"secret\"\n"),
            (
                "hba",
                "host all all all cert map=m\nhost all all all cert\nlocal all all md5\n",
            ),
            ("later", "host all app all cert\n"),
            ("map", "m y y\n"),
        ])
    };
    for section in SECTIONS {
        for key in section.keys {
            let (value, context) = sample(key.name, key.kind);
            let set = format!("{}={value}", key.name);
            let (plain, with) = match section.name {
                "pgbouncer" => (
                    files("", "", "", context),
                    files("", "", "", &format!("{context}\n{set}")),
                ),
                "databases" => (files("", "", "", ""), files(&set, "", "", "")),
                "users" => (files("", "", "", ""), files("", &set, "", "")),
                _ => (files("", "", "", ""), files("", "", &set, "")),
            };
            let start = format!("{}: ", key.name);
            let is_told = with.warnings.iter().any(|warning| warning.text.starts_with(&start));
            match key.fate {
                Fate::Warned { .. } => assert!(is_told, "{} is not told", key.name),
                Fate::Honoured(text) if text.starts_with("nothing to set") => {
                    assert_eq!(json(&with), json(&plain), "{}", key.name);
                }
                Fate::Honoured(_) => assert_ne!(json(&with), json(&plain), "{} changes nothing", key.name),
            }
        }
    }
}

#[test]
fn a_value_with_which_nothing_is_missing_is_not_told() {
    for key in SECTIONS[0].keys {
        if let Fate::Warned { unless, .. } = key.fate
            && !unless.is_empty()
        {
            let imported = imported(&[("p.ini", &small(&format!("{} = {unless}", key.name))), USERS]);
            assert_eq!(imported.warnings, [], "{}", key.name);
        }
    }
}

#[test]
fn the_guide_has_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/pgbouncer.md");
    let page = fs::read_to_string(path).expect("the page");
    assert!(
        page.contains(&table()),
        "the tables of the page are to be:\n{}",
        table()
    );
}

/// Lines that look like those of the four kinds of file.
fn lines() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[databases]",
        "[pgbouncer]",
        "[users]",
        "[peers]",
        "*",
        "a",
        "=",
        " ",
        "\t",
        "\n",
        "host=",
        "h",
        ",",
        "'",
        "''",
        "\"",
        "\\",
        "$",
        "port=1",
        "pool_size=2",
        "user=",
        "auth_file = p.ini",
        "auth_type = hba",
        "auth_hba_file = p.ini",
        "%include p.ini",
        "auth_ident_file=p.ini",
        "host all all 10.0.0.0/8 md5",
        "local a,b all peer",
        "reject",
        "all",
        "sameuser",
        "@p.ini",
        "1.2.3.4/8",
        "map=x",
        "cert",
        "# c",
        "; c",
        "listen_addr = *",
        "verbose=99",
        "é",
        "\u{feff}",
        "\u{0}",
        "client_tls_sslmode=allow",
        "-1",
        "0x",
    ]);
    prop_oneof![
        ".*",
        prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
    ]
}

proptest! {
    #[test]
    fn reading_never_panics_and_what_comes_of_it_is_a_document(text in lines()) {
        let files = |name: &str| if name == "p.ini" { Ok(text.clone()) } else { Err(io::Error::from(io::ErrorKind::NotFound)) };
        if let Ok(imported) = import("p.ini", &files) {
            prop_assert!(Document::parse("t.yaml", imported.yaml.clone()).is_ok(), "{}", imported.yaml);
        }
        let other = |name: &str| match name {
            "p.ini" => Ok("[databases]\n* = host=h\n[pgbouncer]\nlisten_addr=*\nauth_file=u\nauth_type=hba\nauth_hba_file=t\nauth_ident_file=t".to_owned()),
            "u" => Ok(String::new()),
            _ => Ok(text.clone()),
        };
        if let Ok(imported) = import("p.ini", &other) {
            prop_assert!(Document::parse("t.yaml", imported.yaml.clone()).is_ok(), "{}", imported.yaml);
        }
    }
}
