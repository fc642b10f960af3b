use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tidegate_kit::{Proc, Watchdog, wait_until};

/// A server in the foreground, with a folder of its own; both are gone on drop, and when this process ends.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    process: Proc,
    _watchdog: Watchdog,
    _folder: TempDir,
}

impl Daemon {
    /// Starts it and waits until it listens. Its configuration is in the folder already.
    pub(crate) fn start(mut command: Command, folder: TempDir, address: SocketAddr) -> Result<Self> {
        let log = folder.path().join("log");
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut daemon = Self {
            process: Proc::new(child.id()),
            _watchdog: Watchdog::new(child.id(), folder.path()),
            _folder: folder,
            child,
        };
        let mut ended = false;
        let listens = wait_until(Duration::from_secs(10), || {
            ended = daemon.child.try_wait().is_ok_and(|status| status.is_some());
            ended || TcpStream::connect(address).is_ok()
        });
        let said = || fs::read_to_string(&log).unwrap_or_default();
        ensure!(listens && !ended, "{command:?} does not listen:\n{}", said());
        Ok(daemon)
    }

    pub(crate) fn process(&self) -> &Proc {
        &self.process
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A folder that a server which gives up root can read.
pub(crate) fn folder(name: &str) -> Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix(&format!("tidegate-{name}-"))
        .tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}
