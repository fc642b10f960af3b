//! What an idle client weighs.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use tidegate_kit::RawClient;

use crate::peers::Running;

/// Raises the limit of open files, for this process and the peers that it starts.
pub(crate) fn allow_files(clients: u32) -> Result<()> {
    // Also listeners, logs, and the server connections of the peer.
    let wanted = u64::from(clients) * 6 / 5 + 500;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        most >= wanted,
        "{clients} idle clients want {wanted} open files and the limit is {most}: raise it (ulimit -Hn) or use --idle"
    );
    limit.current = Some(most.min(1 << 20));
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// KiB of memory per client, over clients that have logged in, run one query, and are silent.
///
/// What is counted is what more of them add, behind a fifth as many that fill what the start has left free; and the
/// process's own memory only, since of its program's file the kernel takes pages back when it likes.
pub(crate) fn kib_per_client(running: &Running, clients: u32) -> Result<f64> {
    let process = running.process().context("this peer is no process of its own")?;
    let first = open(running, clients / 5);
    thread::sleep(Duration::from_secs(2));
    let before = process.anonymous_kib();
    let open = open(running, clients);
    thread::sleep(Duration::from_secs(2));
    let after = process.anonymous_kib();
    drop((first, open));
    let grown = u32::try_from(after.saturating_sub(before))?;
    Ok(f64::from(grown) / f64::from(clients))
}

fn open(running: &Running, clients: u32) -> Vec<RawClient> {
    let connect = |_| {
        let mut client = RawClient::connect(&running.target);
        assert_eq!(
            client.query("SELECT 1").value(),
            "1",
            "{} answers wrongly",
            running.peer
        );
        client
    };
    (0..clients).map(connect).collect()
}
