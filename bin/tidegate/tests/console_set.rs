//! SET at the console: other values while the gateway runs.

mod console_house;
mod dialect;

use console_house::{House, holds, row};
use dialect::{Dialect, Peer};
use tidegate_kit::{RawClient, eventually};

#[track_caller]
fn told(console: &mut RawClient, statement: &str, part: &str) {
    let reply = console.query(statement);
    let error = reply.error().expect("an error").field('M');
    assert!(error.contains(part), "{statement}: {error}");
    assert_eq!(reply.status(), Some('I'));
}

#[track_caller]
fn value(console: &mut RawClient, key: &str) -> String {
    row(console, "config", "key", key)["value"].clone()
}

#[test]
fn keys_of_pgbouncers_file_are_set_until_a_reload() {
    let dialect = Dialect::new("query_timeout = 0.5");
    let mut client = RawClient::connect(&dialect.shop());
    client.query("BEGIN; SELECT 1");
    let mut console = dialect.console();
    holds(
        &row(&mut console, "config", "key", "default_pool_size"),
        &[("value", "20"), ("default", "20"), ("changeable", "yes")],
    );
    holds(
        &row(&mut console, "config", "key", "listen_addr"),
        &[("value", "127.0.0.1"), ("default", ""), ("changeable", "no")],
    );
    assert_eq!(value(&mut console, "query_timeout"), "0.5");
    let reply = console.query("SET default_pool_size = 3");
    assert_eq!((reply.tags().as_str(), reply.sqlstate().as_str()), ("CZ", ""));
    assert_eq!(console.query("SET query_timeout = '0'").tags(), "CZ");
    assert_eq!(value(&mut console, "default_pool_size"), "3");
    assert_eq!(value(&mut console, "query_timeout"), "0");
    holds(&row(&mut console, "databases", "name", "shop"), &[("pool_size", "3")]);
    // Slower than the timeout that was.
    assert_eq!(client.query("SELECT 2 FROM pg_sleep(1)").value(), "2");
    client.query("COMMIT");

    told(
        &mut console,
        "SET default_pool_siz = 3",
        "did you mean `default_pool_size`?",
    );
    told(
        &mut console,
        "SET default_pool_size = many",
        "default_pool_size: `many`",
    );
    told(&mut console, "SET listen_port = 1", "restart");
    told(&mut console, "SET peer_id = 5", "restart");
    told(&mut console, "SET client_tls_sslmode = require", "client_tls");
    assert_eq!(value(&mut console, "client_tls_sslmode"), "disable");
    assert_eq!(
        value(&mut console, "default_pool_size"),
        "3",
        "a mistake changes nothing"
    );
    let reply = console.query("SET cancel_wait_timeout = 5");
    assert_eq!(reply.tags(), "NCZ", "it has no effect, and that is said");

    assert_eq!(console.query("RELOAD").tags(), "CZ");
    assert_eq!(value(&mut console, "default_pool_size"), "20");
    assert_eq!(value(&mut console, "query_timeout"), "0.5");
    holds(&row(&mut console, "databases", "name", "shop"), &[("pool_size", "20")]);
    dialect.gateway.wait_for_log("set at the console");

    let Some(peer) = Peer::start(&dialect) else {
        return eprintln!("there is no PgBouncer to compare with");
    };
    let mut there = RawClient::connect(&peer.at(dialect.ops()));
    assert_eq!(there.query("SET default_pool_size = 3").tags(), "CZ");
    for key in [
        "default_pool_size",
        "query_timeout",
        "pool_mode",
        "admin_users",
        "server_lifetime",
    ] {
        let here = if key == "default_pool_size" {
            "3".to_owned()
        } else {
            value(&mut console, key)
        };
        assert_eq!(value(&mut there, key), here, "{key}");
    }
    assert_eq!(there.query("RELOAD").sqlstate(), "");
    assert_eq!(value(&mut there, "default_pool_size"), "20");
}

#[test]
fn single_values_are_set_by_their_paths_until_the_end() {
    let house = House::new();
    let (mut console, app) = (house.console(), house.settings.target());
    let mut client = RawClient::connect(&app);
    client.query("SELECT 1");
    assert_eq!(console.query("SET \"clusters.app.pool.size\" = 3").tags(), "CZ");
    let size = |console: &mut RawClient| row(console, "databases", "name", &app.database)["pool_size"].clone();
    assert_eq!(size(&mut console), "3");
    assert_eq!(value(&mut console, "clusters.app.pool.size"), "3");
    assert_eq!(console.query("RELOAD").tags(), "CZ");
    assert_eq!(size(&mut console), "3", "a reload keeps it");
    assert_eq!(console.query("SET \"clusters.app.pool.size\" = 4").tags(), "CZ");
    assert_eq!(size(&mut console), "4");
    told(
        &mut console,
        "SET \"clusters.app.pool.siz\" = 3",
        "did you mean `clusters.app.pool.size`?",
    );
    told(&mut console, "SET \"clusters.app.pool\" = 3", "no single value");
    told(
        &mut console,
        "SET \"clusters.app.pool.size\" = many",
        "clusters.app.pool.size",
    );
    told(&mut console, "SET node = 5", "next start");
    told(&mut console, "SET \"clusters.app.pool.mode\" = 'sesion'", "session");
    assert_eq!(size(&mut console), "4", "a mistake changes nothing");
    assert_eq!(client.query("SELECT 2").value(), "2");
}

/// What is in the files and what is set are two things: the file may change under what is set.
#[test]
fn what_is_set_and_the_file_do_not_hinder_each_other() {
    let house = House::with(|settings| settings.listener("login_notice: before"));
    let mut console = house.console();
    told(&mut console, "SET \"listeners.main.routes[0].cluster\" = app", "list");
    assert_eq!(console.query("SET \"clusters.app.pool.size\" = 3").tags(), "CZ");
    // A change of the file that came just before a SET that fails is found all the same.
    let yaml = house.settings.yaml();
    let path = house.gateway.config_path();
    std::fs::write(&path, yaml.replace("login_notice: before", "login_notice: after")).expect("write");
    told(
        &mut console,
        "SET \"clusters.app.pool.size\" = many",
        "clusters.app.pool.size",
    );
    eventually("the file is in force", || {
        value(&mut console, "listeners.main.login_notice") == "after"
    });
    assert_eq!(value(&mut console, "clusters.app.pool.size"), "3");
    // What was set goes with what it was about.
    let other = yaml
        .replace("cluster: app", "cluster: other")
        .replace("\n  app:\n", "\n  other:\n");
    assert_ne!(other, yaml);
    std::fs::write(&path, &other).expect("write");
    house.gateway.wait_for_log("`clusters.app.pool.size` is no more");
    assert_eq!(console.query("RELOAD").tags(), "CZ");
    assert_eq!(console.query("SET \"clusters.other.pool.size\" = 4").tags(), "CZ");
    std::fs::write(&path, &yaml).expect("write");
    assert_eq!(console.query("RELOAD").tags(), "CZ");
    assert_ne!(
        value(&mut console, "clusters.app.pool.size"),
        "3",
        "it does not come back"
    );
}
