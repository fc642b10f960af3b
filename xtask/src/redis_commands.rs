//! The command table of the Redis wire, made from what running servers say of themselves.

mod server;
mod source;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use self::server::Table;

/// Where the table stands.
const PLACE: &str = "protocols/redis/wire/src/table/generated.rs";

/// Asks the servers at these addresses, the oldest first, and writes the table. Where they differ the newest is right.
pub fn run(root: &Path, addresses: &[String]) -> anyhow::Result<()> {
    if addresses.is_empty() {
        bail!("name the servers, the oldest first: cargo xtask redis-commands HOST:PORT...");
    }
    let mut table = Table::default();
    for address in addresses {
        table
            .ask(address)
            .with_context(|| format!("cannot read the commands of {address}"))?;
    }
    let path = root.join(PLACE);
    fs::write(&path, source::of(&table)?).with_context(|| format!("cannot write {}", path.display()))
}
