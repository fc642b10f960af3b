//! Counting the system calls of a thread.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tidegate_kit::{Gateway, wait_until};

/// strace, attached to one thread and counting.
pub(crate) struct Strace {
    child: Child,
    folder: tempfile::TempDir,
}

impl Strace {
    pub(crate) fn attach(thread: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("strace")
            .args(["-c", "-o"])
            .arg(folder.path().join("counts"))
            .args(["-p", &thread.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is installed by `make setup`");
        let mut said = String::new();
        let stderr = child.stderr.as_mut().expect("a pipe");
        BufReader::new(stderr)
            .read_line(&mut said)
            .expect("strace says something");
        assert!(said.contains("attached"), "strace cannot attach: {said}");
        Self { child, folder }
    }

    /// How often each call was made.
    pub(crate) fn finish(mut self) -> Vec<(String, u32)> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process id"), Signal::INT).expect("a signal");
        let ended = wait_until(Duration::from_secs(10), || {
            self.child.try_wait().is_ok_and(|status| status.is_some())
        });
        assert!(ended, "strace does not end");
        let table = std::fs::read_to_string(self.folder.path().join("counts")).expect("a table");
        let calls = table.lines().filter_map(|line| {
            // % time, seconds, usecs/call, calls, perhaps errors, name
            let words: Vec<_> = line.split_whitespace().collect();
            let (calls, name) = (words.get(3)?.parse().ok()?, words.last()?);
            (*name != "total").then(|| ((*name).to_owned(), calls))
        });
        calls.collect()
    }
}

/// The thread that serves clients; there is one.
pub(crate) fn data_thread(gateway: &Gateway) -> u32 {
    let tasks = format!("/proc/{}/task", gateway.process().pid());
    let found = std::fs::read_dir(&tasks).expect("threads").flatten().find(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.trim() == "data-0"
    });
    let found = found.expect("a data thread").file_name();
    found.to_string_lossy().parse().expect("a number")
}
