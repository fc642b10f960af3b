use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

use crate::{Exchange, ExchangeId, Factory, Flow, Interest, Need, Part, Reply, Transform, Verdict};

/// A session's steps, in order: requests run through them first to last, replies last to first.
pub struct Chain {
    steps: Vec<Box<dyn Transform>>,
    interest: Interest,
    last: u64,
    /// What each step must be shown of the replies that are still to come, oldest exchange first. Bounded by the
    /// protocol's bound on exchanges under way.
    open: VecDeque<Open>,
}

#[derive(Debug)]
struct Open {
    id: ExchangeId,
    needs: Needs,
}

/// What each step must be shown of one reply, two bits a step, so that opening an exchange allocates nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Needs(u64);

impl Needs {
    fn of(self, step: usize) -> Need {
        match (self.0 >> (2 * step)) & 3 {
            0 => Need::Pass,
            1 => Need::Head,
            2 => Need::Facts,
            _ => Need::Body,
        }
    }

    fn set(&mut self, step: usize, need: Need) {
        self.0 = self.0 & !(3 << (2 * step)) | (need as u64) << (2 * step);
    }

    fn strongest(self, steps: usize) -> Need {
        (0..steps).map(|step| self.of(step)).max().unwrap_or_default()
    }
}

/// How a request goes on after all steps were asked.
pub enum Decision {
    /// To the server; the strongest need of its reply.
    Forward(Need),
    /// A step has answered it.
    Answered,
    /// Step `at` waits; call [`Chain::resume`] with its verdict.
    Wait {
        /// Which step.
        at: usize,
        /// For what.
        future: LocalBoxFuture<'static, Verdict>,
    },
}

impl Chain {
    /// The most steps that one chain can have.
    pub const MAX_STEPS: usize = 32;

    /// A session's chain; `None` when no step wants to see anything. Steps past [`Self::MAX_STEPS`] are a mistake that
    /// whoever builds the Plan must have refused.
    pub fn build(factories: &[Arc<dyn Factory>]) -> Option<Self> {
        let steps: Vec<_> = factories
            .iter()
            .take(Self::MAX_STEPS)
            .map(|factory| factory.step())
            .collect();
        let interest = steps
            .iter()
            .map(|step| step.interest())
            .fold(Interest::default(), Interest::union);
        (interest != Interest::default()).then_some(Self {
            steps,
            interest,
            last: 0,
            open: VecDeque::new(),
        })
    }

    /// The union of the steps' interests.
    pub fn interest(&self) -> Interest {
        self.interest
    }

    /// The id for the next exchange.
    pub fn next_id(&mut self) -> ExchangeId {
        self.last += 1;
        ExchangeId(self.last)
    }

    /// Shows a request to the steps, first to last.
    pub fn request(&mut self, id: ExchangeId, exchange: &mut dyn Exchange) -> Decision {
        if self.open.back().is_none_or(|open| open.id != id) {
            let needs = Needs::default();
            self.open.push_back(Open { id, needs });
        }
        self.run(id, exchange, 0, None)
    }

    /// Goes on after a wait.
    pub fn resume(&mut self, id: ExchangeId, exchange: &mut dyn Exchange, at: usize, verdict: Verdict) -> Decision {
        self.run(id, exchange, at, Some(verdict))
    }

    /// Whether any step wants the bytes of the oldest open exchange's reply.
    pub fn wants_reply_body(&self) -> bool {
        self.open
            .front()
            .is_some_and(|open| open.needs.strongest(self.steps.len()) == Need::Body)
    }

    /// Shows a part of the oldest open exchange's reply, last step to first. Returns what goes on: the part's own bytes,
    /// or others. The last part closes the exchange.
    pub fn reply<'p>(&mut self, part: Part<'p>) -> Cow<'p, [u8]> {
        let Some(open) = self.open.front() else {
            return Cow::Borrowed(part.bytes);
        };
        let mut bytes = Cow::Borrowed(part.bytes);
        for (at, step) in self.steps.iter_mut().enumerate().rev() {
            let shown = match open.needs.of(at) {
                Need::Pass => continue,
                Need::Head | Need::Facts if part.end.is_none() => continue,
                Need::Head | Need::Facts => &[][..],
                Need::Body => &bytes,
            };
            let reply = step.on_reply(open.id, Part { bytes: shown, ..part });
            match reply {
                Reply::Pass => {}
                Reply::Replace(other) => bytes = Cow::Owned(other),
                Reply::Hold => bytes = Cow::Borrowed(&[]),
            }
        }
        if part.end.is_some() {
            self.open.pop_front();
        }
        bytes
    }

    /// Shows something that answers no request, last step to first.
    pub fn push<'p>(&mut self, part: Part<'p>) -> Cow<'p, [u8]> {
        let mut bytes = Cow::Borrowed(part.bytes);
        for step in self.steps.iter_mut().rev() {
            if step.interest().push == Need::Pass {
                continue;
            }
            let shown = Part { bytes: &bytes, ..part };
            match step.on_push(shown) {
                Reply::Pass => {}
                Reply::Replace(other) => bytes = Cow::Owned(other),
                Reply::Hold => bytes = Cow::Borrowed(&[]),
            }
        }
        bytes
    }

    /// Forgets the exchanges under way: their connection is gone.
    pub fn abandon(&mut self) {
        self.open.clear();
    }

    fn run(
        &mut self,
        id: ExchangeId,
        exchange: &mut dyn Exchange,
        from: usize,
        mut verdict: Option<Verdict>,
    ) -> Decision {
        for at in from..self.steps.len() {
            let step = &mut self.steps[at];
            let interest = step.interest();
            let flow = match verdict.take() {
                Some(verdict) => step.resume(id, exchange, verdict),
                None if interest.request == Need::Pass => Flow::Next { reply: interest.reply },
                None => step.on_request(id, exchange),
            };
            match flow {
                Flow::Next { reply } => {
                    if let Some(open) = self.open.back_mut() {
                        open.needs.set(at, reply.min(interest.reply));
                    }
                }
                Flow::Stop => return Decision::Answered,
                Flow::Wait(future) => return Decision::Wait { at, future },
            }
        }
        let strongest = self
            .open
            .back()
            .map(|open| open.needs.strongest(self.steps.len()))
            .unwrap_or_default();
        Decision::Forward(strongest)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Chain")
            .field("steps", &self.steps.len())
            .field("interest", &self.interest)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_base::{Reason, Refusal};

    use super::*;
    use crate::{Facts, Outcome, Verdict};

    #[derive(Default)]
    struct Asked {
        refused: Option<Refusal>,
    }

    impl Exchange for Asked {
        fn facts(&mut self) -> Facts<'_> {
            Facts::default()
        }
        fn request(&self) -> &[u8] {
            b"request"
        }
        fn refuse(&mut self, refusal: Refusal) {
            self.refused = Some(refusal);
        }
        fn replay(&mut self, _: &[u8]) {}
    }

    /// Adds its letter to every reply that it is shown; refuses or waits when told to.
    struct Letter {
        mark: u8,
        interest: Interest,
        flow: fn() -> Flow,
    }

    impl Transform for Letter {
        fn interest(&self) -> Interest {
            self.interest
        }
        fn on_request(&mut self, _: ExchangeId, exchange: &mut dyn Exchange) -> Flow {
            let flow = (self.flow)();
            if matches!(flow, Flow::Stop) {
                exchange.refuse(Refusal::new(Reason::Denied, "no"));
            }
            flow
        }
        fn on_reply(&mut self, _: ExchangeId, part: Part<'_>) -> Reply {
            let mut bytes = part.bytes.to_vec();
            bytes.push(self.mark);
            Reply::Replace(bytes)
        }
    }

    fn chain(steps: Vec<Letter>) -> Chain {
        let steps: Vec<Box<dyn Transform>> = steps.into_iter().map(|step| Box::new(step) as _).collect();
        let interest = steps
            .iter()
            .map(|s| s.interest())
            .fold(Interest::default(), Interest::union);
        Chain {
            steps,
            interest,
            last: 0,
            open: VecDeque::new(),
        }
    }

    fn letter(mark: u8, reply: Need, flow: fn() -> Flow) -> Letter {
        let interest = Interest {
            request: Need::Facts,
            reply,
            push: Need::Pass,
        };
        Letter { mark, interest, flow }
    }

    const END: Option<Outcome<'static>> = Some(Outcome::Done);

    #[test]
    fn replies_run_last_step_first_and_only_to_who_asked() {
        let body = || Flow::Next { reply: Need::Body };
        let mut chain = chain(vec![
            letter(b'a', Need::Body, body),
            letter(b'b', Need::Pass, body),
            letter(b'c', Need::Body, body),
        ]);
        let id = chain.next_id();
        let decision = chain.request(id, &mut Asked::default());
        assert!(matches!(decision, Decision::Forward(Need::Body)));
        let part = |end| Part {
            bytes: b"x",
            is_cut: false,
            end,
        };
        assert_eq!(&*chain.reply(part(None)), b"xca");
        assert_eq!(&*chain.reply(part(END)), b"xca");
        assert_eq!(&*chain.reply(part(END)), b"x", "the exchange is closed");
    }

    #[test]
    fn a_refusal_stops_the_walk() {
        let next = || Flow::Next { reply: Need::Pass };
        let mut chain = chain(vec![
            letter(b'a', Need::Pass, || Flow::Stop),
            letter(b'b', Need::Pass, next),
        ]);
        let mut asked = Asked::default();
        let id = chain.next_id();
        assert!(matches!(chain.request(id, &mut asked), Decision::Answered));
        assert_eq!(asked.refused.unwrap().reason, Reason::Denied);
    }

    #[test]
    fn a_wait_goes_on_where_it_stopped() {
        let wait = || Flow::Wait(Box::pin(async { Verdict(vec![1]) }));
        let mut chain = chain(vec![letter(b'a', Need::Body, wait)]);
        let id = chain.next_id();
        let Decision::Wait { at, .. } = chain.request(id, &mut Asked::default()) else {
            panic!("the step waits");
        };
        let decision = chain.resume(id, &mut Asked::default(), at, Verdict(vec![1]));
        assert!(matches!(decision, Decision::Forward(Need::Pass)));
    }
}
