//! Sizes and limits of pools: who shares them, when they grow, and what holds over several of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidegate_kit::{
    Admin, Client, Gateway, Mode, Port, Postgres, RawClient, Settings, Stop, Target, block_on, eventually, message,
    wait_until,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// Starts a gateway with lines of YAML beside what the settings say.
fn start(settings: &Settings, lines: &str) -> Gateway {
    let yaml = format!("{lines}\n{}", settings.yaml());
    let gateway = Gateway::builder(TIDEGATE, &yaml);
    gateway
        .listens(settings.address())
        .listens(settings.admin_address())
        .start()
}

fn value(client: &mut RawClient, sql: &str) -> String {
    client.query(sql).value()
}

/// Three names, one user at the server: one connection serves them all, and what each has set stays its own.
#[test]
fn a_cluster_with_a_credential_has_one_pool() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .size(1)
        .user("alice", "alice-secret")
        .user("bob", "bob-secret")
        .cluster("credential: { user: app, password: app-secret }");
    let _gateway = settings.start(TIDEGATE);
    let target = settings.target();
    let names = ["app", "alice", "bob"];
    let mut clients = names.map(|name| {
        let secret = format!("{name}-secret");
        RawClient::connect(&target.clone().with_user(name, &secret))
    });
    for (client, name) in clients.iter_mut().zip(names) {
        client.query(&format!("SET application_name = 'of {name}'"));
    }
    for _ in 0..5 {
        for (client, name) in clients.iter_mut().zip(names) {
            assert_eq!(value(client, "SELECT current_user"), "app");
            let set = value(client, "SELECT current_setting('application_name')");
            assert_eq!(set, format!("of {name}"));
        }
    }
    assert_eq!(postgres.backends("app").len(), 1);
    let admin = Admin::of(&settings);
    let shown = admin.body("/v1/clients");
    assert!(
        names.iter().all(|name| shown.contains(&format!("\"{name}\""))),
        "{shown}"
    );
    let pools = admin.body("/v1/pools");
    assert!(!pools.contains("alice") && pools.contains("\"app\""), "{pools}");
}

/// A connection more for who has waited for long, and no more of them than there are.
#[test]
fn the_reserve_is_for_those_who_wait_for_long() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .size(1)
        .pool("reserve_size: 1\nreserve_after: 700ms\nqueue_timeout: 3s");
    let _gateway = settings.start(TIDEGATE);
    let [mut holder, mut second, mut third] = [(); 3].map(|()| RawClient::connect(&settings.target()));
    assert_eq!(holder.query("BEGIN; SELECT 1").status(), Some('T'));
    let begin = Instant::now();
    assert_eq!(second.query("BEGIN; SELECT 2").status(), Some('T'));
    assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
    assert_eq!(third.query("SELECT 3").sqlstate(), "53300", "there is one of them only");
    assert_eq!(postgres.backends("app").len(), 2);
    // The reserve is as good as any other, for as long as it is there.
    second.query("COMMIT");
    let begin = Instant::now();
    assert_eq!(value(&mut third, "SELECT 4"), "4");
    assert!(begin.elapsed() < Duration::from_millis(700));
}

/// So many connections while a client is there, whatever time says of idle ones; none when it has left.
#[test]
fn a_pool_is_kept_filled_while_somebody_is_there() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .size(4)
        .pool("min_size: 3\nidle_timeout: 500ms");
    let _gateway = settings.start(TIDEGATE);
    let client = RawClient::connect(&settings.target());
    eventually("there are three", || postgres.backends("app").len() == 3);
    let is_other = wait_until(Duration::from_secs(3), || postgres.backends("app").len() != 3);
    assert!(!is_other, "{:?}", postgres.backends("app"));
    client.terminate();
    eventually("they are gone", || postgres.backends("app").is_empty());
}

/// Clients of four users, each with a pool of its own, on two data threads: never more connections than the database may
/// have, and everybody is served.
#[test]
fn a_database_has_a_limit_over_all_pools() {
    let mut builder = Postgres::builder();
    let users = ["u0", "u1", "u2", "u3"];
    for user in users {
        builder = builder.user(user, "secret");
    }
    let postgres = builder.start();
    let mut settings = Settings::new(&postgres, Mode::Transaction)
        .size(5)
        .pool("max_per_database: 3");
    for user in users {
        settings = settings.user(user, "secret");
    }
    let _gateway = start(&settings, "runtime: { data_threads: 2 }");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (over, settings, postgres) = (&over, &settings, &postgres);
        let watcher = scope.spawn(move || {
            let mut direct = RawClient::connect(&postgres.superuser());
            let count = "SELECT count(*) FROM pg_stat_activity WHERE usename ~ '^u[0-9]$'";
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(value(&mut direct, count).parse().expect("a number"));
            }
            most
        });
        let clients: Vec<_> = (0..16)
            .map(|number| {
                let target = settings.target().with_user(users[number % 4], "secret");
                scope.spawn(move || {
                    for turn in 0..6 {
                        let mut client = RawClient::connect(&target);
                        client.patience(Duration::from_secs(60));
                        for _ in 0..5 {
                            let reply = client.query("SELECT pg_sleep(0.005)");
                            assert_eq!(reply.sqlstate(), "", "client {number}, turn {turn}: {reply:?}");
                        }
                    }
                })
            })
            .collect();
        let ended: Vec<_> = clients.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        let most: usize = watcher.join().expect("the watcher");
        assert!(ended.iter().all(Result::is_ok), "somebody was not served");
        assert!((1..=3).contains(&most), "{most} connections at once");
    });
}

/// The idle connection of one database makes room for another's, and one that comes back does too.
#[test]
fn a_user_has_a_limit_over_all_databases() {
    let postgres = Postgres::builder().database("other", "app").start();
    let settings = Settings::new(&postgres, Mode::Transaction);
    let limits = "limits: { postgres: { users: { app: { max_server_connections: 1 } } } }";
    let _gateway = start(&settings, &format!("runtime: {{ data_threads: 2 }}\n{limits}"));
    let target = settings.target();
    // The first client of each is let in by a server, which then is idle.
    let mut clients = ["app", "other"].map(|name| RawClient::connect(&target.clone().with_database(name)));
    for _ in 0..5 {
        for client in &mut clients {
            assert_eq!(value(client, "SELECT 1"), "1");
            assert!(postgres.backends("app").len() <= 1);
        }
    }
    let [first, second] = &mut clients;
    assert_eq!(first.query("BEGIN; SELECT 1").status(), Some('T'));
    second.send(&message::query("SELECT current_database()"));
    let admin = Admin::of(&settings);
    eventually("it waits", || admin.metric("tidegate_pool_waiting_clients", &[]) > 0.0);
    assert_eq!(first.query("COMMIT").status(), Some('I'));
    assert_eq!(second.reply().value(), "other");
    assert_eq!(postgres.backends("app").len(), 1);
}

/// One who waits for a place costs one connection of the others, however many come back; a pool waits for one place at a time.
#[test]
fn who_waits_costs_the_others_no_more_than_a_connection() {
    let postgres = Postgres::builder().user("alice", "alice-secret").start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .size(10)
        .user("alice", "alice-secret")
        .pool("max_per_database: 10");
    let gateway = settings.start(TIDEGATE);
    let admin = Admin::of(&settings);
    let waiting = |count: f64| {
        eventually("they wait", || {
            admin.metric("tidegate_pool_waiting_clients", &[]) >= count
        });
    };
    let alice = settings.target().with_user("alice", "alice-secret");
    let [mut first, mut second, mut third] = [(); 3].map(|()| RawClient::connect(&alice));
    let mut holders = [(); 10].map(|()| RawClient::connect(&settings.target()));
    for holder in &mut holders {
        assert_eq!(holder.query("BEGIN; SELECT 1").status(), Some('T'));
    }
    let before = postgres.backends("app");
    assert_eq!((before.len(), postgres.backends("alice").len()), (10, 0));
    for holder in &mut holders {
        holder.query("COMMIT");
        holder.send(&message::query("SELECT pg_sleep(2)"));
    }
    first.send(&message::query("BEGIN; SELECT 1"));
    waiting(1.0);
    // All come back at once.
    gateway.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(2500));
    gateway.signal(Signal::CONT);
    for holder in &mut holders {
        assert_eq!(holder.reply().sqlstate(), "");
    }
    assert_eq!(first.reply().status(), Some('T'));
    let is_less = wait_until(Duration::from_secs(2), || postgres.backends("app").len() != 9);
    assert!(!is_less, "{:?}", postgres.backends("app"));
    assert!(postgres.backends("app").iter().all(|pid| before.contains(pid)));
    for holder in &mut holders[..9] {
        assert_eq!(holder.query("BEGIN; SELECT 1").status(), Some('T'));
    }
    for client in [&mut second, &mut third] {
        client.send(&message::query("SELECT 2"));
    }
    waiting(2.0);
    let pools = admin.body("/v1/pools");
    assert!(
        pools.contains("\"opening\":1") && !pools.contains("\"opening\":2"),
        "{pools}"
    );
    assert_eq!(first.query("COMMIT").status(), Some('I'));
    for client in [&mut second, &mut third] {
        assert_eq!(client.reply().value(), "2");
    }
}

/// A reload that raises a limit serves those who wait for it.
#[test]
fn a_limit_that_is_raised_serves_those_who_wait() {
    let postgres = Postgres::builder().database("other", "app").start();
    let settings = Settings::new(&postgres, Mode::Transaction);
    let limited = |most: usize| format!("limits: {{ postgres: {{ max_server_connections_per_user: {most} }} }}");
    let gateway = start(&settings, &limited(1));
    let target = settings.target();
    let mut first = RawClient::connect(&target);
    let mut second = RawClient::connect(&target.with_database("other"));
    assert_eq!(first.query("BEGIN; SELECT 1").status(), Some('T'));
    second.patience(Duration::from_secs(60));
    second.send(&message::query("SELECT 2"));
    let admin = Admin::of(&settings);
    eventually("it waits", || admin.metric("tidegate_pool_waiting_clients", &[]) > 0.0);
    gateway.reload(&format!("{}\n{}", limited(2), settings.yaml()));
    assert_eq!(second.reply().value(), "2");
    assert_eq!(first.query("COMMIT").status(), Some('I'));
    assert_eq!(postgres.backends("app").len(), 2);
}

/// Somebody of another pool gets its turn, although those of the own pool never stop to ask.
#[test]
fn a_busy_pool_does_not_keep_everything_for_itself() {
    let postgres = Postgres::builder().user("busy", "secret").start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .user("busy", "secret")
        .pool("max_per_database: 1\nqueue_timeout: 20s");
    let _gateway = settings.start(TIDEGATE);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let target = settings.target().with_user("busy", "secret");
        for _ in 0..3 {
            let (over, target) = (&over, target.clone());
            scope.spawn(move || {
                let mut client = RawClient::connect(&target);
                client.patience(Duration::from_secs(60));
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(client.query("SELECT pg_sleep(0.02)").sqlstate(), "");
                }
            });
        }
        let served = std::panic::catch_unwind(|| {
            eventually("it is busy", || postgres.backends("busy").len() == 1);
            let mut client = RawClient::connect(&settings.target());
            client.patience(Duration::from_secs(60));
            value(&mut client, "SELECT 7")
        });
        over.store(true, Ordering::Relaxed);
        assert_eq!(served.expect("it is served"), "7");
    });
}

/// One more than there may be is told so, whichever limit it is.
#[test]
fn clients_have_limits_over_listeners_databases_and_users() {
    let postgres = Postgres::builder().database("other", "app").start();
    let port = Port::reserve();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .listener("console: { admin_users: [postgres] }")
        .cluster("max_clients_per_database: 2");
    let second = format!(
        "listeners:\n  second:\n    protocol: postgres\n    address: \"{}\"\n    login: {{ users: {{ app: {{ password: app-secret }} }} }}\n    routes: [ {{ cluster: app }} ]\n  main:",
        port.address()
    );
    let limits = "limits: { max_clients: 4, postgres: { users: { app: { max_clients: 3 } } } }";
    let yaml = settings.yaml().replacen("listeners:\n  main:", &second, 1);
    let gateway = Gateway::builder(TIDEGATE, &format!("{limits}\n{yaml}"));
    let _gateway = gateway.listens(settings.admin_address()).start();
    let here = settings.target();
    let there = Target {
        port: port.number(),
        ..here.clone()
    };
    let superuser = postgres.superuser();
    let refused = |target: &Target, key: &str| {
        let told = RawClient::try_connect(target).expect_err("one too many");
        assert_eq!(told.sqlstate(), "53300");
        let text = told.field('M');
        assert!(text.contains(key), "{text}");
    };
    eventually("it listens", || RawClient::try_connect(&here).is_ok());
    let mut inside = vec![connected(&here), connected(&there)];
    refused(&here, "max_clients_per_database");
    inside.push(connected(&there.clone().with_database("other")));
    refused(&here.clone().with_database("other"), "limits.postgres");
    let administrator = here.clone().with_user(&superuser.user, &superuser.password);
    inside.push(connected(&administrator.clone().with_database("other")));
    refused(&administrator.clone().with_database("other"), "limits.max_clients");
    // Who looks after it comes in all the same.
    let mut console = connected(&administrator.with_database("pgbouncer"));
    assert_eq!(console.query("SHOW STATE").rows().len(), 3);
    inside.pop();
    eventually("the place is free", || {
        RawClient::try_connect(
            &here
                .clone()
                .with_user(&superuser.user, &superuser.password)
                .with_database("other"),
        )
        .is_ok()
    });
}

/// A client, once those that have just left are gone.
fn connected(target: &Target) -> RawClient {
    let mut client = None;
    eventually("there is a place", || {
        client = RawClient::try_connect(target).ok();
        client.is_some()
    });
    client.expect("a client")
}

/// A transaction ends with its time, at rest and at work; another user has none.
#[test]
fn a_transaction_has_a_limit_and_each_user_its_own() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).cluster(
        "timeouts: { transaction: 700ms }\nusers: { postgres: { timeouts: { transaction: 0, query: 500ms } } }",
    );
    let _gateway = settings.start(TIDEGATE);
    for (begin, then) in [
        ("BEGIN; SELECT 1", None),
        ("BEGIN", None),
        ("BEGIN; SELECT 1", Some("SELECT pg_sleep(60)")),
        ("SELECT pg_sleep(60)", None),
    ] {
        let mut client = RawClient::connect(&settings.target());
        let begun = Instant::now();
        client.send(&message::query(begin));
        if !begin.contains("sleep") {
            client.reply();
        }
        if let Some(then) = then {
            client.send(&message::query(then));
        }
        client.patience(Duration::from_secs(30));
        let told = client.frame();
        assert_eq!(
            (told.field('V'), told.sqlstate()),
            ("FATAL".to_owned(), "25P04".to_owned()),
            "{begin}: {told:?}"
        );
        assert!(begun.elapsed() >= Duration::from_millis(600));
        assert!(client.closed_within(Duration::from_secs(5)));
    }
    eventually("nothing is left at the server", || {
        postgres.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'") == "0"
    });
    // Short ones in turn are no long one.
    let mut client = RawClient::connect(&settings.target());
    for _ in 0..4 {
        assert_eq!(client.query("SELECT pg_sleep(0.3)").sqlstate(), "");
    }
    let superuser = postgres.superuser();
    let mut other = RawClient::connect(&settings.target().with_user(&superuser.user, &superuser.password));
    assert_eq!(other.query("BEGIN; SELECT 1").status(), Some('T'));
    assert!(!other.closed_within(Duration::from_millis(1500)));
    assert_eq!(other.query("SELECT pg_sleep(60)").sqlstate(), "57014");
}

/// Clients wait for a server that is away; those who wait for too long are told why, and those who come when that is known.
#[test]
fn who_waits_for_a_server_that_is_away_is_served_when_it_is_back() {
    const RETRY_AFTER: Duration = Duration::from_secs(3);
    let mut postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .pool("retry_after: 3s\nqueue_timeout: 5s")
        .cluster("connect: { retries: 0 }\nhealth: { interval: 0, failures: 100 }");
    let _gateway = settings.start(TIDEGATE);
    let [mut first, mut second] = [(); 2].map(|()| RawClient::connect(&settings.target()));
    postgres.stop(Stop::Fast);
    first.patience(Duration::from_secs(30));
    let admin = Admin::of(&settings);
    let failed = || admin.metric("tidegate_postgres_connect_failures_total", &[]);
    let begin = Instant::now();
    first.send(&message::query("SELECT 1"));
    eventually("it is known", || failed() > 0.0);
    let told = second.query("SELECT 2");
    assert_eq!(told.sqlstate(), "57P03", "{told:?}");
    assert_eq!(told.status(), Some('I'), "its session goes on");
    assert!(begin.elapsed() < RETRY_AFTER, "{:?}", begin.elapsed());
    let told = first.reply();
    assert_eq!(told.sqlstate(), "57P03", "{told:?}");
    assert!(begin.elapsed() >= Duration::from_secs(5));
    // The next one tries it again.
    std::thread::sleep(RETRY_AFTER);
    let before = failed();
    first.send(&message::query("SELECT 3"));
    eventually("it is tried", || failed() > before);
    postgres.run();
    assert_eq!(first.reply().value(), "3");
    assert_eq!(second.query("SELECT 4").value(), "4");
    // What the server itself refuses is told at once.
    let wrong = settings.target().with_database("nowhere");
    let begin = Instant::now();
    assert_eq!(RawClient::try_connect(&wrong).expect_err("refused").sqlstate(), "3D000");
    assert!(begin.elapsed() < Duration::from_secs(3));
    block_on(async {
        let client = Client::connect(&settings.target()).await;
        assert_eq!(client.value("SELECT 3").await, "3");
    });
}
