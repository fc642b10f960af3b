//! Programs that run PgBouncer's files: the gateway, and the real one beside it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tidegate_kit::{Port, wait_until};

use super::Folder;

const PATIENCE: Duration = Duration::from_secs(30);

/// A program in front of a PostgreSQL, ended with the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it in a folder, and waits until it listens.
    pub(crate) fn start(mut command: Command, folder: &Folder, port: &Port, log: &str) -> Self {
        let log = folder.path().join(log);
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("it starts");
        let running = Self { child, log };
        let listens = wait_until(PATIENCE, || std::net::TcpStream::connect(port.address()).is_ok());
        assert!(listens, "it does not listen:\n{}", running.log());
        running
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        let found = wait_until(PATIENCE, || self.log().contains(text));
        assert!(found, "no `{text}`:\n{}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The gateway with a file of PgBouncer's, without an admin API.
pub(crate) fn tidegate(folder: &Folder, ini: &str) -> Command {
    let mut command = super::command(folder);
    command.args(["run", "--pgbouncer", ini]);
    command.env("TIDEGATE_ADMIN__ENABLED", "false");
    command
}

/// The real one, where it is installed.
pub(crate) fn pgbouncer(ini: &str) -> Option<Command> {
    let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))?;
    let mut command = Command::new(program);
    command.arg(ini);
    if rustix::process::geteuid().is_root() {
        // It refuses to stay root.
        command.args(["-u", "postgres"]);
    }
    Some(command)
}
