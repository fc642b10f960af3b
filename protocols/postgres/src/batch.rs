use std::rc::Rc;

use tidegate_postgres_wire::Head;

use crate::expected::Entry;
use crate::statements::Statement;

/// The most bytes of a batch that are kept to be said again.
const MOST: usize = 16 * 1024;

/// The batch that a server is working on, kept for as long as it could be said again from the start: when a plan that
/// the server has cached does not fit any more, the statements are prepared anew and nobody notices.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// How many entries it is; 0 when none is kept.
    entries: usize,
    statements: Vec<Rc<Statement>>,
    /// The error that is held back until it is known whether a transaction is open.
    error: Option<Vec<u8>>,
    was_said_again: bool,
}

/// What a message of a batch that can be said again is.
fn entry(kind: u8) -> Option<Entry> {
    match kind {
        b'B' => Some(Entry::Bind),
        b'D' => Some(Entry::Describe),
        b'E' => Some(Entry::Execute),
        b'S' => Some(Entry::Sync),
        _ => None,
    }
}

impl Batch {
    /// A new batch begins.
    pub(crate) fn begin(&mut self) {
        self.bytes.clear();
        self.statements.clear();
        self.entries = 0;
        self.error = None;
        self.was_said_again = false;
    }

    /// It runs a statement that the server had already.
    pub(crate) fn runs(&mut self, statement: &Rc<Statement>) {
        if !self.statements.iter().any(|known| Rc::ptr_eq(known, statement)) {
            self.statements.push(Rc::clone(statement));
        }
    }

    /// Keeps what was said, if it is one whole batch of nothing but Bind, Describe, Execute and a Sync at its end.
    pub(crate) fn keep(&mut self, said: &[u8]) {
        if self.statements.is_empty() || said.len() > MOST {
            return;
        }
        let (mut at, mut entries, mut ended) = (0, 0, false);
        while let Some(Ok(Some(head))) = said.get(at..).map(Head::read) {
            if ended || entry(head.kind).is_none() {
                return;
            }
            ended = head.kind == b'S';
            entries += 1;
            at += head.total();
        }
        if ended && at == said.len() {
            self.bytes.extend_from_slice(said);
            self.entries = entries;
        }
    }

    /// Something of the answer has gone to the client: it cannot be had again from the start.
    pub(crate) fn is_being_answered(&mut self) {
        self.entries = 0;
    }

    /// Holds an error back that a new plan heals, if the batch can be said again. `due` is how many answers the server
    /// owes.
    pub(crate) fn holds(&mut self, error: &[u8], due: usize) -> bool {
        let is_at_hand = self.entries > 0 && due == self.entries && !self.was_said_again;
        if is_at_hand {
            self.error = Some(error.to_vec());
        }
        is_at_hand
    }

    /// The statements that it runs and that the server had already.
    pub(crate) fn statements(&self) -> &[Rc<Statement>] {
        &self.statements
    }

    /// Whether an error is held back.
    pub(crate) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// The error that is held back.
    pub(crate) fn take_error(&mut self) -> Option<Vec<u8>> {
        self.error.take()
    }

    /// It is to be said again: its bytes, what they are, and the statements to be prepared anew.
    pub(crate) fn again(&mut self) -> (Vec<u8>, Vec<Entry>, Vec<Rc<Statement>>) {
        self.was_said_again = true;
        let (mut at, mut entries) = (0, Vec::new());
        while let Some(Ok(Some(head))) = self.bytes.get(at..).map(Head::read) {
            entries.extend(entry(head.kind));
            at += head.total();
        }
        (self.bytes.clone(), entries, self.statements.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::Interner;

    fn batch(said: &[u8]) -> Batch {
        let mut batch = Batch::default();
        batch.runs(&Interner::default().intern(b"select 1\0\0\0", 0));
        batch.keep(said);
        batch
    }

    const BES: &[u8] = b"B\0\0\0\x05\0E\0\0\0\x05\0S\0\0\0\x04";
    #[test]
    fn holds_the_error_of_a_batch_that_can_be_said_again() {
        assert!(batch(BES).holds(b"error", 3));
        assert!(!batch(BES).holds(b"error", 2), "something was answered already");
        let mut passed = batch(BES);
        passed.is_being_answered();
        assert!(!passed.holds(b"error", 3), "something was answered already, unseen");
        assert!(!batch(b"Q\0\0\0\x05\0").holds(b"error", 1));
    }

    #[test]
    fn says_a_batch_again_once() {
        let mut batch = batch(BES);
        assert!(batch.holds(b"error", 3));
        assert_eq!(batch.take_error().as_deref(), Some(&b"error"[..]));
        let (bytes, entries, statements) = batch.again();
        assert_eq!((bytes.as_slice(), statements.len()), (BES, 1));
        assert_eq!(entries, [Entry::Bind, Entry::Execute, Entry::Sync]);
        assert!(!batch.holds(b"error", 3));
    }

    #[test]
    fn keeps_whole_plain_batches_only() {
        for other in [&BES[..12], &[BES, BES].concat(), b"P\0\0\0\x05\0S\0\0\0\x04", b""] {
            assert!(!batch(other).holds(b"error", 3), "{other:?}");
        }
    }
}
