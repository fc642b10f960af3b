use super::budget;
use super::cell::Cell;
use super::peer::Peer;
use crate::subject::{Limits, Subject};

/// `pgbench -S` against PostgreSQL.
#[derive(Debug)]
pub(crate) struct Postgres;

impl Subject for Postgres {
    type Cell = Cell;
    type Peer = Peer;

    const EXCHANGE: &'static str = "transaction";
    const RATE: &'static str = "tps";
    const COLUMNS: &'static [&'static str] = &["mode", "clients"];
    const RIVAL: &'static str = "PgBouncer";
    const RIVALS: &'static [Peer] = &[Peer::PgbouncerNew, Peer::Pgbouncer];
    const IDLE_KIB: f64 = budget::IDLE_KIB;

    fn columns(cell: Cell) -> Vec<String> {
        vec![cell.mode.word().to_owned(), cell.clients.to_string()]
    }

    fn is_tidegate(peer: Peer) -> bool {
        peer.is_tidegate()
    }

    fn is_direct(peer: Peer) -> bool {
        peer == Peer::Direct
    }

    fn limits(cell: Cell) -> Limits {
        Limits {
            cpu: budget::cpu(cell),
            user_us: Some(budget::USER_US),
            p99: Some(budget::P99),
        }
    }
}
