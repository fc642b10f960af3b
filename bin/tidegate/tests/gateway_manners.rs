//! What clients are told, may send, and find: notices, limits of what they say, and what every session begins with.

use std::time::{Duration, Instant};

use tidegate_kit::{Frame, Gateway, Mode, Postgres, RawClient, Settings, eventually, message};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const MODES: [Mode; 2] = [Mode::Session, Mode::Transaction];

fn notices(frames: &[Frame]) -> Vec<String> {
    let notices = frames.iter().filter(|frame| frame.tag == b'N');
    notices
        .map(|frame| {
            assert_eq!((frame.field('V'), frame.field('C')), ("NOTICE".into(), "00000".into()));
            frame.field('M')
        })
        .collect()
}

/// The client is told this, with FATAL, and closed.
#[track_caller]
fn check_closed(client: &mut RawClient, code: &str) {
    let told = client.until(b'E').pop().expect("an error");
    assert_eq!((told.sqlstate().as_str(), told.field('V').as_str()), (code, "FATAL"));
    assert!(client.closed_within(Duration::from_secs(30)));
}

/// Who waits is told so once, when it is time, and then served or refused as without.
#[test]
fn who_waits_is_told() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction)
        .size(1)
        .pool("queue_notice: 300ms\nqueue_timeout: 1500ms");
    let _gateway = settings.start(TIDEGATE);
    let mut holder = RawClient::connect(&settings.target());
    let mut waiter = RawClient::connect(&settings.target());
    holder.query("BEGIN; SELECT 1");
    for sql in ["SELECT 2", "SELECT 3"] {
        waiter.send(&message::query(sql));
        let begin = Instant::now();
        let told = waiter.frame();
        assert!(
            notices(std::slice::from_ref(&told))[0].contains("waits in the queue"),
            "{told:?}"
        );
        assert!(begin.elapsed() >= Duration::from_millis(250), "{:?}", begin.elapsed());
        holder.query("COMMIT");
        let reply = waiter.reply();
        assert_eq!((reply.value().as_str(), notices(&reply.frames).len()), (&sql[7..], 0));
        holder.query("BEGIN; SELECT 1");
    }
    // Parts of a request: the notice comes between, and nothing is lost.
    waiter.send(&message::parse("", "SELECT 4"));
    assert_eq!(waiter.frame().tag, b'N');
    waiter.send(&[message::bind("", "", &[]), message::execute("", 0), message::sync()].concat());
    holder.query("COMMIT");
    assert_eq!(waiter.reply().value(), "4");
    holder.query("BEGIN; SELECT 1");
    let begin = Instant::now();
    let reply = waiter.query("SELECT 5");
    assert_eq!((notices(&reply.frames).len(), reply.sqlstate().as_str()), (1, "53300"));
    assert!(begin.elapsed() >= Duration::from_millis(1400), "{:?}", begin.elapsed());
    // Before it is let in, a client would take a notice for nonsense.
    let session = Settings::new(&postgres, Mode::Session)
        .size(1)
        .pool("queue_notice: 100ms\nqueue_timeout: 700ms");
    let _gateway = session.start(TIDEGATE);
    let _holder = RawClient::connect(&session.target());
    let refused = RawClient::try_connect(&session.target()).expect_err("there is one server");
    assert_eq!(refused.sqlstate(), "53300");
}

/// Simple queries are refused in every place where one can stand, and the extended protocol is not.
#[test]
fn simple_queries_can_be_refused() {
    let postgres = Postgres::start();
    let extended = |sql: &str| {
        [
            message::parse("", sql),
            message::bind("", "", &[]),
            message::execute("", 0),
            message::sync(),
        ]
        .concat()
    };
    for mode in MODES {
        let settings = Settings::new(&postgres, mode).listener("simple_queries: false");
        let _gateway = settings.start(TIDEGATE);
        for sql in ["SELECT 1", "BEGIN", "LISTEN x", ""] {
            let mut client = RawClient::connect(&settings.target());
            client.send(&message::query(sql));
            check_closed(&mut client, "0A000");
        }
        let mut client = RawClient::connect(&settings.target());
        for sql in [
            "SELECT 7",
            "BEGIN",
            "CREATE TEMP TABLE t AS SELECT 1",
            "COMMIT",
            "SELECT 8",
        ] {
            client.send(&extended(sql));
            assert_eq!(client.reply().sqlstate(), "", "{sql}");
        }
        client.send(&extended("BEGIN"));
        client.reply();
        client.send(&extended("SELECT 9"));
        assert_eq!(client.reply().value(), "9");
        client.send(&[extended("SELECT 10"), message::query("SELECT 11")].concat());
        check_closed(&mut client, "0A000");
        eventually("its transaction is over", || {
            postgres.value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == "0"
        });
    }
}

/// Messages of every kind are as long as the listener allows and no longer; what servers say is not bound by it.
#[test]
fn messages_have_a_bound() {
    let postgres = Postgres::start();
    let long = "x".repeat(5000);
    for mode in MODES {
        let settings = Settings::new(&postgres, mode).listener("max_message_size: 4KiB");
        let _gateway = settings.start(TIDEGATE);
        let connect = || RawClient::connect(&settings.target());
        let mut client = connect();
        // A Query has five bytes before its text, and one behind it.
        let most = format!("SELECT {}", "1".repeat(4096 - 6 - 7));
        assert_eq!(client.query(&most).rows().len(), 1);
        assert_eq!(client.query("SELECT repeat('y', 100000)").value().len(), 100_000);
        client.send(&message::query(&format!("{most}1")));
        check_closed(&mut client, "54000");
        let mut client = connect();
        client.query("BEGIN; SELECT 1");
        client.send(
            &[
                message::parse("", "SELECT $1::text"),
                message::bind("", "", &[Some(&long)]),
            ]
            .concat(),
        );
        check_closed(&mut client, "54000");
        let mut client = connect();
        client.query("CREATE TABLE IF NOT EXISTS lines (line text)");
        client.send(&message::query("COPY lines FROM STDIN"));
        client.until(b'G');
        client.send(&message::copy_data(b"short\n"));
        client.send(&message::copy_data(long.as_bytes()));
        check_closed(&mut client, "54000");
        assert_eq!(connect().query("SELECT count(*) FROM lines").value(), "0");
    }
}

/// A welcome, and a name that says where its client comes from.
#[test]
fn clients_are_greeted_and_named() {
    let postgres = Postgres::start();
    for mode in MODES {
        let settings = Settings::new(&postgres, mode)
            .listener("application_name_add_host: true\nlogin_notice: \"this is a pool\"");
        let _gateway = settings.start(TIDEGATE);
        let target = settings.target();
        let mut first = RawClient::open(settings.address());
        first.send(&message::startup(
            message::PROTOCOL_3_0,
            &[
                ("user", &target.user),
                ("database", &target.database),
                ("application_name", "shop"),
            ],
        ));
        first.log_in(&target).expect("a login");
        assert_eq!(notices(&first.reply().frames), ["this is a pool"]);
        let own = first.socket().local_addr().expect("an address");
        let name = "SELECT current_setting('application_name')";
        let expected = format!("shop - {own}");
        assert_eq!(first.query(name).value(), expected);
        assert_eq!(first.parameters["application_name"], expected);
        let seen = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{expected}'");
        assert_eq!(postgres.value(&seen), "1");
        // Its own change is its own.
        first.query("SET application_name = 'other'");
        assert_eq!(first.query(name).value(), "other");
        first.query("RESET application_name");
        assert_eq!(first.query(name).value(), expected);
        let mut nameless = RawClient::connect(&target);
        let own = nameless.socket().local_addr().expect("an address");
        assert_eq!(nameless.query(name).value(), format!("app - {own}"));
    }
}

fn setting(client: &mut RawClient, name: &str) -> String {
    client.query(&format!("SELECT current_setting('{name}')")).value()
}

/// Settings of a cluster are those of clients that ask for none, and follow them.
#[test]
fn parameters_are_those_of_who_asks_for_none() {
    let postgres = Postgres::start();
    for mode in MODES {
        let settings = Settings::new(&postgres, mode)
            .size(2)
            .pool("min_idle: 1")
            .cluster("parameters: { timezone: Asia/Tokyo, application_name: shop, DateStyle: \"German, DMY\" }");
        let _gateway = settings.start(TIDEGATE);
        let mut usual = RawClient::connect(&settings.target());
        let own = [("TimeZone", "Europe/Rome"), ("options", "-c work_mem=7MB")];
        let mut other = RawClient::try_connect_with(&settings.target(), &own).expect("a login");
        let check = |client: &mut RawClient, zone: &str| {
            assert_eq!(client.parameters["TimeZone"], zone, "{mode:?}");
            for (name, value) in [
                ("TimeZone", zone),
                ("application_name", "shop"),
                ("DateStyle", "German, DMY"),
            ] {
                assert_eq!(setting(client, name), value, "{mode:?}");
            }
        };
        assert_eq!(usual.parameters["application_name"], "shop");
        for _ in 0..3 {
            check(&mut usual, "Asia/Tokyo");
            check(&mut other, "Europe/Rome");
        }
        usual.query("SET timezone = 'UTC'");
        assert_eq!(setting(&mut usual, "TimeZone"), "UTC");
        check(&mut other, "Europe/Rome");
        usual.query("RESET ALL");
        check(&mut usual, "Asia/Tokyo");
    }
    let yaml = Settings::new(&postgres, Mode::Transaction)
        .cluster("parameters: { replication: database }")
        .yaml();
    let mut gateway = Gateway::builder(TIDEGATE, &yaml).spawn();
    assert_eq!(gateway.wait(Duration::from_secs(30)).code(), Some(1));
    gateway.wait_for_log("clusters.app.parameters.replication");
}

/// What every connection begins with is there for every client, whatever the one before it has done.
#[test]
fn a_query_begins_every_connection() {
    let postgres = Postgres::start();
    let begins = "SET work_mem = '7MB'; SET timezone = 'Asia/Tokyo'; CREATE TEMP TABLE begun AS SELECT 42 AS answer";
    for mode in MODES {
        let settings = Settings::new(&postgres, mode)
            .size(1)
            .pool(&format!("connect_query: \"{begins}\""));
        let _gateway = settings.start(TIDEGATE);
        let connect = |own: &[(&str, &str)]| RawClient::try_connect_with(&settings.target(), own).expect("a login");
        let check = |client: &mut RawClient, memory: &str, zone: &str| {
            assert_eq!(setting(client, "work_mem"), memory, "{mode:?}");
            assert_eq!(setting(client, "TimeZone"), zone, "{mode:?}");
            assert_eq!(client.parameters["TimeZone"], zone, "{mode:?}");
            assert_eq!(client.query("SELECT answer FROM begun").value(), "42", "{mode:?}");
        };
        // One that asks for something of its own, one that sets it, ones that go back, and one that is made clean.
        let mut own = connect(&[("TimeZone", "UTC")]);
        check(&mut own, "7MB", "UTC");
        own.terminate();
        for change in [
            "SET work_mem = '9MB'",
            "RESET work_mem",
            "RESET ALL",
            "DISCARD ALL",
            "SET timezone TO DEFAULT",
        ] {
            let mut client = connect(&[]);
            check(&mut client, "7MB", "Asia/Tokyo");
            assert_eq!(client.query(change).sqlstate(), "", "{change}");
            if mode == Mode::Transaction && !change.contains('9') {
                // As in a new session, and not as by the server's own defaults.
                check(&mut client, "7MB", "Asia/Tokyo");
            }
            client.terminate();
        }
        let mut client = connect(&[]);
        client.query("BEGIN; CREATE TEMP TABLE mine AS SELECT 1; COMMIT");
        client.terminate();
        check(&mut connect(&[]), "7MB", "Asia/Tokyo");
    }
}

/// A query that fails is as a server that cannot be reached, and a reload that puts it right is enough.
#[test]
fn a_connection_whose_beginning_fails_is_not_used() {
    let postgres = Postgres::start();
    let settings = |query: &str| {
        let pool = format!("connect_query: \"{query}\"");
        Settings::new(&postgres, Mode::Transaction)
            .pool(&pool)
            .cluster("connect: { retries: 0 }")
    };
    let wrong = settings("SELECT * FROM nothing_of_the_kind");
    let gateway = wrong.start(TIDEGATE);
    let refused = RawClient::try_connect(&wrong.target()).expect_err("it fails");
    assert_eq!(refused.sqlstate(), "08001");
    gateway.wait_for_log("pool.connect_query failed: relation \"nothing_of_the_kind\" does not exist");
    gateway.reload(&wrong.yaml().replace("SELECT * FROM nothing_of_the_kind", "BEGIN"));
    gateway.wait_for_log("configuration in force");
    assert!(RawClient::try_connect(&wrong.target()).is_err());
    gateway.wait_for_log("it leaves a transaction open");
    gateway.reload(
        &wrong
            .yaml()
            .replace("SELECT * FROM nothing_of_the_kind", "SET work_mem = '7MB'"),
    );
    eventually("it is put right", || RawClient::try_connect(&wrong.target()).is_ok());
    let mut client = RawClient::connect(&wrong.target());
    assert_eq!(setting(&mut client, "work_mem"), "7MB");
    // Connections that began otherwise are made anew.
    gateway.reload(
        &wrong
            .yaml()
            .replace("SELECT * FROM nothing_of_the_kind", "SET work_mem = '8MB'"),
    );
    eventually("it follows", || setting(&mut client, "work_mem") == "8MB");
}

/// A connection that is on its way as the query changes has begun with the old one: nobody gets it.
#[test]
fn a_connection_under_way_begins_anew() {
    let postgres = Postgres::start();
    let begins = |memory: &str| format!("SET work_mem = '{memory}'; SELECT pg_sleep(3)");
    let settings = Settings::new(&postgres, Mode::Transaction).pool(&format!("connect_query: \"{}\"", begins("7MB")));
    let gateway = settings.start(TIDEGATE);
    let target = settings.target();
    let client = std::thread::spawn(move || RawClient::connect(&target));
    let under_way = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%7MB%pg_sleep%' AND state = 'active' \
                     AND pid <> pg_backend_pid()";
    eventually("a connection is under way", || postgres.value(under_way) != "0");
    gateway.reload(&settings.yaml().replace("7MB", "8MB"));
    let mut client = client.join().expect("a client");
    assert_eq!(setting(&mut client, "work_mem"), "8MB");
}

/// In session mode too clients share servers that differ in nothing but their names, and each has its own.
#[test]
fn clients_of_other_names_use_one_server() {
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Session)
        .size(1)
        .listener("application_name_add_host: true");
    let _gateway = settings.start(TIDEGATE);
    let look = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let mut servers = Vec::new();
    for name in ["first", "second", "third"] {
        let named = [("application_name", name)];
        let mut client = RawClient::try_connect_with(&settings.target(), &named).expect("a login");
        let own = format!("{name} - {}", client.socket().local_addr().expect("an address"));
        assert_eq!(client.parameters["application_name"], own);
        assert_eq!(client.query(look).value(), own);
        for back in ["RESET application_name", "DISCARD ALL"] {
            assert_eq!(client.query("SET application_name = 'other'").sqlstate(), "");
            assert_eq!(client.query(look).value(), "other");
            assert_eq!(client.query(back).sqlstate(), "");
            assert_eq!(client.query(look).value(), own, "after {back}");
            assert_eq!(client.parameters["application_name"], own, "after {back}");
        }
        // Both within one transaction.
        client.query("BEGIN; SET application_name = 'other'; COMMIT; RESET application_name");
        assert_eq!(client.query(look).value(), own);
        servers.push(client.query("SELECT pg_backend_pid()").value());
        client.terminate();
    }
    assert!(servers.iter().all(|server| *server == servers[0]), "{servers:?}");
}
