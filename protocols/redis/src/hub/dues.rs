use std::collections::VecDeque;

use tidegate_redis_wire::request;
use tidegate_redis_wire::table::Channels;

use super::board::Ask;
use super::push::verb;

/// What a server owes on a link, in order.
#[derive(Debug, Default)]
pub(super) struct Dues {
    due: VecDeque<Due>,
}

#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// The answer to a command.
    Change(Ask),
    /// The answer to SUNSUBSCRIBE and behind it that to PING. A server also ends subscriptions to shard channels by
    /// itself, in the same words, and what was asked for is an error then: only the PING tells that it is done.
    Fenced(Ask),
    Pong,
}

/// What a subscription's begin or end is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is what was asked for.
    Asked,
    /// It is about to be known for what was asked for.
    Fenced,
    /// The server did so by itself.
    Unasked,
}

/// What was said answers nothing that was asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("its answers are not those to what it was asked")]
pub(super) struct OutOfStep;

impl Dues {
    /// Asks for a subscription, or for its end. Every name is asked for by a command of its own, many of them in one
    /// write: so an error says whom it is about.
    pub(super) fn ask(&mut self, ask: Ask, out: &mut Vec<u8>) {
        let words: [&[u8]; 2] = [verb(ask.kind, ask.on).as_bytes(), &ask.name];
        request::command(out, &words);
        if ask.kind == Channels::Shard && !ask.on {
            request::command(out, &["PING"]);
            self.due.push_back(Due::Fenced(ask));
        } else {
            self.due.push_back(Due::Change(ask));
        }
    }

    /// Asks whether the server is there, unless it owes an answer already.
    pub(super) fn ping(&mut self, out: &mut Vec<u8>) {
        if self.due.is_empty() {
            request::command(out, &["PING"]);
            self.due.push_back(Due::Pong);
        }
    }

    /// A subscription began or ended.
    pub(super) fn changed(&mut self, kind: Channels, on: bool, name: &[u8]) -> Change {
        let is_this = |ask: &Ask| ask.kind == kind && ask.on == on && *ask.name == *name;
        match self.due.front() {
            Some(Due::Change(ask)) if is_this(ask) => {
                self.due.pop_front();
                Change::Asked
            }
            Some(Due::Fenced(ask)) if is_this(ask) => Change::Fenced,
            _ => Change::Unasked,
        }
    }

    /// A command has failed: what it had asked for, if that is to be done about.
    pub(super) fn failed(&mut self) -> Result<Option<Ask>, OutOfStep> {
        match self.due.pop_front().ok_or(OutOfStep)? {
            Due::Change(ask) => Ok(Some(ask)),
            // It does not matter why: it is not subscribed there.
            fenced @ Due::Fenced(_) => {
                self.due.push_front(fenced);
                Ok(None)
            }
            // It is there, whatever it thinks of PING.
            Due::Pong => Ok(None),
        }
    }

    /// PING was answered: what has ended by that.
    pub(super) fn ponged(&mut self) -> Result<Option<Ask>, OutOfStep> {
        match self.due.pop_front().ok_or(OutOfStep)? {
            Due::Fenced(ask) => Ok(Some(ask)),
            Due::Pong => Ok(None),
            Due::Change(_) => Err(OutOfStep),
        }
    }

    #[cfg(test)]
    pub(super) fn about(&self, kind: Channels, name: &[u8]) -> usize {
        let is_about = |due: &&Due| match due {
            Due::Change(ask) | Due::Fenced(ask) => ask.kind == kind && *ask.name == *name,
            Due::Pong => false,
        };
        self.due.iter().filter(is_about).count()
    }
}
