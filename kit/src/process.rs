//! What the kernel knows about a process, and how one is ended with its test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A running process seen through `/proc`.
#[derive(Clone, Debug)]
pub struct Proc {
    pid: u32,
}

/// Processor time that a process has used, over all its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Time in user mode.
    pub user: Duration,
    /// Time in the kernel.
    pub system: Duration,
}

impl Proc {
    /// The process with this id.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Memory in KiB that is the process's own, whatever of its program's file is in memory at the moment.
    pub fn anonymous_kib(&self) -> u64 {
        let rollup = self.read("smaps_rollup");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    /// The number of threads.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// The number of open file descriptors.
    pub fn fds(&self) -> usize {
        let folder = self.path("fd");
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
        entries.count()
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Cpu {
        let stat = self.read("stat");
        // The command name (field 2) may hold spaces and brackets; fields count from behind it.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = rest.split_whitespace().skip(11);
        let mut ticks = || -> u64 { fields.next().and_then(|f| f.parse().ok()).unwrap_or(0) };
        let (user, system) = (ticks(), ticks());
        // USER_HZ is 100 on every architecture that Linux still supports for servers.
        let time = |ticks: u64| Duration::from_millis(ticks * 10);
        Cpu {
            user: time(user),
            system: time(system),
        }
    }

    /// Whether the process exists and is not a zombie.
    pub fn alive(&self) -> bool {
        let stat = fs::read_to_string(self.path("stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start());
        !state.is_empty() && !state.starts_with('Z')
    }

    /// Sends a signal; a process that is already gone is fine.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(pid, signal);
        }
    }

    fn status(&self, key: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string()).join(name)
    }
}

/// A small process that kills another one and removes its folder when this process ends,
/// however it ends: servers held in a `static`, or a killed test run, leave nothing behind.
#[derive(Debug)]
pub struct Watchdog(Child);

impl Watchdog {
    /// Watches over the process with this id and its folder.
    pub fn new(pid: u32, folder: &Path) -> Self {
        // The pipe on its standard input closes with this process; a Ctrl-C goes to both at once.
        let script = r#"trap '' INT TERM HUP; read -r _; kill -QUIT "$1" 2>/dev/null; sleep 0.3; kill -KILL "$1" 2>/dev/null; rm -rf "$2""#;
        let child = Command::new("/bin/sh")
            .args(["-c", script, "watchdog", &pid.to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|e| panic!("cannot start /bin/sh: {e}")))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn reads_this_process() {
        let me = Proc::new(std::process::id());
        assert!(me.rss_kib() > 500);
        assert!(me.threads() >= 1);
        assert!(me.fds() >= 3);
        assert!(me.alive());
        let before = me.cpu();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(fs::metadata("/proc").is_ok());
        }
        let after = me.cpu();
        assert!(after.user + after.system > before.user + before.system);
    }

    #[test]
    fn a_watchdog_kills_when_its_pipe_closes_and_only_then() {
        let mut sleeper = Command::new("sleep").arg("60").spawn().expect("sleep");
        let folder = crate::files::temporary("watchdog");
        let proc = Proc::new(sleeper.id());
        drop(Watchdog::new(sleeper.id(), folder.path()));
        assert!(proc.alive());
        assert!(folder.path().exists());
        let mut watchdog = Watchdog::new(sleeper.id(), folder.path());
        drop(watchdog.0.stdin.take());
        crate::eventually("the sleeper is dead", || !proc.alive());
        crate::eventually("its folder is gone", || !folder.path().exists());
        let _status = sleeper.wait();
    }
}
