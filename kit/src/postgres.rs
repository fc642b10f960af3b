//! A throw-away PostgreSQL.

mod template;

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Watchdog;
use crate::{Client, Identity, Mode, Port, Proc, Programs, Target, Tls, block_on, files, wait_until};

pub(crate) const SUPERUSER: &str = "postgres";
pub(crate) const SUPERUSER_PASSWORD: &str = "super-secret";
pub(crate) const USER: &str = "app";
pub(crate) const PASSWORD: &str = "app-secret";
pub(crate) const DATABASE: &str = "app";

/// A PostgreSQL of one's own on loopback, with SCRAM on every connection.
///
/// It has the superuser `postgres`, and the user `app` who owns the database `app`. It is stopped
/// and removed on drop, and also when the test process dies.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    account: Option<Account>,
    folder: TempDir,
    port: Port,
    settings: Vec<(String, String)>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    _watchdog: Watchdog,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Waits for clients to leave.
    Smart,
    /// Ends every session with FATAL 57P01.
    Fast,
    /// Ends every session at once and recovers at the next start.
    Immediate,
    /// `SIGKILL` to the postmaster: nobody is told anything.
    Kill,
}

/// What a [`Postgres`] is to be.
#[derive(Debug, Default)]
pub struct PostgresBuilder {
    settings: Vec<(String, String)>,
    users: Vec<(String, String)>,
    databases: Vec<(String, String)>,
    access: String,
    tls: Option<(Identity, Option<PathBuf>)>,
}

/// The account the server runs under when the tests run as root, which PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    user: u32,
    group: u32,
}

impl PostgresBuilder {
    /// Adds a user who may log in.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Adds a database with this owner.
    #[must_use]
    pub fn database(mut self, name: &str, owner: &str) -> Self {
        self.databases.push((name.to_owned(), owner.to_owned()));
        self
    }

    /// Sets `max_connections`.
    #[must_use]
    pub fn max_connections(self, count: u32) -> Self {
        self.setting("max_connections", &count.to_string())
    }

    /// Sets any server setting.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a line before those of `pg_hba.conf`, such as `host all alice 127.0.0.1/32 md5`.
    #[must_use]
    pub fn access(mut self, line: &str) -> Self {
        self.access.push_str(line);
        self.access.push('\n');
        self
    }

    /// Offers TLS with this certificate.
    #[must_use]
    pub fn tls(mut self, certificate: &Identity) -> Self {
        self.tls = Some((certificate.clone(), None));
        self
    }

    /// Offers TLS with this certificate, and checks client certificates against an authority.
    #[must_use]
    pub fn mutual_tls(mut self, certificate: &Identity, client_ca: &Path) -> Self {
        self.tls = Some((certificate.clone(), Some(client_ca.to_path_buf())));
        self
    }

    /// Starts it and waits until it accepts connections.
    pub fn start(self) -> Postgres {
        let programs = Programs::find();
        let account = Account::needed();
        let folder = files::temporary("postgres");
        template::copy(&programs, account, &folder.path().join("data"));
        let mut postgres = Postgres {
            programs,
            account,
            folder,
            port: Port::reserve(),
            settings: self.settings,
            running: None,
        };
        postgres.allow(&self.access);
        if let Some((certificate, client_ca)) = &self.tls {
            postgres.install(certificate, client_ca.as_deref());
        }
        account.inspect(|account| account.own(postgres.folder.path()));
        postgres.run();
        for (name, password) in &self.users {
            postgres.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"));
        }
        for (name, owner) in &self.databases {
            postgres.execute(&format!("CREATE DATABASE {name} OWNER {owner}"));
        }
        postgres
    }
}

impl Postgres {
    /// Starts one with the defaults.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Says what it should be before it starts.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// Runs it again after a [`Postgres::stop`], on the same port.
    pub fn run(&mut self) {
        assert!(self.running.is_none(), "this PostgreSQL is running already");
        let log = self.folder.path().join("log");
        let log = File::options().create(true).append(true).open(&log);
        let log = log.unwrap_or_else(|e| panic!("cannot open the log of PostgreSQL: {e}"));
        let errors = log.try_clone();
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.data()).args(self.arguments());
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(log);
        command.stderr(errors.unwrap_or_else(|e| panic!("cannot share the log: {e}")));
        self.account.inspect(|account| account.apply(&mut command));
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start PostgreSQL: {e}"));
        let watchdog = Watchdog::new(child.id(), self.folder.path());
        self.running = Some(Running {
            child,
            _watchdog: watchdog,
        });
        self.wait_ready();
    }

    /// Stops it; the port and the data stay for [`Postgres::run`].
    pub fn stop(&mut self, how: Stop) -> Option<ExitStatus> {
        let mut running = self.running.take()?;
        let signal = match how {
            Stop::Smart => Signal::TERM,
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
            Stop::Kill => Signal::KILL,
        };
        Proc::new(running.child.id()).signal(signal);
        let status = running.child.wait().ok();
        if how == Stop::Kill {
            self.wait_for_orphans();
        }
        status
    }

    /// Stops and starts it.
    pub fn restart(&mut self) {
        self.stop(Stop::Fast);
        self.run();
    }

    /// The user `app` on the database `app` over TCP, without TLS.
    pub fn target(&self) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.port.number(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            database: DATABASE.to_owned(),
            tls: Tls::Off,
            mode: Mode::Direct,
        }
    }

    /// The superuser on the database `app`.
    pub fn superuser(&self) -> Target {
        self.target().with_user(SUPERUSER, SUPERUSER_PASSWORD)
    }

    /// The TCP address.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The TCP port, which also names the Unix socket.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder of the Unix socket.
    pub fn socket_directory(&self) -> &Path {
        self.folder.path()
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        let name = format!(".s.PGSQL.{}", self.port.number());
        self.socket_directory().join(name)
    }

    /// PostgreSQL's programs of the same version.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The postmaster, while it runs.
    pub fn process(&self) -> Option<Proc> {
        let running = self.running.as_ref()?;
        Some(Proc::new(running.child.id()))
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs SQL as the superuser in the database `app`.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        let target = self.superuser();
        let done = block_on(async {
            let client = Client::connect(&target).await;
            client.batch_execute(sql).await
        });
        done.unwrap_or_else(|e| panic!("`{sql}` failed: {}", crate::client::describe(&e)));
    }

    /// The first column of the first row of a query, as text, run as the superuser.
    #[track_caller]
    pub fn value(&self, sql: &str) -> String {
        let target = self.superuser();
        block_on(async { Client::connect(&target).await.value(sql).await })
    }

    /// Ends a backend with FATAL 57P01, as an administrator would.
    pub fn terminate_backend(&self, pid: i32) {
        let ended = self.value(&format!("SELECT pg_terminate_backend({pid})"));
        assert_eq!(ended, "t", "there is no backend {pid}");
    }

    /// Kills a backend with `SIGKILL`: the server ends all sessions and recovers.
    pub fn crash_backend(&self, pid: i32) {
        let pid = u32::try_from(pid).unwrap_or_else(|_| panic!("{pid} is no process id"));
        Proc::new(pid).signal(Signal::KILL);
    }

    /// Ids of the client backends of a user.
    pub fn backends(&self, user: &str) -> Vec<i32> {
        let sql = format!(
            "SELECT coalesce(string_agg(pid::text, ','), '') FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND usename = '{user}'"
        );
        let list = self.value(&sql);
        list.split(',').filter_map(|pid| pid.parse().ok()).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn arguments(&self) -> Vec<String> {
        let folder = self.folder.path().display();
        let own = [
            format!("port={}", self.port.number()),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={folder}"),
            "fsync=off".to_owned(),
            "synchronous_commit=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "shared_buffers=32MB".to_owned(),
            "log_min_messages=info".to_owned(),
        ];
        let asked = self.settings.iter().map(|(name, value)| format!("{name}={value}"));
        own.into_iter()
            .chain(asked)
            .flat_map(|setting| ["-c".to_owned(), setting])
            .collect()
    }

    fn allow(&self, lines: &str) {
        let path = self.data().join("pg_hba.conf");
        let rest = fs::read_to_string(&path).unwrap_or_default();
        files::write(&path, format!("{lines}{rest}"));
    }

    fn install(&mut self, identity: &Identity, client_ca: Option<&Path>) {
        let data = self.data();
        let place = |from: &Path, name: &str| {
            let to = data.join(name);
            fs::copy(from, &to).unwrap_or_else(|e| panic!("cannot copy {}: {e}", from.display()));
            let mode = fs::set_permissions(&to, fs::Permissions::from_mode(0o600));
            mode.unwrap_or_else(|e| panic!("cannot protect {}: {e}", to.display()));
        };
        place(&identity.certificate, "server.crt");
        place(&identity.key, "server.key");
        self.settings.push(("ssl".to_owned(), "on".to_owned()));
        if let Some(ca) = client_ca {
            place(ca, "clients.crt");
            self.settings.push(("ssl_ca_file".to_owned(), "clients.crt".to_owned()));
        }
    }

    fn wait_ready(&mut self) {
        let pid_file = self.data().join("postmaster.pid");
        let address = self.address();
        let mut ended = None;
        let ready = wait_until(Duration::from_secs(30), || {
            let running = self.running.as_mut();
            ended = running.and_then(|running| running.child.try_wait().ok().flatten());
            let state = fs::read_to_string(&pid_file).unwrap_or_default();
            let ready = state.lines().nth(7).is_some_and(|line| line.trim() == "ready");
            ended.is_some() || (ready && TcpStream::connect(address).is_ok())
        });
        assert!(ready && ended.is_none(), "PostgreSQL did not start:\n{}", self.log());
    }

    /// After a killed postmaster its backends still hold the shared memory for a moment, and a
    /// new one would refuse to start.
    fn wait_for_orphans(&self) {
        let data = self.data();
        let orphans = || {
            let Ok(all) = fs::read_dir("/proc") else {
                return false;
            };
            all.flatten()
                .any(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data))
        };
        crate::eventually("backends of the killed postmaster are gone", || !orphans());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- end of the PostgreSQL log ---\n{tail}");
        }
    }
}

impl Account {
    pub(crate) fn needed() -> Option<Self> {
        rustix::process::getuid().is_root().then(|| {
            let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
            let find = |name: &str| {
                let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
                let fields = fields.find(|f| f.first() == Some(&name))?;
                let id = |at: usize| fields.get(at).and_then(|f| f.parse::<u32>().ok());
                Some(Self {
                    user: id(2)?,
                    group: id(3)?,
                })
            };
            find("postgres")
                .or_else(|| find("nobody"))
                .unwrap_or_else(|| panic!("no account `postgres` or `nobody` to run PostgreSQL as"))
        })
    }

    /// The program runs under this account.
    pub(crate) fn apply(self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }

    /// A folder and all that is in it belong to this account.
    pub(crate) fn own(self, path: &Path) {
        chown(path, Some(self.user), Some(self.group))
            .unwrap_or_else(|e| panic!("cannot chown {}: {e}", path.display()));
        let Ok(entries) = fs::read_dir(path) else {
            return;
        };
        for entry in entries.flatten() {
            self.own(&entry.path());
        }
    }
}
