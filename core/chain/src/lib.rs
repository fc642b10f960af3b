//! Says what a reader must be shown, and runs readers in order.
//!
//! **Bytes pass by; whoever needs to see them says so beforehand.** A [`Transform`] states its [`Interest`] when a Plan
//! is built and is never shown anything else. It sees an [`Exchange`] (one request and its reply), never a frame.

mod exchange;
mod facts;
mod interest;
mod runner;
mod transform;

pub use exchange::{Exchange, ExchangeId};
pub use facts::{Facts, Flags, Statement, Verb};
pub use interest::{Interest, Need};
pub use runner::{Chain, Decision};
pub use transform::{Factory, Flow, Outcome, Part, Reply, Transform, Verdict};
