//! Logging in, from both ends, as machines that are fed messages and say what to send (55.2.1, 55.3).
//!
//! [`Downstream`] is the gateway as a server: it asks its client. [`Upstream`] is the gateway as a client: it answers a
//! server. Neither reads a socket, a clock or a random source: randomness comes in as a function that fills bytes.

mod channel_binding;
mod downstream;
mod error;
mod keys;
mod md5;
mod messages;
mod saslprep;
mod stored;
#[cfg(test)]
mod tests;
mod upstream;
mod verifier;

pub use channel_binding::{ChannelBinding, PLAIN, PLUS};
pub use downstream::{Accepted, Downstream, Method, Next, Reusable, Terms};
pub use error::{LoginError, ServerLoginError};
pub use keys::{HashJob, SaltedKeys, ScramKeys};
pub use md5::Md5Hash;
pub use stored::{Disguise, Stored};
pub use upstream::{Credential, Ready, Step, Upstream, UpstreamTerms};
pub use verifier::{Verifier, VerifierError};

/// Fills its argument with random bytes.
pub type Random<'a> = dyn FnMut(&mut [u8]) + 'a;
