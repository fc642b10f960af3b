//! What an idle client weighs.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use tidegate_kit::Proc;

/// KiB of memory per client, over clients that `open` has connected, and that have asked one thing and are silent.
///
/// What is counted is what more of them add, behind a fifth as many that fill what the start has left free; and the
/// process's own memory only, since of its program's file the kernel takes pages back when it likes.
pub(crate) fn kib_per_client<C>(process: &Proc, clients: u32, open: impl Fn() -> C) -> Result<f64> {
    let several = |count: u32| -> Vec<C> { (0..count).map(|_| open()).collect() };
    let first = several(clients / 5);
    thread::sleep(Duration::from_secs(2));
    let before = process.anonymous_kib();
    let more = several(clients);
    thread::sleep(Duration::from_secs(2));
    let after = process.anonymous_kib();
    drop((first, more));
    let grown = u32::try_from(after.saturating_sub(before))?;
    Ok(f64::from(grown) / f64::from(clients))
}
