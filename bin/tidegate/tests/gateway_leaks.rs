//! CON-6 and PG-3 in transaction mode: what client A does to its session, client B on the same server does not see, and
//! A finds again, whichever server it is given.

use tidegate_kit::{Gateway, Mode, Postgres, RawClient, Reply, Settings, eventually, message};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// Two clients over as many servers as asked for.
struct Stage {
    postgres: Postgres,
    settings: Settings,
    _gateway: Gateway,
    a: RawClient,
    b: RawClient,
}

impl Stage {
    /// One server for both: whatever is left on it would be seen.
    fn one_server() -> Self {
        Self::new(1)
    }

    fn new(size: u32) -> Self {
        Self::with(size, "queue_timeout: 1s")
    }

    /// One server, whose every connection begins with this.
    fn beginning_with(sql: &str) -> Self {
        Self::with(1, &format!("queue_timeout: 2s\nconnect_query: \"{sql}\""))
    }

    fn with(size: u32, pool: &str) -> Self {
        let postgres = Postgres::start();
        postgres.execute(
            "CREATE ROLE clerk; CREATE ROLE doomed; GRANT clerk, doomed TO app; CREATE SCHEMA hidden; \
             GRANT USAGE ON SCHEMA hidden TO PUBLIC; CREATE TABLE hidden.secret AS SELECT 'hidden' AS word; \
             GRANT SELECT ON hidden.secret TO PUBLIC",
        );
        let settings = Settings::new(&postgres, Mode::Transaction).size(size).pool(pool);
        let gateway = settings.start(TIDEGATE);
        let (a, b) = (
            RawClient::connect(&settings.target()),
            RawClient::connect(&settings.target()),
        );
        Self {
            postgres,
            settings,
            _gateway: gateway,
            a,
            b,
        }
    }
}

#[track_caller]
fn value(client: &mut RawClient, sql: &str) -> String {
    let reply = client.query(sql);
    assert_eq!(reply.sqlstate(), "", "{sql}: {reply:?}");
    reply.value()
}

#[track_caller]
fn run(client: &mut RawClient, statements: &[&str]) -> Reply {
    let replies = statements.iter().map(|sql| client.query(sql));
    replies.last().expect("a statement")
}

fn setting(name: &str) -> String {
    format!("SELECT coalesce(current_setting('{name}', true), '')")
}

/// A does this, and then sees `own`, while B goes on seeing what it saw before.
#[track_caller]
fn check(stage: &mut Stage, statements: &[&str], look: &str, own: &str) {
    let before = value(&mut stage.b, look);
    assert_ne!(before, own, "the test would show nothing");
    run(&mut stage.a, statements);
    for _ in 0..2 {
        assert_eq!(
            value(&mut stage.b, look),
            before,
            "{statements:?} leaked to the other client"
        );
        assert_eq!(value(&mut stage.a, look), own, "{statements:?} was forgotten");
    }
}

/// A does this, and nobody sees anything of it.
#[track_caller]
fn check_undone(stage: &mut Stage, statements: &[&str], look: &str) {
    let (a, b) = (value(&mut stage.a, look), value(&mut stage.b, look));
    run(&mut stage.a, statements);
    for _ in 0..2 {
        assert_eq!(
            value(&mut stage.b, look),
            b,
            "{statements:?} leaked to the other client"
        );
        assert_eq!(value(&mut stage.a, look), a, "{statements:?} stayed");
    }
}

#[test]
fn settings_are_the_clients_own() {
    let mut stage = Stage::one_server();
    let mut set = |sql: &str, name: &str, own: &str| check(&mut stage, &[sql], &setting(name), own);
    set("SET work_mem = '7MB'", "work_mem", "7MB");
    set("SET search_path = hidden", "search_path", "hidden");
    set("SET application_name = 'a'", "application_name", "a");
    set("SET TIME ZONE 'Asia/Tokyo'", "TimeZone", "Asia/Tokyo");
    set("SET app.tenant = '42'", "app.tenant", "42");
    set("SELECT set_config('lock_timeout', '5s', false)", "lock_timeout", "5s");
    set(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "default_transaction_read_only",
        "on",
    );
    set("BEGIN; SET statement_timeout = '3s'; COMMIT", "statement_timeout", "3s");
    set(
        "SET LOCAL idle_session_timeout = '8s'; SET enable_sort = off",
        "enable_sort",
        "off",
    );
}

#[test]
fn roles_are_the_clients_own() {
    let mut stage = Stage::one_server();
    check(&mut stage, &["SET ROLE clerk"], "SELECT current_user", "clerk");
    check_undone(&mut stage, &["BEGIN", "RESET ROLE", "ROLLBACK"], "SELECT current_user");
    assert_eq!(
        run(&mut stage.a, &["RESET ALL", "SELECT current_user"]).value(),
        "clerk",
        "RESET ALL leaves the role"
    );
    assert_eq!(run(&mut stage.a, &["RESET ROLE", "SELECT current_user"]).value(), "app");
}

#[test]
fn what_is_rolled_back_or_local_is_undone() {
    let mut stage = Stage::one_server();
    let mem = setting("work_mem");
    check(&mut stage, &["SET work_mem = '9MB'"], &mem, "9MB");
    check_undone(&mut stage, &["BEGIN", "SET work_mem = '1MB'", "ROLLBACK"], &mem);
    check_undone(&mut stage, &["BEGIN", "RESET work_mem", "ROLLBACK"], &mem);
    check_undone(&mut stage, &["BEGIN", "RESET ALL", "ROLLBACK"], &mem);
    check_undone(&mut stage, &["BEGIN", "SET LOCAL work_mem = '1MB'", "COMMIT"], &mem);
    check_undone(
        &mut stage,
        &["BEGIN; SET work_mem = '1MB'; SELECT 1/0", "ROLLBACK"],
        &mem,
    );
    check_undone(&mut stage, &["SET work_mem = '1MB'; SELECT 1/0"], &mem);
    check_undone(
        &mut stage,
        &[
            "BEGIN",
            "SAVEPOINT s",
            "SET work_mem = '1MB'",
            "ROLLBACK TO s",
            "COMMIT",
        ],
        &mem,
    );
    check_undone(&mut stage, &["SELECT set_config('work_mem', '1MB', true)"], &mem);
}

#[test]
fn reset_brings_back_what_the_client_started_with() {
    let stage = Stage::one_server();
    let more = [("TimeZone", "Asia/Tokyo"), ("options", "-c work_mem=3MB")];
    let mut client = RawClient::try_connect_with(&stage.settings.target(), &more).expect("a login");
    let look = "SELECT current_setting('TimeZone') || current_setting('work_mem')";
    assert_eq!(value(&mut client, look), "Asia/Tokyo3MB");
    run(&mut client, &["SET TimeZone = 'UTC'", "SET work_mem = '1MB'"]);
    assert_eq!(value(&mut client, look), "UTC1MB");
    run(&mut client, &["RESET TimeZone", "RESET work_mem"]);
    assert_eq!(value(&mut client, look), "Asia/Tokyo3MB");
    run(
        &mut client,
        &["SET TimeZone = 'UTC'", "SET work_mem = '1MB'", "RESET ALL"],
    );
    assert_eq!(value(&mut client, look), "Asia/Tokyo3MB");
}

/// A setting set inside a prepared statement, whose text only its Parse shows.
#[test]
fn settings_of_prepared_statements_are_the_clients_own() {
    let mut stage = Stage::one_server();
    let before = value(&mut stage.b, "SHOW work_mem");
    for (name, own) in [("s", "5MB"), ("s", "6MB"), ("", "7MB"), ("", "8MB")] {
        if own == "5MB" || own == "7MB" {
            let parse = message::parse(name, "SELECT set_config('work_mem', $1, false)");
            stage.a.send(&[parse, message::sync()].concat());
            assert_eq!(stage.a.reply().tags(), "1Z");
            assert_eq!(value(&mut stage.b, "SHOW work_mem"), before);
        }
        let bind = message::bind("", name, &[Some(own)]);
        stage.a.send(&[bind, message::execute("", 0), message::sync()].concat());
        assert_eq!(stage.a.reply().value(), own);
        assert_eq!(value(&mut stage.b, "SHOW work_mem"), before);
        let look = [message::parse("look", "SHOW work_mem"), message::bind("", "look", &[])].concat();
        stage.a.send(
            &[
                look,
                message::execute("", 0),
                message::close(b'S', "look"),
                message::sync(),
            ]
            .concat(),
        );
        assert_eq!(stage.a.reply().value(), own);
    }
}

/// What lives on one server keeps that server for its client, and is gone with it.
#[test]
fn what_lives_on_a_server_stays_with_its_client() {
    let cases = [
        (
            "CREATE TEMP TABLE t AS SELECT 1",
            "SELECT 1 WHERE to_regclass('pg_temp.t') IS NOT NULL",
            "DROP TABLE t",
        ),
        // Alone in their texts these two hold no server.
        (
            "PREPARE p AS SELECT 1; SELECT 1",
            "SELECT name FROM pg_prepared_statements WHERE from_sql",
            "DEALLOCATE p",
        ),
        ("LISTEN c; SELECT 1", "SELECT pg_listening_channels()", "UNLISTEN c"),
        (
            "SELECT pg_advisory_lock(7)",
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            "SELECT pg_advisory_unlock(7)",
        ),
        (
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "SELECT name FROM pg_cursors WHERE is_holdable",
            "CLOSE c",
        ),
    ];
    for (make, look, end) in cases {
        let mut stage = Stage::new(2);
        assert_eq!(stage.a.query(make).sqlstate(), "", "{make}");
        let pid = value(&mut stage.a, "SELECT pg_backend_pid()");
        for _ in 0..3 {
            assert_eq!(
                stage.b.query(look).rows(),
                [[""; 0]; 0],
                "{make} is seen by the other client"
            );
            assert_ne!(
                value(&mut stage.b, "SELECT pg_backend_pid()"),
                pid,
                "{make} keeps its server"
            );
            assert!(!stage.a.query(look).value().is_empty(), "{make} was forgotten");
            assert_eq!(value(&mut stage.a, "SELECT pg_backend_pid()"), pid);
        }
        assert_eq!(stage.a.query(end).sqlstate(), "", "{end}");
        // Its client has given the server back: both together can hold two at once again.
        for client in [&mut stage.a, &mut stage.b] {
            assert_eq!(client.query("BEGIN; SELECT 1").status(), Some('T'), "after {end}");
        }
        for client in [&mut stage.a, &mut stage.b] {
            assert_eq!(client.query("COMMIT").status(), Some('I'));
        }
    }
}

/// The same where the client goes away without tidying up.
#[test]
fn what_a_client_leaves_behind_is_gone() {
    let mut stage = Stage::one_server();
    let leave = |stage: &mut Stage, statements: &[&str]| {
        let mut guest = RawClient::connect(&stage.settings.target());
        run(&mut guest, statements);
        guest.reset();
        eventually("the server is free again", || {
            stage.b.query("SELECT 1").sqlstate().is_empty()
        });
    };
    let cases: [(&[&str], &str); 9] = [
        (&["CREATE TEMP TABLE t AS SELECT 1"], "SELECT to_regclass('pg_temp.t')"),
        (
            &["PREPARE p AS SELECT 1; SELECT 1"],
            "SELECT name FROM pg_prepared_statements",
        ),
        (&["LISTEN c; SELECT 1"], "SELECT pg_listening_channels()"),
        (
            &["SELECT pg_advisory_lock(7)"],
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory'",
        ),
        (
            &["DECLARE c CURSOR WITH HOLD FOR SELECT 1"],
            "SELECT name FROM pg_cursors WHERE is_holdable",
        ),
        (
            &["SET ROLE clerk", "SET search_path = hidden"],
            "SELECT 1 WHERE current_user <> 'app'",
        ),
        (&["BEGIN", "SELECT 1/0"], "SELECT 1 WHERE false"),
        // What an open transaction has made and its rollback leaves there.
        (
            &["BEGIN", "SELECT pg_advisory_lock(7)"],
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory'",
        ),
        (
            &["BEGIN", "PREPARE p AS SELECT 1; SELECT 1"],
            "SELECT name FROM pg_prepared_statements",
        ),
    ];
    for (statements, look) in cases {
        leave(&mut stage, statements);
        let reply = stage.b.query(look);
        let nothing = reply.rows().iter().flatten().all(String::is_empty);
        assert!(nothing, "{statements:?} left {reply:?}");
        assert_eq!(reply.status(), Some('I'), "{statements:?}");
    }
    leave(&mut stage, &["BEGIN", "CREATE TABLE never (n int)"]);
    assert_eq!(value(&mut stage.b, "SELECT to_regclass('never') IS NULL"), "t");
}

/// The same name means another statement to each client, and a plan made under one search path is not used under another.
#[test]
fn prepared_statements_are_the_clients_own() {
    let mut stage = Stage::one_server();
    let prepare = |client: &mut RawClient, sql: &str| {
        client.send(&[message::parse("same", sql), message::sync()].concat());
        assert_eq!(client.reply().tags(), "1Z");
    };
    let execute = |client: &mut RawClient| {
        client.send(&[message::bind("", "same", &[]), message::execute("", 0), message::sync()].concat());
        client.reply()
    };
    stage
        .postgres
        .execute("CREATE TABLE public.secret AS SELECT 'public' AS word; GRANT ALL ON public.secret TO app");
    run(&mut stage.a, &["SET search_path = hidden"]);
    prepare(&mut stage.a, "SELECT word FROM secret");
    prepare(&mut stage.b, "SELECT word FROM secret");
    for _ in 0..3 {
        assert_eq!(execute(&mut stage.a).value(), "hidden");
        assert_eq!(execute(&mut stage.b).value(), "public");
    }
    let mut other = RawClient::connect(&stage.settings.target());
    assert_eq!(
        execute(&mut other).sqlstate(),
        "26000",
        "a name that this client never gave"
    );
}

#[test]
fn custom_settings_by_function_are_the_clients_own() {
    let mut stage = Stage::one_server();
    check(
        &mut stage,
        &["SELECT set_config('app.tenant', '42', false)"],
        &setting("app.tenant"),
        "42",
    );
}

#[test]
fn a_role_that_cannot_be_taken_again_runs_nothing() {
    let mut stage = Stage::one_server();
    run(&mut stage.a, &["SET ROLE doomed"]);
    assert_eq!(value(&mut stage.b, "SELECT current_user"), "app");
    stage.postgres.execute("DROP ROLE doomed");
    let reply = stage.a.query("SELECT current_user");
    assert!(reply.rows().is_empty(), "ran as {:?}", reply.rows());
    assert_eq!(reply.error().map(|error| error.field('V')).as_deref(), Some("FATAL"));
    assert_eq!(value(&mut stage.b, "SELECT current_user"), "app");
}

#[test]
fn reset_brings_back_the_name_that_the_client_started_with() {
    let stage = Stage::one_server();
    let more = [("application_name", "first")];
    let mut client = RawClient::try_connect_with(&stage.settings.target(), &more).expect("a login");
    run(
        &mut client,
        &["SET application_name = 'second'", "RESET application_name"],
    );
    assert_eq!(value(&mut client, "SHOW application_name"), "first");
}

/// What the query has set that every connection begins with holds for the next client too, also where the server does not
/// list it among its settings.
#[test]
fn what_connections_begin_with_is_there_for_the_next_client() {
    let mut stage = Stage::beginning_with("SET ROLE clerk; SET app.tenant = 'nobody'");
    let look = "SELECT current_user || ' ' || current_setting('app.tenant')";
    assert_eq!(value(&mut stage.b, look), "clerk nobody");
    check(&mut stage, &["SET ROLE doomed"], "SELECT current_user", "doomed");
    check(&mut stage, &["SET app.tenant = '42'"], &setting("app.tenant"), "42");
    // What a client comes with goes before it, and is its own.
    let more = [("options", "-c role=doomed -c app.tenant=7")];
    let mut client = RawClient::try_connect_with(&stage.settings.target(), &more).expect("a login");
    for _ in 0..2 {
        assert_eq!(value(&mut client, look), "doomed 7");
        assert_eq!(value(&mut stage.b, look), "clerk nobody");
    }
    // Made clean, it begins again.
    for change in ["RESET ROLE", "RESET ALL", "DISCARD ALL"] {
        let mut guest = RawClient::try_connect_with(&stage.settings.target(), &more).expect("a login");
        run(&mut guest, &[change]);
        guest.terminate();
        assert_eq!(value(&mut client, look), "doomed 7", "after {change}");
        assert_eq!(value(&mut stage.b, look), "clerk nobody", "after {change}");
    }
}

/// What the query has made there holds nobody's server, and whoever throws it away does so for itself alone.
#[test]
fn what_connections_begin_with_holds_no_server() {
    let mut stage = Stage::beginning_with(
        "CREATE TEMP TABLE begun AS SELECT 42 AS answer; PREPARE q AS SELECT 1; SELECT pg_advisory_lock(9)",
    );
    let look = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) \
                || (SELECT string_agg(name, '') FROM pg_prepared_statements WHERE from_sql) \
                || (SELECT string_agg(objid::text, '') FROM pg_locks WHERE locktype = 'advisory')";
    assert_eq!(value(&mut stage.b, look), "1q9");
    run(
        &mut stage.a,
        &["SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)"],
    );
    assert_eq!(value(&mut stage.b, look), "1q9");
    for change in [
        "DISCARD TEMP",
        "DEALLOCATE ALL",
        "SELECT pg_advisory_unlock_all()",
        "DISCARD ALL",
        "SELECT pg_advisory_unlock(9)",
        "DEALLOCATE q",
    ] {
        let mut guest = RawClient::connect(&stage.settings.target());
        run(&mut guest, &[change]);
        guest.terminate();
        assert_eq!(value(&mut stage.b, look), "1q9", "after {change}");
    }
}
