//! CON-13: what clients learn of a server that dies, and that those who hold none learn nothing.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tidegate_kit::{Admin, FaultProxy, Gateway, Mode, Postgres, RawClient, Settings, Stop, eventually, message};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const PATIENCE: Duration = Duration::from_secs(20);

fn start(postgres: &Postgres, mode: Mode) -> (Settings, Gateway) {
    let settings = Settings::new(postgres, mode).size(4);
    let gateway = settings.start(TIDEGATE);
    (settings, gateway)
}

fn pid(client: &mut RawClient) -> i32 {
    client
        .query("SELECT pg_backend_pid()")
        .value()
        .parse()
        .expect("a process id")
}

/// The client is told at once, without asking, and its connection ends.
#[track_caller]
fn check_ended(client: &mut RawClient, code: &str) {
    let begin = Instant::now();
    let error = client.until(b'E').pop().expect("an error");
    assert_eq!(
        (error.field('V').as_str(), error.sqlstate().as_str()),
        ("FATAL", code),
        "{error:?}"
    );
    let end = client.try_frame();
    assert!(
        end.as_ref().is_err_and(|e| e.kind() != ErrorKind::WouldBlock),
        "{end:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(2), "after {:?}", begin.elapsed());
}

/// The request fails, and the session goes on at another server.
#[track_caller]
fn check_goes_on(client: &mut RawClient, code: &str) {
    let reply = client.reply();
    let error = reply.error().expect("an error");
    assert_eq!(
        (error.field('V').as_str(), error.sqlstate().as_str()),
        ("ERROR", code),
        "{error:?}"
    );
    assert_eq!(reply.status(), Some('I'));
    assert_eq!(client.query("SELECT 'on'").value(), "on");
}

fn begin_sleep(client: &mut RawClient, postgres: &Postgres, pid: i32) {
    client.send(&message::query("SELECT pg_sleep(60)"));
    let state = format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}");
    eventually("the query runs", || postgres.value(&state) == "active");
}

#[test]
fn in_session_mode_the_client_ends_with_its_server() {
    let postgres = Postgres::start();
    let (settings, _gateway) = start(&postgres, Mode::Session);
    let mut bystander = RawClient::connect(&settings.target());
    let of_bystander = pid(&mut bystander);
    let mut client = RawClient::connect(&settings.target());
    let idle = pid(&mut client);
    postgres.terminate_backend(idle);
    check_ended(&mut client, "57P01");
    let mut client = RawClient::connect(&settings.target());
    let busy = pid(&mut client);
    begin_sleep(&mut client, &postgres, busy);
    postgres.terminate_backend(busy);
    check_ended(&mut client, "57P01");
    let mut client = RawClient::connect(&settings.target());
    let open = pid(&mut client);
    client.query("BEGIN");
    postgres.terminate_backend(open);
    check_ended(&mut client, "57P01");
    assert_eq!(pid(&mut bystander), of_bystander);
}

#[test]
fn in_transaction_mode_the_session_outlives_its_server_where_nothing_is_lost() {
    let postgres = Postgres::start();
    let (settings, _gateway) = start(&postgres, Mode::Transaction);
    let mut client = RawClient::connect(&settings.target());
    let first = pid(&mut client);
    postgres.terminate_backend(first);
    eventually("the server is gone", || !postgres.backends("app").contains(&first));
    let second = pid(&mut client);
    assert_ne!(second, first, "a client that holds no server notices nothing");
    begin_sleep(&mut client, &postgres, second);
    postgres.terminate_backend(second);
    check_goes_on(&mut client, "57P01");
    // What a transaction has done is lost: the client must not go on as if it were not.
    client.query("BEGIN; SELECT 1");
    let third = pid(&mut client);
    let mut bystander = RawClient::connect(&settings.target());
    postgres.terminate_backend(third);
    check_ended(&mut client, "57P01");
    assert_eq!(bystander.query("SELECT 'on'").value(), "on");
    // A lock is a state of the session too.
    let mut client = RawClient::connect(&settings.target());
    client.query("SELECT pg_advisory_lock(7)");
    postgres.terminate_backend(pid(&mut client));
    check_ended(&mut client, "57P01");
}

/// Nobody says anything: the connection is just cut.
#[test]
fn a_connection_that_is_cut_is_told_as_such() {
    let postgres = Postgres::start();
    for reset in [false, true] {
        let proxy = FaultProxy::start(postgres.address());
        let cut = || if reset { proxy.reset_all() } else { proxy.close_all() };
        let settings = Settings::new(&postgres, Mode::Transaction).upstream(proxy.address());
        let _gateway = settings.start(TIDEGATE);
        let mut client = RawClient::connect(&settings.target());
        let used = pid(&mut client);
        begin_sleep(&mut client, &postgres, used);
        cut();
        check_goes_on(&mut client, "08006");
        client.query("BEGIN; SELECT 1");
        cut();
        check_ended(&mut client, "08006");
        let mut idle = RawClient::connect(&settings.target());
        idle.query("SELECT 1");
        cut();
        for _ in 0..3 {
            assert_eq!(
                idle.query("SELECT 2").value(),
                "2",
                "a client that holds no server notices nothing"
            );
        }
        let session = Settings::new(&postgres, Mode::Session).upstream(proxy.address());
        let _gateway = session.start(TIDEGATE);
        let mut client = RawClient::connect(&session.target());
        cut();
        check_ended(&mut client, "08006");
    }
}

/// Everything dies at once while clients are in every state; none is left hanging, and all is well again afterwards.
#[test]
fn all_servers_die_and_come_back() {
    let mut postgres = Postgres::start();
    postgres.execute("CREATE TABLE kept (n int); GRANT ALL ON kept TO app");
    for how in [Stop::Fast, Stop::Immediate, Stop::Kill] {
        let (settings, _gateway) = start(&postgres, Mode::Transaction);
        let admin = Admin::of(&settings);
        let client = || RawClient::connect(&settings.target());
        let (mut idle, mut open, mut busy) = (client(), client(), client());
        idle.query("SELECT 1");
        open.query("BEGIN; INSERT INTO kept VALUES (1)");
        let of_busy = pid(&mut busy);
        begin_sleep(&mut busy, &postgres, of_busy);
        postgres.stop(how);
        let error = open.until(b'E').pop().expect("an error");
        assert!(
            ["57P01", "57P02", "08006"].contains(&error.sqlstate().as_str()),
            "{how:?}: {error:?}"
        );
        let end = open.try_frame();
        assert!(
            end.as_ref().is_err_and(|e| e.kind() != ErrorKind::WouldBlock),
            "{how:?}, {error:?}: {end:?}"
        );
        let failed = busy.reply();
        assert!(
            !failed.sqlstate().is_empty() && failed.status() == Some('I'),
            "{how:?}: {failed:?}"
        );
        assert_eq!(idle.query("SELECT 2").sqlstate(), "57P03", "{how:?}");
        eventually("the gateway is not ready", || admin.status("/readyz") == 503);
        assert_eq!(admin.status("/livez"), 200);
        postgres.run();
        eventually("the gateway is ready", || admin.status("/readyz") == 200);
        for survivor in [&mut idle, &mut busy] {
            assert_eq!(survivor.query("SELECT count(*) FROM kept").value(), "0", "{how:?}");
        }
        eventually("no server is lent", || {
            admin.metric("tidegate_pool_connections", &["active"]) == 0.0
        });
    }
}

/// Half-close in session mode: who says no more is still answered, and the server learns of it.
#[test]
fn half_a_close_is_passed_on() {
    let postgres = Postgres::start();
    let (settings, _gateway) = start(&postgres, Mode::Session);
    let mut client = RawClient::connect(&settings.target());
    client.send(&message::query("SELECT 'answered' FROM pg_sleep(0.3)"));
    client.half_close();
    let reply = client.reply();
    assert_eq!(reply.value(), "answered");
    let end = client.try_frame();
    assert!(
        end.as_ref().is_err_and(|e| e.kind() != ErrorKind::WouldBlock),
        "{end:?}"
    );
    eventually("its server is gone or at rest", || {
        postgres.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'") == "0"
    });
}

/// What a client asks for right before its Terminate is done, as without a gateway; in transaction mode, what one asks for
/// that just goes away is cancelled.
#[test]
fn a_goodbye_behind_a_request_lets_it_finish() {
    let postgres = Postgres::start();
    postgres.execute("CREATE TABLE said (what text); GRANT ALL ON said TO app");
    for mode in [Mode::Session, Mode::Transaction] {
        let (settings, _gateway) = start(&postgres, mode);
        let say = |what: &str| message::query(&format!("INSERT INTO said SELECT '{what}' FROM pg_sleep(0.5)"));
        let mut polite = RawClient::connect(&settings.target());
        polite.send(&[say("goodbye"), message::terminate()].concat());
        assert!(polite.closed_within(PATIENCE));
        eventually("it is done", || postgres.value("SELECT count(*) FROM said") == "1");
        postgres.execute("TRUNCATE said");
    }
    let (settings, _gateway) = start(&postgres, Mode::Transaction);
    let mut rude = RawClient::connect(&settings.target());
    rude.send(&message::query("INSERT INTO said SELECT 'nothing' FROM pg_sleep(0.5)"));
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'";
    eventually("it runs", || postgres.value(busy) == "1");
    drop(rude);
    eventually("nothing runs", || postgres.value(busy) == "0");
    assert_eq!(postgres.value("SELECT count(*) FROM said"), "0");
}

/// A server that is stopped at once says a notice to idle connections, and then ends them: whoever is lent one of these in
/// between is not left without an answer.
#[test]
fn the_last_notice_of_an_idle_server_is_not_taken_for_life() {
    let mut postgres = Postgres::start();
    let (settings, _gateway) = start(&postgres, Mode::Transaction);
    for _ in 0..3 {
        let mut client = RawClient::connect(&settings.target());
        eventually("it is served", || client.query("SELECT 1").sqlstate().is_empty());
        postgres.stop(Stop::Immediate);
        let told = client.query("SELECT 2");
        assert!(
            ["57P03", "57P02", "57P01", "08006"].contains(&told.sqlstate().as_str()),
            "{told:?}"
        );
        postgres.restart();
    }
}
