//! PgBouncer's files, run as they are.

mod common;

use std::fs;

use common::running::{Running, pgbouncer, tidegate as tidegate_with};
use common::{Folder, signal, tidegate};
use rustix::process::Signal;
use tidegate_kit::{Port, Postgres, eventually};

/// A folder with PgBouncer's three files for a server.
struct Files {
    folder: Folder,
    postgres: Postgres,
    port: Port,
}

const RULES: &str = "# who may come in\n\
    host all evil 0.0.0.0/0 reject\n\
    host shop,app app 127.0.0.0/8 scram-sha-256\n\
    host shop other 10.0.0.0/8 scram-sha-256\n";

impl Files {
    fn new() -> Self {
        let postgres = Postgres::builder()
            .user("other", "others")
            .user("evil", "evils")
            .database("storage", "app")
            .start();
        let files = Self {
            folder: Folder::new(),
            postgres,
            port: Port::reserve(),
        };
        let password = files.postgres.target().password;
        let users = format!("\"app\" \"{password}\"\n\"other\" \"others\"\n\"evil\" \"evils\"\n");
        files.folder.write("userlist.txt", &users);
        files.folder.write("hba.conf", RULES);
        files.folder.write("pgbouncer.ini", &files.ini(""));
        files
    }

    fn ini(&self, databases: &str) -> String {
        let (server, port) = (self.postgres.port(), self.port.number());
        format!(
            "[databases]\nshop = host=127.0.0.1 port={server} dbname=storage\n* = host=127.0.0.1 port={server}\n{databases}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = hba\n\
             auth_file = userlist.txt\nauth_hba_file = hba.conf\npool_mode = transaction\n"
        )
    }

    fn tidegate(&self) -> Running {
        let command = tidegate_with(&self.folder, "pgbouncer.ini");
        Running::start(command, &self.folder, &self.port, "tidegate.log")
    }

    /// The real one, where it is installed.
    fn pgbouncer(&self) -> Option<Running> {
        let command = pgbouncer("pgbouncer.ini")?;
        Some(Running::start(command, &self.folder, &self.port, "pgbouncer.log"))
    }

    /// What psql shows; none when it is not let in.
    fn psql(&self, user: &str, password: &str, database: &str) -> Option<String> {
        self.ask(
            user,
            password,
            database,
            "SELECT current_user || '@' || current_database()",
        )
    }

    /// What psql shows of a statement; none when it fails.
    fn ask(&self, user: &str, password: &str, database: &str, statement: &str) -> Option<String> {
        let port = self.port.number().to_string();
        let mut psql = self.postgres.programs().command("psql");
        psql.args(["-X", "-At", "-h", "127.0.0.1", "-p", &port, "-U", user, "-d", database]);
        psql.args(["-v", "ON_ERROR_STOP=1", "-c", statement]);
        let output = psql
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "10")
            .output()
            .expect("psql");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Who is let in, and where to.
    fn outcomes(&self) -> Vec<(String, Option<String>)> {
        let password = self.postgres.target().password;
        let probes = [
            ("app", password.as_str(), "shop"),
            ("app", "wrong", "shop"),
            ("app", "", "shop"),
            ("app", password.as_str(), "app"),
            ("app", password.as_str(), "storage"),
            ("other", "others", "shop"),
            ("evil", "evils", "shop"),
            ("nobody", "x", "shop"),
        ];
        let outcome = |(user, password, database): (&str, &str, &str)| {
            let shown = self.psql(user, password, database);
            (format!("{user} with {} letters to {database}", password.len()), shown)
        };
        probes.into_iter().map(outcome).collect()
    }

    fn replace(&self, name: &str, text: &str) {
        let beside = self.folder.write("beside", text);
        fs::rename(beside, self.folder.path().join(name)).expect("replace");
    }
}

#[test]
fn the_same_clients_are_let_in_as_by_pgbouncer() {
    let files = Files::new();
    let there = files.pgbouncer().map(|_running| files.outcomes());
    let _running = files.tidegate();
    let here = files.outcomes();
    let shown: Vec<Option<&str>> = here.iter().map(|(_, shown)| shown.as_deref()).collect();
    let (shop, app) = (Some("app@storage"), Some("app@app"));
    assert_eq!(shown, [shop, None, None, app, None, None, None, None], "{here:?}");
    match there {
        Some(there) => assert_eq!(there, here),
        None => eprintln!("there is no PgBouncer to compare with"),
    }
}

#[test]
fn a_reload_takes_new_files_and_refuses_broken_ones() {
    let files = Files::new();
    let password = files.postgres.target().password;
    let running = files.tidegate();
    assert_eq!(files.psql("app", &password, "late"), None);
    let late = format!("late = host=127.0.0.1 port={} dbname=storage", files.postgres.port());
    files.replace("hba.conf", &RULES.replace("shop,app", "shop,late,app"));
    files.replace("pgbouncer.ini", &files.ini(&late));
    signal(running.child.id(), Signal::HUP);
    eventually("the new database is there", || {
        files.psql("app", &password, "late").is_some()
    });
    files.replace("pgbouncer.ini", &files.ini("broken = host=h pool_mode=sesion\nworse"));
    signal(running.child.id(), Signal::HUP);
    running.wait_for_log("pgbouncer.ini:4:1: pool_mode: `sesion`");
    running.wait_for_log("pgbouncer.ini:5:1: `=` is expected behind `worse`");
    running.wait_for_log("the old configuration stays in force");
    assert_eq!(files.psql("app", &password, "late").as_deref(), Some("app@storage"));
    // A file that the first one names is watched too.
    files.replace("pgbouncer.ini", &files.ini(&late));
    eventually("it is put right", || {
        running.log().matches("configuration read again").count() > 0
    });
    files.replace("hba.conf", "host all nobody 0.0.0.0/0 md5\n");
    eventually("nobody is let in", || files.psql("app", &password, "late").is_none());
}

#[test]
fn the_console_is_for_whom_the_file_names() {
    let files = Files::new();
    let named = "auth_type = scram-sha-256\nadmin_users = app\nstats_users = nobody, other";
    files
        .folder
        .write("pgbouncer.ini", &files.ini("").replace("auth_type = hba", named));
    let running = files.tidegate();
    let password = files.postgres.target().password;
    let app = |statement: &str| files.ask("app", &password, "pgbouncer", statement);
    assert_eq!(files.psql("app", &password, "shop").as_deref(), Some("app@storage"));
    let shown = app("SHOW DATABASES").expect("databases");
    let shop = shown.lines().find(|line| line.starts_with("shop|127.0.0.1|"));
    assert!(shop.is_some_and(|line| line.contains("|storage|")), "{shown}");
    let other = |statement: &str| files.ask("other", "others", "pgbouncer", statement);
    assert!(other("SHOW STATE").is_some());
    assert_eq!(other("RELOAD"), None);
    assert_eq!(files.ask("evil", "evils", "pgbouncer", "SHOW STATE"), None);
    assert!(app("RELOAD").is_some());
    files.replace("pgbouncer.ini", "worse");
    assert_eq!(app("RELOAD"), None);
    running.wait_for_log("the old configuration stays in force");
    assert_eq!(files.psql("app", &password, "shop").as_deref(), Some("app@storage"));
}

#[test]
fn warnings_and_mistakes_name_lines_of_pgbouncers_files() {
    let folder = Folder::new();
    let ini = "[databases]\na = host=127.0.0.1 port=1\n[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nauth_file = u\n";
    folder.write("u", "\"app\" \"secret\"\n");
    folder.write("p.ini", &format!("{ini}syslog = 1\n"));
    let checked = tidegate(&folder, &["check", "--pgbouncer", "p.ini"]);
    checked.ends(0).says("p.ini: ok").complains("p.ini:7: syslog: ");
    let shown = tidegate(&folder, &["config", "show", "--pgbouncer", "p.ini"]);
    shown.ends(0).says("127.0.0.1:6432");
    // What only shows when the parts are put together.
    let tls = "client_tls_sslmode = require\nclient_tls_key_file = k\nclient_tls_cert_file = none.pem\n";
    folder.write("p.ini", &format!("{ini}{tls}"));
    let checked = tidegate(&folder, &["check", "--pgbouncer", "p.ini"]);
    checked.ends(1).complains("p.ini:9:1: listeners.tcp.tls.certificate: ");
    folder.write("p.ini", "[databases]\n");
    tidegate(&folder, &["check", "--pgbouncer", "p.ini"])
        .ends(1)
        .complains("p.ini:1:1: the section `[pgbouncer]` is missing");
    tidegate(&folder, &["check", "--pgbouncer", "p.ini", "-c", "t.yaml"]).ends(2);
}

#[test]
fn what_is_imported_is_a_configuration() {
    let folder = Folder::new();
    folder.write("u", "\"app\" \"secret\"\n");
    folder.write(
        "p.ini",
        "[databases]\n* = host=127.0.0.1\n[pgbouncer]\nauth_file = u\npkt_buf = 8192\n",
    );
    let printed = tidegate(&folder, &["import", "pgbouncer", "p.ini"]);
    printed
        .ends(0)
        .says("# Made from p.ini")
        .says("# p.ini:5: pkt_buf: ")
        .complains("p.ini:5: pkt_buf: ");
    let written = tidegate(&folder, &["import", "pgbouncer", "p.ini", "-o", "tidegate.yaml"]);
    assert_eq!(written.ends(0).stdout, "");
    assert_eq!(folder.read("tidegate.yaml"), printed.stdout);
    tidegate(&folder, &["check", "-c", "tidegate.yaml"]).ends(0);
    let missing = tidegate(&folder, &["import", "pgbouncer", "none.ini"]);
    missing.ends(1).complains("none.ini: cannot read the file: ");
}
