//! The command line: output and exit codes.

mod common;

use std::net::TcpListener;

use common::{Folder, config, tidegate};
use tidegate_kit::Port;

#[test]
fn the_default_file_is_clean_and_is_not_replaced_by_mistake() {
    let folder = Folder::new();
    let made = tidegate(&folder, &["config", "init"]);
    made.ends(0).says("wrote tidegate.yaml");
    let checked = tidegate(&folder, &["check", "-c", "tidegate.yaml"]);
    checked.ends(0);
    assert_eq!(checked.stdout, "tidegate.yaml: ok\n");
    // Without -c it is found in the working directory.
    tidegate(&folder, &["check"]).ends(0);

    folder.write("tidegate.yaml", "mine");
    tidegate(&folder, &["config", "init"]).ends(1).complains("--force");
    assert_eq!(folder.read("tidegate.yaml"), "mine");
    tidegate(&folder, &["config", "init", "--force"]).ends(0);
    let printed = tidegate(&folder, &["config", "init", "-"]);
    assert_eq!(printed.ends(0).stdout, folder.read("tidegate.yaml"));
    let main = printed.stdout.split_once("\n  main:\n").expect("a listener").1;
    assert!(main.trim_start().starts_with("protocol: postgres"), "{main}");
}

#[test]
fn all_mistakes_are_told_in_one_run_with_their_places() {
    let folder = Folder::new();
    folder.write(
        "bad.yaml",
        "\
listeners:
  main:
    protocol: postgres
    address: 127.0.0.1:6432
    max_client: 5
    login: { users: { app: { password: hunter2 } } }
    routes:
      - cluster: ap
    tls: { mode: allow, certificate: /nowhere/a.crt, key: /nowhere/a.key }
  other:
    protocol: postgres
    address: 127.0.0.1:6432
    login: { method: trust }
    routes: [ { cluster: app, match: { client: 10.0.0.0/99 } } ]
clusters:
  app: { protocol: postgres, endpoints: [ { address: '127.0.0.1:5432' } ], pool: { size: many } }
",
    );
    let expected = "\
bad.yaml:5:5: unknown key `max_client` in listeners.main; did you mean `max_clients`?
 5 |     max_client: ***
   |     ^
bad.yaml:8:9: listeners.main.routes[0].cluster: there is no cluster `ap`; did you mean `app`?
 8 |       - cluster: ap
   |         ^
bad.yaml:9:25: listeners.main.tls.certificate: /nowhere/a.crt: No such file or directory (os error 2)
 9 |     tls: { mode: allow, certificate: /nowhere/a.crt, key: /nowhere/a.key }
   |                         ^
bad.yaml:12:5: listeners.other.address: 127.0.0.1:6432 is already the address of listener `main`
 12 |     address: 127.0.0.1:6432
    |     ^
bad.yaml:14:40: listeners.other.routes[0].match.client: `10.0.0.0/99` is no address or network: write 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32
 14 |     routes: [ { cluster: app, match: { client: 10.0.0.0/99 } } ]
    |                                        ^
bad.yaml:16:90: clusters.app.pool.size must be a whole number, but is text
 16 |   app: { protocol: postgres, endpoints: [ { address: '127.0.0.1:5432' } ], pool: { size: many } }
    |                                                                                          ^
";
    let checked = tidegate(&folder, &["check", "-c", "bad.yaml"]);
    checked.ends(1);
    assert_eq!(checked.stderr, format!("{expected}bad.yaml: 6 mistakes\n"));
    assert_eq!(checked.stdout, "");
    let run = tidegate(&folder, &["run", "-c", "bad.yaml"]);
    assert_eq!(run.ends(1).stderr, expected, "run tells the same");
}

#[test]
fn one_mistake_is_not_told_as_two() {
    let folder = Folder::new();
    let listeners = "listeners:\n  main: { protocol: postgres, address: '127.0.0.1:1', login: { method: trust }, routes: [ { cluster: app } ] }\n";
    let cluster = "clusters:\n  app: { protocol: postgres, endpoints: [ { address: '127.0.0.1:5432' } ] }\n";
    let check = |text: &str, expected: &[&str]| {
        folder.write("t.yaml", text);
        let checked = tidegate(&folder, &["check", "-c", "t.yaml"]);
        let told: Vec<&str> = checked
            .ends(1)
            .stderr
            .lines()
            .filter(|line| line.starts_with("t.yaml:"))
            .collect();
        let (last, told) = told.split_last().expect("a count");
        assert_eq!(told.len(), expected.len(), "{}", checked.stderr);
        assert!(last.contains(&format!("{} mistake", expected.len())));
        for (line, words) in told.iter().zip(expected) {
            assert!(line.contains(words), "`{words}` is missing in {line}");
        }
    };
    check(
        &format!("{listeners}clusters: {{ app: 5 }}\n"),
        &["clusters.app must be a map"],
    );
    check(&format!("{listeners}clusters: 5\n"), &["clusters must be a map"]);
    check(
        &format!("{listeners}cluster: {{}}\n"),
        &["needs the key `clusters`", "did you mean `clusters`?"],
    );
    // What only a type refuses does not hide what only the whole shows.
    let level = "log: { level: loud }\n";
    let elsewhere = listeners.replace("cluster: app", "cluster: apq");
    check(
        &format!("{level}{elsewhere}{cluster}"),
        &["`loud` is no log level", "did you mean `app`?"],
    );
    // A value that is left out because it is wrong is not missed.
    let nobody = listeners.replace("method: trust", "user_file: 5");
    check(&format!("{nobody}{cluster}"), &["user_file must be text"]);
}

#[test]
fn a_check_binds_nothing_and_writes_nothing() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, admin) = (
        taken.local_addr().expect("address"),
        admin.local_addr().expect("address"),
    );
    let yaml = config(address, admin, "tls: { mode: allow, generate: { directory: made } }");
    folder.write("tidegate.yaml", &yaml);
    tidegate(&folder, &["check"]).ends(0);
    assert!(!folder.path().join("made").exists());
}

#[test]
fn every_section_in_both_languages() {
    let folder = Folder::new();
    folder.write(
        "all.yaml",
        "\
log: { level: 'info,tidegate_postgres=debug', format: json }
runtime: { data_threads: 2, login_threads: 2, drain_timeout: 30s }
admin: { address: 127.0.0.1:9930, token: '${TIDEGATE_ADMIN_TOKEN:-x}' }
node: 63
listeners:
  main:
    protocol: postgres
    address: '[::1]:6432'
    max_clients: 10000
    when_full: wait
    max_clients_per_address: 0
    pre_auth_timeout: 15s
    tls: { mode: allow, client_auth: none, min_version: '1.2', generate: { names: [localhost, 127.0.0.1] } }
    login:
      users: { app: { password: '${APP_PASSWORD:-y}' } }
      query: { cluster: app, user: tidegate_auth, password: p, database: postgres, statement: SELECT 1 }
    routes:
      - match: { database: orders, user: 'app*', application_name: a, client: 10.0.0.0/8, sni: s, certificate: CN }
        cluster: app
      - cluster: app
    chain:
      - count: {}
      - count: { name: again }
  socket:
    protocol: postgres
    address: unix:/tmp/.s.PGSQL.6432
    login: { method: trust }
    routes: [ { user_suffix: { deployments: { d: { direct: app, pooled: app } } } } ]
clusters:
  app:
    protocol: postgres
    endpoints:
      - { address: '127.0.0.1:5432', role: primary, weight: 1 }
      - { address: 'localhost:5433', role: replica, weight: 2 }
    discovery: { dns: { interval: 5s } }
    balance: least_connections
    tls: { mode: prefer }
    pool: { mode: transaction, size: 20, min_idle: 0, queue_timeout: 0, idle_timeout: 10m, max_lifetime: 1h }
",
    );
    folder.write(
        "all.toml",
        "\
[listeners.main]
protocol = 'postgres'
address = '127.0.0.1:6432'
login = { method = 'trust' }
routes = [ { cluster = 'app' } ]
chain = [ { count = { name = 'x' } } ]
[clusters.app]
protocol = 'postgres'
discovery = 'fixed'
endpoints = [ { address = '127.0.0.1:5432' } ]
",
    );
    for name in ["all.yaml", "all.toml"] {
        let checked = tidegate(&folder, &["check", "-c", name]);
        assert_eq!(checked.stderr, "", "{name}");
        // What is shown is a configuration itself.
        let shown = tidegate(&folder, &["config", "show", "-c", name]);
        folder.write("shown.yaml", &shown.ends(0).stdout);
        tidegate(&folder, &["check", "-c", "shown.yaml"]).ends(0);
    }
}

#[test]
fn files_that_are_not_there_are_told() {
    let folder = Folder::new();
    tidegate(&folder, &["check", "-c", "nothing.yaml"])
        .ends(1)
        .complains("nothing.yaml: cannot read the file");
    for command in ["run", "check"] {
        tidegate(&folder, &[command]).ends(1).complains("tidegate config init");
    }
    tidegate(&folder, &["config", "show"]).ends(1);
    tidegate(&folder, &["config", "init", "no/such/folder.yaml"])
        .ends(1)
        .complains("cannot write");
}

#[test]
fn an_address_that_is_taken_ends_with_3() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("address");
    folder.write("tidegate.yaml", &config(taken.1, Port::reserve().address(), ""));
    tidegate(&folder, &["run"])
        .ends(3)
        .complains("listener main: cannot listen on");
    folder.write("tidegate.yaml", &config(Port::reserve().address(), taken.1, ""));
    tidegate(&folder, &["run"])
        .ends(3)
        .complains("set admin.address to a free one");
}

#[test]
fn wrong_usage_ends_with_2_and_help_tells_the_codes() {
    let folder = Folder::new();
    for wrong in [&["rnu"][..], &["run", "--confg", "x"], &["completion", "cmd.exe"], &[]] {
        tidegate(&folder, wrong).ends(2);
    }
    let help = tidegate(&folder, &["--help"]);
    help.ends(0).says("Exit codes:").says("drain_timeout").says("SIGHUP");
}

#[test]
fn the_effective_configuration_has_overrides_and_no_secrets() {
    let folder = Folder::new();
    folder.write(
        "tidegate.yaml",
        &config(Port::reserve().address(), Port::reserve().address(), ""),
    );
    let environment = [
        ("TIDEGATE_LISTENERS__MAIN__MAX_CLIENTS", "77"),
        ("TIDEGATE_CLUSTERS__APP__POOL__QUEUE_TIMEOUT", "7s"),
        ("TIDEGATE_ADMIN__TOKEN", "hunter2"),
        ("TIDEGATE_LISTENERS__MAIN__LOGIN__USERS__APP__PASSWORD", "hunter3"),
        // What Kubernetes sets for a Service of this name.
        ("TIDEGATE_SERVICE_HOST", "10.0.0.1"),
        ("TIDEGATE_PORT_6432_TCP_ADDR", "10.0.0.1"),
    ];
    let shown = common::with(&folder, &["config", "show"], &environment);
    shown
        .ends(0)
        .says("max_clients: 77\n")
        .says("queue_timeout: 7s\n")
        .says("token: \"***\"\n")
        .says("password: \"***\"\n");
    assert!(!shown.stdout.contains("hunter"), "{}", shown.stdout);
    let wrong = common::with(&folder, &["check"], &[("TIDEGATE_LISTENERS__MAIN__ADRESS", "x")]);
    wrong
        .ends(1)
        .complains("TIDEGATE_LISTENERS__MAIN__ADRESS")
        .complains("ADDRESS");
    let by_variable = common::with(&folder, &["check"], &[("TIDEGATE_CONFIG", "other.yaml")]);
    by_variable.ends(1).complains("other.yaml: cannot read");
    // What the command line says comes first.
    let by_option = ["check", "--pgbouncer", "pgbouncer.ini"];
    let by_option = common::with(&folder, &by_option, &[("TIDEGATE_CONFIG", "other.yaml")]);
    by_option.ends(1).complains("pgbouncer.ini");
    let both = tidegate(&folder, &["check", "-c", "other.yaml", "--pgbouncer", "pgbouncer.ini"]);
    both.ends(2).complains("cannot be used with");
}

#[test]
fn what_is_made_from_the_code_is_complete() {
    let folder = Folder::new();
    let schema = tidegate(&folder, &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.ends(0).stdout).expect("JSON");
    for key in ["log", "runtime", "admin", "node", "listeners", "clusters"] {
        assert!(
            schema["properties"][key]["description"].is_string() || schema["properties"][key]["$ref"].is_string(),
            "{key}"
        );
    }
    let reference = tidegate(&folder, &["config", "reference"]);
    reference
        .ends(0)
        .says("## Top level")
        .says("| `max_clients` |")
        .says("| `reset_query` |")
        .says("chain[]");
    tidegate(&folder, &["version"]).ends(0).says("tidegate 0.1.0 (");
    tidegate(&folder, &["completion", "bash"]).ends(0).says("_tidegate()");
    tidegate(&folder, &["completion", "zsh"])
        .ends(0)
        .says("#compdef tidegate");
}
