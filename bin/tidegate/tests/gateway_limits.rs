//! CON-15: nothing is left of clients that come and go; CON-16: where they come in, and how many may.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tidegate_kit::{
    Admin, Client, Gateway, Mode, Port, Postgres, RawClient, Settings, Target, block_on, eventually, message,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// A gateway with the listener's lines of one's own, and without an admin API.
fn start(postgres: &Postgres, address: &str, listener: &str) -> tidegate_kit::GatewayBuilder {
    let yaml = format!(
        "admin: {{ enabled: false }}\nlisteners:\n  main:\n    protocol: postgres\n    address: \"{address}\"\n    login: \
         {{ users: {{ app: {{ password: app-secret }} }} }}\n    routes: [ {{ cluster: app }} ]\n{listener}clusters:\n  \
         app:\n    protocol: postgres\n    endpoints: [ {{ address: \"{}\" }} ]\n",
        postgres.address()
    );
    Gateway::builder(TIDEGATE, &yaml)
}

#[track_caller]
fn check_served(target: &Target) {
    block_on(async {
        let client = Client::connect(target).await;
        assert_eq!(client.value("SELECT 41 + 1").await, "42");
    });
}

/// 2,000 clients, in every way that a client may end; then all is as before.
#[test]
fn clients_come_and_go_without_a_trace() {
    let postgres = Postgres::start();
    for mode in [Mode::Session, Mode::Transaction] {
        let settings = Settings::new(&postgres, mode).size(8);
        let gateway = settings.start(TIDEGATE);
        let admin = Admin::of(&settings);
        let cycle = |number: u32| {
            let mut client = RawClient::connect(&settings.target());
            assert_eq!(client.query("SELECT 41 + 1").value(), "42");
            match number % 5 {
                0 => client.terminate(),
                1 => client.reset(),
                2 => {
                    client.query("BEGIN; SET work_mem = '1MB'");
                }
                3 => client.send(&message::query("SELECT pg_sleep(0.05)")),
                _ => client.half_close(),
            }
        };
        let rest = || {
            eventually("everybody is gone", || {
                [
                    "tidegate_sessions",
                    "tidegate_listener_clients",
                    "tidegate_cluster_clients",
                ]
                .iter()
                .all(|name| admin.metric(name, &[]) == 0.0)
                    && ["active", "opening"]
                        .iter()
                        .all(|state| admin.metric("tidegate_pool_connections", &[state]) == 0.0)
                    && admin.metric("tidegate_pool_waiting_clients", &[]) == 0.0
            });
        };
        (0..50).for_each(cycle);
        rest();
        let (threads, descriptors, memory) = (gateway.threads(), gateway.fds(), gateway.rss_kib());
        (0..1000).for_each(cycle);
        rest();
        // Up to eight servers stay, of which the first fifty clients may have left fewer.
        eventually("descriptors are at the baseline", || gateway.fds() <= descriptors + 8);
        assert_eq!(gateway.threads(), threads);
        let grown = gateway.rss_kib().saturating_sub(memory);
        assert!(grown < 8 * 1024, "{mode:?}: {grown} KiB more");
        let panics = admin.metric("tidegate_session_panics_total", &[]);
        assert!(panics == 0.0, "{mode:?}: {panics} panics");
    }
}

#[test]
fn clients_come_in_by_ipv6() {
    let port = Port::reserve();
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port.number()));
    if TcpListener::bind(address).is_err() {
        eprintln!("there is no IPv6 here: nothing is shown");
        return;
    }
    let postgres = Postgres::start();
    let _gateway = start(&postgres, &address.to_string(), "    max_clients_per_address: 1\n")
        .listens(address)
        .start();
    let mut target = postgres.target();
    (target.host, target.port) = ("::1".to_owned(), address.port());
    block_on(async {
        // Until the probe of the start is gone, it has the one place.
        let mut tries = 0;
        let client = loop {
            match Client::try_connect(&target).await {
                Ok(client) => break client,
                Err(error) => assert!(tries < 1000, "{error}"),
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(30)).await;
        };
        assert_eq!(client.value("SELECT 41 + 1").await, "42");
        let refused = Client::try_connect(&target).await.err();
        let refused = refused.expect("a second client of the address");
        assert_eq!(
            refused.as_db_error().map(|error| error.code().code().to_owned()),
            Some("53300".to_owned())
        );
    });
}

/// A Unix socket has no address, and so no limit of one; it is gone with the gateway, and does not hinder the next.
#[test]
fn clients_come_in_by_unix_socket() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().expect("a folder");
    let port = Port::reserve();
    let socket = folder.path().join(format!(".s.PGSQL.{}", port.number()));
    let mut target = postgres.target();
    (target.host, target.port) = (folder.path().display().to_string(), port.number());
    for _ in 0..2 {
        let builder = start(
            &postgres,
            &format!("unix:{}", socket.display()),
            "    max_clients_per_address: 1\n",
        );
        let mut gateway = builder.listens_unix(&socket).start();
        check_served(&target);
        block_on(async {
            let (first, second) = (Client::connect(&target).await, Client::connect(&target).await);
            assert_eq!(first.value("SELECT 1").await, "1");
            assert_eq!(second.value("SELECT 2").await, "2");
        });
        assert_eq!(gateway.terminate(Duration::from_secs(20)).code(), Some(0));
    }
    // One that was killed leaves its socket behind.
    let builder = start(&postgres, &format!("unix:{}", socket.display()), "");
    drop(builder.spawn());
    let gateway = start(&postgres, &format!("unix:{}", socket.display()), "");
    let gateway = gateway.listens_unix(&socket).start();
    check_served(&target);
    drop(gateway);
}

/// The client over the limit is told so, whichever limit it is; a place that becomes free is given away again.
#[track_caller]
fn check_limit(listener: &str, most: usize) {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).listener(listener);
    let _gateway = settings.start(TIDEGATE);
    let admin = Admin::of(&settings);
    eventually("the probe of the start is gone", || {
        admin.metric("tidegate_listener_clients", &[]) == 0.0
    });
    let mut inside: Vec<RawClient> = (0..most).map(|_| RawClient::connect(&settings.target())).collect();
    for _ in 0..3 {
        let refused = RawClient::try_connect(&settings.target()).expect_err("one too many");
        assert_eq!(
            (refused.sqlstate().as_str(), refused.field('V').as_str()),
            ("53300", "FATAL")
        );
    }
    // A cancel is nobody's client.
    let sleeper = &mut inside[0];
    sleeper.send(&message::query("SELECT pg_sleep(60)"));
    eventually("the query runs", || {
        postgres.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'") == "1"
    });
    let mut line = RawClient::open(settings.address());
    line.send(&sleeper.cancel_request());
    assert_eq!(sleeper.reply().sqlstate(), "57014");
    for client in &mut inside {
        assert_eq!(client.query("SELECT 1").value(), "1");
    }
    inside.pop();
    eventually("the place is free", || {
        RawClient::try_connect(&settings.target()).is_ok()
    });
}

#[test]
fn a_listener_has_a_limit() {
    check_limit("max_clients: 3", 3);
}

#[test]
fn an_address_has_a_limit() {
    check_limit("max_clients_per_address: 2", 2);
}

#[test]
fn a_user_has_a_limit() {
    check_limit("max_clients_per_user: 2", 2);
}

/// Whoever has not shown who it is takes no place of the user's that it names.
#[test]
fn nobody_takes_anothers_place() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).listener("max_clients_per_user: 1");
    let _gateway = settings.start(TIDEGATE);
    let strangers: Vec<RawClient> = (0..3)
        .map(|_| {
            let mut stranger = RawClient::open(settings.address());
            let parameters = [("user", "app"), ("database", "app")];
            stranger.send(&message::startup(message::PROTOCOL_3_0, &parameters));
            assert_eq!(stranger.frame().tag, b'R', "the question for a proof");
            stranger
        })
        .collect();
    let mut client = RawClient::connect(&settings.target());
    assert_eq!(client.query("SELECT 1").value(), "1");
    let refused = RawClient::try_connect(&settings.target()).expect_err("one too many");
    assert_eq!(refused.sqlstate(), "53300");
    // The number of clients is told to nobody who is not one.
    let wrong = settings.target().with_user("app", "wrong");
    let refused = RawClient::try_connect(&wrong).expect_err("a wrong password");
    assert_eq!(refused.sqlstate(), "28P01");
    let superuser = postgres.superuser();
    let another = settings.target().with_user(&superuser.user, &superuser.password);
    check_served(&another);
    drop(strangers);
}

/// Where clients wait for a place at a listener, those over the limit of all listeners are told, and the console is open.
#[test]
fn nobody_waits_for_a_place_at_another_listener() {
    let postgres = Postgres::start();
    let listener = "when_full: wait\nconsole: { admin_users: [ops] }";
    let settings = Settings::new(&postgres, Mode::Transaction)
        .user("ops", "ops-secret")
        .listener(listener);
    let yaml = settings.yaml() + "limits: { max_clients: 1 }\n";
    let _gateway = Gateway::builder(TIDEGATE, &yaml)
        .listens(settings.admin_address())
        .start();
    let mut client = None;
    eventually("it listens", || {
        client = RawClient::try_connect(&settings.target()).ok();
        client.is_some()
    });
    let refused = RawClient::try_connect(&settings.target()).expect_err("one too many");
    assert_eq!(refused.sqlstate(), "53300");
    let console = settings
        .target()
        .with_user("ops", "ops-secret")
        .with_database("tidegate");
    let mut console = RawClient::connect(&console);
    assert_eq!(console.query("SHOW STATE").rows().len(), 3);
}

/// Who cannot listen does not start, and says where.
#[test]
fn an_address_that_is_taken_is_told() {
    let postgres = Postgres::start();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = taken.local_addr().expect("an address");
    let mut gateway = start(&postgres, &address.to_string(), "").spawn();
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(3));
    assert!(gateway.log().contains(&address.to_string()), "{}", gateway.log());
}
