use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use rustix::process::Signal;

use super::data;
use super::guard::Guard;
use super::programs::Programs;
use super::server::{Server, free_port};
use super::user::User;

/// A throw-away PostgreSQL on a loopback port, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Postgres(Server);

/// A server in the making.
struct Making<'m> {
    programs: &'m Programs,
    folder: &'m Path,
    user: Option<User>,
    guard: Guard,
}

impl Postgres {
    /// Makes a cluster with some data in `folder` and starts a server on it.
    pub(crate) fn start(programs: &Programs, folder: &Path) -> anyhow::Result<Self> {
        let making = Making {
            programs,
            folder,
            user: User::needed()?,
            guard: Guard::over(folder),
        };
        making.initialise()?;
        for (database, sql) in data::SQL {
            making.execute(database, sql)?;
        }
        making.serve()
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }
}

impl Making<'_> {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A command as PostgreSQL's user, deaf to Ctrl-C in the terminal: the gateway ends first, then its server.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.path(name));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(&name);
            }
        }
        command.env("LC_ALL", "C").current_dir(self.folder).process_group(0);
        if let Some(user) = self.user {
            user.run(&mut command);
        }
        command
    }

    fn initialise(&self) -> anyhow::Result<()> {
        // Nobody logs in as the superuser, and nobody but the demo's own user knows a password.
        let password = self.folder.join("superuser");
        super::write_private(&password, &super::random_token()?).context("cannot write a password file")?;
        if let Some(user) = self.user {
            for path in [self.folder, &password] {
                user.own(path).context("cannot give the temporary directory away")?;
            }
        }
        let mut initdb = self.command("initdb");
        initdb.args([
            "--auth=scram-sha-256",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(self.data());
        let initdb = initdb.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let initdb = initdb.spawn().context("cannot run initdb")?;
        self.guard.watch(&initdb);
        let output = initdb.wait_with_output().context("cannot wait for initdb")?;
        ensure!(
            output.status.success(),
            "initdb failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Runs statements before any server runs, which needs no client program and no password (PostgreSQL, `postgres`,
    /// single-user mode): with `-j` a statement ends with a semicolon and an empty line.
    fn execute(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        let mut command = self.command("postgres");
        command
            .args(["--single", "-j", "-F", "-c", "exit_on_error=true", "-D"])
            .arg(self.data())
            .arg(database);
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut single = command.spawn().context("cannot run postgres")?;
        self.guard.watch(&single);
        if let Some(mut input) = single.stdin.take() {
            input.write_all(sql.as_bytes()).context("cannot write to postgres")?;
        }
        let output = single.wait_with_output().context("cannot wait for postgres")?;
        ensure!(
            output.status.success(),
            "cannot make the demo's data:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn serve(self) -> anyhow::Result<Postgres> {
        let port = free_port()?;
        let log = self.folder.join("postgres.log");
        let output = File::create(&log).context("cannot make PostgreSQL's log")?;
        let mut server = self.command("postgres");
        server
            .arg("-D")
            .arg(self.data())
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"]);
        server.args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=100",
            "-c",
            "shared_buffers=32MB",
        ]);
        let server = server.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let process = server.spawn().context("cannot start postgres")?;
        self.guard.watch(&process);
        let mut server = Server {
            name: "PostgreSQL",
            process,
            port,
            force: Signal::QUIT,
            _guard: self.guard,
        };
        server.is_ready(&log)?;
        Ok(Postgres(server))
    }
}
