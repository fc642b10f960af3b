use std::collections::VecDeque;

use tidegate_redis_wire::reply::Code;
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
    Fenced(Ask, Said),
    Pong,
}

/// What was said about a subscription's end before PING was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    /// It has ended, as it was asked or before that.
    Ended,
    /// SUNSUBSCRIBE has failed.
    Failed,
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
            self.due.push_back(Due::Fenced(ask, Said::Nothing));
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
        match self.due.front_mut() {
            Some(Due::Change(ask)) if is_this(ask) => {
                self.due.pop_front();
                Change::Asked
            }
            Some(Due::Fenced(ask, said)) if is_this(ask) => {
                *said = Said::Ended;
                Change::Fenced
            }
            _ => Change::Unasked,
        }
    }

    /// A command has failed: what it had asked for, if that is to be done about.
    pub(super) fn failed(&mut self, code: Code) -> Result<Option<Ask>, OutOfStep> {
        if let Some(Due::Fenced(_, said)) = self.due.front_mut() {
            // PING has no key, so only SUNSUBSCRIBE is told of a slot that is not there any more.
            let is_of_slot = matches!(code, Code::Moved | Code::Ask | Code::TryAgain | Code::ClusterDown);
            if *said == Said::Nothing || *said == Said::Ended && is_of_slot {
                // It does not matter why: it is not subscribed there.
                *said = Said::Failed;
                return Ok(None);
            }
        }
        match self.due.pop_front().ok_or(OutOfStep)? {
            // Of those that are fenced it was PING that failed, which the login may not be allowed: it is answered.
            Due::Change(ask) | Due::Fenced(ask, _) => Ok(Some(ask)),
            // It is there, whatever it thinks of PING.
            Due::Pong => Ok(None),
        }
    }

    /// PING was answered: what has ended by that.
    pub(super) fn ponged(&mut self) -> Result<Option<Ask>, OutOfStep> {
        match self.due.pop_front().ok_or(OutOfStep)? {
            Due::Fenced(ask, _) => Ok(Some(ask)),
            Due::Pong => Ok(None),
            Due::Change(_) => Err(OutOfStep),
        }
    }

    #[cfg(test)]
    pub(super) fn about(&self, kind: Channels, name: &[u8]) -> usize {
        let is_about = |due: &&Due| match due {
            Due::Change(ask) | Due::Fenced(ask, _) => ask.kind == kind && *ask.name == *name,
            Due::Pong => false,
        };
        self.due.iter().filter(is_about).count()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// What a server says.
    #[derive(Debug, Clone, Copy)]
    enum Word {
        /// SUNSUBSCRIBE of the channel, asked for or not.
        Ended,
        Pong,
        Error(Code),
    }

    /// Ends a shard channel's subscription, which is over behind exactly these words.
    #[track_caller]
    fn check(words: &[Word]) {
        let ask = Ask {
            link: 0,
            kind: Channels::Shard,
            name: Rc::from(&b"s"[..]),
            on: false,
        };
        let (mut dues, mut out) = (Dues::default(), Vec::new());
        dues.ask(ask.clone(), &mut out);
        dues.ping(&mut out);
        assert_eq!(out, b"*2\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n*1\r\n$4\r\nPING\r\n");
        for (at, word) in (1..).zip(words) {
            let ended = match word {
                Word::Ended => {
                    assert_eq!(dues.changed(Channels::Shard, false, b"s"), Change::Fenced);
                    None
                }
                Word::Pong => dues.ponged().unwrap(),
                Word::Error(code) => dues.failed(*code).unwrap(),
            };
            let expected = (at == words.len()).then_some(&ask);
            assert_eq!(ended.as_ref(), expected, "behind {at} of {words:?}");
        }
        assert_eq!(dues.failed(Code::Other), Err(OutOfStep));
    }

    #[test]
    fn a_shard_channel_is_over_when_both_commands_are_answered() {
        check(&[Word::Ended, Word::Pong]);
        check(&[Word::Error(Code::Moved), Word::Pong]);
        check(&[Word::Error(Code::NoPerm), Word::Pong]);
        // The server may end it by itself before it comes to what it was asked.
        check(&[Word::Ended, Word::Ended, Word::Pong]);
        for code in [Code::Moved, Code::Ask, Code::TryAgain, Code::ClusterDown] {
            check(&[Word::Ended, Word::Error(code), Word::Pong]);
        }
    }

    #[test]
    fn a_ping_that_fails_is_answered_too() {
        for ping in [Code::NoPerm, Code::Loading, Code::MasterDown, Code::Busy] {
            check(&[Word::Ended, Word::Error(ping)]);
            check(&[Word::Error(Code::Moved), Word::Error(ping)]);
            check(&[Word::Error(Code::NoPerm), Word::Error(ping)]);
            check(&[Word::Ended, Word::Error(Code::Moved), Word::Error(ping)]);
        }
    }
}
