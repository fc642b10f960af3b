//! Running everything, interleaved.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_kit::{Flavour, Redis, Resp, RespClient};

use super::benchmark;
use super::cell::Cell;
use super::options::Options;
use super::peer::Peer;
use super::peers::Running;
use super::subject;
use crate::results::{Measurement, rotated, say};
use crate::{idle, open_files, report};

type Results = crate::results::Results<subject::Redis>;

/// Measures what the options ask for and prints the tables.
pub(crate) fn measure(options: &Options) -> Result<()> {
    open_files::allow(options.idle())?;
    let mut results = Results::default();
    let redis = Redis::start(Flavour::Redis);
    weigh(options, &redis, &mut results)?;
    let peers = start(options, &redis, &mut results)?;
    let cells = options.cells();
    for round in 0..options.repetitions() {
        for &cell in &cells {
            interleave(options, &peers, &redis, (round, cell), &mut results)?;
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
fn interleave(
    options: &Options,
    peers: &[Running],
    redis: &Redis,
    (round, cell): (u32, Cell),
    results: &mut Results,
) -> Result<()> {
    for running in rotated(peers, round) {
        let peer = running.peer;
        let pace = match results.median(cell, peer, |sample| sample.per_second) {
            Some(pace) => pace,
            None => benchmark::pace(running, cell).with_context(|| format!("{cell} through {peer}"))?,
        };
        let length = Duration::from_secs(u64::from(options.seconds()));
        let sample =
            benchmark::run(running, redis, cell, pace, length).with_context(|| format!("{cell} through {peer}"))?;
        let measurement = Measurement {
            round,
            cell,
            peer,
            sample,
        };
        results.add(options.repetitions(), measurement);
    }
    Ok(())
}

fn start(options: &Options, redis: &Redis, results: &mut Results) -> Result<Vec<Running>> {
    let mut peers: Vec<Running> = Vec::new();
    for &peer in &options.peers {
        match peer.program(options) {
            Ok(program) => {
                let running = Running::start(peer, &program, redis)?;
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
fn weigh(options: &Options, redis: &Redis, results: &mut Results) -> Result<()> {
    if options.idle() == 0 {
        return Ok(());
    }
    for &peer in options.peers.iter().filter(|peer| peer.shares()) {
        let Ok(program) = peer.program(options) else {
            continue; // noted where peers are started
        };
        say(&format!("opening {} idle clients through {peer}", options.idle()));
        let running = Running::start(peer, &program, redis)?;
        let process = running.process().context("this peer is no process of its own")?;
        let open = || {
            let mut client = RespClient::connect(running.address);
            assert_eq!(client.ask(&["GET", "idle"]), Resp::Null, "{peer} answers wrongly");
            client
        };
        let kib = idle::kib_per_client(process, options.idle(), open)?;
        results.weigh(peer, kib);
    }
    Ok(())
}
