use super::cell::Cell;
use super::peer::Peer;
use crate::subject::{Limits, Subject};

/// Processor time per command against twemproxy's, with and without pipelines.
const CPU: f64 = 1.0;

/// `redis-benchmark` against Redis.
#[derive(Debug)]
pub(crate) struct Redis;

impl Subject for Redis {
    type Cell = Cell;
    type Peer = Peer;

    const EXCHANGE: &'static str = "command";
    const RATE: &'static str = "commands/s";
    const COLUMNS: &'static [&'static str] = &["command", "bytes", "pipeline", "clients"];
    const RIVAL: &'static str = "twemproxy";
    const RIVALS: &'static [Peer] = &[Peer::Twemproxy];
    const IDLE_KIB: f64 = 2.0;

    fn columns(cell: Cell) -> Vec<String> {
        let numbers = [cell.bytes, cell.pipeline, cell.clients].map(|number| number.to_string());
        [cell.command.word().to_owned()].into_iter().chain(numbers).collect()
    }

    fn is_tidegate(peer: Peer) -> bool {
        peer.is_tidegate()
    }

    fn is_direct(peer: Peer) -> bool {
        peer == Peer::Direct
    }

    fn limits(_: Cell) -> Limits {
        Limits {
            cpu: Some(CPU),
            ..Limits::default()
        }
    }
}
