//! The budgets of a pass-through transaction: limits of processor time per transaction against PgBouncer's in the same
//! run, and limits that stand alone.

use super::cell::{Cell, Mode};

/// User time per transaction, in microseconds.
pub(crate) const USER_US: f64 = 1.5;
/// p99 against PgBouncer's.
pub(crate) const P99: f64 = 1.0;
/// Resident memory of an idle client without TLS, in KiB.
pub(crate) const IDLE_KIB: f64 = 2.0;

/// The limit of processor time against PgBouncer's; one client has none.
pub(crate) fn cpu(cell: Cell) -> Option<f64> {
    // 256 clients must be no worse than 64.
    let many = match cell.clients {
        16 => false,
        64 | 256 => true,
        _ => return None,
    };
    Some(match (cell.mode, many) {
        (Mode::Simple, false) => 1.0,
        (Mode::Simple | Mode::Extended, true) => 0.9,
        (Mode::Extended, false) => 0.95,
        (Mode::Prepared, false) => 0.85,
        (Mode::Prepared, true) => 0.75,
    })
}
