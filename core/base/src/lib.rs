//! Words everyone uses and nobody argues about. This crate knows nobody and does no I/O.

mod address;
mod classify;
mod clock;
mod period;
mod refusal;
mod secret;
mod size;

pub use address::{Address, AddressError};
pub use classify::{Classify, Kind, Origin};
pub use clock::{Clock, SystemClock};
pub use period::{Period, PeriodError};
pub use refusal::{Reason, Refusal};
pub use secret::Secret;
pub use size::{Size, SizeError};
