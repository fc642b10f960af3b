//! Statement mode: a server for each statement, and so no transaction that is longer than one.

use tidegate_kit::{Gateway, Mode, Postgres, RawClient, Settings, eventually, message};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// One server for everybody: whoever keeps it stops the others.
fn start(postgres: &Postgres, listener: &str) -> (Settings, Gateway) {
    let settings = Settings::new(postgres, Mode::Transaction)
        .size(1)
        .listener(listener)
        .pool("queue_timeout: 2s\ninspect: 4KiB")
        .cluster("users: { app: { mode: statement } }");
    let gateway = settings.start(TIDEGATE);
    (settings, gateway)
}

fn batch(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat()[..], &message::sync()].concat()
}

fn run(name: &str, sql: &str) -> Vec<u8> {
    [
        message::parse(name, sql),
        message::bind("", name, &[]),
        message::execute("", 0),
    ]
    .concat()
}

/// The client is told so, holds no server, and goes on.
#[track_caller]
fn check_refused(client: &mut RawClient, other: &mut RawClient, request: &[u8], tags: &str) {
    client.send(request);
    let reply = client.reply();
    assert_eq!(reply.sqlstate(), "0A000", "{reply:?}");
    assert_eq!((reply.tags().as_str(), reply.status()), (tags, Some('I')), "{reply:?}");
    assert_eq!(other.query("SELECT 'free'").value(), "free");
    assert_eq!(client.query("SELECT 'on'").value(), "on");
}

const BEGINNINGS: [&str; 6] = [
    "BEGIN",
    "begin;",
    "START TRANSACTION READ ONLY",
    "/* x */ BEGIN ISOLATION LEVEL SERIALIZABLE",
    "BEGIN; SELECT 1; COMMIT",
    "SELECT 1; BEGIN",
];

#[test]
fn transactions_are_refused() {
    let postgres = Postgres::start();
    for listener in ["", "chain: [ { count: {} } ]"] {
        let (settings, _gateway) = start(&postgres, listener);
        let (mut client, mut other) = (
            RawClient::connect(&settings.target()),
            RawClient::connect(&settings.target()),
        );
        for sql in BEGINNINGS {
            check_refused(&mut client, &mut other, &message::query(sql), "EZ");
        }
        for sql in ["BEGIN", "START TRANSACTION READ ONLY"] {
            for name in ["", "named"] {
                // All that follows is skipped, as behind any error.
                let request = batch(&[run(name, sql), run("", "SELECT 1")]);
                check_refused(&mut client, &mut other, &request, "EZ");
            }
            let request = batch(&[run("", "SELECT 1"), run("", sql), run("", "SELECT 2")]);
            check_refused(&mut client, &mut other, &request, "12DCEZ");
            let request = batch(&[run("", "SELECT 1"), message::flush(), run("", sql)]);
            check_refused(&mut client, &mut other, &request, "12DCEZ");
        }
        assert_eq!(client.query("COMMIT").sqlstate(), "", "as the server has it: a warning");
        assert_eq!(client.query("SELECT 'BEGIN', ';begin'").value(), "BEGIN");
        let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'";
        assert_eq!(postgres.value(open), "0");
    }
}

/// Where the text says nothing, the server's own word counts.
#[test]
fn a_transaction_that_nobody_saw_begin_ends_with_its_client() {
    let postgres = Postgres::start();
    let (settings, _gateway) = start(&postgres, "");
    let mut other = RawClient::connect(&settings.target());
    let long = format!(
        "BEGIN /* {} */; SELECT 'too long to be looked at'",
        "x".repeat(1_000_000)
    );
    let blind = ["SET client_encoding = 'SJIS'", "BEGIN READ ONLY"];
    for statements in [&[long.as_str()][..], &blind] {
        let mut client = RawClient::connect(&settings.target());
        for sql in statements {
            client.send(&message::query(sql));
            client.until(b'Z');
        }
        let error = client.frame();
        assert_eq!(
            (error.field('V').as_str(), error.sqlstate().as_str()),
            ("FATAL", "0A000")
        );
        assert_eq!(other.query("SELECT 'free'").value(), "free");
    }
    eventually("no transaction is left open", || {
        postgres.value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == "0"
    });
}

/// Statements of two clients take turns on the one server, and each finds what it prepared.
#[test]
fn statements_share_a_server() {
    let postgres = Postgres::start();
    let (settings, _gateway) = start(&postgres, "");
    let mut clients = [
        RawClient::connect(&settings.target()),
        RawClient::connect(&settings.target()),
    ];
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&batch(&[message::parse("s", &format!("SELECT 'prepared {number}'"))]));
        assert_eq!(client.reply().tags(), "1Z");
        client.query(&format!("PREPARE p AS SELECT 'by SQL {number}'"));
        client.query(&format!("SET app.tenant = '{number}'"));
    }
    for _ in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&batch(&[message::bind("", "s", &[]), message::execute("", 0)]));
            assert_eq!(client.reply().value(), format!("prepared {number}"));
            assert_eq!(client.query("EXECUTE p").value(), format!("by SQL {number}"));
            assert_eq!(client.query("SHOW app.tenant").value(), number.to_string());
        }
    }
    assert_eq!(postgres.backends("app").len(), 1);
}

/// Many exchanges at once, some of them refused: the answers come in their order.
#[test]
fn pipelines_are_answered_in_order() {
    let postgres = Postgres::start();
    postgres.execute("CREATE TABLE log (n int); GRANT ALL ON log TO app");
    let (settings, _gateway) = start(&postgres, "");
    let mut client = RawClient::connect(&settings.target());
    let mut pipeline = Vec::new();
    for number in 0..200 {
        pipeline.extend(match number % 4 {
            0 => message::query(&format!("SELECT {number}")),
            1 => message::query("BEGIN"),
            2 => batch(&[run("", &format!("INSERT INTO log VALUES ({number}) RETURNING n"))]),
            _ => batch(&[run("", "BEGIN"), run("", "SELECT 'skipped'")]),
        });
    }
    client.send(&pipeline);
    for number in 0..200 {
        let reply = client.reply();
        assert_eq!(reply.status(), Some('I'));
        if number % 2 == 0 {
            assert_eq!(reply.value(), number.to_string(), "{reply:?}");
        } else {
            assert_eq!(reply.sqlstate(), "0A000", "exchange {number}: {reply:?}");
        }
    }
    assert_eq!(postgres.value("SELECT count(*) FROM log"), "50");
}
