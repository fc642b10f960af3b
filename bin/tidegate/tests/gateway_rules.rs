//! Rules of login (PG-5, SEC-1): who may come in, and how.

mod common;

use std::process::Command;

use common::{Folder, tidegate};
use tidegate_kit::{Gateway, Port, Postgres, RawClient, Target};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// A gateway with these lines of `login`, on TCP and on a Unix socket of the same number.
struct Door {
    target: Target,
    folder: Folder,
    gateway: Gateway,
}

impl Door {
    fn new(postgres: &Postgres, login: &str) -> Self {
        let (port, folder) = (Port::reserve(), Folder::new());
        let socket = folder.path().join(format!(".s.PGSQL.{}", port.number()));
        let listener = |address: &str| {
            format!(
                "    protocol: postgres\n    address: \"{address}\"\n    login:\n      users: {{ app: {{ password: app-secret }}, \
                 ops: {{ password: ops-secret }} }}\n{login}    console: {{ admin_users: [ops] }}\n    \
                 routes: [ {{ cluster: app }} ]\n"
            )
        };
        let yaml = format!(
            "admin: {{ enabled: false }}\nlisteners:\n  tcp:\n{}  unix:\n{}clusters:\n  app:\n    protocol: postgres\n    \
             connect: {{ retries: 0 }}\n    endpoints: [ {{ address: \"{}\" }} ]\n",
            listener(&port.address().to_string()),
            listener(&format!("unix:{}", socket.display())),
            postgres.address(),
        );
        let builder = Gateway::builder(TIDEGATE, &yaml).listens(port.address());
        let gateway = builder.listens_unix(&socket).start();
        let mut target = postgres.target();
        target.port = port.number();
        Self {
            target,
            folder,
            gateway,
        }
    }

    /// Who the server sees, or SQLSTATE and words.
    fn enters(&self, user: &str, password: &str, database: &str) -> Result<String, (String, String)> {
        let target = self.target.clone().with_user(user, password).with_database(database);
        let mut client = RawClient::try_connect(&target).map_err(|error| (error.sqlstate(), error.field('M')))?;
        Ok(client.query("SELECT current_user").value())
    }

    #[track_caller]
    fn refuses(&self, user: &str, password: &str, database: &str, words: &str) {
        let told = self
            .enters(user, password, database)
            .expect_err("a login that must fail");
        assert_eq!(told, ("28000".to_owned(), words.to_owned()), "{user} {database}");
    }

    /// The same over the Unix socket, by psql.
    fn enters_unix(&self, postgres: &Postgres, user: &str) -> Result<String, String> {
        let mut target = self.target.clone().with_user(user, "");
        target.host = self.folder.path().display().to_string();
        let mut psql = postgres.programs().command("psql");
        target.apply(&mut psql);
        let output = psql.args(["-XAtc", "SELECT current_user"]).output().expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

const RULES: &str = "      rules:
        - { name: no payroll, match: { users: [app], databases: [payroll] }, method: reject }
        - { match: { users: [app], databases: ['app', 'a*'], addresses: [127.0.0.0/8] }, method: scram-sha-256 }
        - { match: { users: [guest], connection: hostnossl, database_is_user: true }, method: trust }
        - { match: { users: [ops], databases: [tidegate] }, method: password }
        - { match: { connection: local }, method: peer, map: system }
";

#[test]
fn the_first_rule_that_holds_decides() {
    let postgres = Postgres::builder().database("guest", "app").start();
    postgres.execute("CREATE ROLE guest LOGIN");
    let me = Command::new("id").arg("-un").output().expect("id");
    let me = String::from_utf8_lossy(&me.stdout).trim().to_owned();
    let maps = format!("      maps: {{ system: [ {{ system: '{me}', user: app }} ] }}\n");
    let door = Door::new(&postgres, &(RULES.to_owned() + &maps));
    assert_eq!(door.enters("app", "app-secret", "app"), Ok("app".to_owned()));
    let wrong = door.enters("app", "wrong", "app").expect_err("a wrong password");
    assert_eq!(wrong.0, "28P01");
    let host = "host \"127.0.0.1\", user";
    let rejected = format!("a login rule rejects connection for {host} \"app\", database \"payroll\", no encryption");
    door.refuses("app", "app-secret", "payroll", &rejected);
    // A star is a star, and whom no rule means comes in nowhere.
    for (user, database) in [("app", "abc"), ("guest", "app"), ("ops", "app"), ("app", "tidegate")] {
        let words =
            format!("no login rule for connection from {host} \"{user}\", database \"{database}\", no encryption");
        door.refuses(user, &format!("{user}-secret"), database, &words);
    }
    // The server has its own say of a user who is trusted here.
    let told = door
        .enters("guest", "", "guest")
        .expect_err("the server wants a password");
    assert_ne!(told.0, "28000", "{told:?}");
    let console = door
        .target
        .clone()
        .with_user("ops", "ops-secret")
        .with_database("tidegate");
    let mut console = RawClient::try_connect(&console).unwrap_or_else(|told| panic!("{told:?}"));
    assert_eq!(console.query("SHOW STATE").rows().len(), 3);
    assert_eq!(door.enters_unix(&postgres, "app"), Ok("app".to_owned()));
    let told = door.enters_unix(&postgres, "ops").expect_err("another user");
    assert!(told.contains("peer authentication failed for user \"ops\""), "{told}");
    for rule in ["no payroll", "none", "1", "4"] {
        door.gateway.wait_for_log(&format!("rule=\"{rule}\""));
    }
}

#[test]
fn only_users_who_are_known() {
    let postgres = Postgres::start();
    postgres.execute("ALTER ROLE app PASSWORD 'app-secret'");
    let door = Door::new(&postgres, "      method: trust\n      known_users_only: true\n");
    assert_eq!(door.enters("app", "", "app"), Ok("app".to_owned()));
    door.refuses("nobody", "", "app", "trust authentication failed for user \"nobody\"");
    // A user without a password is known too.
    postgres.execute("CREATE ROLE bare LOGIN");
    let query =
        "      method: trust\n      known_users_only: true\n      query: { user: postgres, password: super-secret }\n";
    let door = Door::new(&postgres, query);
    let told = door.enters("bare", "", "app").expect_err("the server wants a password");
    assert_ne!(told.0, "28000", "{told:?}");
    door.refuses("nobody", "", "app", "trust authentication failed for user \"nobody\"");
}

#[test]
fn nobody_passes_for_another() {
    let postgres = Postgres::builder().database("payroll", "app").start();
    postgres.execute("ALTER ROLE app PASSWORD 'app-secret'");
    let rules = "      rules:
        - { match: { replication: true }, method: trust }
        - { match: { databases: [payroll] }, method: reject }
        - { method: scram-sha-256 }
";
    let door = Door::new(&postgres, rules);
    let enters = |password: &str, more: (&str, &str)| {
        let target = door.target.clone().with_user("app", password);
        RawClient::try_connect_with(&target, &[more]).map_err(|told| (told.sqlstate(), told.field('M')))
    };
    // What the server reads as a no is one here.
    for no in ["fa", "fal", "FALS", "of", "n", "0"] {
        let told = enters("wrong", ("replication", no)).expect_err("a wrong password");
        assert_eq!(told.0, "28P01", "{no}: {}", told.1);
        let mut client = enters("app-secret", ("replication", no)).expect("an ordinary session");
        assert_eq!(client.query("SELECT current_user").value(), "app");
    }
    for neither in ["", "o", "maybe", "DATABASE"] {
        let told = enters("app-secret", ("replication", neither)).expect_err("no wish");
        let words = format!("invalid value for parameter \"replication\": \"{neither}\"");
        assert_eq!(told, ("22023".to_owned(), words));
    }
    let others = [
        ("DATABASE", "payroll", "DATABASE"),
        ("options", "-c database=payroll", "database"),
        ("User", "postgres", "User"),
        ("options", "-c user=postgres", "user"),
        ("Replication", "true", "Replication"),
        ("options", "-c replication=true", "replication"),
    ];
    for (name, value, known) in others {
        let told = enters("app-secret", (name, value)).expect_err("no setting");
        let words = format!("unrecognized configuration parameter \"{known}\"");
        assert_eq!(told, ("42704".to_owned(), words));
    }
}

#[test]
fn what_cannot_hold_is_a_mistake() {
    let folder = Folder::new();
    let check = |login: &str, cluster: &str, told: &str| {
        let yaml = format!(
            "listeners:\n  main:\n    protocol: postgres\n    address: 127.0.0.1:6432\n    login: {login}\n    \
             routes: [ {{ cluster: app }} ]\nclusters:\n  app:\n    protocol: postgres\n    \
             endpoints: [ {{ address: '127.0.0.1:1' }} ]\n{cluster}"
        );
        folder.write("t.yaml", &yaml);
        tidegate(&folder, &["check", "-c", "t.yaml"]).ends(1).complains(told);
    };
    let of_rule = |rule: &str| format!("{{ users: {{ app: {{ password: x }} }}, rules: [ {rule} ] }}");
    check(
        "{ method: peer }",
        "",
        "listeners.main.login.method: method `peer` needs a Unix socket",
    );
    check(
        "{ method: cert }",
        "",
        "listeners.main.login.method: method `cert` needs TLS",
    );
    check(
        "{ method: reject }",
        "",
        "listeners.main.login.method: method `reject` would let nobody in",
    );
    check(&of_rule(""), "", "listeners.main.login.rules");
    check(
        &of_rule("{ method: peer }"),
        "",
        "listeners.main.login.rules[0].method: ",
    );
    check(
        &of_rule("{ method: trust }, { match: { connection: host }, method: peer }"),
        "",
        "listeners.main.login.rules[1].method: ",
    );
    check(
        &of_rule("{ match: { addresses: [here] }, method: trust }"),
        "",
        "listeners.main.login.rules[0].match.addresses[0]: `here` is no address or network",
    );
    check(
        &of_rule("{ method: trust, map: m }"),
        "",
        "only `cert` and `peer` have a map",
    );
    check(
        "{ rules: [ { method: md5 } ] }",
        "",
        "listeners.main.login: nobody can log in",
    );
    check(
        "{ method: trust, known_users_only: true }",
        "",
        "listeners.main.login: nobody can log in",
    );
    check(
        "{}",
        "    login_query: { user: x, cluster: ap }\n",
        "clusters.app.login_query.cluster: there is no cluster `ap`",
    );
}
