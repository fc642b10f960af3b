//! `HAProxy` in TCP mode, one thread: it knows no protocol, and opens a server connection for each client.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tidegate_kit::Port;

use crate::daemon::{self, Daemon};
use crate::engine::Engine;
use crate::program::version;

/// It is not measured with idle clients: each would hold a server connection.
const CLIENTS: u32 = 1000;

pub(crate) fn start(program: &Path, to: SocketAddr, port: &Port) -> Result<(String, Engine)> {
    let folder = daemon::folder("haproxy")?;
    let config = folder.path().join("haproxy.cfg");
    let from = port.address();
    let text = format!(
        "global\n  nbthread 1\n  maxconn {CLIENTS}\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         frontend bench\n  bind {from}\n  default_backend server\n\
         backend server\n  server one {to}\n"
    );
    fs::write(&config, text)?;
    let mut command = Command::new(program);
    // One process, in the foreground.
    command.arg("-db").arg("-f").arg(&config);
    let daemon = Daemon::start(command, folder, port.address())?;
    Ok((version(program, "-v")?, Engine::Daemon(daemon)))
}
