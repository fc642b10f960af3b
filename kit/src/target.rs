use std::path::{Path, PathBuf};
use std::process::Command;

/// What a suite runs against: an address and the credentials, and how it pools.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host name, IP address, or the folder of a Unix socket.
    pub host: String,
    /// TCP port, or the number in the Unix socket's name.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Database.
    pub database: String,
    /// TLS as the client asks for it.
    pub tls: Tls,
    /// How the server side of the address is shared.
    pub mode: Mode,
}

/// How sessions map to server connections at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// PostgreSQL itself.
    Direct,
    /// One server connection for the life of a client.
    Session,
    /// One server connection per transaction.
    Transaction,
}

/// TLS as libpq's `sslmode` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// `disable`
    Off,
    /// `require`: encrypted, unverified.
    Require,
    /// `verify-full` against this certificate authority.
    VerifyFull(PathBuf),
}

impl Target {
    /// The libpq connection URI, without a password.
    pub fn uri(&self) -> String {
        let host = self.host.replace('/', "%2F");
        format!("postgresql://{}@{host}:{}/{}", self.user, self.port, self.database)
    }

    /// The same target as another user.
    #[must_use]
    pub fn with_user(mut self, user: &str, password: &str) -> Self {
        user.clone_into(&mut self.user);
        password.clone_into(&mut self.password);
        self
    }

    /// The same target with another database.
    #[must_use]
    pub fn with_database(mut self, database: &str) -> Self {
        database.clone_into(&mut self.database);
        self
    }

    /// The same target with TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// The same target, pooled this way.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The environment that libpq programs and the driver suites read.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let (sslmode, ca) = match &self.tls {
            Tls::Off => ("disable", None),
            Tls::Require => ("require", None),
            Tls::VerifyFull(ca) => ("verify-full", Some(ca)),
        };
        let mode = match self.mode {
            Mode::Direct => "direct",
            Mode::Session => "session",
            Mode::Transaction => "transaction",
        };
        let mut environment = vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGPASSWORD", self.password.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGSSLMODE", sslmode.to_owned()),
            ("PGGSSENCMODE", "disable".to_owned()),
            ("PGCONNECT_TIMEOUT", "10".to_owned()),
            ("TIDEGATE_MODE", mode.to_owned()),
        ];
        if let Some(ca) = ca {
            environment.push(("PGSSLROOTCERT", path(ca)));
        }
        environment
    }

    /// Puts [`Target::environment`] on a command.
    pub fn apply(&self, command: &mut Command) {
        command.envs(self.environment());
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
