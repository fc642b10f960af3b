//! Measures Tidegate beside its peers in one interleaved run, and holds it against its budgets.
//!
//! Times mean nothing across runs of a shared machine; ratios within one interleaved run do, and so does the processor
//! time of a proxy per transaction.

mod budget;
mod cell;
mod idle;
mod matrix;
mod meter;
mod options;
mod peer;
mod peers;
mod pgbench;
mod report;
mod results;
mod statistics;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let options::Cli {
        verb: options::Verb::Postgres(options),
    } = options::Cli::parse();
    match matrix::measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
