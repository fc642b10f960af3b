use std::io;
use std::ops::Range;
use std::sync::Arc;

use tidegate_chain::Factory;

use crate::House;

/// A protocol under test: a real server, the real engine in front of it, and just enough of its language.
pub trait Subject: Sized {
    /// Somebody who speaks the protocol.
    type Client: Client;

    /// Starts a server and a gateway with this chain, one data thread and transaction pooling (or what the protocol has
    /// in its place), with a pool of four.
    fn start(chain: Vec<Arc<dyn Factory>>) -> Self;
    /// The gateway.
    fn house(&self) -> &House;
    /// A client of the gateway, logged in.
    fn connect(&self) -> Self::Client;
    /// A client of the server itself, logged in.
    fn direct(&self) -> Self::Client;
    /// Ends the server as a crash would.
    fn kill_server(&mut self);
    /// Starts it again.
    fn revive_server(&mut self);

    /// A request whose reply holds the text, and that is at least so many bytes long itself.
    fn echo(text: &str, least: usize) -> Vec<u8>;
    /// A request whose reply is at least so many bytes long, in several messages where the protocol can.
    fn long(size: usize) -> Vec<u8>;
    /// A request that takes the server so many milliseconds.
    fn slow(milliseconds: u32) -> Vec<u8>;
    /// A request whose reply is another each time.
    fn varying() -> Vec<u8>;
    /// A reply that is an error.
    fn is_error(reply: &[u8]) -> bool;
    /// Where the messages of a stream lie; the last may be incomplete.
    fn messages(stream: &[u8]) -> Vec<Range<usize>>;
}

/// Somebody who speaks the protocol, by hand.
pub trait Client {
    /// Sends bytes as they are.
    fn send(&mut self, bytes: &[u8]);
    /// The bytes of one whole reply; an error when the connection ends before.
    fn reply(&mut self) -> io::Result<Vec<u8>>;
    /// Says no more.
    fn half_close(&mut self);
}
