//! PostgreSQL's frontend/backend protocol, versions 3.0 and 3.2, as bytes to typed views and back, and the login
//! machines of both sides. No sockets, no clock, no allocation on the pass-through path.
//!
//! References of the form `55.7` are chapters of the PostgreSQL 18 documentation ("Frontend/Backend Protocol").

#![allow(
    clippy::doc_markdown,
    reason = "PostgreSQL and the names of its messages read as words here, not as code"
)]

pub mod backend;
mod bind;
mod body;
mod cancel;
mod cursor;
mod frame;
pub mod frontend;
mod kind_set;
pub mod login;
mod options;
pub mod rename;
pub mod sqlstate;
mod startup;
pub mod user_list;
mod version;

pub use bind::Bound;
pub use body::BodyError;
pub use cancel::{CancelAddress, CancelKey};
pub use cursor::{Cursor, Stop, Walk};
pub use frame::{Frame, FrameError, Head, Limits, MAX_LEN};
pub use kind_set::KindSet;
pub use options::Options;
pub use startup::{
    First, MAX_STARTUP_LEN, Startup, StartupError, cancel_request, gss_request, is_setting, ssl_request, startup_packet,
};
pub use version::Version;
