//! Starting peers, all alike: loopback, twenty server connections, one worker, transaction pooling, clients trusted.

mod pgbouncer;
mod tidegate;

use std::path::Path;

use anyhow::Result;
use tidegate_kit::{Mode, Port, Postgres, Proc, Target};

use super::cell;
use super::peer::Peer;
use crate::engine::Engine;
use crate::haproxy;
use crate::program::version;

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

impl Running {
    /// Starts a peer in front of a server.
    pub(crate) fn start(peer: Peer, program: &Path, postgres: &Postgres) -> Result<Self> {
        let port = Port::reserve();
        let (version, engine) = match peer {
            Peer::Tidegate | Peer::TidegateOther => tidegate::start(program, postgres, &port, 1)?,
            Peer::TidegateTwo => tidegate::start(program, postgres, &port, 2)?,
            Peer::PgbouncerNew | Peer::Pgbouncer => pgbouncer::start(program, postgres, &port)?,
            Peer::Haproxy => haproxy::start(program, postgres.address(), &port)?,
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
        self.engine.process()
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
