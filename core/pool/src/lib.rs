//! Lends connections out and gets them back.
//!
//! A pool lives on one core, so it is neither shared nor locked. [`Ledger`] holds every decision and no connection knows
//! it; [`Pool`] adds wakers and the guard [`Lease`]. Waiters are served strictly first-in first-out, idle connections are
//! lent last-in first-out unless it is wanted otherwise, and a freed connection goes to the oldest waiter in the same wake-up. [`Mux`] keeps the books of a
//! connection that many share at once, by tickets.

mod config;
mod ledger;
mod mux;
mod pool;

pub use config::{LendOrder, PoolLimits};
pub use ledger::{Counts, Ledger, Limits};
pub use mux::{Delivery, Losses, Mux, MuxFull, MuxLimits, MuxSeat};
pub use pool::{Lease, Pool, Seat};
