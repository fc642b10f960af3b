//! TLS on both sides (TLS-1 to TLS-5), and rotation of certificates.

use std::process::Output;
use std::time::Duration;

use tidegate_kit::{
    Certificates, Identity, Mode, Postgres, RawClient, Settings, Target, Tls, eventually, message, wait_until,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

fn psql(postgres: &Postgres, target: &Target, client: Option<&Identity>) -> Output {
    let mut command = postgres.programs().command("psql");
    target.apply(&mut command);
    if let Some(identity) = client {
        command
            .env("PGSSLCERT", &identity.certificate)
            .env("PGSSLKEY", &identity.key);
    }
    command.args(["-XAtc", "SELECT 'served'"]).output().expect("psql")
}

fn text(output: &Output) -> String {
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{errors}")
}

fn yaml(how: &str, identity: &Identity, more: &str) -> String {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    format!("tls: {{ mode: {how}, certificate: {certificate}, key: {key}{more} }}")
}

/// TLS-1 and TLS-2.
#[test]
fn requests_for_encryption_are_answered_on_the_same_socket() {
    let certificates = Certificates::new();
    let postgres = Postgres::start();
    for (tls, answer) in [("allow", b'S'), ("disable", b'N')] {
        let settings = match tls {
            "allow" => Settings::new(&postgres, Mode::Transaction).listener(&yaml(tls, &certificates.server(), "")),
            _ => Settings::new(&postgres, Mode::Transaction),
        };
        let _gateway = settings.start(TIDEGATE);
        let mut client = RawClient::open(settings.address());
        client.send(&message::gssenc_request());
        assert_eq!(client.byte(), b'N');
        client.send(&message::ssl_request());
        assert_eq!(client.byte(), answer, "{tls}");
        if answer == b'N' {
            let target = settings.target();
            let parameters = [("user", target.user.as_str()), ("database", target.database.as_str())];
            client.send(&message::startup(message::PROTOCOL_3_0, &parameters));
            client.log_in(&target).expect("the session goes on without TLS");
            assert_eq!(client.reply().status(), Some('I'));
        }
    }
}

#[test]
fn require_refuses_plaintext() {
    let certificates = Certificates::new();
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).listener(&yaml("require", &certificates.server(), ""));
    let _gateway = settings.start(TIDEGATE);
    let refused = RawClient::try_connect(&settings.target()).expect_err("plaintext");
    assert_eq!(refused.sqlstate(), "28000");
    let verified = settings.target().with_tls(Tls::VerifyFull(certificates.ca()));
    assert_eq!(text(&psql(&postgres, &verified, None)), "served\n");
}

/// TLS-3: what was sent in the clear before the handshake is never taken as a query.
#[test]
fn bytes_before_the_handshake_are_refused() {
    let certificates = Certificates::new();
    let postgres = Postgres::start();
    let settings = Settings::new(&postgres, Mode::Transaction).listener(&yaml("allow", &certificates.server(), ""));
    let _gateway = settings.start(TIDEGATE);
    let mut client = RawClient::open(settings.address());
    let stuffed = message::startup(message::PROTOCOL_3_0, &[("user", "app"), ("database", "app")]);
    client.send(&[message::ssl_request(), stuffed].concat());
    let closed = wait_until(Duration::from_secs(5), || {
        client.patience(Duration::from_secs(1));
        client.closed_within(Duration::from_millis(200))
    });
    assert!(closed, "stuffed bytes were accepted");
    assert!(postgres.backends("app").is_empty());
}

/// TLS-4.
#[test]
fn client_certificates_are_checked() {
    let certificates = Certificates::new();
    let strangers = Certificates::new();
    let postgres = Postgres::start();
    let more = format!(", client_ca: {}, client_auth: require", certificates.ca().display());
    let listener = yaml("require", &certificates.server(), &more);
    let settings = Settings::new(&postgres, Mode::Transaction).listener(&listener);
    let _gateway = settings.start(TIDEGATE);
    let target = settings.target().with_tls(Tls::VerifyFull(certificates.ca()));
    assert_eq!(
        text(&psql(&postgres, &target, Some(&certificates.client("app")))),
        "served\n"
    );
    assert!(!psql(&postgres, &target, None).status.success(), "no certificate");
    assert!(
        !psql(&postgres, &target, Some(&strangers.client("app")))
            .status
            .success(),
        "a stranger's"
    );
}

/// TLS-5: each mode towards PostgreSQL, against the right, a wrong-name and an expired certificate.
#[test]
fn upstream_modes_mean_what_they_say() {
    let certificates = Certificates::new();
    let ca = certificates.ca();
    let right = Postgres::builder().tls(&certificates.server()).start();
    let wrong = Postgres::builder().tls(&certificates.wrong_name()).start();
    let old = Postgres::builder().tls(&certificates.expired()).start();
    let plain = Postgres::start();
    let cases = [
        (&plain, "disable", true),
        (&plain, "prefer", true),
        (&plain, "require", false),
        (&right, "require", true),
        (&right, "verify-full", true),
        (&wrong, "require", true),
        (&wrong, "verify-ca", true),
        (&wrong, "verify-full", false),
        (&old, "verify-ca", false),
    ];
    for (number, (postgres, mode, served)) in cases.into_iter().enumerate() {
        let tls = match mode {
            "disable" | "prefer" | "require" => format!("tls: {{ mode: {mode} }}"),
            _ => format!("tls: {{ mode: {mode}, ca: {} }}", ca.display()),
        };
        let settings = Settings::new(postgres, Mode::Transaction)
            .cluster(&tls)
            .pool("queue_timeout: 2s");
        let _gateway = settings.start(TIDEGATE);
        let answer = RawClient::try_connect(&settings.target()).map(|mut client| client.query("SELECT 1").sqlstate());
        let good = answer.is_ok_and(|sqlstate| sqlstate.is_empty());
        assert_eq!(good, served, "case {number}: {mode}");
    }
}

/// TLS-10: a replaced certificate is served without a restart, and old sessions live on.
#[test]
fn a_rotated_certificate_is_served() {
    let certificates = Certificates::new();
    let postgres = Postgres::start();
    let identity = certificates.wrong_name();
    let settings = Settings::new(&postgres, Mode::Transaction).listener(&yaml("allow", &identity, ""));
    let _gateway = settings.start(TIDEGATE);
    let target = settings.target().with_tls(Tls::VerifyFull(certificates.ca()));
    let mut old = RawClient::connect(&settings.target());
    assert!(
        !psql(&postgres, &target, None).status.success(),
        "the name does not match yet"
    );
    let rotated = certificates.server_for("wrong-name", &["127.0.0.1"]);
    assert_eq!(rotated, identity);
    eventually("the new certificate is served", || {
        psql(&postgres, &target, None).status.success()
    });
    assert_eq!(old.query("SELECT 1").value(), "1");
}
