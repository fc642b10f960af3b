//! What the admin console shows, beside a real PostgreSQL.

mod console_house;
mod console_tables;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use console_house::{CONSOLE, House, TIDEGATE, columns, holds, row, show};
use console_tables::{TABLES, extended, simple};
use tidegate_kit::{
    Admin, Drivers, Gateway, Mode, Port, Postgres, RawClient, Settings, Target, Tls, eventually, message, wait_until,
};

#[test]
fn tables_have_the_columns_of_pgbouncer() {
    let house = House::new();
    let mut console = house.console();
    for (table, expected) in TABLES {
        let statement = format!("SHOW {table}");
        assert_eq!(simple(&mut console, &statement), expected, "{table}");
        assert_eq!(extended(&mut console, &statement), expected, "{table}");
    }
    let mut other = RawClient::connect(&house.target("ops").with_database("tidegate"));
    assert_eq!(simple(&mut other, "show version;"), "version:text");
}

#[test]
fn clients_and_pools_are_those_that_are_there() {
    let house = House::with(|settings| settings.size(1).listener("max_clients_per_user: 7"));
    let (mut console, app) = (house.console(), house.settings.target());
    let names = [("application_name", "busy")];
    let mut client = RawClient::try_connect_with(&app, &names).expect("a client");
    let process = client.query("SELECT pg_backend_pid()").value();
    let idle = [
        ("database", &*app.database),
        ("user", "app"),
        ("state", "idle"),
        ("replication", "none"),
    ];
    holds(&row(&mut console, "clients", "application_name", "busy"), &idle);
    holds(
        &row(&mut console, "servers", "remote_pid", &process),
        &[("type", "S"), ("state", "idle"), ("tls", "")],
    );
    let pool = row(&mut console, "pools", "user", "app");
    holds(
        &pool,
        &[
            ("cl_active", "1"),
            ("sv_active", "0"),
            ("sv_idle", "1"),
            ("pool_mode", "transaction"),
        ],
    );

    client.query("BEGIN; SELECT 1");
    let active = row(&mut console, "clients", "application_name", "busy");
    holds(
        &active,
        &[
            ("state", "active"),
            ("addr", "127.0.0.1"),
            ("local_addr", "127.0.0.1"),
            ("wait", "0"),
        ],
    );
    assert_eq!(
        active["port"],
        client.socket().local_addr().expect("an address").port().to_string()
    );
    assert_eq!(active["local_port"], house.settings.address().port().to_string());
    let server = row(&mut console, "servers", "remote_pid", &process);
    holds(
        &server,
        &[
            ("state", "active"),
            ("addr", "127.0.0.1"),
            ("link", &active["ptr"]),
            ("application_name", "busy"),
        ],
    );
    holds(&active, &[("link", &server["ptr"])]);
    assert!(
        server["ptr"].starts_with("0x") && active["ptr"].starts_with("0x"),
        "{server:?}"
    );

    let mut waits = RawClient::connect(&app);
    waits.send(&message::query("SELECT 1"));
    eventually("the second client waits", || {
        let pool = row(&mut console, "pools", "user", "app");
        pool["cl_waiting"] == "1" && pool["maxwait_us"] != "0" && pool["sv_active"] == "1"
    });
    let states: Vec<_> = show(&mut console, "sockets")
        .into_iter()
        .map(|row| row["state"].clone())
        .collect();
    assert_eq!(states, ["cl_active", "cl_waiting", "sv_active"]);
    let database = row(&mut console, "databases", "name", &app.database);
    holds(
        &database,
        &[("host", "127.0.0.1"), ("pool_size", "1"), ("current_connections", "1")],
    );
    holds(
        &database,
        &[
            ("current_client_connections", "2"),
            ("paused", "0"),
            ("port", &house.postgres.port().to_string()),
        ],
    );
    let user = row(&mut console, "users", "name", "app");
    holds(
        &user,
        &[
            ("current_connections", "1"),
            ("current_client_connections", "2"),
            ("max_user_client_connections", "7"),
        ],
    );
    holds(&row(&mut console, "lists", "list", "used_clients"), &[("items", "2")]);
    holds(&row(&mut console, "lists", "list", "pools"), &[("items", "2")]);
    client.query("COMMIT");
    assert_eq!(waits.reply().value(), "1");
    client.terminate();
    eventually("the client is gone", || show(&mut console, "clients").len() == 1);
}

#[test]
fn stats_grow_by_what_was_done() {
    let house = House::new();
    let (mut console, app) = (house.console(), house.settings.target());
    let mut client = RawClient::connect(&app);
    client.query("SELECT 1");
    let number = |row: &BTreeMap<String, String>, column: &str| row[column].parse::<u64>().expect("a number");
    let before = row(&mut console, "stats", "database", &app.database);
    for _ in 0..5 {
        client.query("SELECT repeat('x', 1000)");
    }
    for sql in ["BEGIN", "SELECT pg_sleep(0.05)", "SELECT 1", "COMMIT"] {
        client.query(sql);
    }
    let after = row(&mut console, "stats", "database", &app.database);
    let grown = |column: &str| number(&after, column) - number(&before, column);
    // The BEGIN waits for what follows, and goes out with it.
    assert_eq!((grown("total_query_count"), grown("total_xact_count")), (8, 6));
    assert_eq!(grown("total_server_assignment_count"), 6);
    assert!(grown("total_sent") > 5_000, "{after:?}");
    let received = grown("total_received");
    assert!((100..2_000).contains(&received), "{received}");
    assert!(grown("total_query_time") >= 50_000, "{after:?}");
    assert!(grown("total_xact_time") >= 50_000, "{after:?}");
    assert!(number(&after, "avg_sent") > 0, "{after:?}");
    let totals = row(&mut console, "stats_totals", "database", &app.database);
    assert_eq!(totals["query_count"], after["total_query_count"]);
    let sum = row(&mut console, "totals", "name", "total_query_count");
    assert_eq!(sum["value"], after["total_query_count"]);
}

#[test]
fn the_admin_api_shows_the_same_tables() {
    let house = House::new();
    let (mut console, admin) = (house.console(), Admin::of(&house.settings));
    let mut client = RawClient::connect(&house.settings.target());
    client.query("BEGIN; SELECT 1");
    for table in ["pools", "databases", "users", "lists", "state"] {
        let body = admin.body(&format!("/v1/console/{table}"));
        let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&body).expect("rows");
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let rows: Vec<BTreeMap<String, String>> = rows
            .iter()
            .map(|row| row.iter().map(|(name, value)| (name.clone(), text(value))).collect())
            .collect();
        assert_eq!(rows, show(&mut console, table), "{table}");
    }
    for (name, _) in TABLES {
        assert_eq!(admin.status(&format!("/v1/console/{name}")), 200, "{name}");
    }
    for command in ["RELOAD", "pause", "help", "pools;"] {
        let (status, body) = admin.get(&format!("/v1/console/{command}"));
        assert_eq!(status, 404, "{command}");
        assert!(body.contains("stats_averages"), "{body}");
    }
}

#[test]
fn databases_have_the_names_that_clients_ask_for() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .user("ops", "ops-secret")
        .listener(CONSOLE);
    let app = settings.target();
    let rule = format!(
        "routes:\n      - {{ match: {{ database: shop }}, database: {}, cluster: app }}\n",
        app.database
    );
    let yaml = settings.yaml().replacen("routes:\n", &rule, 1);
    let gateway = Gateway::builder(TIDEGATE, &yaml).listens(settings.address());
    let _gateway = gateway.listens(settings.admin_address()).start();
    let mut console = RawClient::connect(&app.clone().with_user("ops", "ops-secret").with_database("tidegate"));
    holds(
        &row(&mut console, "databases", "name", "shop"),
        &[("database", &app.database), ("current_connections", "0")],
    );
    let mut client = RawClient::connect(&app.clone().with_database("shop"));
    client.query("SELECT 1");
    holds(
        &row(&mut console, "databases", "name", "shop"),
        &[("current_connections", "1")],
    );
    holds(&row(&mut console, "pools", "user", "app"), &[("database", "shop")]);
    holds(&row(&mut console, "clients", "user", "app"), &[("database", "shop")]);
    holds(
        &row(&mut console, "stats", "database", "shop"),
        &[("total_query_count", "1")],
    );
}

#[test]
fn drivers_read_it() {
    if Drivers::skipped() {
        return;
    }
    let house = House::new();
    let mut python = Drivers::find().python("console_suite.py");
    house.target("ops").apply(&mut python);
    let output = python.output().expect("python");
    let (text, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{text}\n{errors}");
    for check in [
        "simple", "extended", "binary", "prepared", "pipeline", "errors", "asyncpg",
    ] {
        assert!(
            text.lines().any(|line| line == format!("ok {check}")),
            "{check}: {text}"
        );
    }
}

/// PgBouncer itself, ended with the test.
struct PgBouncer(Child);

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// An older release has the same columns, but for those that came since.
#[test]
fn an_installed_pgbouncer_has_no_other_columns() {
    let Some(program) = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
    else {
        return eprintln!("there is no PgBouncer to compare with");
    };
    let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
    let ini = folder.path().join("pgbouncer.ini");
    let text = format!(
        "[databases]\nx = host=127.0.0.1 port=1\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
         unix_socket_dir =\nauth_type = any\nadmin_users = ops\n",
        port.number()
    );
    fs::write(&ini, text).expect("write");
    let mut command = Command::new(program);
    command
        .arg(&ini)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // It refuses to stay root.
        command.args(["-u", "postgres"]);
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("chmod");
    }
    let _running = PgBouncer(command.spawn().expect("it starts"));
    let listens = || std::net::TcpStream::connect(port.address()).is_ok();
    assert!(wait_until(Duration::from_secs(10), listens), "it does not listen");
    let target = Target {
        host: "127.0.0.1".to_owned(),
        port: port.number(),
        user: "ops".to_owned(),
        password: String::new(),
        database: "pgbouncer".to_owned(),
        tls: Tls::Off,
        mode: Mode::Direct,
    };
    let mut console = RawClient::connect(&target);
    let mut compared = 0;
    for (table, ours) in TABLES {
        let reply = console.query(&format!("SHOW {table}"));
        if reply.error().is_some() {
            continue; // newer than this release
        }
        let theirs = columns(&reply.frames[0]).replace("reserve_pool:", "reserve_pool_size:");
        let mut ours = ours.split(' ');
        let missing: Vec<_> = theirs
            .split(' ')
            .filter(|column| !ours.any(|own| own == *column))
            .collect();
        assert!(
            missing.is_empty(),
            "{table}: {missing:?} are missing, or in another order"
        );
        compared += 1;
    }
    assert!(compared >= 15, "{compared} tables");
}
