//! What the admin console orders while the gateway runs: pauses, ends of clients, databases that let nobody in.

mod console_house;

use std::time::Duration;

use console_house::{House, holds, row, show};
use tidegate_kit::{RawClient, Target, eventually, message};

/// How many server connections the gateway has.
fn connections(house: &House) -> usize {
    house.postgres.backends("app").len()
}

fn says_nothing(client: &mut RawClient) -> bool {
    client.patience(Duration::from_millis(300));
    let is_silent = client.try_frame().is_err();
    client.patience(Duration::from_secs(10));
    is_silent
}

#[track_caller]
fn check_pause(database: impl Fn(&Target) -> String) {
    let mut house = House::new();
    let (mut console, mut other) = (house.console(), house.console());
    let app = house.settings.target();
    let name = database(&app);
    let (mut one, mut two) = (RawClient::connect(&app), RawClient::connect(&app));
    two.query("SELECT 1");
    one.query("BEGIN; SELECT 1");
    console.send(&message::query(&format!("PAUSE {name}")));
    assert!(says_nothing(&mut console), "a transaction is open");
    two.send(&message::query("SELECT 2"));
    assert!(says_nothing(&mut two), "nobody gets a server");
    assert_eq!(one.query("SELECT 3").value(), "3", "a transaction goes on");
    one.query("COMMIT");
    assert_eq!(console.reply().tags(), "CZ");
    eventually("no connection is left", || connections(&house) == 0);
    let is_all = name.is_empty();
    let paused = row(&mut other, "databases", "name", &app.database)["paused"].clone();
    assert_eq!(
        (paused == "0", show(&mut other, "state")[1]["value"] == "yes"),
        (is_all, is_all)
    );
    // The server may be restarted meanwhile, and nobody hears of it.
    house.postgres.restart();
    // Whoever comes in waits too.
    let mut late = RawClient::open(house.settings.address());
    late.send(&message::startup(
        message::PROTOCOL_3_0,
        &[("user", &app.user), ("database", &app.database)],
    ));
    assert_eq!(other.query(&format!("RESUME {name}")).tags(), "CZ");
    assert_eq!(two.reply().value(), "2");
    assert_eq!(one.query("SELECT 4").value(), "4");
    let again = other.query(&format!("RESUME {name}"));
    assert!(
        again.error().expect("an error").field('M').contains("not paused"),
        "{again:?}"
    );
}

#[test]
fn a_database_is_paused_until_it_is_resumed() {
    check_pause(|target| format!("\"{}\"", target.database));
}

#[test]
fn all_databases_are_paused_until_they_are_resumed() {
    check_pause(|_| String::new());
}

#[test]
fn a_pause_outlives_a_reload_and_who_ordered_it() {
    let house = House::new();
    let app = house.settings.target();
    let mut client = RawClient::connect(&app);
    client.query("SELECT 1");
    let mut console = house.console();
    assert_eq!(console.query("PAUSE").tags(), "CZ");
    console.terminate();
    let mut console = house.console();
    let file = house.gateway.config_path();
    let other = house.settings.yaml().replace("size: 20", "size: 19");
    std::fs::write(file, other).expect("write");
    assert_eq!(console.query("RELOAD").tags(), "CZ");
    client.send(&message::query("SELECT 2"));
    assert!(says_nothing(&mut client), "nobody gets a server");
    assert_eq!(
        console.query("PAUSE").error().expect("an error").field('M'),
        "already suspended/paused"
    );
    assert_eq!(console.query("RESUME").tags(), "CZ");
    assert_eq!(client.reply().value(), "2");
    holds(
        &row(&mut console, "databases", "name", &app.database),
        &[("pool_size", "19"), ("paused", "0")],
    );
}

#[test]
fn a_client_is_ended_by_its_number() {
    let house = House::new();
    let (mut console, app) = (house.console(), house.settings.target());
    let (mut one, mut two) = (RawClient::connect(&app), RawClient::connect(&app));
    two.query("SELECT 1");
    one.send(&message::query("SELECT pg_sleep(60)"));
    let mut id = String::new();
    eventually("it runs", || {
        let active = show(&mut console, "clients")
            .into_iter()
            .find(|row| row["state"] == "active");
        id = active.map(|row| row["id"].clone()).unwrap_or_default();
        !id.is_empty()
    });
    assert_eq!(console.query(&format!("KILL_CLIENT {id}")).tags(), "CZ");
    let frames = std::iter::repeat_with(|| one.try_frame().ok()).map_while(|frame| frame);
    let told: Vec<_> = frames
        .filter(|frame| frame.tag == b'E')
        .map(|frame| frame.sqlstate())
        .collect();
    assert_eq!(told.last().map(String::as_str), Some("57P01"), "{told:?}");
    assert_eq!(two.query("SELECT 2").value(), "2", "others go on");
    assert_eq!(show(&mut console, "clients").len(), 1);
    let mut direct = RawClient::connect(&house.postgres.superuser());
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)'";
    eventually("the server has stopped", || direct.query(running).value() == "0");
    for (statement, text) in [
        ("KILL_CLIENT 1", "client not found"),
        ("KILL_CLIENT x", "invalid client"),
    ] {
        let error = console.query(statement).error().expect("an error").field('M');
        assert!(error.starts_with(text), "{error}");
    }
}

#[test]
fn a_kill_ends_the_clients_of_a_database_and_pauses_it() {
    let house = House::new();
    let (mut console, app) = (house.console(), house.settings.target());
    let (mut one, mut two) = (RawClient::connect(&app), RawClient::connect(&app));
    one.query("BEGIN; SELECT 1");
    two.query("SELECT 1");
    let superuser = house.postgres.superuser();
    let mut elsewhere = app.clone().with_user(&superuser.user, &superuser.password);
    "postgres".clone_into(&mut elsewhere.database);
    let mut elsewhere = RawClient::connect(&elsewhere);
    assert_eq!(console.query(&format!("KILL {}", app.database)).tags(), "CZ");
    assert_eq!(
        (one.frame().sqlstate(), two.frame().sqlstate()),
        ("57P01".into(), "57P01".into())
    );
    eventually("no connection is left", || connections(&house) == 0);
    assert_eq!(elsewhere.query("SELECT 1").value(), "1", "another database goes on");
    holds(
        &row(&mut console, "databases", "name", &app.database),
        &[("paused", "1")],
    );
    assert_eq!(console.query(&format!("RESUME {}", app.database)).tags(), "CZ");
    assert_eq!(RawClient::connect(&app).query("SELECT 1").value(), "1");
}

#[test]
fn a_database_that_is_disabled_lets_no_new_client_in() {
    let house = House::new();
    let (mut console, app) = (house.console(), house.settings.target());
    let mut client = RawClient::connect(&app);
    client.query("SELECT 1");
    assert_eq!(console.query(&format!("DISABLE {}", app.database)).tags(), "CZ");
    holds(
        &row(&mut console, "databases", "name", &app.database),
        &[("disabled", "1")],
    );
    let refused = RawClient::try_connect(&app).expect_err("no entry");
    assert_eq!(refused.sqlstate(), "57P03");
    assert!(refused.field('M').contains("does not allow connections"), "{refused:?}");
    let wrong = RawClient::try_connect(&app.clone().with_user("app", "wrong")).expect_err("no entry");
    assert_eq!(wrong.sqlstate(), "28P01", "who may not log in learns nothing");
    assert_eq!(client.query("SELECT 2").value(), "2");
    assert_eq!(console.query(&format!("ENABLE {}", app.database)).tags(), "CZ");
    assert_eq!(RawClient::connect(&app).query("SELECT 3").value(), "3");
    for (statement, text) in [
        ("DISABLE", "a database is required"),
        ("ENABLE nothing", "no such database: nothing"),
    ] {
        assert_eq!(console.query(statement).error().expect("an error").field('M'), text);
    }
}

#[test]
fn server_connections_are_made_anew_as_they_come_back() {
    let house = House::new();
    let (mut console, mut other, app) = (house.console(), house.console(), house.settings.target());
    let (mut one, mut two) = (RawClient::connect(&app), RawClient::connect(&app));
    let pid = |client: &mut RawClient| client.query("SELECT pg_backend_pid()").value();
    one.query("BEGIN");
    let held = pid(&mut one);
    let idle = pid(&mut two);
    assert_eq!(console.query(&format!("RECONNECT {}", app.database)).tags(), "CZ");
    holds(
        &row(&mut console, "servers", "remote_pid", &held),
        &[("close_needed", "1")],
    );
    let new = pid(&mut two);
    assert!(new != idle && new != held, "{new} is not new");
    holds(
        &row(&mut console, "servers", "remote_pid", &new),
        &[("close_needed", "0")],
    );
    other.send(&message::query("WAIT_CLOSE"));
    assert!(says_nothing(&mut other), "an old connection is in use");
    assert_eq!(pid(&mut one), held, "a transaction keeps its server");
    one.query("COMMIT");
    assert_eq!(other.reply().tags(), "CZ");
    assert_eq!((pid(&mut one), pid(&mut two)), (new.clone(), new));
    assert_eq!(house.postgres.backends("app").len(), 1);
}
