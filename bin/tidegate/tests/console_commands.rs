//! What the admin console does, for whom, and how its sessions go on and end.

mod common;
mod console_house;

use std::time::{Duration, Instant};

use console_house::{House, TIDEGATE, holds, row, show};
use tidegate_kit::{Gateway, Mode, Postgres, RawClient, Settings, Target, eventually, message};

#[test]
fn who_may_enter_and_who_may_only_look() {
    let house = House::new();
    let refused = |target: Target| RawClient::try_connect(&target).expect_err("no entry");
    assert_eq!(refused(house.target("stranger")).sqlstate(), "42501");
    assert!(refused(house.target("stranger")).field('M').contains("stats_users"));
    let wrong = house.target("ops").with_user("ops", "wrong");
    assert_eq!(refused(wrong).sqlstate(), "28P01");
    assert_eq!(refused(house.target("nobody")).sqlstate(), "28P01");

    let mut watcher = RawClient::connect(&house.target("watcher"));
    for statement in [
        "RELOAD",
        "SHUTDOWN",
        "SHUTDOWN WAIT_FOR_CLIENTS",
        "SHOW FDS",
        "PAUSE",
        "SET max_client_conn = 1",
    ] {
        let reply = watcher.query(statement);
        assert_eq!(
            (reply.sqlstate().as_str(), reply.status()),
            ("42501", Some('I')),
            "{statement}"
        );
    }
    assert_eq!(show(&mut watcher, "state")[0]["value"], "yes");
    assert_eq!(watcher.query("SHOW STATS").sqlstate(), "");
}

#[test]
fn without_a_console_the_name_is_a_servers() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction);
    let _gateway = settings.start(TIDEGATE);
    let refused = RawClient::try_connect(&settings.target().with_database("pgbouncer"));
    let error = refused.expect_err("no such database").field('M');
    assert!(error.contains("\"pgbouncer\" does not exist"), "{error}");
}

#[test]
fn a_session_goes_on_after_errors() {
    let house = House::new();
    let mut console = house.console();
    for (statement, code) in [
        ("nonsense", "08P01"),
        ("SHOW nothing", "08P01"),
        ("RESUME", "08P01"),
        ("KILL x", "08P01"),
    ] {
        let reply = console.query(statement);
        assert_eq!(
            (reply.tags().as_str(), reply.sqlstate().as_str()),
            ("EZ", code),
            "{statement}"
        );
    }
    assert_eq!(console.query("SHOW HELP").tags(), "NCZ");
    assert_eq!(console.query(" ;").tags(), "IZ");
    assert_eq!(console.query("SHOW timezone").value(), "GMT");
    // An error in a batch: the rest is thrown away up to its end.
    let batch = [
        message::parse("", "SHOW nothing"),
        message::bind("", "", &[]),
        message::execute("", 0),
        message::query("SHOW STATE"),
        message::sync(),
    ];
    console.send(&batch.concat());
    assert_eq!(console.reply().tags(), "EZ");
    for (wrong, code) in [
        (message::bind("", "missing", &[]), "26000"),
        (message::execute("missing", 0), "34000"),
        (message::describe(b'P', "missing"), "34000"),
        (
            [message::parse("p", "SHOW STATE"), message::bind("", "p", &[Some("1")])].concat(),
            "08P01",
        ),
        (message::parse("p", "SHOW STATE"), "42P05"),
    ] {
        console.send(&[wrong, message::sync()].concat());
        assert_eq!(console.reply().sqlstate(), code);
    }
    // Some rows at a time.
    let parts = [
        message::bind("c", "p", &[]),
        message::execute("c", 2),
        message::execute("c", 2),
        message::sync(),
        message::execute("c", 2),
        message::sync(),
    ];
    console.send(&parts.concat());
    assert_eq!(console.reply().tags(), "2DDsDCZ");
    assert_eq!(
        console.reply().sqlstate(),
        "34000",
        "a portal ends with its transaction"
    );
    // A cancel is nobody's, and harms nobody.
    RawClient::open(house.settings.address()).send(&console.cancel_request());
    assert_eq!(console.query("SHOW STATE").rows().len(), 3);
}

#[test]
fn a_reload_takes_a_good_file_and_says_why_not_a_bad_one() {
    let house = House::new();
    let mut console = house.console();
    let file = house.gateway.config_path();
    let good = house.settings.yaml();
    std::fs::write(&file, good.replace("mode: transaction", "mode: transactional")).expect("write");
    let reply = console.query("RELOAD");
    assert_eq!(reply.sqlstate(), "F0000");
    let error = reply.error().expect("an error").field('M');
    assert!(
        error.contains("transactional") && error.contains("clusters.app.pool.mode"),
        "{error}"
    );
    let mut client = RawClient::connect(&house.settings.target());
    client.query("SELECT 1");
    holds(
        &row(&mut console, "pools", "user", "app"),
        &[("pool_mode", "transaction")],
    );
    std::fs::write(&file, good.replace("mode: transaction", "mode: session")).expect("write");
    assert_eq!(console.query("reload;").tags(), "CZ");
    let mode = row(&mut console, "config", "key", "clusters.app.pool.mode");
    holds(&mode, &[("value", "session"), ("changeable", "yes")]);
    let shown = format!("{:?}", show(&mut console, "config"));
    assert!(
        !shown.contains("ops-secret") && !shown.contains("kit-admin-token"),
        "{shown}"
    );
}

#[test]
fn shutdown_ends_the_process() {
    let mut house = House::new();
    let mut client = RawClient::connect(&house.settings.target());
    client.query("BEGIN; SELECT 1");
    let mut console = house.console();
    console.send(&message::query("SHUTDOWN"));
    assert_eq!(console.frame().sqlstate(), "57P01");
    assert_eq!(client.frame().sqlstate(), "57P01");
    assert_eq!(house.gateway.wait(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn shutdown_can_wait_for_clients() {
    let mut house = House::new();
    let mut client = RawClient::connect(&house.settings.target());
    let (mut console, mut other) = (house.console(), house.console());
    assert_eq!(console.query("SHUTDOWN WAIT_FOR_CLIENTS").tags(), "CZ");
    let refused = || {
        RawClient::try_connect(&house.settings.target())
            .err()
            .map(|error| error.sqlstate())
    };
    eventually("nobody comes in", || refused().as_deref() == Some("57P01"));
    for _ in 0..5 {
        assert_eq!(client.query("SELECT 1").value(), "1");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(show(&mut other, "clients").len(), 1);
    client.terminate();
    assert_eq!(house.gateway.wait(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(
        (console.frame().sqlstate(), other.frame().sqlstate()),
        ("57P01".into(), "57P01".into())
    );
}

#[test]
fn shutdown_can_wait_for_transactions() {
    let mut house = House::new();
    let mut client = RawClient::connect(&house.settings.target());
    client.query("BEGIN; SELECT 1");
    let mut console = house.console();
    console.send(&message::query("SHUTDOWN WAIT_FOR_SERVERS"));
    assert_eq!(console.reply().tags(), "CZ");
    house.gateway.wait_for_log("draining");
    assert_eq!(client.query("SELECT 2").value(), "2");
    client.query("COMMIT");
    assert_eq!(house.gateway.wait(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn a_drain_ends_sessions_at_the_console() {
    let mut house = House::new();
    let mut console = house.console();
    let began = Instant::now();
    assert_eq!(house.gateway.terminate(Duration::from_secs(10)).code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(console.frame().sqlstate(), "57P01");
}

#[test]
fn the_systems_own_user_needs_no_login_over_a_unix_socket() {
    let folder = common::Folder::new();
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction);
    let socket = folder.path().join(".s.PGSQL.6432");
    let listener = format!(
        "  unix:\n    protocol: postgres\n    address: \"unix:{}\"\n    login: {{ users: {{ ops: {{ password: x }} }} }}\n\
         \x20   console: {{}}\n    routes: [ {{ cluster: app }} ]\nclusters:\n",
        socket.display()
    );
    let yaml = settings.yaml().replacen("clusters:\n", &listener, 1);
    let _gateway = Gateway::builder(TIDEGATE, &yaml).listens_unix(&socket).start();
    let psql = |uid: Option<u32>| {
        let mut psql = postgres.programs().command("psql");
        psql.args([
            "-X",
            "-At",
            "-w",
            "-p",
            "6432",
            "-U",
            "whoever",
            "-d",
            "pgbouncer",
            "-c",
            "SHOW STATE",
            "-c",
            "RELOAD",
        ]);
        psql.arg("-h").arg(folder.path());
        if let Some(uid) = uid {
            std::os::unix::process::CommandExt::uid(&mut psql, uid);
        }
        let output = psql.output().expect("psql");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    assert_eq!(
        psql(None),
        (true, "active|yes\npaused|no\nsuspended|no\nRELOAD\n".to_owned())
    );
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("chmod");
        assert_eq!(psql(Some(65_534)), (false, String::new()), "another user has to log in");
    }
}

#[test]
fn nobody_may_be_let_in_by_mistake() {
    let folder = common::Folder::new();
    let addresses = (
        "127.0.0.1:6432".parse().expect("an address"),
        "127.0.0.1:9930".parse().expect("one more"),
    );
    for (console, complaint) in [
        ("console: {}", "nobody may enter: give `admin_users` or `stats_users`"),
        (
            "console: { admin_users: [a], databases: [] }",
            "listeners.main.console.databases",
        ),
        ("console: { admins: [a] }", "admin_users"),
    ] {
        folder.write("tidegate.yaml", &common::config(addresses.0, addresses.1, console));
        common::tidegate(&folder, &["check", "-c", "tidegate.yaml"])
            .ends(1)
            .complains(complaint);
    }
}
