use std::task::Waker;

use tidegate_redis_wire::reply::{self, Version, Writer};

use super::board::Telling;
use super::push::verb;

/// What has come for one client, in its version of the protocol; whole messages only.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) bytes: Vec<u8>,
    pub(super) version: Version,
    pub(super) waker: Option<Waker>,
    /// More has come than may wait. What is here is not worth having any more.
    pub(super) is_overrun: bool,
}

impl Inbox {
    /// Takes in a message as a server sent it, within a bound; whether it did. A message is the same in both versions
    /// but for its first byte: an array, or a push (`pubsub.c`, `addReplyPubsubMessage`).
    pub(super) fn lay(&mut self, message: &[u8], bound: usize) -> bool {
        if self.is_overrun {
            return false;
        }
        if self.bytes.len() + message.len() > bound {
            self.overrun();
            return false;
        }
        let first = match self.version {
            Version::Resp2 => b'*',
            Version::Resp3 => b'>',
        };
        let was_empty = self.bytes.is_empty();
        self.bytes.push(first);
        self.bytes.extend_from_slice(message.get(1..).unwrap_or_default());
        // Whoever has something waiting for it was woken when that came.
        if was_empty {
            self.wake();
        }
        true
    }

    /// Takes in what the gateway says itself. It answers the client's own command, so it has no bound but that
    /// command's.
    pub(super) fn tell(&mut self, telling: &Telling) {
        let mut writer = Writer::new(&mut self.bytes, self.version);
        match telling {
            Telling::Confirmed { kind, on, name, count } => {
                reply::subscription(&mut writer, verb(*kind, *on), name.as_deref(), *count);
            }
            Telling::Refused(text) => {
                self.bytes.push(b'-');
                self.bytes.extend_from_slice(text);
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
        self.wake();
    }

    /// It is given up; its memory is for those who read.
    pub(super) fn overrun(&mut self) {
        self.is_overrun = true;
        self.bytes = Vec::new();
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}
