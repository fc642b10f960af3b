//! What can be said on the command line.

use std::path::PathBuf;

use clap::Args;

use super::cell::{Cell, Mode};
use super::peer::Peer;

/// What to measure. Without any option: about ten minutes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Every mode at 1, 16, 64 and 256 clients.
    #[arg(long)]
    pub(crate) full: bool,
    /// Query modes of pgbench.
    #[arg(long, value_delimiter = ',')]
    pub(crate) modes: Vec<Mode>,
    /// Numbers of clients.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=300))]
    pub(crate) clients: Vec<u32>,
    /// Length of one measurement.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// Measurements of each cell and peer, of which the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repetitions: u32,
    /// Who is measured; those that are not installed are left out.
    #[arg(long, value_delimiter = ',', default_values_t = Peer::DEFAULT)]
    pub(crate) peers: Vec<Peer>,
    /// Idle clients that are opened to weigh them; 0 leaves that out.
    #[arg(long, default_value_t = 5000, value_name = "CLIENTS")]
    pub(crate) idle: u32,
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

impl Options {
    /// What is measured, in order.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        if !self.full && self.modes.is_empty() && self.clients.is_empty() {
            let one = Cell {
                mode: Mode::Simple,
                clients: 1,
            };
            return [vec![one], cross(&Mode::ALL, &[16, 64])].concat();
        }
        let modes = if self.modes.is_empty() {
            &Mode::ALL[..]
        } else {
            &self.modes
        };
        let clients = match (self.clients.is_empty(), self.full) {
            (false, _) => &self.clients[..],
            (true, true) => &[1, 16, 64, 256],
            (true, false) => &[16, 64],
        };
        cross(modes, clients)
    }
}

fn cross(modes: &[Mode], clients: &[u32]) -> Vec<Cell> {
    let cells = modes
        .iter()
        .flat_map(|&mode| clients.iter().map(move |&clients| Cell { mode, clients }));
    cells.collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Verb};

    #[track_caller]
    fn check(arguments: &str, cells: &str, rounds: u32) {
        let words = ["tidegate-bench", "postgres"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let Verb::Postgres(options) = Cli::try_parse_from(words).expect("valid arguments").verb else {
            panic!("another verb");
        };
        let listed: Vec<String> = options.cells().iter().map(Cell::to_string).collect();
        assert_eq!(listed.join(" "), cells);
        assert_eq!(options.repetitions, rounds);
    }

    #[test]
    fn cells_follow_the_options() {
        let short = "simple/1 simple/16 simple/64 extended/16 extended/64 prepared/16 prepared/64";
        check("", short, 5);
        check("--modes prepared --repetitions 7", "prepared/16 prepared/64", 7);
        check("--clients 1,256 --modes simple", "simple/1 simple/256", 5);
        check("--full --modes simple,extended --clients 8", "simple/8 extended/8", 5);
        let full = "simple/1 simple/16 simple/64 simple/256";
        check("--full --modes simple", full, 5);
    }

    #[test]
    fn peers_are_named() {
        let words = ["tidegate-bench", "postgres", "--peers", "tidegate-2,direct"];
        let Verb::Postgres(options) = Cli::try_parse_from(words).expect("valid arguments").verb else {
            panic!("another verb");
        };
        assert_eq!(options.peers, [Peer::TidegateTwo, Peer::Direct]);
        let words = ["tidegate-bench", "postgres", "--peers", "nobody"];
        assert!(Cli::try_parse_from(words).is_err());
    }
}
