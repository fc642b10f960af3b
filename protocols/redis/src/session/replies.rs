use std::borrow::Cow;

use tidegate_chain::{Outcome, Part};
use tidegate_redis_wire::reply::Failure;

use super::Session;
use crate::job::Job;
use crate::scatter::Asker;

impl Session {
    /// A stretch of the answer to a command, or its end, has come over the way at this place. Whether it goes to the
    /// client as it is, and now; otherwise it waits with its ticket until [`Session::emit`].
    pub(super) fn answer_came(&mut self, job: Option<Job>, bytes: &[u8], ended: bool, from: usize) -> bool {
        let Some(job) = job else { return false };
        self.turn_back(job);
        let number = job.number;
        let is_next = self.order.is_next(number);
        let shows = self.shown.as_ref().is_some_and(|shown| shown.wants_reply_body());
        let Some(ticket) = self.order.get(number) else {
            return false;
        };
        if ticket.parts.is_some() {
            self.part_came(job, bytes, ended, from);
            return false;
        }
        if self.is_doubted(number, from) {
            if ended {
                self.ask_another(job);
            }
            return false;
        }
        let Some(ticket) = self.order.get(number) else {
            return false;
        };
        let is_fresh = !ticket.is_begun && ticket.held.is_empty();
        let is_failure = is_fresh && bytes.first() == Some(&b'-');
        let (is_plain, is_shown) = (ticket.held.is_empty() && ticket.instead.is_none(), ticket.is_shown);
        if is_failure && ended && self.is_turned_away(job, failure_of(bytes), from) {
            return false;
        }
        self.overtaken(job);
        let Some(ticket) = self.order.get(number) else {
            return false;
        };
        let is_plain = is_plain && ticket.instead.is_none() && (!is_failure || ended);
        if is_next && is_plain && !(shows && is_shown) {
            ticket.is_begun = true;
            if ended {
                let code = if is_fresh { code_of(bytes) } else { None };
                if is_shown {
                    self.chain_reply(&[], false, Some(outcome(code)));
                }
                self.complete(code);
            }
            return true;
        }
        let was_held = !is_fresh;
        self.order.hold(number, bytes, &self.room.spare);
        if ended && was_held {
            self.answer_ended(number, from);
        } else if ended && let Some(ticket) = self.order.get(number) {
            ticket.is_done = true;
        }
        self.check_weight();
        false
    }

    fn check_weight(&mut self) {
        if self.order.weight() > self.group.rules().mux.waiting.max(self.rules.limits.frame) {
            self.give_up("more answers wait for others to come first than may (reply_buffer)");
        }
    }

    /// A stretch of the answer to a part of a command has come.
    fn part_came(&mut self, job: Job, bytes: &[u8], ended: bool, from: usize) {
        let Some(parts) = self.order.get(job.number).and_then(|ticket| ticket.parts.as_mut()) else {
            return;
        };
        parts.hold(job.part, bytes);
        self.order.weigh(bytes.len());
        if ended {
            let Some(parts) = self.order.get(job.number).and_then(|ticket| ticket.parts.as_mut()) else {
                return;
            };
            let failure = parts.reply(job.part).split_first();
            let failure = failure
                .filter(|(kind, _)| **kind == b'-')
                .map(|(_, text)| text.to_vec());
            let is_sent_again = failure.is_some_and(|text| {
                let text = text.strip_suffix(b"\r\n").unwrap_or(&text);
                self.is_turned_away(job, Failure::new(text), from)
            });
            if is_sent_again {
                let ticket = self.order.get(job.number);
                let held = ticket.and_then(|ticket| Some(ticket.parts.as_mut()?.forget(job.part)));
                self.order.lighten(held.unwrap_or(0));
            } else {
                self.overtaken(job);
                self.part_ended(job);
            }
        }
        self.check_weight();
    }

    /// A part is answered; behind the last one the client has its answer.
    pub(super) fn part_ended(&mut self, job: Job) {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let asker = Asker {
            version: self.key.version,
            sees_cluster: self.rules.advertise.is_some(),
            dice: self.dice >> 16,
        };
        let Some(ticket) = self.order.get(job.number) else {
            return;
        };
        let Some(parts) = ticket.parts.as_mut() else { return };
        if !parts.ended() {
            return;
        }
        let mut answer = Vec::new();
        parts.merge(&asker, &mut answer);
        let weight = parts.weight();
        self.order.lighten(weight);
        self.order.answer(job.number, answer);
    }

    /// All of an answer is held. It waits for its turn, unless it says that the command must be sent elsewhere.
    fn answer_ended(&mut self, number: u64, from: usize) {
        let Some(ticket) = self.order.get(number) else { return };
        if !ticket.is_begun && ticket.held.first() == Some(&b'-') {
            let held = ticket.held.clone();
            if self.is_turned_away(Job::whole(number), failure_of(&held), from) {
                self.order.take_held(number);
                return;
            }
        }
        if let Some(ticket) = self.order.get(number) {
            ticket.is_done = true;
        }
    }

    /// Whether something that waited is next.
    pub(super) fn has_more(&mut self) -> bool {
        self.order
            .next()
            .is_some_and(|ticket| ticket.is_done || !ticket.held.is_empty())
    }

    /// Whether a part of the answer is with the client already.
    pub(super) fn is_begun(&mut self, job: Option<Job>) -> bool {
        let ticket = job.and_then(|job| self.order.get(job.number));
        ticket.is_some_and(|ticket| ticket.is_begun)
    }

    /// Answers that waited for their turn go to the client.
    pub(super) fn emit(&mut self) {
        let bound = self.rules.inspect;
        while let Some(ticket) = self.order.next() {
            let shows = ticket.is_shown && self.shown.as_ref().is_some_and(|shown| shown.wants_reply_body());
            let is_failure = !ticket.is_begun && ticket.held.first() == Some(&b'-');
            let is_done = ticket.is_done;
            let waits = ticket.held.is_empty() || is_failure || ticket.instead.is_some();
            if !is_done && (waits || shows && ticket.held.len() <= bound) {
                return;
            }
            let is_cut = !is_done || ticket.is_begun;
            ticket.is_begun = true;
            let (is_shown, instead) = (ticket.is_shown, ticket.instead.take());
            let number = self.order.first();
            let mut held = self.order.take_held(number);
            let words = instead.as_deref().unwrap_or(&held);
            let code = is_done.then(|| code_of(words));
            if is_shown {
                let end = code.map(outcome);
                let words = match self.chain_reply(if shows { words } else { &[] }, is_cut, end) {
                    changed if shows => changed,
                    _ => Cow::Borrowed(words),
                };
                self.queue(&words);
            } else {
                self.queue(words);
            }
            if !self.room.spare.give_back(&mut held) {
                self.room.core.buffers.give_back(&mut held);
            }
            if let Some(code) = code {
                self.complete(code);
            }
        }
    }

    /// Shows the chain a stretch of the oldest answer.
    fn chain_reply<'b>(&mut self, bytes: &'b [u8], is_cut: bool, end: Option<Outcome<'b>>) -> Cow<'b, [u8]> {
        match &mut self.shown {
            Some(shown) => shown.chain.reply(Part { bytes, is_cut, end }),
            None => Cow::Borrowed(bytes),
        }
    }

    /// Lays words for the client behind what waits to be written.
    pub(super) fn queue(&mut self, words: &[u8]) {
        self.metrics.sent.add(words.len() as u64);
        self.active = self.room.core.now();
        self.to_client.queue(words, &self.room.core.buffers);
    }

    /// The oldest command is answered, with an error of this code or well.
    fn complete(&mut self, code: Option<&'static str>) {
        let Some(ticket) = self.order.pop() else { return };
        if let Some(next) = self.order.next() {
            next.oldest_since = self.room.core.now();
        }
        self.unsettled -= usize::from(ticket.tries > 0);
        self.shared.exchanges.set(self.shared.exchanges.get() + 1);
        let took = self.room.core.now().saturating_duration_since(ticket.began);
        self.metrics.answered(took, code);
    }
}

fn outcome(code: Option<&str>) -> Outcome<'_> {
    code.map_or(Outcome::Done, Outcome::Failed)
}

/// The first word of an error, as far as it is known; `None` when it is none.
fn code_of(reply: &[u8]) -> Option<&'static str> {
    match reply.split_first() {
        Some((b'-' | b'!', _)) => Some(failure_of(reply).code().word()),
        _ => None,
    }
}

/// An error reply as it is read.
fn failure_of(reply: &[u8]) -> Failure<'_> {
    let text = reply.get(1..).unwrap_or_default();
    Failure::new(text.strip_suffix(b"\r\n").unwrap_or(text))
}
