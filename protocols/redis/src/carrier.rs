use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tidegate_engine::CoreContext;
use tidegate_net::{Outgoing, Stream};
use tidegate_redis_wire::reply::Cursor;

use crate::line::Line;

/// How many reads one wake-up may do before others get their turn.
const TURNS: usize = 16;

/// Moves a line's bytes until the connection is gone.
pub(crate) async fn run(line: Rc<Line>, core: CoreContext, stream: Stream) {
    let mut carrier = Carrier {
        line: Rc::clone(&line),
        core,
        stream,
        out: Outgoing::default(),
        sending: Vec::new(),
        cursor: Cursor::new(),
        held: Vec::new(),
        is_push: false,
    };
    poll_fn(|cx| carrier.poll(cx)).await;
    line.lose();
}

/// A line's socket and how far it is.
struct Carrier {
    line: Rc<Line>,
    core: CoreContext,
    stream: Stream,
    out: Outgoing,
    sending: Vec<u8>,
    cursor: Cursor,
    /// The start of a length line.
    held: Vec<u8>,
    /// What is arriving answers nobody.
    is_push: bool,
}

impl Carrier {
    /// Ready when the connection is gone.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut writer = self.line.writer.borrow_mut();
        if !writer.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *writer = Some(cx.waker().clone());
        }
        drop(writer);
        if self.line.closes.get() || self.write(cx).is_err() {
            return Poll::Ready(());
        }
        let reads = (0..TURNS)
            .map(|_| self.read(cx))
            .find(|read| *read != Poll::Ready(true));
        match reads {
            Some(Poll::Ready(_)) => return Poll::Ready(()),
            Some(Poll::Pending) => {}
            None => cx.waker().wake_by_ref(),
        }
        self.line.wake_thirsty();
        Poll::Pending
    }

    fn write(&mut self, cx: &mut Context<'_>) -> std::io::Result<()> {
        let buffers = &self.core.buffers;
        if self.out.poll_flush(cx, &mut self.stream, buffers)?.is_ready() {
            std::mem::swap(&mut self.sending, &mut self.line.unsent.borrow_mut());
            if !self.sending.is_empty() {
                self.out.write(cx, &mut self.stream, &self.sending, buffers)?;
                self.sending.clear();
                self.sending.shrink_to(tidegate_net::READ_BUFFER);
            }
        }
        self.line.unwritten.set(self.out.len());
        Ok(())
    }

    /// Reads once; `false` when the connection is gone or out of step.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let scratch = Rc::clone(&self.core.scratch);
        let mut scratch = scratch.borrow_mut();
        let read = match std::task::ready!(self.stream.poll_read(cx, &mut scratch)) {
            Ok(0) | Err(_) => return Poll::Ready(false),
            Ok(read) => read,
        };
        self.line.moved.set(Instant::now());
        let fresh = scratch.get(..read).unwrap_or_default();
        let is_well = if self.held.is_empty() {
            let rest = self.walk(fresh);
            rest.map(|rest| self.held.extend_from_slice(rest)).is_some()
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(fresh);
            let rest = self.walk(&held).map(<[u8]>::to_vec);
            rest.map(|rest| self.held = rest).is_some()
        };
        Poll::Ready(is_well)
    }

    /// Deals replies out. Returns what is too little to be anything yet; `None` when the connection is out of step.
    fn walk<'b>(&mut self, mut bytes: &'b [u8]) -> Option<&'b [u8]> {
        while let Some(first) = bytes.first() {
            if self.cursor.at_boundary() {
                self.is_push = *first == b'>';
            }
            let walk = match self.cursor.walk(bytes) {
                Ok(walk) => walk,
                Err(error) => {
                    tracing::warn!(endpoint = %self.line.endpoint.address, %error, "a shared connection is lost");
                    return None;
                }
            };
            let (run, rest) = bytes.split_at_checked(walk.run)?;
            if !self.is_push && !run.is_empty() && !self.line.deliver(run, walk.ended) {
                tracing::warn!(endpoint = %self.line.endpoint.address,
                    "a shared connection is lost: the server answered what nobody asked");
                return None;
            }
            bytes = rest;
            if !walk.ended {
                break;
            }
        }
        Some(bytes)
    }
}
