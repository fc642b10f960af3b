//! Redis's protocol as bytes to typed views and back: requests (RESP2 and inline), replies (RESP2 and RESP3), the
//! command table with its keys and effects, hash slots, and the hashes and distributions of twemproxy. No sockets, no
//! clock, no allocation on the pass-through path.
//!
//! References of the form `networking.c` are to the sources of Redis 7.0, where the specification at
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/> is silent.

mod error;
pub mod hash;
mod number;
pub mod reply;
pub mod request;
pub mod slot;
pub mod table;
pub mod topology;

pub use error::{ReplyError, RequestError};
