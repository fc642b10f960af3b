//! What servers answer: replies of RESP2 and RESP3, found, read and written.

mod answers;
mod cursor;
mod failure;
mod kind;
#[cfg(test)]
mod tests;
mod value;
mod writer;

pub use answers::{Hello, Node, SlotRange, hello, subscription};
pub use cursor::{Cursor, Walk};
pub use failure::{Code, Failure, Redirect};
pub use kind::Kind;
pub use value::{Chunks, Items, Pairs, Value};
pub use writer::{Version, Writer};
