//! Starting peers, all alike: loopback, one shared server connection, one worker, clients trusted.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tidegate_kit::{Port, Proc, Redis};

use super::peer::Peer;
use crate::daemon::{self, Daemon};
use crate::engine::Engine;
use crate::haproxy;
use crate::program::version;

/// Server connections that clients share; twemproxy's default.
const SHARED: u32 = 1;
/// Clients that a peer must be able to hold.
const CLIENTS: u32 = 10_000;

/// A peer that runs; it ends on drop.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: Peer,
    /// The first line that the program says of its version.
    pub(crate) version: String,
    pub(crate) address: SocketAddr,
    engine: Engine,
    _port: Option<Port>,
}

impl Running {
    /// Starts a peer in front of a server.
    pub(crate) fn start(peer: Peer, program: &Path, redis: &Redis) -> Result<Self> {
        if peer == Peer::Direct {
            return Ok(Self {
                peer,
                version: version(&redis.flavour().server(), "--version")?,
                address: redis.address(),
                engine: Engine::None,
                _port: None,
            });
        }
        let port = Port::reserve();
        let (version, engine) = match peer {
            Peer::Twemproxy => twemproxy(program, redis, &port)?,
            Peer::Haproxy => haproxy::start(program, redis.address(), &port)?,
            Peer::TidegateTwo => Engine::tidegate(program, &yaml(redis, &port, 2), &port)?,
            _ => Engine::tidegate(program, &yaml(redis, &port, 1), &port)?,
        };
        Ok(Self {
            peer,
            version,
            address: port.address(),
            engine,
            _port: Some(port),
        })
    }

    /// The proxy's process.
    pub(crate) fn process(&self) -> Option<&Proc> {
        self.engine.process()
    }
}

fn yaml(redis: &Redis, port: &Port, threads: u32) -> String {
    format!(
        "runtime: {{ data_threads: {threads} }}\n\
         admin: {{ enabled: false }}\n\
         listeners:\n\
         \x20 bench:\n\
         \x20   protocol: redis\n\
         \x20   address: \"{address}\"\n\
         \x20   max_clients: {CLIENTS}\n\
         \x20   login: {{ method: trust }}\n\
         \x20   routes: [ {{ cluster: bench }} ]\n\
         clusters:\n\
         \x20 bench:\n\
         \x20   protocol: redis\n\
         \x20   endpoints: [ {{ address: \"{upstream}\" }} ]\n\
         \x20   pool: {{ shared: {SHARED} }}\n",
        address = port.address(),
        upstream = redis.address(),
    )
}

fn twemproxy(program: &Path, redis: &Redis, port: &Port) -> Result<(String, Engine)> {
    let folder = daemon::folder("twemproxy")?;
    let config = folder.path().join("nutcracker.yml");
    let text = format!(
        "bench:\n\
         \x20 listen: {from}\n\
         \x20 redis: true\n\
         \x20 hash: fnv1a_64\n\
         \x20 distribution: ketama\n\
         \x20 auto_eject_hosts: false\n\
         \x20 backlog: 1024\n\
         \x20 server_connections: {SHARED}\n\
         \x20 servers:\n\
         \x20  - {to}:1\n",
        from = port.address(),
        to = redis.address(),
    );
    fs::write(&config, text)?;
    // Its statistics are on a port of their own, on every address if it is not told otherwise.
    let statistics = Port::reserve();
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).args(["-a", "127.0.0.1", "-s"]);
    command.arg(statistics.number().to_string());
    command.arg("-o").arg(folder.path().join("nutcracker.log"));
    command.arg("-p").arg(folder.path().join("nutcracker.pid"));
    let version = version(program, "--version")?;
    let daemon = Daemon::start(command, folder, port.address())?;
    Ok((version, Engine::Daemon(daemon)))
}
