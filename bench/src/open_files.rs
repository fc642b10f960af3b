use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files, for this process and the peers that it starts, to hold so many idle clients.
pub(crate) fn allow(clients: u32) -> Result<()> {
    // Also listeners, logs, and the server connections of the peer.
    let wanted = u64::from(clients) * 6 / 5 + 2000;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        most >= wanted,
        "{clients} idle clients want {wanted} open files and the limit is {most}: raise it (ulimit -Hn) or use --idle"
    );
    limit.current = Some(most.min(1 << 20));
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}
