//! What can be said on the command line.

use std::path::PathBuf;

use clap::Args;

use super::cell::{Cell, Command};
use super::peer::Peer;

/// What to measure. Without any option: about fifteen minutes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// A short look: small values, 50 clients, three rounds of one second, no idle clients.
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// Every command, size and pipeline at 1, 50 and 500 clients.
    #[arg(long)]
    pub(crate) full: bool,
    /// Commands of redis-benchmark.
    #[arg(long, value_delimiter = ',')]
    pub(crate) commands: Vec<Command>,
    /// Lengths of values.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) bytes: Vec<u32>,
    /// Commands in a pipeline.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) pipelines: Vec<u32>,
    /// Numbers of clients.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=900))]
    pub(crate) clients: Vec<u32>,
    /// Length of one measurement; 2 when absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: Option<u32>,
    /// Measurements of each cell and peer, of which the median counts; 5 when absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repetitions: Option<u32>,
    /// Who is measured; those that are not installed are left out.
    #[arg(long, value_delimiter = ',', default_values_t = Peer::DEFAULT)]
    pub(crate) peers: Vec<Peer>,
    /// Idle clients that are opened to weigh them; 5000 when absent, 0 leaves that out.
    #[arg(long, value_name = "CLIENTS")]
    pub(crate) idle: Option<u32>,
    /// Also writes every measurement to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The Tidegate to measure; that of this build when absent.
    #[arg(long, value_name = "PATH")]
    pub(crate) tidegate: Option<PathBuf>,
    /// Another build of Tidegate, for the peer `tidegate-other`.
    #[arg(long, value_name = "PATH")]
    pub(crate) other: Option<PathBuf>,
}

const SMALL: u32 = 3;
const LARGE: u32 = 1024;
const PIPELINES: [u32; 2] = [1, 16];
const CLIENTS: [u32; 3] = [1, 50, 500];
const MANY: u32 = 50;

impl Options {
    pub(crate) fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 2 })
    }

    pub(crate) fn repetitions(&self) -> u32 {
        self.repetitions.unwrap_or(if self.quick { 3 } else { 5 })
    }

    pub(crate) fn idle(&self) -> u32 {
        self.idle.unwrap_or(if self.quick { 0 } else { 5000 })
    }

    /// What is measured, in order.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let commands = either(&self.commands, &Command::ALL);
        let pipelines = either(&self.pipelines, &PIPELINES);
        if !self.full && self.bytes.is_empty() && self.clients.is_empty() {
            let small = cross(commands, &[SMALL], pipelines, &[MANY]);
            if self.quick {
                return small;
            }
            let small = cross(commands, &[SMALL], pipelines, &CLIENTS);
            return [small, cross(commands, &[LARGE], pipelines, &[MANY])].concat();
        }
        let (bytes, clients): (&[u32], &[u32]) = if self.quick {
            (&[SMALL], &[MANY])
        } else {
            (&[SMALL, LARGE], &CLIENTS)
        };
        let (bytes, clients) = (either(&self.bytes, bytes), either(&self.clients, clients));
        cross(commands, bytes, pipelines, clients)
    }
}

fn either<'a, T>(named: &'a [T], otherwise: &'a [T]) -> &'a [T] {
    if named.is_empty() { otherwise } else { named }
}

fn cross(commands: &[Command], bytes: &[u32], pipelines: &[u32], clients: &[u32]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &bytes in bytes {
        for &pipeline in pipelines {
            for &clients in clients {
                let cell = |&command| Cell {
                    command,
                    bytes,
                    pipeline,
                    clients,
                };
                cells.extend(commands.iter().map(cell));
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Verb};

    fn options(arguments: &str) -> Options {
        let words = ["tidegate-bench", "redis"]
            .into_iter()
            .chain(arguments.split_whitespace());
        match Cli::try_parse_from(words).expect("valid arguments").verb {
            Verb::Redis(options) => options,
            Verb::Postgres(_) => panic!("another verb"),
        }
    }

    #[track_caller]
    fn check(arguments: &str, cells: &str) {
        let listed: Vec<String> = options(arguments).cells().iter().map(Cell::to_string).collect();
        assert_eq!(listed.join(" "), cells);
    }

    #[test]
    fn cells_follow_the_options() {
        check("--quick", "get/3B/p1/50 set/3B/p1/50 get/3B/p16/50 set/3B/p16/50");
        check("--quick --commands get --clients 1", "get/3B/p1/1 get/3B/p16/1");
        check(
            "--commands get --pipelines 1",
            "get/3B/p1/1 get/3B/p1/50 get/3B/p1/500 get/1024B/p1/50",
        );
        check("--commands set --bytes 9 --pipelines 4 --clients 7", "set/9B/p4/7");
        assert_eq!(options("").cells().len(), 16);
        assert_eq!(options("--full").cells().len(), 24);
    }

    #[test]
    fn a_short_look_is_short() {
        let lengths = |options: Options| (options.seconds(), options.repetitions(), options.idle());
        assert_eq!(lengths(options("")), (2, 5, 5000));
        assert_eq!(lengths(options("--quick")), (1, 3, 0));
        assert_eq!(lengths(options("--quick --repetitions 9 --idle 10")), (1, 9, 10));
    }
}
