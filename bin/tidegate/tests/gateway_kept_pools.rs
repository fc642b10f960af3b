//! Pools that are kept filled without a client, and those that are not.

use std::time::Duration;

use tidegate_kit::{Admin, Gateway, Mode, Postgres, RawClient, Settings, eventually, wait_until};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// One user at the server, for whom three connections are kept.
fn kept(postgres: &Postgres) -> Settings {
    Settings::new(postgres, Mode::Transaction)
        .size(5)
        .pool("min_size: 3")
        .cluster("credential: { user: app, password: app-secret }")
}

fn start(settings: &Settings) -> Gateway {
    settings.start(TIDEGATE)
}

/// A name that no database has is asked for a few times, and then no more; nothing of it stays.
#[test]
fn a_database_that_is_not_there_is_forgotten() {
    let postgres = Postgres::start();
    let settings = kept(&postgres);
    let _gateway = start(&settings);
    let admin = Admin::of(&settings);
    let wrong = settings.target().with_database("nowhere");
    assert_eq!(RawClient::try_connect(&wrong).expect_err("refused").sqlstate(), "3D000");
    eventually("it is forgotten", || !admin.body("/v1/pools").contains("nowhere"));
    let tried = || postgres.log().matches("database \"nowhere\" does not exist").count();
    let before = tried();
    assert!(before >= 1);
    let is_tried = wait_until(Duration::from_secs(3), || tried() > before);
    assert!(!is_tried, "{} times, then {}", before, tried());
    // What is there is kept all the same.
    RawClient::connect(&settings.target()).terminate();
    eventually("there are three", || postgres.backends("app").len() == 3);
    let is_other = wait_until(Duration::from_secs(2), || postgres.backends("app").len() != 3);
    assert!(!is_other, "{:?}", postgres.backends("app"));
}

/// A reload without the cluster: its connections go, once nobody uses them.
#[test]
fn a_cluster_that_is_gone_keeps_nothing() {
    let postgres = Postgres::start();
    let settings = kept(&postgres);
    let gateway = start(&settings);
    let client = RawClient::connect(&settings.target());
    eventually("there are three", || postgres.backends("app").len() == 3);
    let other = settings
        .yaml()
        .replace("cluster: app", "cluster: other")
        .replace("clusters:\n  app:", "clusters:\n  other:");
    gateway.reload(&other);
    let admin = Admin::of(&settings);
    client.terminate();
    eventually("nothing is left at the server", || postgres.backends("app").is_empty());
    eventually("it is forgotten", || !admin.body("/v1/pools").contains("app"));
}

/// A reload that gives the cluster one user at the server: the pool of another has its clients alone to be filled for.
#[test]
fn a_user_that_is_not_asked_for_any_more_keeps_nothing() {
    let postgres = Postgres::builder().user("alice", "alice-secret").start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .user("alice", "alice-secret")
        .pool("min_size: 2\nidle_timeout: 500ms");
    let gateway = start(&settings);
    let client = RawClient::connect(&settings.target().with_user("alice", "alice-secret"));
    eventually("there are two", || postgres.backends("alice").len() == 2);
    let settings = settings.cluster("credential: { user: app, password: app-secret }");
    gateway.reload(&settings.yaml());
    client.terminate();
    eventually("nothing of the old one is left", || {
        postgres.backends("alice").is_empty()
    });
    let is_back = wait_until(Duration::from_secs(2), || !postgres.backends("alice").is_empty());
    assert!(!is_back);
}
