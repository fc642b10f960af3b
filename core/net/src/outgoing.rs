use std::io;
use std::task::{Context, Poll};

use crate::{Buffers, Stream};

/// Bytes that were accepted for a stream and are not written yet.
///
/// Normally empty: a run is written straight from the buffer that it was read into. Only what the socket would not take
/// is copied here. While anything is left, the stream that the bytes came from must not be read, which bounds this
/// buffer by one read plus what a protocol says itself.
#[derive(Debug, Default)]
pub struct Outgoing {
    left: Vec<u8>,
    written: usize,
}

impl Outgoing {
    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.left.len() - self.written
    }

    /// Takes bytes to be written later, in order.
    pub fn queue(&mut self, bytes: &[u8], buffers: &Buffers) {
        if self.left.capacity() == 0 {
            self.left = buffers.take();
        }
        self.left.extend_from_slice(bytes);
    }

    /// Writes `bytes` after what is left, and keeps what the stream does not take.
    pub fn write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        bytes: &[u8],
        buffers: &Buffers,
    ) -> io::Result<()> {
        let mut at = 0;
        if self.is_empty() {
            while at < bytes.len() {
                match stream.poll_write(cx, &bytes[at..]) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(taken)) => at += taken,
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => break,
                }
            }
        }
        if at < bytes.len() {
            self.queue(&bytes[at..], buffers);
        }
        Ok(())
    }

    /// Writes what is left, including what TLS holds back.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, stream: &mut Stream, buffers: &Buffers) -> Poll<io::Result<()>> {
        if self.left.capacity() == 0 && stream.tls().is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_flush_left(cx, stream, buffers)
    }

    fn poll_flush_left(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        buffers: &Buffers,
    ) -> Poll<io::Result<()>> {
        while self.written < self.left.len() {
            match stream.poll_write(cx, &self.left[self.written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(taken)) => self.written += taken,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.written > 0 || self.left.capacity() > 0 {
            self.written = 0;
            self.left.clear();
            buffers.give_back(&mut self.left);
        }
        stream.poll_flush(cx)
    }
}
