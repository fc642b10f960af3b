use tidegate_redis_wire::ReplyError;
use tidegate_redis_wire::reply::Cursor;

/// How much is read at once.
const READ: usize = 16 * 1024;

/// Cuts what a server sends into whole replies. One is held until it is here as a whole, within a bound; the rest of
/// one that is longer flows by.
#[derive(Debug, Default)]
pub(super) struct Intake {
    buffer: Vec<u8>,
    filled: usize,
    /// Where the reply begins that is arriving.
    start: usize,
    /// How far it was walked.
    walked: usize,
    cursor: Cursor,
    skips: bool,
}

impl Intake {
    /// Where to read to; [`Self::filled`] says how much it was.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.walked -= self.start;
            self.start = 0;
        }
        if self.filled == 0 && self.buffer.len() != READ {
            self.buffer = vec![0; READ];
        } else if self.filled + READ / 4 > self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    pub(super) fn filled(&mut self, length: usize) {
        self.filled = (self.filled + length).min(self.buffer.len());
    }

    /// The next whole reply.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, ReplyError> {
        loop {
            let here = self.buffer.get(self.walked..self.filled).unwrap_or_default();
            let walk = self.cursor.walk(here)?;
            self.walked += walk.run;
            if !walk.ended {
                if self.skips {
                    self.start = self.walked;
                }
                return Ok(None);
            }
            let from = std::mem::replace(&mut self.start, self.walked);
            if !std::mem::take(&mut self.skips) {
                return Ok(self.buffer.get(from..self.walked));
            }
        }
    }

    /// The start of a reply that has grown beyond the bound, once: it will not be held any longer.
    pub(super) fn outgrown(&mut self, bound: usize) -> Option<&[u8]> {
        if self.skips || self.filled - self.start <= bound {
            return None;
        }
        self.skips = true;
        let from = std::mem::replace(&mut self.start, self.walked);
        self.buffer.get(from..self.filled)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(intake: &mut Intake, mut bytes: &[u8], step: usize, bound: usize) -> (Vec<Vec<u8>>, usize) {
        let (mut found, mut outgrown) = (Vec::new(), 0);
        while !bytes.is_empty() {
            let space = intake.space();
            let length = space.len().min(step).min(bytes.len());
            space[..length].copy_from_slice(&bytes[..length]);
            intake.filled(length);
            bytes = &bytes[length..];
            while let Some(reply) = intake.next().unwrap() {
                found.push(reply.to_vec());
            }
            if let Some(start) = intake.outgrown(bound) {
                assert!(start.starts_with(b">3\r\n$7\r\nmessage\r\n"));
                outgrown += 1;
            }
        }
        (found, outgrown)
    }

    fn message(length: usize) -> Vec<u8> {
        let mut message = format!(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${length}\r\n").into_bytes();
        message.resize(message.len() + length, b'x');
        message.extend(b"\r\n");
        message
    }

    proptest! {
        #[test]
        fn replies_are_cut_as_they_were_sent(
            lengths in proptest::collection::vec(0_usize..60_000, 1..12),
            step in 1_usize..20_000,
        ) {
            let sent: Vec<Vec<u8>> = lengths.iter().map(|length| message(*length)).collect();
            let (found, outgrown) = feed(&mut Intake::default(), &sent.concat(), step, usize::MAX);
            prop_assert_eq!(outgrown, 0);
            prop_assert!(found == sent);
        }

        #[test]
        fn what_outgrows_the_bound_flows_by(step in 1_usize..9_000, length in 30_000_usize..200_000) {
            let mut intake = Intake::default();
            let stream = [message(5), message(length), message(7), message(length), message(9)].concat();
            let (found, outgrown) = feed(&mut intake, &stream, step, 10_000);
            prop_assert_eq!(outgrown, 2);
            prop_assert!(found == [message(5), message(7), message(9)]);
            prop_assert!(intake.buffer.len() <= 4 * READ, "{} bytes held", intake.buffer.len());
        }
    }

    #[test]
    fn memory_goes_back() {
        let mut intake = Intake::default();
        assert_eq!(feed(&mut intake, &message(1 << 20), READ, usize::MAX).0.len(), 1);
        assert!(intake.buffer.len() > 1 << 20);
        intake.space();
        assert_eq!(intake.buffer.len(), READ);
    }
}
