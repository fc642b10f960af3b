use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tidegate_kit::{Port, Postgres};

use super::daemon::{self, Daemon};
use super::{Engine, version};

/// It is not measured with idle clients: each would hold a server connection.
const CLIENTS: u32 = 1000;

pub(super) fn start(program: &Path, postgres: &Postgres, port: &Port) -> Result<(String, Engine)> {
    let folder = daemon::folder("haproxy")?;
    let config = folder.path().join("haproxy.cfg");
    let (from, to) = (port.address(), postgres.address());
    let text = format!(
        "global\n  nbthread 1\n  maxconn {CLIENTS}\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         frontend bench\n  bind {from}\n  default_backend postgres\n\
         backend postgres\n  server one {to}\n"
    );
    fs::write(&config, text)?;
    let mut command = Command::new(program);
    // One process, in the foreground.
    command.arg("-db").arg("-f").arg(&config);
    let daemon = Daemon::start(command, folder, port.address())?;
    Ok((version(program, "-v")?, Engine::Daemon(daemon)))
}
