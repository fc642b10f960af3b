//! Running everything, interleaved.

use anyhow::{Context as _, Result, ensure};
use tidegate_kit::{Postgres, RawClient};

use super::cell::{Cell, Mode};
use super::options::Options;
use super::peer::Peer;
use super::peers::Running;
use super::pgbench;
use super::subject;
use crate::results::{Measurement, rotated, say};
use crate::{idle, open_files, report};

type Results = crate::results::Results<subject::Postgres>;

const SCALE: u32 = 10;
/// Four pools of twenty, and a connection for each client of the peers that do not pool.
const CONNECTIONS: u32 = 450;

/// Measures what the options ask for and prints the tables.
pub(crate) fn measure(options: &Options) -> Result<()> {
    open_files::allow(options.idle)?;
    let mut results = Results::default();
    let postgres = Postgres::builder()
        .max_connections(CONNECTIONS)
        .setting("shared_buffers", "256MB")
        // pgbench's clock runs while it connects, and 256 SCRAM logins take a second of it.
        .access("host all all 127.0.0.1/32 trust")
        .start();
    say("filling the database");
    pgbench::fill(&postgres.target(), SCALE)?;
    weigh(options, &postgres, &mut results)?;
    let peers = start(options, &postgres, &mut results)?;
    let cells = options.cells();
    for running in &peers {
        leave_out(running, &cells, &mut results);
        let warm_up = Cell {
            mode: Mode::Simple,
            clients: 16,
        };
        pgbench::run(&running.target, running.process(), warm_up, 1)?;
    }
    for round in 0..options.repetitions {
        for &cell in &cells {
            interleave(options, &peers, round, cell, &mut results)?;
        }
    }
    if let Some(path) = &options.json {
        results.write(path)?;
    }
    let order: Vec<Peer> = peers.iter().map(|running| running.peer).collect();
    print!("{}", report::markdown(&results, &cells, &order)?);
    Ok(())
}

/// Each peer once, starting with another one each round.
fn interleave(options: &Options, peers: &[Running], round: u32, cell: Cell, results: &mut Results) -> Result<()> {
    for running in rotated(peers, round) {
        if running.leaves_out(cell.mode).is_some() {
            continue;
        }
        let peer = running.peer;
        let sample = pgbench::run(&running.target, running.process(), cell, options.seconds)
            .with_context(|| format!("{cell} through {peer}"))?;
        let measurement = Measurement {
            round,
            cell,
            peer,
            sample,
        };
        results.add(options.repetitions, measurement);
    }
    Ok(())
}

fn start(options: &Options, postgres: &Postgres, results: &mut Results) -> Result<Vec<Running>> {
    let mut peers: Vec<Running> = Vec::new();
    for &peer in &options.peers {
        match peer.program(options) {
            Ok(program) => {
                let running = Running::start(peer, &program, postgres)?;
                results.versions.push((peer, running.version.clone()));
                peers.push(running);
            }
            Err(reason) => results.note(format!("{peer} is left out: {reason}")),
        }
    }
    ensure!(!peers.is_empty(), "nobody to measure");
    Ok(peers)
}

/// Idle clients are opened through a peer of their own, so that nothing is in it but them.
fn weigh(options: &Options, postgres: &Postgres, results: &mut Results) -> Result<()> {
    if options.idle == 0 {
        return Ok(());
    }
    for &peer in options.peers.iter().filter(|peer| peer.pools()) {
        let Ok(program) = peer.program(options) else {
            continue; // noted where peers are started
        };
        let running = Running::start(peer, &program, postgres)?;
        let process = running.process().context("this peer is no process of its own")?;
        let open = || {
            let mut client = RawClient::connect(&running.target);
            assert_eq!(client.query("SELECT 1").value(), "1", "{peer} answers wrongly");
            client
        };
        let kib = idle::kib_per_client(process, options.idle, open)?;
        results.weigh(peer, kib);
    }
    Ok(())
}

fn leave_out(running: &Running, cells: &[Cell], results: &mut Results) {
    for mode in Mode::ALL {
        let asked = cells.iter().any(|cell| cell.mode == mode);
        if let Some(reason) = running.leaves_out(mode).filter(|_| asked) {
            let peer = running.peer;
            results.note(format!("{peer} is left out of {}: it {reason}", mode.word()));
        }
    }
}
