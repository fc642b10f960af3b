//! Turns addresses into byte streams (TCP, Unix sockets, TLS) and moves runs of bytes between two.
//!
//! Reads and writes stand behind one narrow seam, [`Stream`]: a buffer is handed in and comes back with what happened.
//! Readiness expresses that today; a completion engine can express it tomorrow without touching a protocol.

mod buffer;
mod config;
mod dial;
mod error;
mod listen;
mod outgoing;
mod stream;
pub mod tls;
mod unix;

pub use buffer::{Buffers, READ_BUFFER};
pub use config::{ClientAuth, Keepalive, TlsClient, TlsClientMode, TlsGenerate, TlsMode, TlsServer, TlsVersion};
pub use dial::dial;
pub use error::NetError;
pub use listen::{BACKLOG, Bound, Listening, Peer};
pub use outgoing::Outgoing;
pub use stream::{Parked, Stream};
pub use unix::{FileMode, FileModeError, UnixSocket};
