//! Starting peers, all alike: loopback, twenty server connections, one worker, transaction pooling, clients trusted.

mod daemon;
mod haproxy;
mod pgbouncer;
mod tidegate;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use tidegate_kit::{Gateway, Mode, Port, Postgres, Proc, Target};

use self::daemon::Daemon;
use crate::cell;
use crate::peer::Peer;

/// Server connections of each pool.
const POOL: u32 = 20;
/// Clients that a peer must be able to hold.
const CLIENTS: u32 = 10_000;

/// A peer that runs; it ends on drop.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: Peer,
    /// The first line that the program says of its version.
    pub(crate) version: String,
    pub(crate) target: Target,
    pools_prepared: bool,
    engine: Engine,
    _port: Option<Port>,
}

#[derive(Debug)]
enum Engine {
    Gateway(Gateway),
    Daemon(Daemon),
    None,
}

impl Running {
    /// Starts a peer in front of a server.
    pub(crate) fn start(peer: Peer, program: &Path, postgres: &Postgres) -> Result<Self> {
        let port = Port::reserve();
        let (version, engine) = match peer {
            Peer::Tidegate | Peer::TidegateOther => tidegate::start(program, postgres, &port, 1)?,
            Peer::TidegateTwo => tidegate::start(program, postgres, &port, 2)?,
            Peer::PgbouncerNew | Peer::Pgbouncer => pgbouncer::start(program, postgres, &port)?,
            Peer::Haproxy => haproxy::start(program, postgres, &port)?,
            Peer::Direct => {
                let version = version(&postgres.programs().path("postgres"), "--version")?;
                return Ok(Self::direct(version, postgres));
            }
        };
        let mut target = postgres.target();
        target.port = port.number();
        if peer.pools() {
            target.mode = Mode::Transaction;
        }
        Ok(Self {
            peer,
            pools_prepared: !matches!(peer, Peer::PgbouncerNew | Peer::Pgbouncer)
                || pgbouncer::pools_prepared(&version),
            version,
            target,
            engine,
            _port: Some(port),
        })
    }

    /// Why a cell makes no sense for this peer.
    pub(crate) fn leaves_out(&self, mode: cell::Mode) -> Option<&'static str> {
        let unable = mode == cell::Mode::Prepared && !self.pools_prepared;
        unable.then_some("pools no prepared statements in transaction mode (PgBouncer does from 1.21 on)")
    }

    /// The proxy's process.
    pub(crate) fn process(&self) -> Option<&Proc> {
        match &self.engine {
            Engine::Gateway(gateway) => Some(gateway.process()),
            Engine::Daemon(daemon) => Some(daemon.process()),
            Engine::None => None,
        }
    }

    fn direct(version: String, postgres: &Postgres) -> Self {
        Self {
            peer: Peer::Direct,
            version,
            target: postgres.target(),
            pools_prepared: true,
            engine: Engine::None,
            _port: None,
        }
    }
}

fn version(program: &Path, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
