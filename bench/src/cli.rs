//! The command line.

use clap::{Parser, Subcommand};

use crate::{postgres, redis};

/// Measures Tidegate beside its peers.
#[derive(Debug, Parser)]
#[command(name = "tidegate-bench")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// `pgbench -S` through each peer, and the memory of idle clients.
    Postgres(postgres::Options),
    /// `redis-benchmark` through each peer, and the memory of idle clients.
    Redis(redis::Options),
}
