//! Login (PG-5, SEC-1, SEC-2): each method, each source of users, and what reaches the server of it.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use tidegate_kit::{
    Certificates, Frame, Gateway, Identity, Port, Postgres, RawClient, Stop, Target, Tls, eventually, message,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// A gateway whose listener logs in so.
struct Door {
    target: Target,
    gateway: Gateway,
}

impl Door {
    /// `login` is the listener's `login`, `listener` and `cluster` are lines of their sections.
    fn new(postgres: &Postgres, login: &str, listener: &str, cluster: &str) -> Self {
        let port = Port::reserve();
        let yaml = format!(
            "admin: {{ enabled: false }}\nlog: {{ level: debug }}\nlisteners:\n  main:\n    protocol: postgres\n    \
             address: \"{}\"\n    login: {login}\n    routes: [ {{ cluster: app }} ]\n{listener}clusters:\n  app:\n    \
             protocol: postgres\n    connect: {{ retries: 0 }}\n    endpoints: [ {{ address: \"{}\" }} ]\n{cluster}",
            port.address(),
            postgres.address(),
        );
        let gateway = Gateway::builder(TIDEGATE, &yaml).listens(port.address()).start();
        let mut target = postgres.target();
        target.port = port.number();
        Self { target, gateway }
    }

    fn plain(postgres: &Postgres, login: &str) -> Self {
        Self::new(postgres, login, "", "")
    }

    /// Whom the server sees.
    fn enters(&self, user: &str, password: &str) -> Result<String, Frame> {
        let target = self.target.clone().with_user(user, password);
        RawClient::try_connect(&target).map(|mut client| client.query("SELECT current_user").value())
    }

    #[track_caller]
    fn check(&self, user: &str, password: &str) {
        assert_eq!(self.enters(user, password).map_err(|e| e.fields()), Ok(user.to_owned()));
    }

    #[track_caller]
    fn check_refused(&self, user: &str, password: &str, code: &str) -> String {
        let error = self.enters(user, password).expect_err("a login that must fail");
        assert_eq!(
            (error.sqlstate().as_str(), error.field('V').as_str()),
            (code, "FATAL"),
            "{error:?}"
        );
        error.field('M')
    }
}

/// The verifier or hash that a server keeps of a user.
fn stored(postgres: &Postgres, user: &str) -> String {
    postgres.value(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{user}'"))
}

#[test]
fn each_method_lets_the_right_password_in_and_no_other() {
    let postgres = Postgres::start();
    for method in ["password", "md5", "scram-sha-256"] {
        let door = Door::plain(
            &postgres,
            &format!("{{ method: {method}, users: {{ app: {{ password: app-secret }} }} }}"),
        );
        door.check("app", "app-secret");
        let known = door.check_refused("app", "wrong", "28P01");
        let unknown = door.check_refused("nobody", "wrong", "28P01");
        assert_eq!(known.replace("app", "nobody"), unknown, "{method} tells who exists");
        let log = door.gateway.log();
        assert!(!log.contains("app-secret"), "a password in the log");
    }
}

/// An unknown user is asked just as a known one is: the same messages, the same cost, the same salt each time.
#[test]
fn an_unknown_user_looks_like_a_known_one() {
    let postgres = Postgres::start();
    let door = Door::plain(&postgres, "{ users: { app: { password: app-secret } } }");
    let challenge = |user: &str| {
        let mut client = RawClient::open((std::net::Ipv4Addr::LOCALHOST, door.target.port).into());
        client.send(&message::startup(
            message::PROTOCOL_3_0,
            &[("user", user), ("database", "app")],
        ));
        let offer = client.frame();
        client.send(&message::sasl_initial("SCRAM-SHA-256", b"n,,n=,r=abcdefghijklmnopqrst"));
        let text = String::from_utf8_lossy(&client.frame().body[4..]).into_owned();
        let parts: Vec<String> = text.split(',').map(str::to_owned).collect();
        (offer, parts[1].clone(), parts[2].clone())
    };
    let (known, unknown) = (challenge("app"), challenge("nobody"));
    assert_eq!((&known.0, &known.2), (&unknown.0, &unknown.2));
    assert_eq!(known.1.len(), unknown.1.len(), "salts of the same length");
    assert_eq!(
        challenge("nobody"),
        unknown,
        "a salt that changes tells that there is none"
    );
    assert_ne!(challenge("nobody2").1, unknown.1);
}

#[test]
fn trust_enters_as_the_clusters_own_user() {
    let postgres = Postgres::start();
    let credential = "    credential: { user: app, password: app-secret }\n";
    let door = Door::new(&postgres, "{ method: trust }", "", credential);
    assert_eq!(door.enters("whoever", "").map_err(|e| e.fields()), Ok("app".to_owned()));
}

/// SEC-4: the gateway has only what the server itself keeps, and yet is the real user there.
#[test]
fn verifiers_are_enough_to_be_the_real_user() {
    let postgres = Postgres::builder()
        .access("host all old 127.0.0.1/32 md5")
        .user("alice", "alice-secret")
        .start();
    postgres.execute("SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'old-secret'");
    let (alice, old) = (stored(&postgres, "alice"), stored(&postgres, "old"));
    assert!(alice.starts_with("SCRAM-SHA-256$") && old.starts_with("md5"));
    let door = Door::plain(
        &postgres,
        &format!("{{ users: {{ alice: {{ password: '{alice}' }} }} }}"),
    );
    door.check("alice", "alice-secret");
    door.check_refused("alice", "wrong", "28P01");
    let door = Door::plain(
        &postgres,
        &format!("{{ method: md5, users: {{ old: {{ password: {old} }} }} }}"),
    );
    door.check("old", "old-secret");
    door.check_refused("old", "wrong", "28P01");
}

#[test]
fn a_user_file_is_read_again_when_it_changes() {
    let postgres = Postgres::builder().user("alice", "alice-secret").start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.txt");
    let write = |text: &str| {
        let beside = folder.path().join("new");
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &file))
            .expect("write");
    };
    write("; users\n\"app\" \"app-secret\"\n");
    let door = Door::plain(&postgres, &format!("{{ user_file: {} }}", file.display()));
    door.check("app", "app-secret");
    door.check_refused("alice", "alice-secret", "28P01");
    let alice = stored(&postgres, "alice");
    write(&format!("\"alice\" \"{alice}\" comment\n"));
    eventually("the new user may enter", || {
        door.enters("alice", "alice-secret").is_ok()
    });
    door.check_refused("app", "app-secret", "28P01");
    write("this is no user file\n");
    door.check("alice", "alice-secret");
}

#[test]
fn a_query_finds_users_and_a_server_that_is_down_is_told() {
    let mut postgres = Postgres::builder().user("alice", "first").start();
    let login = "{ query: { cluster: app, user: postgres, password: super-secret, cache: 100ms } }";
    let door = Door::plain(&postgres, login);
    door.check("alice", "first");
    door.check("app", "app-secret");
    door.check_refused("nobody", "x", "28P01");
    door.check_refused("x' OR true --", "x", "28P01");
    postgres.execute("ALTER ROLE alice PASSWORD 'second'");
    eventually("the new password is known", || door.enters("alice", "second").is_ok());
    door.check_refused("alice", "first", "28P01");
    postgres.stop(Stop::Fast);
    std::thread::sleep(Duration::from_millis(150));
    door.check_refused("alice", "second", "57P03");
}

#[test]
fn what_is_forbidden_to_a_user_stays_forbidden() {
    let postgres = Postgres::builder()
        .user("alice", "x")
        .user("bob", "x")
        .user("carol", "x")
        .start();
    let users = "alice: { password: x, enabled: false }, bob: { password: x, databases: [ postgres ] }, \
                 carol: { password: x, methods: [ cert ] }, app: { password: app-secret }";
    let door = Door::plain(&postgres, &format!("{{ users: {{ {users} }} }}"));
    door.check_refused("alice", "x", "28000");
    door.check_refused("bob", "x", "42501");
    door.check_refused("carol", "x", "28000");
    door.check("app", "app-secret");
    let bob = door.target.clone().with_user("bob", "x").with_database("postgres");
    assert_eq!(RawClient::connect(&bob).query("SELECT current_user").value(), "bob");
}

fn psql(postgres: &Postgres, target: &Target, more: &[(&str, &str)], identity: Option<&Identity>) -> Output {
    let mut command = postgres.programs().command("psql");
    target.apply(&mut command);
    command.envs(more.iter().copied());
    if let Some(identity) = identity {
        command
            .env("PGSSLCERT", &identity.certificate)
            .env("PGSSLKEY", &identity.key);
    }
    command.args(["-XAtc", "SELECT current_user"]).output().expect("psql")
}

fn tls(identity: &Identity, client_ca: Option<&Path>) -> String {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    let ca = client_ca.map(|ca| format!(", client_ca: {}, client_auth: optional", ca.display()));
    format!(
        "    tls: {{ mode: allow, certificate: {certificate}, key: {key}{} }}\n",
        ca.unwrap_or_default()
    )
}

#[test]
fn channel_binding_holds_over_tls() {
    let certificates = Certificates::new();
    let postgres = Postgres::builder().tls(&certificates.server()).start();
    let users = "{ users: { app: { password: app-secret } } }";
    let cluster = format!(
        "    tls: {{ mode: verify-full, ca: {} }}\n",
        certificates.ca().display()
    );
    let door = Door::new(&postgres, users, &tls(&certificates.server(), None), &cluster);
    let target = door.target.clone().with_tls(Tls::VerifyFull(certificates.ca()));
    let bound = psql(&postgres, &target, &[("PGCHANNELBINDING", "require")], None);
    assert_eq!(String::from_utf8_lossy(&bound.stdout), "app\n", "{bound:?}");
    let wrong = psql(
        &postgres,
        &target,
        &[("PGCHANNELBINDING", "require"), ("PGPASSWORD", "wrong")],
        None,
    );
    assert!(!wrong.status.success());
    let plain = psql(&postgres, &door.target, &[("PGCHANNELBINDING", "require")], None);
    assert!(!plain.status.success(), "there is no channel to bind to");
}

#[test]
fn a_certificate_names_its_user() {
    let certificates = Certificates::new();
    let postgres = Postgres::start();
    let login = "{ method: cert, users: { app: { password: app-secret } } }";
    let door = Door::new(
        &postgres,
        login,
        &tls(&certificates.server(), Some(&certificates.ca())),
        "",
    );
    let target = door.target.clone().with_tls(Tls::VerifyFull(certificates.ca()));
    let own = psql(
        &postgres,
        &target,
        &[("PGPASSWORD", "")],
        Some(&certificates.client("app")),
    );
    assert_eq!(String::from_utf8_lossy(&own.stdout), "app\n", "{own:?}");
    for identity in [Some(certificates.client("clerk")), None] {
        let other = psql(&postgres, &target, &[], identity.as_ref());
        let told = String::from_utf8_lossy(&other.stderr).into_owned();
        assert!(told.contains("certificate authentication failed"), "{told}");
    }
    door.check_refused("app", "app-secret", "28000");
}

/// SEC-2.
#[test]
fn nothing_is_served_before_the_login() {
    let postgres = Postgres::start();
    for method in ["password", "md5", "scram-sha-256"] {
        let door = Door::plain(
            &postgres,
            &format!("{{ method: {method}, users: {{ app: {{ password: app-secret }} }} }}"),
        );
        let early = [
            message::query("SELECT 'early'"),
            [message::parse("", "SELECT 1"), message::sync()].concat(),
            message::terminate(),
            message::frame(b'F', &[0; 8]),
        ];
        for bytes in early {
            let mut client = RawClient::open((std::net::Ipv4Addr::LOCALHOST, door.target.port).into());
            client.send(&message::startup(
                message::PROTOCOL_3_0,
                &[("user", "app"), ("database", "app")],
            ));
            assert_eq!(client.frame().tag, b'R');
            client.send(&bytes);
            while let Ok(frame) = client.try_frame() {
                assert_eq!(
                    (frame.tag, frame.field('V').as_str()),
                    (b'E', "FATAL"),
                    "{method}: {frame:?}"
                );
            }
            assert!(client.closed_within(Duration::from_secs(5)));
        }
        door.check_refused("app", "wrong", "28P01");
    }
    assert!(postgres.backends("app").is_empty(), "a server was opened for nobody");
}

/// Protocol 3.2 has longer cancel keys; what the gateway does not know it says (55.2.1).
#[test]
fn newer_protocols_are_negotiated() {
    let postgres = Postgres::start();
    let door = Door::plain(&postgres, "{ users: { app: { password: app-secret } } }");
    let start = |version: u32, more: &[(&str, &str)]| {
        let mut client = RawClient::open((std::net::Ipv4Addr::LOCALHOST, door.target.port).into());
        let parameters = [&[("user", "app"), ("database", "app")][..], more].concat();
        client.send(&message::startup(version, &parameters));
        client
    };
    for (version, length) in [(message::PROTOCOL_3_0, 4), (message::PROTOCOL_3_2, 32)] {
        let mut client = start(version, &[]);
        client.log_in(&door.target).expect("a login");
        assert_eq!(client.reply().status(), Some('I'));
        assert_eq!(client.key.as_ref().map(|(_, secret)| secret.len()), Some(length));
        client.send(&message::query("SELECT pg_sleep(60)"));
        eventually("the query runs", || {
            postgres
                .value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'")
                != "0"
        });
        RawClient::open((std::net::Ipv4Addr::LOCALHOST, door.target.port).into()).send(&client.cancel_request());
        assert_eq!(client.reply().sqlstate(), "57014");
    }
    for (version, more) in [
        (message::PROTOCOL_3_0 + 9999, &[][..]),
        (message::PROTOCOL_3_0, &[("_pq_.novelty", "on")]),
    ] {
        let mut client = start(version, more);
        let said = client.frame();
        assert_eq!(said.tag, b'v', "NegotiateProtocolVersion");
        let told = said.body.escape_ascii().to_string();
        assert_eq!(told.contains("_pq_.novelty"), !more.is_empty(), "{told}");
        client.log_in(&door.target).expect("a login");
        assert_eq!(client.reply().status(), Some('I'));
    }
    let mut old = start(2 << 16, &[]);
    assert_eq!(old.frame().sqlstate(), "0A000");
}
