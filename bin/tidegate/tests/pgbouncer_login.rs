//! Who comes in by PgBouncer's files: the same clients as there, by the same methods.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::Folder;
use common::running::{Running, pgbouncer, tidegate};
use tidegate_kit::{Certificates, Port, Postgres};

/// PgBouncer's files for a server, in a folder whose part `run` is for sockets.
struct Scene {
    folder: Folder,
    postgres: Postgres,
    certificates: Certificates,
    port: Port,
    /// The user of the system that the tests run as.
    me: String,
}

/// What a client comes over.
#[derive(Debug, Clone, Copy)]
enum Over {
    Tcp,
    Tls,
    /// With a certificate of this name.
    Certificate(&'static str),
    Unix,
}

/// A client: what it comes over, user, password and database.
type Probe<'p> = (Over, &'p str, &'p str, &'p str);

impl Scene {
    fn new(build: impl FnOnce(tidegate_kit::PostgresBuilder) -> tidegate_kit::PostgresBuilder) -> Self {
        let me = Command::new("id").arg("-un").output().expect("id");
        let me = String::from_utf8_lossy(&me.stdout).trim().to_owned();
        let builder = Postgres::builder().user("other", "others").user("evil", "evils");
        let scene = Self {
            folder: Folder::new(),
            postgres: build(builder.user(&me, "mine")).start(),
            certificates: Certificates::new(),
            port: Port::reserve(),
            me,
        };
        let run = scene.folder.path().join("run");
        fs::create_dir(&run).expect("a folder for sockets");
        open(&run, 0o777);
        let server = scene.certificates.server();
        // PgBouncer reads them as another user than root.
        for (name, from) in [
            ("server.crt", server.certificate),
            ("server.key", server.key),
            ("ca.crt", scene.certificates.ca()),
        ] {
            let to = scene.folder.path().join(name);
            fs::copy(from, &to).expect("copy");
            open(&to, 0o644);
        }
        let password = scene.postgres.target().password;
        let me = &scene.me;
        let users = format!(
            "\"app\" \"{password}\"\n\"other\" \"others\"\n\"evil\" \"evils\"\n\"{me}\" \"mine\"\n\"admin\" \"admins\"\n"
        );
        scene.folder.write("userlist.txt", &users);
        scene
    }

    /// The ini file: each of the databases leads to the server's `app`, as the others do.
    fn ini(&self, databases: &str, main: &str) {
        let (server, port) = (self.postgres.port(), self.port.number());
        let server = format!(" host=127.0.0.1 port={server}\n");
        let databases = databases.lines().flat_map(|line| [line, server.as_str()]);
        let databases: String = databases.collect();
        let run = self.folder.path().join("run");
        let text = format!(
            "[databases]\n{databases}[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {}\n\
             auth_file = userlist.txt\npool_mode = transaction\n{main}\n",
            run.display()
        );
        self.folder.write("pgbouncer.ini", &text);
    }

    fn tidegate(&self) -> Running {
        let command = tidegate(&self.folder, "pgbouncer.ini");
        Running::start(command, &self.folder, &self.port, "tidegate.log")
    }

    /// The real one, where it is installed.
    fn pgbouncer(&self) -> Option<Running> {
        let command = pgbouncer("pgbouncer.ini")?;
        Some(Running::start(command, &self.folder, &self.port, "pgbouncer.log"))
    }

    /// What psql shows of a statement, or what it complains of.
    fn ask(&self, (over, user, password, database): Probe<'_>, statement: &str) -> Result<String, String> {
        let port = self.port.number().to_string();
        let mut psql = self.postgres.programs().command("psql");
        let run = self.folder.path().join("run").display().to_string();
        let (host, sslmode) = match over {
            Over::Tcp => ("127.0.0.1", "disable"),
            Over::Tls | Over::Certificate(_) => ("127.0.0.1", "require"),
            Over::Unix => (run.as_str(), "disable"),
        };
        if let Over::Certificate(name) = over {
            let identity = self.certificates.client(name);
            psql.env("PGSSLCERT", identity.certificate)
                .env("PGSSLKEY", identity.key);
        }
        psql.args(["-X", "-At", "-h", host, "-p", &port, "-U", user, "-d", database]);
        psql.args(["-v", "ON_ERROR_STOP=1", "-c", statement]);
        let output = psql
            .env("PGSSLMODE", sslmode)
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "20")
            .output()
            .expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// Who the server sees; none where nobody came in.
    fn enters(&self, probe: Probe<'_>) -> Option<String> {
        let statement = if probe.3 == "pgbouncer" {
            "SHOW VERSION"
        } else {
            "SELECT current_user"
        };
        let shown = self.ask(probe, statement).ok()?;
        Some(if probe.3 == "pgbouncer" {
            "the console".to_owned()
        } else {
            shown
        })
    }

    /// Whom both of them let in, and that these are as expected.
    #[track_caller]
    fn check(&self, probes: &[(Probe<'_>, Option<&str>)]) {
        self.check_log(probes, &[]);
    }

    /// The same, and that the log has these texts.
    #[track_caller]
    fn check_log(&self, probes: &[(Probe<'_>, Option<&str>)], told: &[&str]) {
        let outcomes = || {
            let outcomes = probes
                .iter()
                .map(|(probe, _)| (format!("{probe:?}"), self.enters(*probe)));
            outcomes.collect::<Vec<_>>()
        };
        let there = self.pgbouncer().map(|running| (outcomes(), running.log()));
        let running = self.tidegate();
        let here = outcomes();
        let expected = probes
            .iter()
            .map(|(probe, shown)| (format!("{probe:?}"), shown.map(str::to_owned)));
        assert_eq!(here, expected.collect::<Vec<_>>(), "{}", running.log());
        match there {
            Some((there, log)) => assert_eq!(there, here, "{log}"),
            None => eprintln!("there is no PgBouncer to compare with"),
        }
        for text in told {
            running.wait_for_log(text);
        }
    }
}

fn open(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

const DATABASES: &str = "shop = dbname=app\na*b = dbname=app\nsecret = dbname=app\ntrusted = dbname=app\na-b = dbname=app\n\
                         other = dbname=app\nsigned = dbname=app";
const TLS: &str = "client_tls_sslmode = allow\nclient_tls_key_file = server.key\nclient_tls_cert_file = server.crt\n\
                   client_tls_ca_file = ca.crt\n";

#[test]
fn the_same_clients_come_in_as_by_pgbouncer() {
    let scene = Scene::new(|builder| builder);
    let (password, me) = (scene.postgres.target().password, scene.me.clone());
    let rules = format!(
        "# TYPE DATABASE USER ADDRESS METHOD\n\
         local all evil reject\n\
         local all {me} peer\n\
         local shop other peer\n\
         local all all md5\n\
         host all evil 127.0.0.0/8 reject\n\
         hostssl secret all 127.0.0.0/8 scram-sha-256\n\
         hostnossl secret other 127.0.0.0/8 trust\n\
         host trusted app,nobody 127.0.0.0/8 trust\n\
         host trusted all 127.0.0.0/8 md5\n\
         hostssl signed all 127.0.0.0/8 cert\n\
         host shop,\"a-b\",a*b app 127.0.0.0 255.0.0.0 md5\n\
         host sameuser,pgbouncer all 127.0.0.0/8 password\n\
         host shop other 10.0.0.0/8 trust\n"
    );
    scene.folder.write("hba.conf", &rules);
    let main = format!("{TLS}auth_type = hba\nauth_hba_file = hba.conf\nadmin_users = admin");
    scene.ini(DATABASES, &main);
    let app = password.as_str();
    let probes = [
        // By names, addresses, and files of them.
        ((Over::Tcp, "app", app, "shop"), Some("app")),
        ((Over::Tcp, "app", "wrong", "shop"), None),
        ((Over::Tls, "app", app, "a-b"), Some("app")),
        ((Over::Tcp, "app", app, "a*b"), Some("app")),
        ((Over::Tcp, "app", app, "axb"), None),
        ((Over::Tcp, "other", "others", "shop"), None),
        ((Over::Tcp, "other", "others", "other"), Some("other")),
        ((Over::Tcp, "app", app, "other"), None),
        ((Over::Tcp, "evil", "evils", "trusted"), None),
        // With TLS and without.
        ((Over::Tls, "app", app, "secret"), Some("app")),
        ((Over::Tls, "other", "wrong", "secret"), None),
        ((Over::Tcp, "app", app, "secret"), None),
        ((Over::Tcp, "other", "wrong", "secret"), Some("other")),
        // The first rule decides; users must be known.
        ((Over::Tcp, "app", "wrong", "trusted"), Some("app")),
        ((Over::Tcp, "other", "wrong", "trusted"), None),
        ((Over::Tcp, "other", "others", "trusted"), Some("other")),
        ((Over::Tcp, "nobody", "", "trusted"), None),
        // Certificates, where others come without.
        ((Over::Certificate("app"), "app", "", "signed"), Some("app")),
        ((Over::Certificate("app"), "other", "others", "signed"), None),
        ((Over::Certificate("nobody"), "nobody", "", "signed"), None),
        ((Over::Tls, "app", app, "signed"), None),
        // The users of the system.
        ((Over::Unix, &me, "", "shop"), Some(&me)),
        ((Over::Unix, "other", "others", "shop"), None),
        ((Over::Unix, "other", "others", "secret"), Some("other")),
        ((Over::Unix, "evil", "evils", "shop"), None),
        // The console.
        ((Over::Tcp, "admin", "admins", "pgbouncer"), Some("the console")),
        ((Over::Tcp, "admin", "wrong", "pgbouncer"), None),
        ((Over::Tcp, "app", app, "pgbouncer"), None),
    ];
    let told = ["rule=hba.conf:4", "rule=hba.conf:6", "rule=hba.conf:11", "rule=none"];
    scene.check_log(&probes, &told);
}

#[test]
fn methods_without_a_file_of_rules() {
    let scene = Scene::new(|builder| builder);
    let app = scene.postgres.target().password;
    scene.ini(DATABASES, "auth_type = trust");
    scene.check(&[
        ((Over::Tcp, "app", "", "shop"), Some("app")),
        ((Over::Unix, "other", "wrong", "shop"), Some("other")),
        ((Over::Tcp, "nobody", "", "shop"), None),
    ]);
    let cert = TLS.replace("allow", "verify-full");
    scene.ini(DATABASES, &format!("{cert}auth_type = cert"));
    scene.check(&[
        ((Over::Certificate("app"), "app", "", "shop"), Some("app")),
        ((Over::Certificate("app"), "other", "others", "shop"), None),
        ((Over::Certificate("nobody"), "nobody", "", "shop"), None),
        ((Over::Tls, "app", &app, "shop"), None),
        ((Over::Unix, "app", &app, "shop"), None),
    ]);
    let forced = format!("shop = dbname=app user=app password={app}");
    scene.ini(&forced, "auth_type = any");
    scene.check(&[
        ((Over::Tcp, "whoever", "", "shop"), Some("app")),
        ((Over::Unix, "other", "x", "shop"), Some("app")),
    ]);
}

/// PgBouncer has maps from 1.23 on.
#[test]
fn maps_say_who_may_be_whom() {
    let scene = Scene::new(|builder| builder);
    let me = scene.me.clone();
    scene
        .folder
        .write("ident.conf", &format!("m {me} app\nm nobody all\nc host.org other\n"));
    scene.folder.write(
        "hba.conf",
        "local all all peer map=m\nlocal all all peer map=none\nhostssl all all all cert map=c\n",
    );
    let main = format!("{TLS}auth_type = hba\nauth_hba_file = hba.conf\nauth_ident_file = ident.conf");
    scene.ini(DATABASES, &main);
    let running = scene.tidegate();
    for (probe, expected) in [
        ((Over::Unix, "app", "", "shop"), Some("app")),
        ((Over::Unix, me.as_str(), "", "shop"), None),
        ((Over::Unix, "other", "others", "shop"), None),
        ((Over::Certificate("host.org"), "other", "", "shop"), Some("other")),
        ((Over::Certificate("host.org"), "app", "", "shop"), None),
        ((Over::Certificate("other"), "other", "", "shop"), None),
    ] {
        assert_eq!(scene.enters(probe).as_deref(), expected, "{probe:?}\n{}", running.log());
    }
    running.wait_for_log("hba.conf:2: there is no map `none`");
}

/// A user of one database is none of another, though both are called alike.
#[test]
fn users_are_looked_up_in_the_database_of_the_client() {
    let scene = Scene::new(|builder| builder.database("one", "app").database("two", "app"));
    for (database, secret) in [("one", "first"), ("two", "second")] {
        let target = scene.postgres.superuser().with_database(database);
        let mut psql = scene.postgres.programs().command("psql");
        target.apply(&mut psql);
        let sql = format!(
            "CREATE TABLE people AS SELECT 'alice' AS name, '{secret}' AS secret; GRANT SELECT ON people TO other"
        );
        let made = psql
            .args(["-X", "-v", "ON_ERROR_STOP=1", "-c", &sql])
            .output()
            .expect("psql");
        assert!(made.status.success(), "{made:?}");
    }
    let app = scene.postgres.target().password;
    let forced = format!("one = user=app password={app}\ntwo = user=app password={app}");
    let lookup = "auth_type = md5\nauth_user = other\nauth_query = SELECT name, secret FROM people WHERE name = $1";
    scene.ini(&forced, lookup);
    scene.check(&[
        ((Over::Tcp, "alice", "first", "one"), Some("app")),
        ((Over::Tcp, "alice", "second", "one"), None),
        ((Over::Tcp, "alice", "second", "two"), Some("app")),
        ((Over::Tcp, "alice", "first", "two"), None),
        ((Over::Tcp, "bob", "", "one"), None),
    ]);
    // What PgBouncer 1.18 does not know: a database and a statement for one entry.
    let own = format!(
        "{forced} auth_dbname=one\nthree = dbname=two user=app password={app} auth_query='SELECT $1::text, ''third'''"
    );
    scene.ini(&own, lookup);
    let running = scene.tidegate();
    for (probe, expected) in [
        ((Over::Tcp, "alice", "first", "two"), Some("app")),
        ((Over::Tcp, "alice", "second", "two"), None),
        ((Over::Tcp, "anybody", "third", "three"), Some("app")),
    ] {
        assert_eq!(scene.enters(probe).as_deref(), expected, "{probe:?}\n{}", running.log());
    }
}
