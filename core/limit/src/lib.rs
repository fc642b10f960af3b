//! How much is allowed: concurrency per key, and back-off between tries. Pure; time is passed in.

mod backoff;
mod concurrency;

pub use backoff::Backoff;
pub use concurrency::{Concurrency, Permit};
