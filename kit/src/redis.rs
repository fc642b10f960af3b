//! A throw-away Redis or Valkey.

mod cluster;
mod sentinels;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Watchdog;
use crate::{Identity, Port, Proc, Resp, RespClient, files, wait_until};

pub use cluster::RedisCluster;
pub use sentinels::RedisSentinels;

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Redis 7.0.
    Redis,
    /// Valkey 8.
    Valkey,
}

/// A Redis or Valkey of one's own on loopback, which keeps nothing. It is stopped and removed on drop, and also when
/// the test process dies.
#[derive(Debug)]
pub struct Redis {
    flavour: Flavour,
    folder: TempDir,
    port: Port,
    tls_port: Option<Port>,
    /// For the links between the nodes of a cluster.
    bus: Option<Port>,
    password: Option<String>,
    settings: Vec<(String, String)>,
    sentinel: bool,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    _watchdog: Watchdog,
}

/// What a [`Redis`] is to be.
#[derive(Debug)]
pub struct RedisBuilder {
    flavour: Flavour,
    settings: Vec<(String, String)>,
    password: Option<String>,
    users: Vec<String>,
    tls: Option<(Identity, Option<PathBuf>)>,
    cluster: bool,
    sentinel: bool,
}

impl Flavour {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    /// The path of the server.
    pub fn server(self) -> PathBuf {
        self.program("server")
    }

    /// The path of the command line client.
    pub fn cli(self) -> PathBuf {
        self.program("cli")
    }

    /// Looks in `REDIS_BIN` or `VALKEY_BIN`, where `make setup` puts Valkey, and in `PATH`.
    fn program(self, what: &str) -> PathBuf {
        let (variable, name) = match self {
            Self::Redis => ("REDIS_BIN", "redis"),
            Self::Valkey => ("VALKEY_BIN", "valkey"),
        };
        let named = std::env::var_os(variable).map(PathBuf::from);
        let built = files::repository().join(".build").join(name);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = named.into_iter().chain([built]).chain(std::env::split_paths(&path));
        let program = format!("{name}-{what}");
        let folder = folders.find(|folder| folder.join(&program).is_file());
        let folder = folder.unwrap_or_else(|| panic!("no {program} here: run `make setup`, or set {variable}"));
        folder.join(program)
    }
}

impl RedisBuilder {
    /// Sets any setting, as in `redis.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks a password of the default user.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.setting("requirepass", password).setting("masterauth", password)
    }

    /// Adds a user, by a line such as `alice on >secret ~a:* &* +@all`.
    #[must_use]
    pub fn user(mut self, line: &str) -> Self {
        self.users.push(format!("user {line}"));
        self
    }

    /// Offers TLS on a port of its own.
    #[must_use]
    pub fn tls(mut self, certificate: &Identity) -> Self {
        self.tls = Some((certificate.clone(), None));
        self
    }

    /// Offers TLS on a port of its own, and checks client certificates against an authority.
    #[must_use]
    pub fn mutual_tls(mut self, certificate: &Identity, client_ca: &Path) -> Self {
        self.tls = Some((certificate.clone(), Some(client_ca.to_path_buf())));
        self
    }

    /// Makes it a replica.
    #[must_use]
    pub fn replica_of(self, primary: &Redis) -> Self {
        let address = format!("127.0.0.1 {}", primary.port());
        let builder = self.setting("replicaof", &address);
        match &primary.password {
            Some(password) => builder.setting("masterauth", password),
            None => builder,
        }
    }

    /// Makes it a node of a cluster, which knows no other yet.
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// Makes it a sentinel, which holds no data.
    #[must_use]
    pub fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts it and waits until it answers. A replica may still be copying: see [`Redis::wait_synchronised`].
    pub fn start(self) -> Redis {
        let mut redis = Redis {
            flavour: self.flavour,
            folder: files::temporary("redis"),
            port: Port::reserve(),
            tls_port: None,
            bus: None,
            password: self.password,
            settings: self.settings,
            sentinel: self.sentinel,
            running: None,
        };
        if let Some((certificate, client_ca)) = &self.tls {
            redis.install(certificate, client_ca.as_deref());
        }
        if self.cluster {
            redis.join();
        }
        if !self.users.is_empty() {
            let path = redis.folder.path().join("users.acl");
            let own = redis
                .password
                .as_ref()
                .map_or_else(|| "nopass".to_owned(), |p| format!(">{p}"));
            redis.settings.retain(|(name, _)| name != "requirepass");
            files::write(
                &path,
                format!("user default on {own} ~* &* +@all\n{}\n", self.users.join("\n")),
            );
            redis.set("aclfile", &path.display().to_string());
        }
        redis.run();
        redis
    }
}

impl Redis {
    /// Starts one with the defaults.
    pub fn start(flavour: Flavour) -> Self {
        Self::builder(flavour).start()
    }

    /// Says what it should be before it starts.
    pub fn builder(flavour: Flavour) -> RedisBuilder {
        RedisBuilder {
            flavour,
            settings: Vec::new(),
            password: None,
            users: Vec::new(),
            tls: None,
            cluster: false,
            sentinel: false,
        }
    }

    /// Runs it again after [`Redis::stop`] or [`Redis::kill`], on the same port.
    pub fn run(&mut self) {
        assert!(self.running.is_none(), "this server is running already");
        let path = self.folder.path().join("log");
        let log = File::options().create(true).append(true).open(&path);
        let log = log.unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()));
        let errors = log.try_clone();
        let config = self.folder.path().join("server.conf");
        // A sentinel writes into its file what it learns, and a restart must not forget that.
        if !self.sentinel || !config.exists() {
            files::write(&config, self.config());
        }
        let mut command = Command::new(self.flavour.server());
        command.arg(&config).stdin(Stdio::null()).stdout(log);
        if self.sentinel {
            command.arg("--sentinel");
        }
        command.stderr(errors.unwrap_or_else(|e| panic!("cannot share the log: {e}")));
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", self.flavour.server().display()));
        let watchdog = Watchdog::new(child.id(), self.folder.path());
        self.running = Some(Running {
            child,
            _watchdog: watchdog,
        });
        self.wait_ready();
    }

    /// Stops it in order; the port stays for [`Redis::run`].
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills it: nobody is told anything.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Stops and starts it.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// Halts it: it keeps its connections and answers nothing until [`Redis::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Whose server it is.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Its address without TLS.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its port without TLS.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its address with TLS, if it was asked to have one.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_port.as_ref().map(Port::address)
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The process, while it runs.
    pub fn process(&self) -> Option<Proc> {
        self.running.as_ref().map(|running| Proc::new(running.child.id()))
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A client as the default user.
    #[track_caller]
    pub fn client(&self) -> RespClient {
        self.try_client()
            .unwrap_or_else(|e| panic!("cannot connect to {}: {e}", self.address()))
    }

    /// Runs a command as the default user on a connection of its own.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Resp {
        self.client().ask(words)
    }

    /// A field of INFO.
    #[track_caller]
    pub fn info(&self, field: &str) -> String {
        let info = self.ask(&["INFO", "everything"]).text();
        let mut fields = info.lines().filter_map(|line| line.split_once(':'));
        fields
            .find(|(name, _)| *name == field)
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    }

    /// Waits until this replica has all of its primary's data.
    #[track_caller]
    pub fn wait_synchronised(&self) {
        crate::eventually("the replica is in step", || self.info("master_link_status") == "up");
    }

    fn try_client(&self) -> std::io::Result<RespClient> {
        let mut client = RespClient::try_connect(self.address())?;
        if let Some(password) = &self.password {
            client.command(&["AUTH", password]);
            client.try_reply()?;
        }
        Ok(client)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    fn install(&mut self, identity: &Identity, client_ca: Option<&Path>) {
        let port = Port::reserve();
        self.set("tls-port", &port.number().to_string());
        self.tls_port = Some(port);
        self.set("tls-cert-file", &identity.certificate.display().to_string());
        self.set("tls-key-file", &identity.key.display().to_string());
        if let Some(ca) = client_ca {
            self.set("tls-ca-cert-file", &ca.display().to_string());
        } else {
            // It insists on an authority even where it asks nobody for a certificate.
            self.set("tls-ca-cert-file", &identity.certificate.display().to_string());
            self.set("tls-auth-clients", "no");
        }
    }

    fn join(&mut self) {
        // Ten thousand above the port, where the bus is by default, ephemeral ports begin.
        let bus = Port::reserve();
        self.set("cluster-enabled", "yes");
        self.set("cluster-port", &bus.number().to_string());
        self.set("cluster-announce-ip", "127.0.0.1");
        self.bus = Some(bus);
    }

    fn config(&self) -> String {
        let folder = self.folder.path().display();
        let mut text = format!(
            "port {}\nbind 127.0.0.1\nunixsocket {folder}/socket\ndir {folder}\n",
            self.port.number()
        );
        if !self.sentinel {
            text.push_str("save \"\"\nappendonly no\nenable-debug-command yes\n");
            text.push_str("repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n");
        }
        for (name, value) in &self.settings {
            text.push_str(name);
            text.push(' ');
            text.push_str(if value.is_empty() { "\"\"" } else { value });
            text.push('\n');
        }
        text
    }

    fn wait_ready(&mut self) {
        let mut ended = None;
        let ready = wait_until(Duration::from_secs(20), || {
            let running = self.running.as_mut();
            ended = running.and_then(|running| running.child.try_wait().ok().flatten());
            let answer = self.try_client().and_then(|mut client| {
                client.command(&["PING"]);
                client.try_reply()
            });
            ended.is_some()
                || answer.is_ok_and(|answer| answer.text() == "PONG" || answer.text().starts_with("MASTERDOWN"))
        });
        assert!(ready && ended.is_none(), "the server did not start:\n{}", self.log());
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let process = Proc::new(running.child.id());
        // One that is halted would not hear of it.
        process.signal(Signal::CONT);
        process.signal(signal);
        let _status = running.child.wait();
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = self.process() {
            process.signal(signal);
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end(Signal::KILL);
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
            eprintln!(
                "--- end of the log of {:?} on {} ---\n{tail}",
                self.flavour,
                self.port()
            );
        }
    }
}
