//! How much is allowed: concurrency per key, quotas over many places, and back-off between tries. Pure; time is passed in.

mod backoff;
mod concurrency;
mod quota;

pub use backoff::Backoff;
pub use concurrency::{Concurrency, Permit};
pub use quota::{Claim, Closing, Quotas, Share, Starved};
