use std::time::Instant;

use tidegate_base::{Reason, Refusal};
use tidegate_postgres_wire::{backend, sqlstate};

use super::{Due, Session};
use crate::server::Server;

impl Session {
    /// Arms the limits of a request that begins now, at this server.
    pub(super) fn limit_request(&mut self, entered: Option<Instant>) {
        let terms = self.group.terms.get();
        self.limit(terms.query, Due::Query);
        if let Some(most) = terms.transaction {
            self.end_by(entered.unwrap_or(self.began) + most);
        }
    }

    /// Arms those of a transaction in which nothing is under way.
    pub(super) fn limit_transaction(&mut self, server: Option<&Server>) {
        let terms = self.group.terms.get();
        self.limit(terms.idle_in_transaction, Due::IdleInTransaction);
        if let Some(most) = terms.transaction {
            let entered = server.and_then(|server| server.entered);
            self.end_by(entered.unwrap_or_else(|| self.room.core.now()) + most);
        }
    }

    /// The transaction ends then, if nothing is due before.
    fn end_by(&mut self, at: Instant) {
        if self.deadline.is_none_or(|(other, _)| at < other) {
            self.set_deadline(Some((at, Due::Transaction)));
        }
    }

    /// Arms what comes next for a client that waits for a server, behind what has been: it is told that it waits, the reserve is
    /// used for it, or its time is up.
    pub(super) fn limit_wait(&mut self, behind: Option<Due>) {
        let terms = self.group.terms.get();
        if terms.queue_notice.is_none() && terms.limits.reserve == 0 {
            return self.limit(terms.queue_timeout, Due::Queue);
        }
        // Before it is let in, a client understands no notice.
        let notice = terms.queue_notice.filter(|_| self.login.is_none());
        let reserve = terms.limits.reserve_after.filter(|_| terms.limits.reserve > 0);
        let steps = [
            (notice, Due::QueueNotice),
            (reserve, Due::Reserve),
            (terms.queue_timeout, Due::Queue),
        ];
        let place = |due: Due| steps.iter().position(|(_, step)| *step == due);
        let at = |step: usize| steps[step].0.map(|after| (after, step));
        let passed = behind.and_then(place).and_then(at);
        let next = (0..steps.len())
            .filter_map(at)
            .filter(|step| Some(*step) > passed)
            .min();
        self.set_deadline(next.map(|(after, step)| (self.began + after, steps[step].1)));
    }

    /// Tells the client that it waits; it does so no longer than it would without.
    pub(super) fn tell_of_wait(&mut self) {
        let mut out = Vec::new();
        let text = "no server connection is free: this client waits in the queue";
        backend::notice(&mut out, sqlstate::SUCCESSFUL_COMPLETION, text);
        self.to_client.queue(&out, &self.room.core.buffers);
        self.limit_wait(Some(Due::QueueNotice));
    }

    /// It has waited for so long that a connection of the reserve may be opened for it.
    pub(super) fn use_reserve(&mut self) {
        self.limit_wait(Some(Due::Reserve));
        if let Some(pool) = self.pool.clone() {
            self.room.open_wanted(&self.group, &pool, self.manners.verbose_errors);
        }
    }

    /// It has waited for too long: it is told so, or why no server could be reached in that time.
    pub(super) fn give_up_waiting(&mut self, now: Instant) {
        let error = self.pool.as_ref().and_then(|pool| pool.pool.error());
        self.leave_queue(now);
        let refusal = match error {
            None => {
                let text = "no server connection became free in time (queue_timeout); try again";
                Refusal::new(Reason::Overloaded, text)
            }
            Some(error) => {
                let text = format!(
                    "no server connection became free in time (queue_timeout): {}",
                    error.text
                );
                Refusal {
                    text: text.into(),
                    ..error
                }
            }
        };
        self.refuse_held(&refusal);
    }
}
