//! A gateway that runs PgBouncer's files.
#![allow(dead_code)] // a module of several test binaries; each uses its part

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tidegate_kit::{Gateway, Mode, Port, Postgres, RawClient, Target, wait_until};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// A PostgreSQL, and a gateway with PgBouncer's files in front of it.
pub(crate) struct Dialect {
    pub(crate) postgres: Postgres,
    pub(crate) gateway: Gateway,
    port: Port,
    main: String,
}

impl Dialect {
    /// With more lines for `[pgbouncer]`.
    pub(crate) fn new(main: &str) -> Self {
        let (postgres, port, admin) = (Postgres::start(), Port::reserve(), Port::reserve());
        let users = format!(
            "\"app\" \"{}\"\n\"ops\" \"ops-secret\"\n\"watcher\" \"watcher-secret\"\n",
            postgres.target().password
        );
        let gateway = Gateway::builder(TIDEGATE, &ini(postgres.port(), &port, main))
            .pgbouncer()
            .file("userlist.txt", &users)
            .environment("TIDEGATE_ADMIN__ADDRESS", &admin.address().to_string())
            .listens(port.address())
            .start();
        Self {
            postgres,
            gateway,
            port,
            main: main.to_owned(),
        }
    }

    /// The file, with still more lines.
    pub(crate) fn ini(&self, more: &str) -> String {
        ini(self.postgres.port(), &self.port, &format!("{}\n{more}", self.main))
    }

    /// The user `app`, in the database that clients call `shop`.
    pub(crate) fn shop(&self) -> Target {
        let target = self.postgres.target().with_database("shop");
        Target {
            port: self.port.number(),
            mode: Mode::Transaction,
            ..target
        }
    }

    /// The console's admin.
    pub(crate) fn ops(&self) -> Target {
        self.shop().with_user("ops", "ops-secret").with_database("pgbouncer")
    }

    pub(crate) fn console(&self) -> RawClient {
        RawClient::connect(&self.ops())
    }
}

/// The real `PgBouncer` with the same files in front of the same server, where one is installed; ended with the test.
pub(crate) struct Peer {
    child: Child,
    folder: tempfile::TempDir,
    port: Port,
}

impl Peer {
    pub(crate) fn start(dialect: &Dialect) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
            .into_iter()
            .find(|path| fs::exists(path).unwrap_or(false))?;
        let (folder, port) = (tempfile::tempdir().expect("a folder"), Port::reserve());
        let open = PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("chmod");
        let text = ini(dialect.postgres.port(), &port, &dialect.main);
        fs::write(folder.path().join("pgbouncer.ini"), text).expect("write");
        let users = dialect.gateway.config_path().with_file_name("userlist.txt");
        fs::write(folder.path().join("userlist.txt"), fs::read(users).expect("users")).expect("write");
        let mut command = Command::new(program);
        command.arg("pgbouncer.ini").current_dir(folder.path());
        if rustix::process::geteuid().is_root() {
            // It refuses to stay root.
            command.args(["-u", "postgres"]);
        }
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let peer = Self {
            child: child.expect("it starts"),
            folder,
            port,
        };
        let listens = wait_until(Duration::from_secs(30), || {
            std::net::TcpStream::connect(peer.port.address()).is_ok()
        });
        assert!(listens, "it does not listen:\n{}", peer.log());
        Some(peer)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What is a target of the gateway, at its own address.
    pub(crate) fn at(&self, target: Target) -> Target {
        Target {
            port: self.port.number(),
            ..target
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn ini(server: u16, port: &Port, main: &str) -> String {
    format!(
        "[databases]\nshop = host=127.0.0.1 port={server} dbname=app\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = userlist.txt\n\
         pool_mode = transaction\nadmin_users = ops\nstats_users = watcher\n{main}\n",
        port.number()
    )
}
