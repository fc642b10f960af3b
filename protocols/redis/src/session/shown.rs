use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use tidegate_chain::{Chain, Decision, ExchangeId, Need, Part, Verdict};
use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::Row;

use super::Session;
use super::exchange::{Known, Request};
use crate::plan::ListenerRules;

/// A session's chain, and what it has decided about the command that is next.
pub(super) struct Shown {
    pub(super) chain: Chain,
    front: Front,
}

/// How far the next command has been shown.
enum Front {
    /// Not at all.
    New,
    /// A step waits.
    Waits {
        id: ExchangeId,
        at: usize,
        future: LocalBoxFuture<'static, Verdict>,
    },
    /// It may go on.
    Approved,
    /// A step has answered it.
    Answered(Vec<u8>),
}

/// What came of showing a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Showing {
    Approved,
    /// A step waits.
    Waits,
    /// It goes no further: this is the answer.
    Answered(Vec<u8>),
}

impl Shown {
    pub(super) fn of(rules: &Arc<ListenerRules>) -> Option<Box<Self>> {
        let chain = Chain::build(&rules.chain)?;
        let front = Front::New;
        Some(Box::new(Self { chain, front }))
    }

    pub(super) fn sees_requests(&self) -> bool {
        let interest = self.chain.interest();
        interest.request != Need::Pass || interest.reply != Need::Pass
    }

    pub(super) fn sees_pushes(&self) -> bool {
        self.chain.interest().push != Need::Pass
    }

    pub(super) fn wants_reply_body(&self) -> bool {
        self.chain.wants_reply_body()
    }

    fn decide(&mut self, id: ExchangeId, decision: Decision, answer: Option<Vec<u8>>) {
        self.front = match decision {
            Decision::Forward(_) => Front::Approved,
            Decision::Answered => Front::Answered(answer.unwrap_or_default()),
            Decision::Wait { at, future } => Front::Waits { id, at, future },
        };
    }
}

impl Session {
    /// Shows the next command to the chain; it is shown once, however often it is looked at before it can be taken.
    pub(super) fn show(
        &mut self,
        cx: &mut Context<'_>,
        command: &Command<'_>,
        row: Option<&'static Row>,
        truncated: bool,
    ) -> Showing {
        if self.shown.is_none() {
            return Showing::Approved;
        }
        let in_transaction = self.in_transaction();
        let user = Arc::clone(&self.shared.user.borrow());
        let mut number = [0; 10];
        let known = Known {
            space: decimal(self.key.database, &mut number),
            user: &user,
            version: self.key.version,
            in_transaction,
            truncated,
        };
        let Some(shown) = self.shown.as_mut().filter(|shown| shown.sees_requests()) else {
            return Showing::Approved;
        };
        loop {
            match &mut shown.front {
                Front::New => {
                    let id = shown.chain.next_id();
                    let mut request = Request::new(command.bytes(), command.name(), row, known);
                    let decision = shown.chain.request(id, &mut request);
                    let answer = request.answer.take();
                    shown.decide(id, decision, answer);
                }
                Front::Waits { id, at, future } => {
                    let Poll::Ready(verdict) = Pin::new(future).poll(cx) else {
                        return Showing::Waits;
                    };
                    let (id, at) = (*id, *at);
                    let mut request = Request::new(command.bytes(), command.name(), row, known);
                    let decision = shown.chain.resume(id, &mut request, at, verdict);
                    let answer = request.answer.take();
                    shown.decide(id, decision, answer);
                }
                Front::Approved => return Showing::Approved,
                Front::Answered(words) => return Showing::Answered(words.clone()),
            }
        }
    }

    /// The command that was shown is taken; whether the chain waits for its answer.
    pub(super) fn take_shown(&mut self) -> bool {
        let Some(shown) = &mut self.shown else { return false };
        let was_shown = !matches!(shown.front, Front::New);
        shown.front = Front::New;
        was_shown
    }

    /// Something that answers no command, or a stretch of it, as the chain lets it go on.
    pub(super) fn push(&mut self, bytes: &[u8], is_cut: bool) {
        if let Some(shown) = self
            .shown
            .as_mut()
            .filter(|shown| shown.chain.interest().push != Need::Pass)
        {
            let part = Part {
                bytes,
                is_cut,
                end: None,
            };
            let words = shown.chain.push(part).into_owned();
            self.queue(&words);
        } else {
            self.queue(bytes);
        }
    }
}

/// A number's digits.
fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &str {
    let mut at = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        at -= 1;
        if number == 0 {
            break;
        }
    }
    digits
        .get(at..)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn numbers_are_written() {
        for number in [0, 7, 10, 15, 16_383, u32::MAX] {
            assert_eq!(decimal(number, &mut [0; 10]), number.to_string());
        }
    }
}
