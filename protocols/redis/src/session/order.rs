use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use tidegate_redis_wire::table::Row;

use super::parts::Parts;
use crate::job::Job;

/// Beyond so many bytes that are done with, those that are kept are moved together.
const DONE_WITH: usize = 64 * 1024;
/// For so many commands a desk that nobody uses has room.
const MOST_TICKETS: usize = 1024;
/// So many buffers for answers that come early are used again, and none that is larger than this.
const MOST_SPARE: usize = 1024;
const SPARE: usize = 1024;

/// The commands of one client that are under way, in the order in which it asked. Their answers may come in another
/// order, over several connections; the client gets them in this one. Pure.
#[derive(Debug, Default)]
pub(super) struct Order {
    tickets: VecDeque<Ticket>,
    /// The number of the oldest ticket.
    first: u64,
    /// Bytes of commands that may have to be sent again, oldest first.
    kept: Vec<u8>,
    /// How many bytes were kept before the first of those.
    before: u64,
    /// How many bytes of answers wait for their turn.
    held: usize,
}

/// One command of a client.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) row: Option<&'static Row>,
    pub(super) began: Instant,
    /// Since when no other is answered before it, or it was sent.
    pub(super) oldest_since: Instant,
    /// Where its bytes are kept.
    kept: Option<Range<u64>>,
    /// What of its answer waits, because others come first or it must be looked at as a whole.
    pub(super) held: Vec<u8>,
    /// All of its answer is here.
    pub(super) is_done: bool,
    /// A part of the answer is with the client.
    pub(super) is_begun: bool,
    /// The chain was shown it, and waits for its end.
    pub(super) is_shown: bool,
    /// What the client is told in place of the answer.
    pub(super) instead: Option<Box<[u8]>>,
    /// How often it was sent again.
    pub(super) tries: u32,
    /// How often a connection was lost that its answer was to come over.
    pub(super) losses: u32,
    /// It goes to several servers.
    pub(super) parts: Option<Box<Parts>>,
    /// What its keys have in common.
    pub(super) bucket: Option<u16>,
    /// Which of the client's clusters it goes to.
    pub(super) group: usize,
}

impl Ticket {
    /// A command that is on its way.
    pub(super) fn new(row: Option<&'static Row>, began: Instant) -> Self {
        Self {
            row,
            began,
            oldest_since: began,
            kept: None,
            held: Vec::new(),
            is_done: false,
            is_begun: false,
            is_shown: false,
            instead: None,
            tries: 0,
            losses: 0,
            parts: None,
            bucket: None,
            group: 0,
        }
    }
}

impl Order {
    /// Whether everything is answered.
    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// How many bytes of commands and of answers it holds.
    pub(super) fn weight(&self) -> usize {
        self.kept.len() + self.held
    }

    /// A further command; its bytes are kept when there are some. Returns its number.
    pub(super) fn push(&mut self, mut ticket: Ticket, bytes: &[u8]) -> u64 {
        if !bytes.is_empty() {
            let start = self.before + self.kept.len() as u64;
            self.kept.extend_from_slice(bytes);
            ticket.kept = Some(start..start + bytes.len() as u64);
        }
        self.held += ticket.held.len();
        self.tickets.push_back(ticket);
        self.first + self.tickets.len() as u64 - 1
    }

    /// Whether the client gets this one's answer next.
    pub(super) fn is_next(&self, number: u64) -> bool {
        number == self.first
    }

    /// The ticket of this number.
    pub(super) fn get(&mut self, number: u64) -> Option<&mut Ticket> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.tickets.get_mut(at)
    }

    /// The number of the oldest command, or of the next one when there is none.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// How many commands are under way.
    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }

    /// The ticket whose answer the client gets next.
    pub(super) fn next(&mut self) -> Option<&mut Ticket> {
        self.tickets.front_mut()
    }

    /// The bytes of a command, or of a part of it, as far as they were kept.
    pub(super) fn bytes(&self, job: Job) -> Option<&[u8]> {
        let at = usize::try_from(job.number.checked_sub(self.first)?).ok()?;
        let ticket = self.tickets.get(at)?;
        if let Some(parts) = &ticket.parts {
            return parts.bytes(job.part);
        }
        let kept = ticket.kept.as_ref()?;
        let place = |at: u64| usize::try_from(at.checked_sub(self.before)?).ok();
        self.kept.get(place(kept.start)?..place(kept.end)?)
    }

    /// Holds a stretch of an answer.
    pub(super) fn hold(&mut self, number: u64, bytes: &[u8], spare: &Spare) {
        let Some(ticket) = self.get(number) else { return };
        if ticket.held.capacity() == 0 {
            ticket.held = spare.take();
        }
        ticket.held.extend_from_slice(bytes);
        self.held += bytes.len();
    }

    /// Says that parts hold so many bytes of answers more.
    pub(super) fn weigh(&mut self, more: usize) {
        self.held += more;
    }

    /// Says that parts hold so many bytes of answers fewer.
    pub(super) fn lighten(&mut self, fewer: usize) {
        self.held = self.held.saturating_sub(fewer);
    }

    /// Gives a command its whole answer.
    pub(super) fn answer(&mut self, number: u64, words: Vec<u8>) {
        let Some(ticket) = self.get(number) else { return };
        let before = ticket.held.len();
        ticket.is_done = true;
        let length = words.len();
        ticket.held = words;
        self.held = self.held + length - before;
    }

    /// Takes what is held of an answer.
    pub(super) fn take_held(&mut self, number: u64) -> Vec<u8> {
        let held = self.get(number).map(|ticket| std::mem::take(&mut ticket.held));
        let held = held.unwrap_or_default();
        self.held = self.held.saturating_sub(held.len());
        held
    }

    /// The oldest command is answered.
    pub(super) fn pop(&mut self) -> Option<Ticket> {
        let ticket = self.tickets.pop_front()?;
        self.first += 1;
        self.held = self.held.saturating_sub(ticket.held.len());
        if self.tickets.is_empty() {
            self.before += self.kept.len() as u64;
            self.kept.clear();
        } else if let Some(kept) = &ticket.kept {
            let done = usize::try_from(kept.end.saturating_sub(self.before)).unwrap_or(0);
            if done > DONE_WITH && done > self.kept.len() / 2 {
                self.kept.drain(..done);
                self.before += done as u64;
            }
        }
        Some(ticket)
    }

    /// Whether it owns memory; an idle client's is lent to others.
    pub(super) fn is_spread(&self) -> bool {
        self.tickets.capacity() > 0
    }

    /// Takes memory to work in.
    pub(super) fn spread(&mut self, desk: Desk) {
        (self.tickets, self.kept) = (desk.tickets, desk.kept);
    }

    /// Gives its memory away; there must be nothing under way.
    pub(super) fn fold(&mut self, owed: VecDeque<Option<Job>>) -> Desk {
        let mut desk = Desk {
            tickets: std::mem::take(&mut self.tickets),
            kept: std::mem::take(&mut self.kept),
            owed,
        };
        desk.tickets.shrink_to(MOST_TICKETS);
        desk.owed.shrink_to(MOST_TICKETS);
        desk.kept.shrink_to(DONE_WITH);
        desk
    }
}

/// Memory that a client with commands under way works in; a core keeps some of them.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    tickets: VecDeque<Ticket>,
    kept: Vec<u8>,
    /// For what is owed over the client's way.
    pub(super) owed: VecDeque<Option<Job>>,
}

/// Small buffers for answers that come early, of all clients of a core.
#[derive(Debug, Default)]
pub(crate) struct Spare(RefCell<Vec<Vec<u8>>>);

impl Spare {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer that may be used again; `false` when this one is not for that.
    pub(super) fn give_back(&self, buffer: &mut Vec<u8>) -> bool {
        let mut stock = self.0.borrow_mut();
        let is_fit = (1..=SPARE).contains(&buffer.capacity()) && stock.len() < MOST_SPARE;
        if is_fit {
            buffer.clear();
            stock.push(std::mem::take(buffer));
        }
        is_fit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        Ticket::new(None, Instant::now())
    }

    proptest! {
        /// Numbers count up, bytes stay with their commands, and nothing is left when all are answered.
        #[test]
        fn bytes_stay_with_their_commands(script in proptest::collection::vec((0_usize..60_000, 0_usize..3), 1..60)) {
            let (mut order, mut model) = (Order::default(), VecDeque::new());
            for (length, answers) in script {
                let bytes = vec![u8::try_from(length % 251).unwrap(); length];
                let number = order.push(ticket(), &bytes);
                model.push_back((number, bytes));
                for _ in 0..answers {
                    let Some((number, bytes)) = model.pop_front() else { break };
                    prop_assert!(order.is_next(number));
                    prop_assert_eq!(order.bytes(Job::whole(number)).unwrap_or_default(), &bytes[..]);
                    prop_assert!(order.pop().is_some());
                }
                for (number, bytes) in &model {
                    prop_assert_eq!(order.bytes(Job::whole(*number)).unwrap_or_default(), &bytes[..]);
                }
                prop_assert!(order.kept.len() <= 2 * (model.iter().map(|(_, b)| b.len()).sum::<usize>() + DONE_WITH + 60_000));
            }
            while order.pop().is_some() {}
            prop_assert_eq!((order.weight(), order.is_empty()), (0, true));
        }
    }

    #[test]
    fn what_is_held_is_weighed() {
        let mut order = Order::default();
        let first = order.push(ticket(), b"");
        let second = order.push(ticket(), b"GET");
        order.hold(second, b"+early\r\n", &Spare::default());
        assert_eq!(order.weight(), 3 + 8);
        assert!(!order.is_next(second));
        order.pop();
        assert!(order.is_next(second) && order.get(first).is_none());
        assert_eq!(order.take_held(second), b"+early\r\n");
        order.pop();
        assert_eq!(order.weight(), 0);
    }
}
