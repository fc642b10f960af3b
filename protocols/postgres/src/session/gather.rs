use std::io;
use std::task::Context;

use tidegate_net::{Buffers, Outgoing, Stream};

/// What goes on of the bytes that were read: one untouched run in nearly every wake-up, which is then written from where
/// it was read; runs and rewritten messages, gathered in a buffer of the core, where something had to change.
pub(crate) struct Gather<'a> {
    bytes: &'a [u8],
    start: usize,
    pub(crate) out: Vec<u8>,
}

impl<'a> Gather<'a> {
    /// `out` is empty, and comes with the core's capacity.
    pub(crate) fn new(bytes: &'a [u8], out: Vec<u8>) -> Self {
        Self { bytes, start: 0, out }
    }

    /// The run ends at `at`: what follows in `out` comes behind it. Go on with [`Self::resume`].
    pub(crate) fn cut(&mut self, at: usize) {
        self.out.extend_from_slice(&self.bytes[self.start..at]);
        self.start = at;
    }

    /// The next run begins at `at`; what lies between was replaced or swallowed.
    pub(crate) fn resume(&mut self, at: usize) {
        self.start = at;
    }

    /// The bytes from `from` to `to`, as they were read.
    pub(crate) fn run(&self, from: usize, to: usize) -> &'a [u8] {
        &self.bytes[from..to]
    }

    /// Puts other bytes in the place of those from `from` to `to`.
    pub(crate) fn replace(&mut self, (from, to): (usize, usize), bytes: &[u8]) {
        self.cut(from);
        self.out.extend_from_slice(bytes);
        self.resume(to);
    }

    /// What was gathered up to `at`, where anything had to change; else nothing.
    pub(crate) fn settle(&mut self, at: usize) -> &[u8] {
        if !self.out.is_empty() {
            self.cut(at);
        }
        &self.out
    }

    /// Writes what was gathered up to `at`; gives the core's buffer back and says how much was written.
    pub(crate) fn write(
        mut self,
        at: usize,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        to: &mut Outgoing,
        buffers: &Buffers,
    ) -> (Vec<u8>, usize, io::Result<()>) {
        if self.out.is_empty() {
            let run = &self.bytes[self.start..at];
            let result = if run.is_empty() {
                Ok(())
            } else {
                to.write(cx, stream, run, buffers)
            };
            return (self.out, run.len(), result);
        }
        self.cut(at);
        let result = to.write(cx, stream, &self.out, buffers);
        let written = self.out.len();
        self.out.clear();
        (self.out, written, result)
    }
}
