use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidegate_base::Refusal;
use tidegate_redis_wire::table::{Access, Effect};

use super::Session;
use super::route::{NO_PRIMARY, SLOT_DOWN};
use crate::job::Job;
use crate::layout::{Bucket, Node, RedisKind as Kind};
use crate::login;

const LOST: &str = "ERR the connection to the server was lost; whether the command was done is not known";
/// How often a command that only reads is sent again because its connection was lost.
const MOST_LOSSES: u32 = 2;
/// How long to wait before something is tried again that the servers could not do yet.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

/// A command, or a part of one, that is to be sent, in its turn.
pub(super) struct Again {
    job: Job,
    to: To,
    /// Not before.
    ready: Instant,
    /// What the client is told when it cannot be sent.
    error: Option<Box<[u8]>>,
    /// A server did not do it.
    is_refused: bool,
}

impl Again {
    /// Whether it is of the command of this number.
    pub(super) fn is_of(&self, number: u64) -> bool {
        self.job.number == number
    }
}

/// Where something is sent.
#[derive(Debug, Clone)]
pub(super) enum To {
    /// Wherever it belongs by now.
    Route,
    /// To this server; behind ASKING where its slot is still coming there.
    Node { node: Arc<Node>, asking: bool },
    /// The same over a connection of the client's own, which it then makes state on.
    Own {
        node: Option<Arc<Node>>,
        asking: bool,
        effect: Effect,
    },
}

impl Session {
    /// Whether another server still owes an answer to something that the client asked before, and that may have to
    /// follow to where this goes.
    fn is_overtaking(&self, job: Job, at: usize) -> bool {
        let is_older = |owed: &Option<Job>| owed.is_some_and(|owed| owed.number < job.number);
        let mut others = self.ways.iter().enumerate().filter(|(other, _)| *other != at);
        others.any(|(_, way)| way.owed.iter().any(is_older))
    }

    /// The connection was lost before an answer came, or in the midst of it. What only reads is sent again.
    pub(super) fn answer_lost(&mut self, job: Job) {
        self.turn_back(job);
        let Some(ticket) = self.order.get(job.number) else {
            return;
        };
        let reads = ticket.row.is_some_and(|row| row.access() == Access::Read);
        let is_fresh = reads && !ticket.is_begun;
        let losses = if let Some(parts) = &mut ticket.parts {
            let (held, losses) = (parts.forget(job.part), parts.lose(job.part));
            self.order.lighten(held);
            losses
        } else {
            ticket.losses += 1;
            let losses = ticket.losses;
            self.order.take_held(job.number);
            losses
        };
        let may_again = is_fresh && losses <= MOST_LOSSES;
        if may_again && self.order.bytes(job).is_some() {
            let error = format!("-{LOST}\r\n").into_bytes();
            self.send_again(job, To::Route, "lost", Duration::ZERO, Some(error.into()));
            return;
        }
        self.answer_with(job, format!("-{LOST}\r\n").as_bytes());
    }

    pub(super) fn send_again(
        &mut self,
        job: Job,
        to: To,
        reason: &'static str,
        pause: Duration,
        error: Option<Box<[u8]>>,
    ) {
        let Some(ticket) = self.order.get(job.number) else {
            return;
        };
        self.unsettled += usize::from(ticket.tries == 0);
        ticket.tries += 1;
        self.group.metrics.resent(reason);
        let ready = self.room.core.now() + pause;
        let is_refused = error.is_some() && reason != "lost";
        self.again.push_back(Again {
            job,
            to,
            ready,
            error,
            is_refused,
        });
    }

    /// Has something sent for the first time, as soon as there is somebody to send it to.
    pub(super) fn send_later(&mut self, job: Job) {
        self.again.push_back(Again {
            job,
            to: To::Route,
            ready: self.room.core.now(),
            error: None,
            is_refused: false,
        });
    }

    /// Puts an error in the place of an answer.
    pub(super) fn answer_with(&mut self, job: Job, words: &[u8]) {
        let Some(ticket) = self.order.get(job.number) else {
            return;
        };
        if let Some(parts) = &mut ticket.parts {
            parts.hold(job.part, words);
            self.order.weigh(words.len());
            self.part_ended(job);
        } else {
            self.order.answer(job.number, words.to_vec());
        }
    }

    /// Sends what is to be sent, in order; whether anything was done.
    pub(super) fn resend(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(again) = self.again.front() {
            if again.ready > self.room.core.now() {
                break;
            }
            let (job, to) = (again.job, again.to.clone());
            self.turn_back(job);
            match self.send_job(cx, job, to) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => drop(self.again.pop_front()),
                Poll::Ready(Err(words)) => self.cannot_send(&words),
            }
            moved = true;
        }
        moved
    }

    /// Sends kept bytes; `Err` holds the words of why that cannot be.
    fn send_job(&mut self, cx: &mut Context<'_>, job: Job, to: To) -> Poll<Result<(), String>> {
        let (node, key, asking) = match to {
            To::Own { node, asking, effect } => return self.send_own(cx, job, node, asking, effect),
            To::Node { node, asking } => (node, self.key, asking),
            To::Route => match self.route_of(job) {
                Some((node, key)) => (node, key, false),
                None => return Poll::Ready(Err(self.nobody().to_owned())),
            },
        };
        let at = match std::task::ready!(self.way(cx, &node, key)) {
            Ok(at) => at,
            Err(refusal) => {
                self.group.seek();
                return Poll::Ready(Err(login::words(&refusal)));
            }
        };
        if !self.has_several_servers() && self.is_overtaking(job, at) {
            return Poll::Pending;
        }
        let bytes = self.order.bytes(job).unwrap_or_default();
        let Some(way) = self.ways.get_mut(at) else {
            return Poll::Pending;
        };
        let Some(seat) = &way.seat else { return Poll::Pending };
        std::task::ready!(seat.poll_room(cx));
        let now = self.room.core.now();
        let is_sent = if asking {
            seat.send(&[ASKING, bytes].concat(), 2, now)
        } else {
            seat.send(bytes, 1, now)
        };
        if !is_sent {
            return Poll::Pending;
        }
        if asking {
            way.owed.push_back(None);
        }
        way.owed.push_back(Some(job));
        Poll::Ready(Ok(()))
    }

    /// The same over a connection of the client's own.
    fn send_own(
        &mut self,
        cx: &Context<'_>,
        job: Job,
        node: Option<Arc<Node>>,
        asking: bool,
        effect: Effect,
    ) -> Poll<Result<(), String>> {
        let Some(node) = node.or_else(|| self.route_of(job).map(|(node, _)| node)) else {
            return Poll::Ready(Err(self.nobody().to_owned()));
        };
        self.give_back_own();
        if self.own.is_some() {
            return Poll::Pending;
        }
        if let Err(refusal) = std::task::ready!(self.lend(cx, &node)) {
            return Poll::Ready(Err(login::words(&refusal)));
        }
        let bytes = self.order.bytes(job).unwrap_or_default();
        let buffers = &self.room.core.buffers;
        if let Some(own) = &mut self.own {
            if asking {
                own.send(None, Effect::Plain, ASKING, buffers);
            }
            own.send(Some(job), effect, bytes, buffers);
        }
        Poll::Ready(Ok(()))
    }

    /// Who something belongs to now.
    fn route_of(&mut self, job: Job) -> Option<(Arc<Node>, crate::dial::Key)> {
        let layout = self.group.layout();
        let bucket = self.bucket_of(job);
        let ticket = self.order.get(job.number)?;
        let reads = ticket.row.is_some_and(|row| row.access() == Access::Read) && ticket.tries < 2;
        if let Some(parts) = &ticket.parts
            && let Some(node) = parts.node(job.part)
        {
            let is_it = |known: &&Arc<Node>| Arc::ptr_eq(&known.endpoint, &node.endpoint);
            if bucket.is_none() || layout.primaries().any(|known| is_it(&known)) {
                return Some((Arc::clone(node), self.key));
            }
        }
        let target = match bucket {
            Some(bucket) => self.to_bucket(&layout, bucket, reads),
            None if layout.is_spread() => self.to_any(&layout),
            None => self.to_bucket(&layout, Bucket::ONE.number(), reads),
        };
        target.map(|(node, key)| (Arc::clone(node), key))
    }

    /// What clients are told when there is nobody who does what they want.
    pub(super) fn nobody(&self) -> &'static str {
        self.group.seek();
        if self.group.layout().kind == Kind::Cluster {
            SLOT_DOWN
        } else {
            NO_PRIMARY
        }
    }

    /// The first that is to be sent cannot be sent now: it waits, or the client is told.
    fn cannot_send(&mut self, words: &str) {
        let Some(mut again) = self.again.pop_front() else {
            return;
        };
        let now = self.room.core.now();
        let began = self.order.get(again.job.number).map_or(now, |ticket| ticket.began);
        if now < began + self.group.patience() {
            again.ready = now + PAUSE;
            self.again.push_front(again);
            return;
        }
        let words = format!("-{words}\r\n").into_bytes();
        let words = again.error.unwrap_or_else(|| words.into());
        self.answer_with(again.job, &words);
        self.emit();
    }

    /// Whether something that a server turned away waits to be sent again.
    pub(super) fn waits_for_others(&self) -> bool {
        !self.again.is_empty()
    }

    /// What was turned away and is older than this.
    pub(super) fn turned_away_before(&self, number: u64) -> Vec<Job> {
        let older = self
            .again
            .iter()
            .filter(|again| again.is_refused && again.job.number < number);
        older.map(|again| again.job).collect()
    }

    /// What waits to be sent again is not: the client is told why.
    pub(super) fn give_up_on(&mut self, job: Job) {
        let at = self.again.iter().position(|again| again.job == job);
        if let Some(again) = at.and_then(|at| self.again.remove(at)) {
            let words = again
                .error
                .unwrap_or_else(|| format!("-{LOST}\r\n").into_bytes().into());
            self.answer_with(job, &words);
        }
    }

    /// When something is due to be sent again.
    pub(super) fn next_again(&self) -> Option<Instant> {
        self.again.front().map(|again| again.ready)
    }

    /// Whether something of the client's must be sent before anything further may be.
    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled > 0 || !self.again.is_empty()
    }

    /// Answers a command that cannot be sent now, or has it sent as soon as it can.
    pub(super) fn cannot_go(&mut self, refusal: &Refusal) -> Option<String> {
        self.group.seek();
        self.group.patience().is_zero().then(|| login::words(refusal))
    }
}
