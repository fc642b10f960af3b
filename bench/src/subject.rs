use std::fmt::{Debug, Display};

use serde::Serialize;

/// What is measured: places of a matrix, for peers, against budgets.
pub(crate) trait Subject: Debug {
    /// A place of the matrix.
    type Cell: Copy + PartialEq + Debug + Display + Serialize;
    /// A way from a client to the server.
    type Peer: Copy + PartialEq + Debug + Display + Serialize + 'static;

    /// One exchange, as the tables call it.
    const EXCHANGE: &'static str;
    /// What exchanges per second are called.
    const RATE: &'static str;
    /// The head of a cell's columns.
    const COLUMNS: &'static [&'static str];
    /// Whom ratios are against, as the tables call it.
    const RIVAL: &'static str;
    /// Those that can be that, the best one first.
    const RIVALS: &'static [Self::Peer];
    /// Resident memory of an idle client without TLS, in KiB.
    const IDLE_KIB: f64;

    /// What a cell's columns hold.
    fn columns(cell: Self::Cell) -> Vec<String>;

    /// Whether the budgets hold for it.
    fn is_tidegate(peer: Self::Peer) -> bool;

    /// Whether nothing is in between.
    fn is_direct(peer: Self::Peer) -> bool;

    /// The budgets of a cell.
    fn limits(cell: Self::Cell) -> Limits;
}

/// Limits of one cell; where there is none, nothing is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// Processor time per exchange, against the rival's in the same run.
    pub(crate) cpu: Option<f64>,
    /// User time per exchange, in microseconds.
    pub(crate) user_us: Option<f64>,
    /// p99 against the rival's.
    pub(crate) p99: Option<f64>,
}
