//! Where clients go: by user suffix (RT-1 to RT-4), by the rule table (RT-12), and among a cluster's servers (LB-1, LB-4).

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_kit::{
    Admin, Certificates, Gateway, Mode, Port, Postgres, RawClient, Settings, Stop, Target, Tls, eventually, message,
    wait_until,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// Two servers that can be told apart by their port, and a gateway in front of them.
struct Crossing {
    left: Postgres,
    right: Postgres,
    port: Port,
    _gateway: Gateway,
}

impl Crossing {
    /// `listener` is what stands in the listener beside address and users.
    fn new(listener: &str) -> Self {
        let build = || {
            Postgres::builder()
                .user("\"a.b\"", "app-secret")
                .user("clerk", "app-secret")
        };
        let (left, right) = (build().start(), build().start());
        let port = Port::reserve();
        let password = "{ password: app-secret }";
        let cluster = |postgres: &Postgres| {
            format!(
                "{{ protocol: postgres, connect: {{ retries: 0 }}, endpoints: [ {{ address: \"{}\" }} ] }}",
                postgres.address()
            )
        };
        let yaml = format!(
            "admin: {{ enabled: false }}\nlisteners:\n  main:\n    protocol: postgres\n    address: \"{}\"\n    login: \
             {{ users: {{ app: {password}, \"a.b\": {password}, clerk: {password} }} }}\n{listener}clusters:\n  \
             left: {}\n  right: {}\n",
            port.address(),
            cluster(&left),
            cluster(&right),
        );
        let gateway = Gateway::builder(TIDEGATE, &yaml).listens(port.address()).start();
        Self {
            left,
            right,
            port,
            _gateway: gateway,
        }
    }

    fn target(&self, user: &str) -> Target {
        let mut target = self.left.target().with_user(user, "app-secret");
        target.port = self.port.number();
        target
    }

    /// Which server a client reaches, and as whom.
    #[track_caller]
    fn reached(&self, client: &mut RawClient) -> String {
        let reply = client.query("SELECT inet_server_port(), current_user, current_database()");
        assert_eq!(reply.sqlstate(), "", "{reply:?}");
        let row = reply.rows().remove(0);
        let side = if row[0] == self.left.port().to_string() {
            "left"
        } else {
            "right"
        };
        format!("{side} as {} in {}", row[1], row[2])
    }

    /// Logs in with just these start-up parameters.
    fn start(&self, parameters: &[(&str, &str)]) -> Result<RawClient, tidegate_kit::Frame> {
        let mut client = RawClient::open(self.port.address());
        client.send(&message::startup(message::PROTOCOL_3_0, parameters));
        client.log_in(&self.target("app"))?;
        match client.reply().error() {
            Some(error) => Err(error),
            None => Ok(client),
        }
    }
}

const SUFFIXES: &str = "    routes:\n      - user_suffix:\n          deployments:\n            \
    orders: { direct: left, pooled: right }\n            bare: { direct: left }\n";

/// RT-1.
#[test]
fn the_user_suffix_names_the_deployment() {
    let crossing = Crossing::new(SUFFIXES);
    let check = |user: &str, expected: &str| {
        let mut client = RawClient::connect(&crossing.target(user));
        assert_eq!(crossing.reached(&mut client), expected, "{user}");
    };
    check("app.orders", "left as app in app");
    check("app.orders.pool", "right as app in app");
    check("a.b.orders", "left as a.b in app");
    check("a.b.orders.pool", "right as a.b in app");
}

/// RT-2 and RT-3.
#[test]
fn other_start_up_parameters_reach_the_server_and_choose_nothing() {
    let crossing = Crossing::new(SUFFIXES);
    for parameters in [
        &[("user", "app.orders")][..],
        &[("user", "app.orders"), ("database", "app.orders")],
    ] {
        let mut client = crossing.start(parameters).expect("a login");
        assert_eq!(crossing.reached(&mut client), "left as app in postgres");
    }
    let more = [
        ("user", "app.orders"),
        ("database", "app"),
        ("DateStyle", "German"),
        ("options", "-c work_mem=3MB -c geqo=off"),
        ("application_name", "mine"),
    ];
    let mut client = crossing.start(&more).expect("a login");
    let look = "SELECT concat_ws(' ', current_setting('DateStyle'), current_setting('work_mem'), \
                current_setting('geqo'), current_setting('application_name'))";
    assert_eq!(client.query(look).value(), "German, DMY 3MB off mine");
    for (name, value) in [("deployment_id", "bare"), ("pooled", "true")] {
        let refused = crossing.start(&[("user", "app.orders"), (name, value)]);
        let refused = refused.expect_err("the server knows no such setting");
        assert_eq!(
            (refused.sqlstate().as_str(), refused.field('M').contains(name)),
            ("42704", true)
        );
    }
}

/// RT-4.
#[test]
fn what_leads_nowhere_is_refused_in_the_old_proxys_codes() {
    let mut crossing = Crossing::new(SUFFIXES);
    let refused = |user: &str| {
        let error = RawClient::try_connect(&crossing.target(user)).expect_err(user);
        assert_eq!(error.field('V'), "FATAL", "{user}");
        (error.sqlstate(), error.field('M'))
    };
    for user in ["app", "app.", ".orders", "app.pool", "app.unknown", "app.bare.pool"] {
        assert_eq!(refused(user).0, "08001", "{user}");
    }
    assert!(refused("app.unknown").1.contains("unknown"));
    let nobody = crossing.start(&[("database", "app")]).expect_err("no user");
    assert_eq!(nobody.sqlstate(), "28000");
    crossing.right.stop(Stop::Fast);
    let error = RawClient::try_connect(&crossing.target("app.orders.pool")).expect_err("a server that is down");
    assert!(["57P03", "08001"].contains(&error.sqlstate().as_str()), "{error:?}");
    let told = format!("{:?}", error.fields());
    let port = crossing.right.port().to_string();
    assert!(
        !told.contains(&port) && !told.contains("127.0.0.1"),
        "an address is given away: {told}"
    );
    drop(crossing);
    let mut crossing = Crossing::new(&format!("    verbose_errors: true\n{SUFFIXES}"));
    crossing.right.stop(Stop::Fast);
    let error = RawClient::try_connect(&crossing.target("app.orders.pool")).expect_err("a server that is down");
    assert!(
        error.field('M').contains(&crossing.right.port().to_string()),
        "{error:?}"
    );
}

/// RT-12, without TLS.
#[test]
fn rules_look_at_what_the_client_says() {
    let crossing = Crossing::new(
        "    routes:\n      - { match: { database: 'ap?', user: clerk }, cluster: right }\n      \
         - { match: { application_name: 'report*' }, cluster: right }\n      \
         - { match: { database: books }, cluster: right, database: postgres }\n      \
         - { match: { client: 10.0.0.0/8 }, cluster: right }\n      \
         - { match: { client: 127.0.0.0/8, database: app }, cluster: left }\n",
    );
    let check = |parameters: &[(&str, &str)], expected: &str| {
        let mut client = crossing.start(parameters).expect("a login");
        assert_eq!(crossing.reached(&mut client), expected, "{parameters:?}");
    };
    check(&[("user", "app"), ("database", "app")], "left as app in app");
    check(&[("user", "clerk"), ("database", "app")], "right as clerk in app");
    let report = ("application_name", "report 7");
    check(&[("user", "app"), ("database", "app"), report], "right as app in app");
    check(&[("user", "app"), ("database", "books")], "right as app in postgres");
    let nowhere = crossing.start(&[("user", "app"), ("database", "other")]);
    assert_eq!(nowhere.expect_err("no rule holds").sqlstate(), "3D000");
}

/// RT-12, by what TLS says.
#[test]
fn rules_look_at_the_server_name_and_the_certificate() {
    let certificates = Certificates::new();
    let identity = certificates.server();
    let crossing = Crossing::new(&format!(
        "    tls: {{ mode: allow, certificate: {}, key: {}, client_ca: {}, client_auth: optional }}\n    \
         routes:\n      - {{ match: {{ certificate: clerk }}, cluster: right }}\n      \
         - {{ match: {{ sni: LOCALHOST }}, cluster: right, database: postgres }}\n      - {{ cluster: left }}\n",
        identity.certificate.display(),
        identity.key.display(),
        certificates.ca().display(),
    ));
    let reached = |host: &str, tls: Tls, certificate: Option<&str>| {
        let mut target = crossing.target("app").with_tls(tls);
        host.clone_into(&mut target.host);
        let mut command = crossing.left.programs().command("psql");
        target.apply(&mut command);
        command.env("PGHOSTADDR", "127.0.0.1");
        if let Some(name) = certificate {
            let client = certificates.client(name);
            command
                .env("PGSSLCERT", &client.certificate)
                .env("PGSSLKEY", &client.key);
        }
        let sql = "SELECT inet_server_port(), current_database()";
        let output = command.args(["-XAtc", sql]).output().expect("psql");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let side = if text.starts_with(&crossing.left.port().to_string()) {
            "left"
        } else {
            "right"
        };
        assert!(output.status.success(), "{output:?}");
        format!("{side} {}", text.trim().rsplit_once('|').map_or("", |(_, name)| name))
    };
    let verified = || Tls::VerifyFull(certificates.ca());
    assert_eq!(reached("127.0.0.1", Tls::Off, None), "left app");
    assert_eq!(reached("127.0.0.1", verified(), None), "left app");
    assert_eq!(reached("localhost", verified(), None), "right postgres");
    assert_eq!(reached("localhost", verified(), Some("clerk")), "right app");
    assert_eq!(reached("127.0.0.1", verified(), Some("app")), "left app");
}

/// A cluster of two servers, which share the work as `balance` says.
struct Pair {
    left: Postgres,
    right: Postgres,
    settings: Settings,
    _gateway: Gateway,
}

impl Pair {
    fn new(balance: &str, weight: u32) -> Self {
        let (left, right) = (Postgres::start(), Postgres::start());
        let settings = Settings::new(&left, Mode::Transaction)
            .cluster(&format!("  - {{ address: \"{}\", weight: {weight} }}", right.address()))
            .cluster(&format!("balance: {balance}"))
            .cluster("connect: { retries: 0, timeout: 1s }")
            .cluster("health: { interval: 100ms, timeout: 500ms, failures: 2, slow_start: 300ms }");
        let gateway = settings.start(TIDEGATE);
        eventually("both servers are known to be well", || {
            Admin::of(&settings).status("/readyz") == 200
        });
        Self {
            left,
            right,
            settings,
            _gateway: gateway,
        }
    }

    /// How many of so many queries the left server answers; all must be answered.
    #[track_caller]
    fn of_left(&self, client: &mut RawClient, queries: usize) -> usize {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..queries {
            let reply = client.query("SELECT inet_server_port()");
            assert_eq!(reply.sqlstate(), "", "{reply:?}");
            *counts.entry(reply.value()).or_default() += 1;
        }
        assert_eq!(counts.values().sum::<usize>(), queries);
        counts.remove(&self.left.port().to_string()).unwrap_or_default()
    }
}

/// LB-1.
#[test]
fn work_is_shared_as_the_weights_say() {
    let pair = Pair::new("round_robin", 3);
    let mut client = RawClient::connect(&pair.settings.target());
    let left = pair.of_left(&mut client, 400);
    assert!(left.abs_diff(100) <= 4, "{left} of 400 at a weight of 1 to 3");
}

/// LB-1.
#[test]
fn a_client_address_keeps_its_server() {
    let mut pair = Pair::new("consistent_hash", 1);
    let target = pair.settings.target();
    let all = || {
        let left: usize = (0..5).map(|_| pair.of_left(&mut RawClient::connect(&target), 4)).sum();
        assert!(left == 0 || left == 20, "{left} of 20");
        left
    };
    let home = all();
    assert_eq!(all(), home);
    let gone = if home == 20 { &mut pair.left } else { &mut pair.right };
    gone.stop(Stop::Immediate);
    eventually("the other one serves", || {
        RawClient::connect(&target).query("SELECT 1").sqlstate().is_empty()
    });
}

/// LB-1.
#[test]
fn the_least_busy_server_gets_new_work() {
    let pair = Pair::new("least_connections", 1);
    let target = pair.settings.target();
    let mut busy: Vec<RawClient> = Vec::new();
    // Six transactions are spread evenly; then those of the left end.
    let mut of_left = Vec::new();
    for _ in 0..6 {
        let mut client = RawClient::connect(&target);
        client.query("BEGIN");
        let is_left = client.query("SELECT inet_server_port()").value() == pair.left.port().to_string();
        if is_left {
            of_left.push(client);
        } else {
            busy.push(client);
        }
    }
    assert_eq!((of_left.len(), busy.len()), (3, 3));
    for client in &mut of_left {
        assert_eq!(client.query("COMMIT").status(), Some('I'));
    }
    let mut client = RawClient::connect(&target);
    assert_eq!(
        pair.of_left(&mut client, 20),
        20,
        "the right one has three transactions at work"
    );
    for client in &mut busy {
        assert_eq!(client.query("COMMIT").status(), Some('I'));
    }
    let left = pair.of_left(&mut client, 40);
    assert!((15..=25).contains(&left), "{left} of 40 between equals");
}

/// LB-4.
#[test]
fn a_dead_server_gets_no_work_and_comes_back() {
    let mut pair = Pair::new("round_robin", 1);
    let mut client = RawClient::connect(&pair.settings.target());
    assert!(pair.of_left(&mut client, 20) > 5);
    pair.left.stop(Stop::Kill);
    let ejected = wait_until(Duration::from_secs(10), || {
        (0..20).all(|_| {
            let reply = client.query("SELECT 1");
            assert_eq!(
                reply.status(),
                Some('I'),
                "an error must leave the session usable: {reply:?}"
            );
            reply.sqlstate().is_empty()
        })
    });
    assert!(ejected, "the dead server still gets work");
    assert_eq!(pair.of_left(&mut client, 100), 0);
    pair.left.run();
    eventually("the server is back with its full share", || {
        (8..=12).contains(&pair.of_left(&mut client, 20))
    });
    pair.right.stop(Stop::Fast);
    eventually("the other one carries everything", || {
        client.query("SELECT inet_server_port()").sqlstate().is_empty()
    });
}
