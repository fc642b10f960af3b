//! The kit's PostgreSQL, its certificates and its hand-made client, against each other.

use std::process::Output;
use std::time::Duration;

use tidegate_kit::{
    Certificates, Client, FaultProxy, Postgres, RawClient, Stop, Target, Tls, block_on, eventually, message,
};

fn psql(postgres: &Postgres, target: &Target, more: &[(&str, &str)]) -> Output {
    let mut command = postgres.programs().command("psql");
    target.apply(&mut command);
    command.envs(more.iter().copied());
    command.args(["-XAtc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]);
    command.output().expect("psql")
}

#[track_caller]
fn check_tls(output: &Output, want: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(want) || errors.contains(want), "{text}{errors}");
}

#[test]
fn starts_with_real_authentication_and_stops_every_way() {
    let mut postgres = Postgres::builder()
        .user("alice", "wonder")
        .database("land", "alice")
        .max_connections(17)
        .start();
    let alice = postgres.target().with_user("alice", "wonder").with_database("land");
    block_on(async {
        let client = Client::connect(&alice).await;
        assert_eq!(client.value("SHOW max_connections").await, "17");
        let wrong = alice.clone().with_user("alice", "wrong");
        assert!(Client::try_connect(&wrong).await.is_err());
        let socket = Target {
            host: postgres.socket_directory().display().to_string(),
            ..alice.clone()
        };
        assert_eq!(Client::connect(&socket).await.value("SELECT 1").await, "1");
        client.close().await.expect("an orderly end");
    });
    for stop in [Stop::Smart, Stop::Fast, Stop::Immediate, Stop::Kill] {
        let process = postgres.process().expect("it runs");
        postgres.stop(stop);
        assert!(!process.alive());
        postgres.run();
        block_on(async { assert_eq!(Client::connect(&alice).await.value("SELECT 2").await, "2") });
    }
    assert!(postgres.log().contains("ready to accept connections"));
    let (process, folder) = (
        postgres.process().expect("it runs"),
        postgres.socket_directory().to_path_buf(),
    );
    drop(postgres);
    assert!(!process.alive() && !folder.exists());
}

#[test]
fn tls_is_verified_and_a_wrong_or_old_certificate_is_refused() {
    let certificates = Certificates::new();
    let verify = Tls::VerifyFull(certificates.ca());
    let good = Postgres::builder().tls(&certificates.server()).start();
    let target = good.target();
    check_tls(&psql(&good, &target, &[]), "f");
    check_tls(&psql(&good, &target.clone().with_tls(verify.clone()), &[]), "t");
    let wrong = Postgres::builder().tls(&certificates.wrong_name()).start();
    let output = psql(&wrong, &wrong.target().with_tls(verify.clone()), &[]);
    check_tls(&output, "does not match host name");
    let old = Postgres::builder().tls(&certificates.expired()).start();
    let output = psql(&old, &old.target().with_tls(verify), &[]);
    check_tls(&output, "certificate verify failed");
    eventually("the alert says why", || old.log().contains("certificate expired"));
}

#[test]
fn client_certificates_log_in() {
    let certificates = Certificates::new();
    let postgres = Postgres::builder()
        .access("hostssl all app 127.0.0.1/32 cert")
        .mutual_tls(&certificates.server(), &certificates.ca())
        .start();
    let target = postgres.target().with_tls(Tls::Require);
    let identity = certificates.client("app");
    let certificate = identity.certificate.to_string_lossy();
    let key = identity.key.to_string_lossy();
    let with = [("PGSSLCERT", &*certificate), ("PGSSLKEY", &*key)];
    check_tls(&psql(&postgres, &target, &with), "t");
    check_tls(&psql(&postgres, &target, &[]), "valid client certificate");
}

#[test]
fn the_raw_client_speaks_scram_and_the_extended_protocol() {
    let postgres = Postgres::start();
    let mut client = RawClient::connect(&postgres.target());
    assert_eq!(
        client.parameters.get("server_encoding").map(String::as_str),
        Some("UTF8")
    );
    let reply = client.query("SELECT 1, NULL, 'x'");
    assert_eq!(reply.tags(), "TDCZ");
    assert_eq!(reply.rows(), [["1", "", "x"]]);
    assert_eq!(reply.status(), Some('I'));
    assert_eq!(client.query("BEGIN; SELECT 1/0").sqlstate(), "22012");
    assert_eq!(client.query("ROLLBACK").status(), Some('I'));
    let batch = [
        message::parse("s", "SELECT $1::int + 1"),
        message::bind("", "s", &[Some("41")]),
        message::describe(b'P', ""),
        message::execute("", 0),
        message::close(b'S', "s"),
        message::sync(),
    ];
    client.send(&batch.concat());
    let reply = client.reply();
    assert_eq!((reply.tags().as_str(), reply.value().as_str()), ("12TDC3Z", "42"));
    let wrong = postgres.target().with_user("app", "wrong");
    let refused = RawClient::try_connect(&wrong).expect_err("a wrong password");
    assert_eq!(refused.sqlstate(), "28P01");
    client.terminate();
}

#[test]
fn the_raw_client_logs_in_with_md5_and_cleartext() {
    let postgres = Postgres::builder()
        .setting("password_encryption", "md5")
        .access("host all old 127.0.0.1/32 md5\nhost all app 127.0.0.1/32 password")
        .user("old", "secret")
        .start();
    let old = postgres.target().with_user("old", "secret");
    assert_eq!(RawClient::connect(&old).query("SELECT 1").value(), "1");
    assert_eq!(RawClient::connect(&postgres.target()).query("SELECT 2").value(), "2");
}

#[test]
fn cancels_and_kills_reach_a_backend() {
    let postgres = Postgres::start();
    let mut client = RawClient::connect(&postgres.target());
    client.send(&message::query("SELECT pg_sleep(60)"));
    // A cancel request that comes before the query hits nothing.
    eventually("the query runs", || {
        postgres.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%sleep(60)'")
            == "1"
    });
    RawClient::open(postgres.address()).send(&client.cancel_request());
    assert_eq!(client.reply().sqlstate(), "57014");
    let pids = postgres.backends("app");
    assert_eq!(pids.len(), 1);
    postgres.terminate_backend(pids[0]);
    assert_eq!(client.frame().sqlstate(), "57P01");
    assert!(client.closed_within(Duration::from_secs(5)));
    let survivor = RawClient::connect(&postgres.target());
    let (pid, _) = survivor.key.clone().expect("BackendKeyData");
    postgres.crash_backend(pid);
    eventually("the server recovers", || {
        postgres.log().contains("terminated by signal 9")
    });
    eventually("it serves again", || {
        block_on(Client::try_connect(&postgres.target())).is_ok()
    });
}

#[test]
fn a_reset_of_the_relay_is_a_lost_connection() {
    let postgres = Postgres::start();
    let proxy = FaultProxy::start(postgres.address());
    let mut target = postgres.target();
    target.port = proxy.address().port();
    let mut client = RawClient::connect(&target);
    assert_eq!(client.query("SELECT 1").value(), "1");
    proxy.reset_all();
    assert!(client.try_frame().is_err());
    eventually("the server notices", || postgres.backends("app").is_empty());
}
