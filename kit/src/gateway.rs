use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Watchdog;
use crate::{Cpu, Identity, Mode, Port, Postgres, Proc, Target, Tls, files, wait_until};

/// A running `tidegate run`, with its configuration in a folder of its own.
#[derive(Debug)]
pub struct Gateway {
    folder: TempDir,
    config: PathBuf,
    child: Option<Child>,
    process: Proc,
    lines: Arc<Mutex<Vec<String>>>,
    _watchdog: Watchdog,
}

/// What a [`Gateway`] is to be.
#[derive(Debug)]
pub struct GatewayBuilder {
    binary: PathBuf,
    config: String,
    addresses: Vec<SocketAddr>,
    sockets: Vec<PathBuf>,
    environment: Vec<(String, String)>,
    is_pgbouncer: bool,
    files: Vec<(String, String)>,
}

impl GatewayBuilder {
    /// The configuration is a `pgbouncer.ini`, which runs as it is.
    #[must_use]
    pub fn pgbouncer(mut self) -> Self {
        self.is_pgbouncer = true;
        self
    }

    /// Writes a file beside the configuration.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Waits until this address accepts connections.
    #[must_use]
    pub fn listens(mut self, address: SocketAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// Waits until this Unix socket accepts connections.
    #[must_use]
    pub fn listens_unix(mut self, socket: &Path) -> Self {
        self.sockets.push(socket.to_path_buf());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, and fails the test with its log when it does not listen within 20 s.
    #[track_caller]
    pub fn start(self) -> Gateway {
        let mut gateway = self.spawn();
        let mut ended = None;
        let listens = wait_until(Duration::from_secs(20), || {
            ended = gateway.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            let tcp = self.addresses.iter().all(|a| TcpStream::connect(a).is_ok());
            let unix = self.sockets.iter().all(|s| UnixStream::connect(s).is_ok());
            ended.is_some() || (tcp && unix)
        });
        if let Some(status) = ended {
            // The reader thread may still be behind the process.
            thread::sleep(Duration::from_millis(100));
            panic!("tidegate ended at start: {status}\n{}", gateway.log());
        }
        assert!(listens, "tidegate does not listen:\n{}", gateway.log());
        gateway
    }

    /// Starts it without waiting for anything.
    #[track_caller]
    pub fn spawn(&self) -> Gateway {
        let folder = files::temporary("gateway");
        let (option, name) = if self.is_pgbouncer {
            ("--pgbouncer", "pgbouncer.ini")
        } else {
            ("-c", "tidegate.yaml")
        };
        let config = folder.path().join(name);
        files::write(&config, &self.config);
        for (name, text) in &self.files {
            files::write(&folder.path().join(name), text);
        }
        let mut command = Command::new(&self.binary);
        // What is meant for the tests is no override of the configuration.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDEGATE_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["run", option])
            .arg(&config)
            .envs(self.environment.iter().cloned())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", self.binary.display()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let lines = Arc::clone(&lines);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    locked(&lines).push(line);
                }
            });
        }
        Gateway {
            process: Proc::new(child.id()),
            _watchdog: Watchdog::new(child.id(), folder.path()),
            folder,
            config,
            child: Some(child),
            lines,
        }
    }
}

impl Gateway {
    /// A gateway from its binary (`env!("CARGO_BIN_EXE_tidegate")`) and its configuration.
    pub fn builder(binary: impl AsRef<Path>, config: &str) -> GatewayBuilder {
        GatewayBuilder {
            binary: binary.as_ref().to_path_buf(),
            config: config.to_owned(),
            addresses: Vec::new(),
            sockets: Vec::new(),
            environment: Vec::new(),
            is_pgbouncer: false,
            files: Vec::new(),
        }
    }

    /// Replaces the configuration file in one step and sends `SIGHUP`.
    pub fn reload(&self, config: &str) {
        let beside = self.folder.path().join("config.new");
        files::write(&beside, config);
        let placed = std::fs::rename(&beside, self.config_path());
        placed.unwrap_or_else(|e| panic!("cannot replace the configuration: {e}"));
        self.process.signal(Signal::HUP);
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.config.clone()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends `SIGTERM`, and does not wait.
    pub fn begin_drain(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Sends `SIGTERM` and waits for the end, at most `limit`.
    #[track_caller]
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.begin_drain();
        self.wait(limit)
    }

    /// Waits for the end, at most `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let Some(mut child) = self.child.take() else {
            panic!("this gateway has ended before");
        };
        let mut status = None;
        wait_until(limit, || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        status.unwrap_or_else(|| {
            let _gone = child.kill();
            let _gone = child.wait();
            panic!("tidegate still ran after {limit:?}:\n{}", self.log());
        })
    }

    /// Lines of standard error so far.
    pub fn lines(&self) -> Vec<String> {
        locked(&self.lines).clone()
    }

    /// Standard error so far.
    pub fn log(&self) -> String {
        self.lines().join("\n")
    }

    /// Waits until a line of standard error holds `text`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let found = wait_until(Duration::from_secs(10), || {
            self.lines().iter().any(|line| line.contains(text))
        });
        assert!(found, "no line with `{text}` in 10 s:\n{}", self.log());
    }

    /// The process.
    pub fn process(&self) -> &Proc {
        &self.process
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.process.rss_kib()
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Cpu {
        self.process.cpu()
    }

    /// The number of threads.
    pub fn threads(&self) -> u64 {
        self.process.threads()
    }

    /// The number of open file descriptors.
    pub fn fds(&self) -> usize {
        self.process.fds()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
        }
        if thread::panicking() {
            eprintln!("--- log of tidegate ---\n{}", self.log());
        }
    }
}

/// The configuration that most end-to-end tests want: one listener, one cluster, the user `app`.
#[derive(Debug)]
pub struct Settings {
    port: Port,
    admin: Port,
    mode: Mode,
    size: u32,
    users: Vec<(String, String)>,
    certificate: Option<(Identity, PathBuf)>,
    listener: String,
    cluster: String,
    pool: String,
    upstream: (String, u16),
}

impl Settings {
    /// For one PostgreSQL, in this mode.
    pub fn new(postgres: &Postgres, mode: Mode) -> Self {
        let app = postgres.target();
        let superuser = postgres.superuser();
        Self {
            port: Port::reserve(),
            admin: Port::reserve(),
            mode,
            size: 20,
            users: vec![(app.user, app.password), (superuser.user, superuser.password)],
            certificate: None,
            listener: String::new(),
            cluster: String::new(),
            pool: String::new(),
            upstream: ("127.0.0.1".to_owned(), postgres.port()),
        }
    }

    /// The size of each pool.
    #[must_use]
    pub fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// Adds a user of the listener.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Offers TLS on the listener; clients verify it with `ca`.
    #[must_use]
    pub fn tls(mut self, certificate: &Identity, ca: &Path) -> Self {
        self.certificate = Some((certificate.clone(), ca.to_path_buf()));
        self
    }

    /// Reaches PostgreSQL through another address, such as a fault proxy's.
    #[must_use]
    pub fn upstream(mut self, address: SocketAddr) -> Self {
        self.upstream = (address.ip().to_string(), address.port());
        self
    }

    /// Adds lines of YAML to the listener, such as `pre_auth_timeout: 2s`.
    #[must_use]
    pub fn listener(mut self, yaml: &str) -> Self {
        push(&mut self.listener, "    ", yaml);
        self
    }

    /// Adds lines of YAML to the cluster, such as `tls: { mode: require }`.
    #[must_use]
    pub fn cluster(mut self, yaml: &str) -> Self {
        push(&mut self.cluster, "    ", yaml);
        self
    }

    /// Adds lines of YAML to the cluster's pool, such as `queue_timeout: 1s`.
    #[must_use]
    pub fn pool(mut self, yaml: &str) -> Self {
        push(&mut self.pool, "      ", yaml);
        self
    }

    /// The listener's address.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The address of the admin API.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The token of the admin API.
    pub fn admin_token(&self) -> &'static str {
        "kit-admin-token"
    }

    /// The user `app` through the listener, with TLS verified in full where it is offered.
    pub fn target(&self) -> Target {
        let (user, password) = self.users.first().cloned().unwrap_or_default();
        let tls = self.certificate.as_ref();
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.port.number(),
            user,
            password,
            database: crate::postgres::DATABASE.to_owned(),
            tls: tls.map_or(Tls::Off, |(_, ca)| Tls::VerifyFull(ca.clone())),
            mode: self.mode,
        }
    }

    /// The document.
    pub fn yaml(&self) -> String {
        let mode = match self.mode {
            Mode::Session => "session",
            Mode::Transaction => "transaction",
            Mode::Direct => panic!("a gateway pools by session or by transaction"),
        };
        let mut users = String::new();
        for (name, password) in &self.users {
            push(
                &mut users,
                "        ",
                &format!("{name}: {{ password: \"{password}\" }}"),
            );
        }
        let tls = self.certificate.as_ref().map(|(identity, _)| {
            let (certificate, key) = (identity.certificate.display(), identity.key.display());
            format!("    tls: {{ mode: allow, certificate: {certificate}, key: {key} }}\n")
        });
        format!(
            "admin: {{ address: \"{admin}\", token: \"{token}\" }}\n\
             listeners:\n  main:\n    protocol: postgres\n    address: \"{address}\"\n\
             {tls}    login:\n      method: scram-sha-256\n      users:\n{users}\
             \x20   routes:\n      - cluster: app\n{listener}\
             clusters:\n  app:\n    protocol: postgres\n\
             \x20   endpoints:\n      - {{ address: \"{host}:{port}\" }}\n{cluster}\
             \x20   pool:\n      mode: {mode}\n      size: {size}\n{pool}",
            admin = self.admin_address(),
            token = self.admin_token(),
            address = self.address(),
            tls = tls.unwrap_or_default(),
            listener = self.listener,
            host = self.upstream.0,
            port = self.upstream.1,
            cluster = self.cluster,
            size = self.size,
            pool = self.pool,
        )
    }

    /// Starts the binary with this document and waits until it listens.
    #[track_caller]
    pub fn start(&self, binary: impl AsRef<Path>) -> Gateway {
        let gateway = Gateway::builder(binary, &self.yaml());
        gateway.listens(self.address()).listens(self.admin_address()).start()
    }
}

fn push(yaml: &mut String, indent: &str, lines: &str) {
    for line in lines.lines() {
        yaml.push_str(indent);
        yaml.push_str(line);
        yaml.push('\n');
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that stands in for the gateway: it logs, and answers signals.
    fn stand_in(script: &str) -> (TempDir, PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = files::temporary("stand-in");
        let path = folder.path().join("program");
        files::write(&path, format!("#!/bin/bash\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("chmod");
        (folder, path)
    }

    #[test]
    fn keeps_the_log_and_tells_of_signals() {
        let script = "trap 'grep -q new $3 && echo reloaded >&2' HUP; trap 'exit 3' TERM\n\
                      echo started $1 $2 >&2; while true; do sleep 0.02; done";
        let (_folder, program) = stand_in(script);
        let mut gateway = Gateway::builder(&program, "old").spawn();
        gateway.wait_for_log("started run -c");
        gateway.reload("new");
        gateway.wait_for_log("reloaded");
        assert!(gateway.rss_kib() > 0 && gateway.fds() > 0 && gateway.threads() == 1);
        let status = gateway.terminate(Duration::from_secs(5));
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    #[should_panic(expected = "no such key")]
    fn an_early_end_shows_the_log() {
        let (_folder, program) = stand_in("echo 'no such key' >&2; exit 1");
        let port = Port::reserve();
        let _gateway = Gateway::builder(&program, "").listens(port.address()).start();
    }

    #[test]
    fn is_killed_on_drop() {
        let (_folder, program) = stand_in("trap '' TERM; echo up >&2; while true; do sleep 0.1; done");
        let gateway = Gateway::builder(&program, "").spawn();
        gateway.wait_for_log("up");
        let process = gateway.process().clone();
        drop(gateway);
        assert!(!process.alive());
    }
}
