use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_base::Refusal;
use tidegate_cluster::Endpoint;
use tidegate_net::{Outgoing, Stream};
use tidegate_pool::{Lease, Pool, Seat};
use tidegate_redis_wire::reply::Cursor;
use tidegate_redis_wire::table::Effect;

use crate::job::Job;

pub(crate) type ServerPool = Pool<Box<Server>, (), Refusal>;
pub(crate) type ServerLease = Lease<Box<Server>, (), Refusal>;
pub(crate) type ServerSeat = Seat<Box<Server>, (), Refusal>;

/// How much of a reply's start is kept, to see what it says: an error's first word.
const HEAD: usize = 32;

/// A connection that one client at a time has for its own.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) stream: Stream,
    pub(crate) out: Outgoing,
    pub(crate) cursor: Cursor,
    /// The start of a length line.
    pub(crate) held: Vec<u8>,
    /// The first bytes of the reply that is arriving.
    pub(crate) head: Vec<u8>,
    pub(crate) endpoint: Arc<Endpoint>,
    /// Memory for the next who has it.
    pub(crate) desk: (VecDeque<Effect>, VecDeque<Option<Job>>),
}

impl Server {
    pub(crate) fn new(stream: Stream, endpoint: Arc<Endpoint>) -> Self {
        Self {
            stream,
            out: Outgoing::default(),
            cursor: Cursor::new(),
            held: Vec::new(),
            head: Vec::with_capacity(HEAD),
            endpoint,
            desk: Default::default(),
        }
    }

    /// Whether an idle connection is still there: one that says something unasked, or ends, is not.
    pub(crate) fn is_well(&mut self, cx: &mut Context<'_>) -> bool {
        matches!(self.stream.poll_read(cx, &mut [0]), Poll::Pending)
    }

    /// Whether nothing is half said on it.
    pub(crate) fn is_between(&self) -> bool {
        self.cursor.at_boundary() && self.held.is_empty()
    }

    /// Takes note of a stretch of a reply.
    pub(crate) fn note(&mut self, run: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len()).min(run.len());
        self.head.extend_from_slice(run.get(..room).unwrap_or_default());
    }
}
