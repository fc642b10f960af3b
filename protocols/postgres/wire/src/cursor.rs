use crate::{FrameError, Head, KindSet};

/// A place in a stream of messages, kept between reads.
///
/// The stream is handed over in whatever pieces it arrives. [`Cursor::walk`] finds the longest run that nobody needs;
/// a message larger than the buffer flows by unscanned, since only the number of its bytes still to come is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Bytes still to come of a message that was passed by its header.
    rest: u32,
}

/// How far a walk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// Nobody needs the first `run` bytes: they can be forwarded as they are.
    pub run: usize,
    /// Why the walk ended there.
    pub stop: Stop,
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All bytes were passed.
    End,
    /// Less than a header is left: keep those bytes, and walk again from them when more have arrived.
    PartialHead,
    /// A message that somebody needs begins at `run`; its body may be incomplete. Go on behind it, or hand it to
    /// [`Cursor::pass`].
    Frame(Head),
}

impl Cursor {
    /// At the start of a message.
    pub const fn new() -> Self {
        Self { rest: 0 }
    }

    /// Walks over headers until the end, a partial header, or the first message whose kind is in `needed`.
    /// The next walk starts at `run`, or behind the message that was handed out. After an error the stream is lost.
    #[inline]
    pub fn walk(&mut self, bytes: &[u8], needed: &KindSet) -> Result<Walk, FrameError> {
        let mut at = self.rest as usize;
        loop {
            let Some(tail) = bytes.get(at..) else {
                self.rest = clamp(at - bytes.len());
                return Ok(Walk {
                    run: bytes.len(),
                    stop: Stop::End,
                });
            };
            let &[kind, a, b, c, d, ..] = tail else {
                self.rest = 0;
                let stop = if tail.is_empty() { Stop::End } else { Stop::PartialHead };
                return Ok(Walk { run: at, stop });
            };
            let head = Head::checked(kind, u32::from_be_bytes([a, b, c, d]))?;
            if needed.contains(kind) {
                self.rest = 0;
                return Ok(Walk {
                    run: at,
                    stop: Stop::Frame(head),
                });
            }
            at += head.total();
        }
    }

    /// Treats a message that a walk handed out as nobody's after all. `available` is how many bytes are here from its
    /// header on; returns how many of them belong to it, and remembers the rest.
    pub fn pass(&mut self, head: Head, available: usize) -> usize {
        let here = head.total().min(available);
        self.rest = clamp(head.total() - here);
        here
    }

    /// Whether the next byte begins a message.
    pub const fn at_boundary(&self) -> bool {
        self.rest == 0
    }
}

/// A rest is never longer than a message, and those are at most 1 GiB.
fn clamp(rest: usize) -> u32 {
    u32::try_from(rest).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![kind];
        out.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    /// Feeds `stream` in pieces of the given sizes, as a session would, and returns where each frame that was handed
    /// out began, with its kind. Every byte must be passed by exactly once.
    fn feed(stream: &[u8], sizes: &[usize], needed: &KindSet) -> Vec<(usize, u8)> {
        let (mut cursor, mut buffer) = (Cursor::new(), Vec::new());
        let (mut offset, mut seen) = (0, Vec::new());
        let mut sizes = sizes.iter().copied().cycle();
        let mut input = stream;
        while !input.is_empty() {
            let size = sizes.next().unwrap_or(1).clamp(1, input.len());
            let (piece, later) = input.split_at(size);
            input = later;
            buffer.extend_from_slice(piece);
            loop {
                let walk = cursor.walk(&buffer, needed).unwrap();
                assert!(walk.run <= buffer.len());
                offset += walk.run;
                buffer.drain(..walk.run);
                let Stop::Frame(head) = walk.stop else { break };
                seen.push((offset, head.kind));
                let gone = cursor.pass(head, buffer.len());
                offset += gone;
                buffer.drain(..gone);
            }
        }
        assert!(cursor.at_boundary() && buffer.is_empty());
        assert_eq!(offset, stream.len());
        seen
    }

    #[test]
    fn stops_at_the_first_needed_frame() {
        let needed = KindSet::of(b"Z");
        let mut bytes = frame(b'D', b"row");
        bytes.extend(frame(b'C', b"SELECT 1\0"));
        let run = bytes.len();
        bytes.extend(frame(b'Z', b"I"));
        let walk = Cursor::new().walk(&bytes, &needed).unwrap();
        let head = Head { kind: b'Z', len: 5 };
        assert_eq!(
            walk,
            Walk {
                run,
                stop: Stop::Frame(head)
            }
        );
        let walk = Cursor::new().walk(&bytes[..run + 3], &needed).unwrap();
        assert_eq!(
            walk,
            Walk {
                run,
                stop: Stop::PartialHead
            }
        );
    }

    #[test]
    fn large_frames_flow_by() {
        let bytes = frame(b'D', &vec![b'Z'; 100_000]);
        let mut cursor = Cursor::new();
        for piece in bytes.chunks(16 << 10) {
            let walk = cursor.walk(piece, &KindSet::of(b"Z")).unwrap();
            assert_eq!(
                walk,
                Walk {
                    run: piece.len(),
                    stop: Stop::End
                }
            );
        }
        assert!(cursor.at_boundary());
    }

    #[test]
    fn refuses_impossible_lengths() {
        let mut cursor = Cursor::new();
        assert!(cursor.walk(b"Q\0\0\0\x03", &KindSet::EMPTY).is_err());
        assert!(cursor.walk(b"Q\x7f\0\0\0", &KindSet::ALL).is_err());
    }

    #[test]
    fn cuts_change_nothing() {
        bolero::check!()
            .with_type::<(Vec<(u8, u8)>, Vec<u8>)>()
            .cloned()
            .for_each(|(frames, sizes)| {
                let needed = KindSet::of(b"ZQABCDEF\0\x01\x02\x03");
                let mut stream = Vec::new();
                let mut expected = Vec::new();
                for (kind, len) in &frames {
                    if needed.contains(*kind) {
                        expected.push((stream.len(), *kind));
                    }
                    stream.extend(frame(*kind, &vec![b'Q'; usize::from(*len)]));
                }
                let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
                assert_eq!(feed(&stream, &sizes, &needed), expected);
                assert_eq!(feed(&stream, &[usize::MAX], &needed), expected);
            });
    }
}
