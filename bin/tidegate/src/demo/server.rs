use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::guard::Guard;

/// How long a server may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// How much of its log is shown when it fails.
const LOG_LINES: usize = 15;

/// A throw-away server on a loopback port, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) process: Child,
    pub(crate) port: u16,
    /// What ends it at once when it does not end by SIGINT.
    pub(crate) force: Signal,
    pub(crate) _guard: Guard,
}

impl Server {
    /// Waits until it takes connections.
    pub(crate) fn is_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let name = self.name;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("{name} ended at once ({status}):\n{}", tail(log));
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{name} did not answer in {PATIENCE:?}:\n{}",
                tail(log)
            );
            sleep(LOOK);
        }
    }

    fn signal(&self, signal: Signal) {
        let number = i32::try_from(self.process.id()).unwrap_or_default();
        let _ = Pid::from_raw(number).map(|pid| kill_process(pid, signal));
    }
}

impl Drop for Server {
    /// Asks for a fast shutdown (PostgreSQL 19.5; Redis, "Signals handling"), then ends it by force.
    fn drop(&mut self) {
        self.signal(Signal::INT);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(LOOK);
        }
        if matches!(self.process.try_wait(), Ok(None)) {
            self.signal(self.force);
            let _ = self.process.wait();
        }
    }
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    Ok(port.context("there is no free port")?.port())
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
