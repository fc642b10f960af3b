//! Values from outside the file: `${…}`, variables, secret files.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod sample;

use sample::{Config, Listener, check, prepared};
use serde_json::Value as Json;
use tidegate_config::{Node, decode, effective};

const TEXT: &str = "\
listeners:
  main:
    protocol: postgres
    address: a:1
  my_other-one:
    protocol: postgres
    address: ${HOST:-b}:2
    max_clients: ${MOST:-5}
    tls: { mode: allow, key_file: x }
    login: { method: scram-sha-256, users: { app: { password: \"$$a${SECRET}$b\" } } }
clusters:
  a: { endpoints: [ { address: 'a:1' } ] }
";

/// The one helper: variables, a path, and what stands there in the end.
#[track_caller]
fn set(variables: &[(&str, &str)], path: &str, expected: &str) {
    let mut all = vec![("SECRET", "s")];
    all.extend(variables);
    let document = prepared("t.yaml", TEXT, &all).unwrap();
    let found = document.node(path).map_or(Json::Null, Node::to_json);
    assert_eq!(found.to_string(), expected, "{variables:?}");
}

#[test]
fn references_are_filled_in() {
    set(&[], "listeners.my_other-one.address", r#""b:2""#);
    set(&[("HOST", "c")], "listeners.my_other-one.address", r#""c:2""#);
    set(&[("HOST", "")], "listeners.my_other-one.address", r#""b:2""#);
    set(&[], "listeners.my_other-one.max_clients", "5");
    set(
        &[("SECRET", "12345")],
        "listeners.my_other-one.login.users.app.password",
        r#""$a12345$b""#,
    );
}

#[test]
fn variables_win_over_the_file() {
    set(
        &[("TIDEGATE_LISTENERS__MAIN__ADDRESS", "z:9")],
        "listeners.main.address",
        r#""z:9""#,
    );
    set(
        &[("TIDEGATE_LISTENERS__MY_OTHER_ONE__ADDRESS", "z:9")],
        "listeners.my_other-one.address",
        r#""z:9""#,
    );
    set(
        &[("TIDEGATE_LISTENERS__MAIN__MAX_CLIENTS", "7")],
        "listeners.main.max_clients",
        "7",
    );
    set(
        &[("TIDEGATE_LISTENERS__MAIN__TLS__MODE", "require")],
        "listeners.main.tls.mode",
        r#""require""#,
    );
    set(&[("TIDEGATE_LOG__FORMAT", "json")], "log.format", r#""json""#);
    set(
        &[("TIDEGATE_CLUSTERS__A__ENDPOINTS__0__ADDRESS", "z:9")],
        "clusters.a.endpoints[0].address",
        r#""z:9""#,
    );
    set(
        &[("TIDEGATE_CLUSTERS__A__ENDPOINTS__1__ADDRESS", "z:9")],
        "clusters.a.endpoints[1].address",
        r#""z:9""#,
    );
    set(
        &[("TIDEGATE_CLUSTERS__A__ENDPOINTS__0__ENABLED", "false")],
        "clusters.a.endpoints[0].enabled",
        "false",
    );
    set(
        &[("TIDEGATE_LISTENERS__MAIN__THREADS", "3")],
        "listeners.main.threads",
        "3",
    );
    set(
        &[("TIDEGATE_LISTENERS__MAIN__THREADS", "auto")],
        "listeners.main.threads",
        r#""auto""#,
    );
    set(
        &[("TIDEGATE_CLUSTERS__A__PASSWORD", "12${34}")],
        "clusters.a.password",
        r#""12${34}""#,
    );
    set(&[("TIDEGATE_CONFIG", "x"), ("OTHER", "y")], "log", "null");
}

#[test]
fn secrets_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "pass word\r\n").unwrap();
    let path = path.to_str().unwrap();
    set(
        &[("TIDEGATE_CLUSTERS__A__PASSWORD_FILE", path)],
        "clusters.a.password",
        r#""pass word""#,
    );
    // This key really ends so.
    set(
        &[("TIDEGATE_LISTENERS__MY_OTHER_ONE__TLS__KEY_FILE", path)],
        "listeners.my_other-one.tls.key_file",
        &format!("{path:?}"),
    );
    let text = format!("clusters: {{ a: {{ password: '${{file:{path}}}', endpoints: [ {{ address: 'a:1' }} ] }} }}");
    let document = prepared("t.yaml", &text, &[]).unwrap();
    assert_eq!(document.node("clusters.a.password").unwrap().text(), Some("pass word"));
}

#[test]
fn what_names_nothing_is_told() {
    let text = "listeners: { main: { protocol: postgres, address: 'a:1' } }\nlog: { level: '${NO}', format: '${file:/no/such}' }\n";
    check(
        "t.yaml",
        text,
        &[
            ("TIDEGATE_LISTENERS__MAIN__ADRESS", "a:1"),
            ("TIDEGATE_LISTENERS__NEW__ADDRESS", "a:1"),
            ("TIDEGATE_LISTENERS__MAIN", "a:1"),
            ("TIDEGATE_LISTENERS__MAIN__MAX_CLIENTS", "hunter2"),
            ("TIDEGATE_LOGG__LEVEL", "info"),
        ],
        &[
            "TIDEGATE_LISTENERS__MAIN: listeners.main is no single value; name one below it, such as TIDEGATE_LISTENERS__MAIN__PROTOCOL",
            "TIDEGATE_LISTENERS__MAIN__ADRESS: `ADRESS` names no key of listeners.main; did you mean `TIDEGATE_LISTENERS__MAIN__ADDRESS`?",
            "TIDEGATE_LISTENERS__MAIN__MAX_CLIENTS: listeners.main.max_clients must be a whole number, but is text",
            "TIDEGATE_LISTENERS__NEW__ADDRESS: `NEW` names no key of listeners; names of maps must be written in the file first",
            "TIDEGATE_LOGG__LEVEL: `LOGG` names no key of the configuration; did you mean `TIDEGATE_LOG__LEVEL`?",
            "t.yaml:2:15: log.level: environment variable `NO` is not set; set it, or write `${NO:-default}`",
            "t.yaml:2:32: log.format: cannot read the file `/no/such`: No such file or directory (os error 2)",
        ],
    );
    check(
        "t.yaml",
        "log: { level: '${' }",
        &[],
        &["t.yaml:1:15: log.level: `${` without its `}`; write `$$` for a dollar sign"],
    );
}

#[test]
fn no_mistake_and_no_output_shows_what_came_from_outside() {
    let told = prepared(
        "t.yaml",
        "listeners: { main: { protocol: '${S}', address: '${S}' }, two: { protocol: postgres, address: '${S}', pre_auth_timeout: '${S}', threads: '${S}', login: { method: '${S}' } } }",
        &[("S", "hunter2"), ("TIDEGATE_LOG__FORMAT", "hunter2")],
    )
    .unwrap_err();
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(!format!("{told:?}").contains("hunter2"), "{told:#?}");
    let document = prepared(
        "t.yaml",
        TEXT,
        &[("SECRET", "hunter2"), ("TIDEGATE_CLUSTERS__A__PASSWORD", "hunter2")],
    )
    .unwrap();
    assert!(!effective(&document, &sample::schema()).contains("hunter2"));
}

/// What no schema was made from.
#[derive(Debug, serde::Deserialize)]
struct Narrow {
    #[allow(dead_code)] // only its refusal is looked at
    clusters: std::collections::BTreeMap<String, u8>,
}

#[test]
fn a_checked_document_becomes_its_struct() {
    let document = prepared("t.yaml", TEXT, &[("SECRET", "hunter2")]).unwrap();
    let config: Config = decode(&document).unwrap();
    let Some(Listener::Postgres(listener)) = config.listeners.get("my_other-one") else {
        panic!()
    };
    assert_eq!(listener.max_clients, 5);
    assert_eq!(config.clusters["a"].endpoints[0].address.to_string(), "a:1");

    let told = decode::<Narrow>(&document).unwrap_err();
    assert_eq!(
        told[0].to_string(),
        "t.yaml:12:3: clusters.a: invalid type: map, expected u8"
    );
}

/// A resolved document in which one value is set by its path.
#[track_caller]
fn by_path(path: &str, text: &str, at: &str, expected: &str) {
    let mut document = prepared("t.yaml", TEXT, &[("SECRET", "s")]).unwrap();
    let schema = sample::schema();
    document.set(&schema, "SET", path, text).unwrap();
    let found = document.node(at).map_or(Json::Null, Node::to_json);
    assert_eq!(found.to_string(), expected, "{path}");
}

#[test]
fn single_values_are_set_by_their_paths() {
    let most = "listeners.main.max_clients";
    by_path(most, "7", most, "7");
    by_path(
        "listeners.my_other-one.max_clients",
        "7",
        "listeners.my_other-one.max_clients",
        "7",
    );
    // It comes as it is meant, and refers to nothing.
    by_path(
        "listeners.main.address",
        "${HOME}",
        "listeners.main.address",
        r#""${HOME}""#,
    );
}

#[test]
fn a_path_that_names_no_single_value_is_told() {
    let mut document = prepared("t.yaml", TEXT, &[("SECRET", "s")]).unwrap();
    let schema = sample::schema();
    let mut told = |path: &str| document.set(&schema, "SET", path, "1").unwrap_err().to_string();
    assert_eq!(
        told("listeners.main.max_client"),
        "SET: `max_client` names no key of listeners.main; did you mean `listeners.main.max_clients`?"
    );
    assert_eq!(
        told("listeners.main"),
        "SET: listeners.main is no single value; name one below it, such as listeners.main.protocol"
    );
    for path in ["clusters.a.endpoints.0.address", "clusters.a.endpoints[0].address"] {
        assert_eq!(
            told(path),
            "SET: clusters.a.endpoints[0].address is in a list, whose order the file may change: write it there"
        );
    }
    assert!(told("").contains("names no key of the configuration"));
    assert!(told("listeners.none.address").contains("names of maps must be written in the file first"));
}
