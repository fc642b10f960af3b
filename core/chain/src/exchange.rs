use tidegate_base::Refusal;

use crate::Facts;

/// Tells the exchanges of one session apart; counts up from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// One request and its reply, as a transform may see it. Every protocol answers all four, so a gap is a compile error.
pub trait Exchange {
    /// The neutral description; everything is borrowed from the read buffer.
    fn facts(&mut self) -> Facts<'_>;
    /// The request's bytes, as far as they are held.
    fn request(&self) -> &[u8];
    /// Answers with a refusal in the protocol's own words; the request goes no further.
    fn refuse(&mut self, refusal: Refusal);
    /// Answers with a recorded reply, its ids and status patched; the request goes no further.
    fn replay(&mut self, reply: &[u8]);
}
