use std::time::Instant;

use super::Session;

const OVERDUE: &[u8] =
    b"-ERR the server did not answer in time (timeouts.request); whether the command was done is not known\r\n";

impl Session {
    /// When the oldest command has waited for its answer for long enough, from when it became the oldest. What waits on
    /// purpose has no such time.
    pub(super) fn overdue_at(&mut self) -> Option<Instant> {
        let limit = self.group.rules().request_timeout?;
        if self.own.as_ref().is_some_and(|own| own.pin.is_blocked()) {
            return None;
        }
        let ticket = self.order.next().filter(|ticket| !ticket.is_begun)?;
        Some(ticket.oldest_since + limit)
    }

    /// Answers what waited for too long with an error. The session goes on: what servers say to it later is for nobody.
    pub(super) fn give_up_overdue(&mut self) {
        let now = self.room.core.now();
        while self.overdue_at().is_some_and(|at| now >= at) {
            let number = self.order.first();
            self.forget_job(number);
            if let Some(ticket) = self.order.get(number) {
                let held = ticket.parts.take().map_or(0, |parts| parts.weight());
                ticket.instead = None;
                self.order.lighten(held);
            }
            self.order.answer(number, OVERDUE.to_vec());
            self.emit();
        }
    }

    /// Lets answers to a command go to nobody, and sends nothing of it again.
    fn forget_job(&mut self, number: u64) {
        self.again.retain(|again| !again.is_of(number));
        let ways = self.ways.iter_mut().map(|way| &mut way.owed);
        let own = self.own.iter_mut().map(|own| own.owed_mut());
        for owed in ways.chain(own).flatten() {
            if owed.is_some_and(|job| job.number == number) {
                *owed = None;
            }
        }
    }
}
