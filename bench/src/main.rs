//! Measures Tidegate beside its peers in one interleaved run, and holds it against its budgets.
//!
//! Times mean nothing across runs of a shared machine; ratios within one interleaved run do, and so does the processor
//! time of a proxy per transaction.

mod cli;
mod daemon;
mod engine;
mod haproxy;
mod idle;
mod meter;
mod open_files;
mod postgres;
mod program;
mod redis;
mod report;
mod results;
mod sample;
mod statistics;
mod subject;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let measured = match cli::Cli::parse().verb {
        cli::Verb::Postgres(options) => postgres::measure(&options),
        cli::Verb::Redis(options) => redis::measure(&options),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
