//! Running everything, interleaved.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use tidegate_kit::Postgres;

use crate::cell::{Cell, Mode};
use crate::options::Options;
use crate::peer::Peer;
use crate::peers::Running;
use crate::results::{Measurement, Results};
use crate::{idle, pgbench, report};

const SCALE: u32 = 10;
/// Four pools of twenty, and a connection for each client of the peers that do not pool.
const CONNECTIONS: u32 = 450;

/// Measures what the options ask for and prints the tables.
pub(crate) fn measure(options: &Options) -> Result<()> {
    idle::allow_files(options.idle)?;
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
        let json = serde_json::to_vec_pretty(&results)?;
        fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let order: Vec<Peer> = peers.iter().map(|running| running.peer).collect();
    print!("{}", report::markdown(&results, &cells, &order)?);
    Ok(())
}

/// Each peer once, starting with another one each round.
fn interleave(options: &Options, peers: &[Running], round: u32, cell: Cell, results: &mut Results) -> Result<()> {
    let start = usize::try_from(round)? % peers.len();
    let (later, first) = peers.split_at(start);
    for running in first.iter().chain(later) {
        if running.leaves_out(cell.mode).is_some() {
            continue;
        }
        let peer = running.peer;
        let sample = pgbench::run(&running.target, running.process(), cell, options.seconds)
            .with_context(|| format!("{cell} through {peer}"))?;
        say(&format!(
            "round {} of {}, {cell}, {peer}: {:.0} tps, {:.1} + {:.1} µs",
            round + 1,
            options.repetitions,
            sample.tps,
            sample.user_us,
            sample.system_us
        ));
        results.measurements.push(Measurement {
            round,
            cell,
            peer,
            sample,
        });
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
            Err(reason) => note(results, format!("{peer} is left out: {reason}")),
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
        let kib = idle::kib_per_client(&running, options.idle)?;
        say(&format!(
            "{peer}: {kib:.2} KiB for each of {} idle clients",
            options.idle
        ));
        results.idle.push((peer, kib));
    }
    Ok(())
}

fn leave_out(running: &Running, cells: &[Cell], results: &mut Results) {
    for mode in Mode::ALL {
        let asked = cells.iter().any(|cell| cell.mode == mode);
        if let Some(reason) = running.leaves_out(mode).filter(|_| asked) {
            let peer = running.peer;
            note(results, format!("{peer} is left out of {}: it {reason}", mode.word()));
        }
    }
}

fn note(results: &mut Results, text: String) {
    say(&text);
    results.notes.push(text);
}

fn say(text: &str) {
    eprintln!("bench: {text}");
}
