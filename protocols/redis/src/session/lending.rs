use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tidegate_base::{Reason, Refusal};

use super::Session;
use super::own::Own;
use crate::layout::Node;
use crate::server::{ServerPool, ServerSeat};

/// A place in the queue for a connection of one's own.
pub(super) struct Waiting {
    pool: Rc<ServerPool>,
    node: Arc<Node>,
    group: usize,
    since: Instant,
    pub(super) until: Option<Instant>,
}

impl Session {
    /// Takes a connection for the client alone, or a place in the queue for one.
    pub(super) fn lend(&mut self, cx: &Context<'_>, node: &Arc<Node>) -> Poll<Result<(), Refusal>> {
        if let Some(refusal) = self.refused.take() {
            return Poll::Ready(Err(*refusal));
        }
        let seat = Rc::clone(self.pool_seat.get_or_insert_with(|| ServerSeat::new(())));
        if let Some(waiting) = &self.waiting {
            let turn = std::task::ready!(waiting.pool.poll_turn(&seat, cx));
            let since = waiting.since;
            self.group
                .metrics
                .wait_time
                .record(self.room.core.now().saturating_duration_since(since));
            let (node, group) = (Arc::clone(&waiting.node), waiting.group);
            self.waiting = None;
            return Poll::Ready(turn.map(|lease| self.own = Some(Box::new(Own::new(lease, node, group)))));
        }
        let pool = self.group.pool(&node.endpoint, self.key);
        while let Some(mut lease) = pool.try_lend(|_| true) {
            if lease.is_well(&mut Context::from_waker(Waker::noop())) {
                self.own = Some(Box::new(Own::new(lease, Arc::clone(node), self.routing.at())));
                return Poll::Ready(Ok(()));
            }
        }
        if !pool.wait(&seat, cx.waker(), self.room.core.now()) {
            let text = "too many clients wait for a connection of their own (queue_size); try again";
            return Poll::Ready(Err(Refusal::new(Reason::Overloaded, text)));
        }
        self.room.open_wanted(&self.group, &node.endpoint, self.key, &pool);
        let limit = self.group.rules().queue_timeout;
        self.waiting = Some(Box::new(Waiting {
            pool,
            node: Arc::clone(node),
            group: self.routing.at(),
            since: self.room.core.now(),
            until: limit.map(|limit| self.room.core.now() + limit),
        }));
        Poll::Pending
    }

    /// Gives up the place in the queue.
    pub(super) fn leave_queue(&mut self) {
        if let (Some(waiting), Some(seat)) = (self.waiting.take(), &self.pool_seat) {
            drop(waiting.pool.leave(seat, self.room.core.now()));
            let text = "no server connection became free in time (queue_timeout); try again";
            self.refused = Some(Refusal::new(Reason::Overloaded, text).into());
        }
    }
}
