//! CON-7: each limit of time acts for itself, on what it is meant for and on nothing else, in every pool mode.

use std::time::{Duration, Instant};

use tidegate_kit::{
    Direction, FaultProxy, Faults, Gateway, Mode, Postgres, RawClient, Reply, Settings, eventually, message,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// Does this in each pool mode, at once.
fn in_each_mode(check: impl Fn(Mode) + Sync) {
    std::thread::scope(|scope| {
        for mode in [Mode::Session, Mode::Transaction] {
            let check = &check;
            scope.spawn(move || {
                check(mode);
            });
        }
    });
}

fn start(postgres: &Postgres, mode: Mode, timeouts: &str) -> (Settings, Gateway) {
    let settings = Settings::new(postgres, mode).cluster(&format!("timeouts: {{ {timeouts} }}"));
    let gateway = settings.start(TIDEGATE);
    (settings, gateway)
}

/// The reply, and that it came no sooner than `least` and not much later.
#[track_caller]
fn after<T>(least: Duration, act: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = act();
    let elapsed = begin.elapsed();
    let most = least + Duration::from_secs(4);
    assert!((least..most).contains(&elapsed), "after {elapsed:?}, not {least:?}");
    done
}

/// The client is told this, and its connection ends.
#[track_caller]
fn check_closed(client: &mut RawClient, code: &str) {
    let error = client.frame();
    assert_eq!(
        (error.tag, error.field('V').as_str(), error.sqlstate().as_str()),
        (b'E', "FATAL", code),
        "{error:?}"
    );
    assert!(client.closed_within(Duration::from_secs(5)), "still open behind {code}");
}

fn extended(sql: &str) -> Vec<u8> {
    let parse = [message::parse("", sql), message::bind("", "", &[])].concat();
    [parse, message::execute("", 0), message::sync()].concat()
}

#[track_caller]
fn sleeps_nowhere(postgres: &Postgres) {
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg\\_sleep%' \
                  AND pid <> pg_backend_pid()";
    eventually("the query is cancelled at the server", || postgres.value(active) == "0");
}

#[test]
fn a_query_past_its_limit_is_cancelled_at_the_server() {
    in_each_mode(|mode| {
        let postgres = Postgres::start();
        let (settings, _gateway) = start(&postgres, mode, "query: 500ms");
        let mut client = RawClient::connect(&settings.target());
        let mut check = |request: &[u8], status: char| {
            let reply: Reply = after(Duration::from_millis(500), || {
                client.send(request);
                client.reply()
            });
            assert_eq!((reply.sqlstate().as_str(), reply.status()), ("57014", Some(status)));
            sleeps_nowhere(&postgres);
        };
        check(&message::query("SELECT pg_sleep(60)"), 'I');
        check(&extended("SELECT pg_sleep(60)"), 'I');
        check(&message::query("BEGIN; SELECT 1; SELECT pg_sleep(60)"), 'E');
        assert_eq!(client.query("ROLLBACK").status(), Some('I'));
        assert_eq!(client.query("SELECT 7").value(), "7", "{mode:?}: the session goes on");
    });
}

/// The limit is each query's own: many short ones that were sent at once may take longer together.
#[test]
fn each_query_of_a_pipeline_has_its_own_limit() {
    in_each_mode(|mode| {
        let postgres = Postgres::start();
        let (settings, _gateway) = start(&postgres, mode, "query: 1s");
        let mut client = RawClient::connect(&settings.target());
        for request in [
            message::query("SELECT pg_sleep(0.45)"),
            extended("SELECT pg_sleep(0.45)"),
        ] {
            client.send(&request.repeat(3));
            for number in 0..3 {
                let reply = client.reply();
                assert_eq!(reply.sqlstate(), "", "{mode:?}, query {number}: {reply:?}");
            }
        }
    });
}

/// A client that asks for nothing is not hit by the limit of queries, whatever server it holds.
#[test]
fn the_limit_of_queries_is_not_one_of_idle_clients() {
    let postgres = Postgres::start();
    let (settings, _gateway) = start(&postgres, Mode::Session, "query: 300ms");
    let mut fresh = RawClient::connect(&settings.target());
    let mut used = RawClient::connect(&settings.target());
    assert_eq!(used.query("SELECT 1").value(), "1");
    let mut open = RawClient::connect(&settings.target());
    assert_eq!(open.query("BEGIN; SELECT 1").status(), Some('T'));
    // A server that does not obey a cancel has ten seconds more.
    assert!(!fresh.closed_within(Duration::from_secs(11)), "closed without a query");
    for client in [&mut fresh, &mut used, &mut open] {
        client.patience(Duration::from_secs(10));
        assert_eq!(client.query("SELECT 2").value(), "2");
    }
}

/// A server that does not obey the cancel, because nothing reaches it any more, does not hold the client for ever.
#[test]
fn a_query_at_a_server_that_is_gone_ends_too() {
    let postgres = Postgres::start();
    let proxy = FaultProxy::start(postgres.address());
    let settings = Settings::new(&postgres, Mode::Transaction)
        .upstream(proxy.address())
        .cluster("timeouts: { query: 300ms }\nhealth: { interval: 0 }");
    let _gateway = settings.start(TIDEGATE);
    let mut client = RawClient::connect(&settings.target());
    assert_eq!(client.query("SELECT 1").value(), "1");
    proxy.set_both(Faults {
        half_open: true,
        ..Faults::default()
    });
    client.patience(Duration::from_secs(20));
    client.send(&message::query("SELECT 2"));
    check_closed(&mut client, "57014");
}

/// In an open transaction, and only there; a transaction of which no server has heard yet is one too.
#[test]
fn a_transaction_left_alone_is_ended() {
    in_each_mode(|mode| {
        let postgres = Postgres::start();
        let (settings, _gateway) = start(&postgres, mode, "idle_in_transaction: 700ms");
        for begin in ["BEGIN; SELECT 1", "BEGIN", "BEGIN; SELECT 1/0"] {
            let mut client = RawClient::connect(&settings.target());
            client.query(begin);
            after(Duration::from_millis(600), || check_closed(&mut client, "25P03"));
        }
        eventually("no transaction is left open", || {
            postgres.value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == "0"
        });
        let mut outside = RawClient::connect(&settings.target());
        outside.query("SELECT 1");
        let mut busy = RawClient::connect(&settings.target());
        busy.query("BEGIN");
        // A long query is not idle, and each request begins the time anew.
        for _ in 0..3 {
            assert_eq!(busy.query("SELECT pg_sleep(0.9)").status(), Some('T'));
        }
        assert_eq!(busy.query("COMMIT").status(), Some('I'));
        assert_eq!(
            outside.query("SELECT 3").value(),
            "3",
            "{mode:?}: outside of a transaction"
        );
    });
}

/// From the login on, whether it has asked for anything or not; not in a transaction and not while a query runs.
#[test]
fn a_client_that_asks_for_nothing_is_closed() {
    in_each_mode(|mode| {
        let postgres = Postgres::start();
        let (settings, _gateway) = start(&postgres, mode, "client_idle: 700ms");
        let mut fresh = RawClient::connect(&settings.target());
        after(Duration::from_millis(500), || check_closed(&mut fresh, "57P05"));
        let mut used = RawClient::connect(&settings.target());
        used.query("SELECT 1");
        after(Duration::from_millis(600), || check_closed(&mut used, "57P05"));
        let mut again = RawClient::connect(&settings.target());
        for transaction in [
            "BEGIN; SELECT 1; COMMIT",
            "BEGIN",
            "COMMIT",
            "BEGIN",
            "SELECT 1",
            "ROLLBACK",
        ] {
            again.query(transaction);
        }
        after(Duration::from_millis(600), || check_closed(&mut again, "57P05"));
        let mut busy = RawClient::connect(&settings.target());
        assert_eq!(busy.query("SELECT pg_sleep(1.5)").sqlstate(), "", "{mode:?}");
        let mut open = RawClient::connect(&settings.target());
        open.query("BEGIN; SELECT 1");
        assert!(
            !open.closed_within(Duration::from_millis(1500)),
            "{mode:?}: in a transaction"
        );
    });
}

/// How long one attempt to reach a server may take, and how many there are.
#[test]
fn an_attempt_to_connect_has_a_limit_and_so_has_their_number() {
    let postgres = Postgres::start();
    for (retries, attempts) in [(0, 1), (2, 3)] {
        let proxy = FaultProxy::start(postgres.address());
        proxy.set(
            Direction::ToClient,
            Faults {
                half_open: true,
                ..Faults::default()
            },
        );
        let connect = format!("{{ timeout: 400ms, retries: {retries}, backoff: 100ms, multiplier: 2.0 }}");
        let settings = Settings::new(&postgres, Mode::Transaction)
            .upstream(proxy.address())
            .cluster(&format!("connect: {connect}\nhealth: {{ interval: 0 }}"));
        let _gateway = settings.start(TIDEGATE);
        // 100 ms and 200 ms lie between the attempts.
        let least = Duration::from_millis(400 * attempts + [0, 300][usize::from(retries > 0)]);
        let refused = after(least, || {
            RawClient::try_connect(&settings.target()).expect_err("no server")
        });
        assert_eq!(refused.sqlstate(), "57P03");
        assert_eq!(proxy.accepted(), attempts, "retries: {retries}");
        proxy.set_both(Faults::default());
        assert_eq!(RawClient::connect(&settings.target()).query("SELECT 1").value(), "1");
    }
}
