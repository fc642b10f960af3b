//! A client's session: its commands go over a shared connection or one of its own, and what it is told comes in the
//! order that it asked in.
//!
//! One hand-written future. Every command has a ticket in the client's `order`, and answers that come early wait there.
//! Before a client changes from shared connections to one of its own, or back, or to something that changes its state
//! here, everything that it asked before is answered: order at the servers is kept too.

mod again;
mod answers;
mod exchange;
mod large;
mod lending;
mod listening;
mod order;
mod overdue;
mod own;
mod parts;
mod proving;
mod reload;
mod replies;
mod requests;
mod route;
mod routing;
mod sending;
mod shared;
mod shown;
mod transaction;
mod turned;
mod ways;

pub(crate) use order::{Desk, Spare};
pub(crate) use shared::Shared;

use std::collections::VecDeque;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tidegate_base::{Kind, Origin, Refusal};
use tidegate_engine::{SessionContext, SessionError, Slot};
use tidegate_net::{Outgoing, Stream};
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::reply::{Version, Writer};
use tidegate_redis_wire::request::Splitter;

use crate::acl::Acl;
use crate::admit::Client;
use crate::dial::Key;
use crate::group::Group;
use crate::hub::HubSeat;
use crate::layout::Layout;
use crate::login::Circumstances;
use crate::metrics::UserMetrics;
use crate::passthrough::Credential;
use crate::plan::ListenerRules;
use crate::room::RedisRoom;
use crate::server::ServerSeat;
use again::Again;
use lending::Waiting;
use order::Order;
use own::Own;
use proving::Proving;
use routing::Routing;
use shown::Shown;
use transaction::Transaction;
use ways::Way;

/// How many reads one wake-up may do before others get their turn.
const TURNS: usize = 16;
/// How long a client may take to read the gateway's last words.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// One client's session.
pub(crate) struct Session {
    room: Rc<RedisRoom>,
    shared: Rc<Shared>,
    slot: Slot,
    /// The cluster that is meant now.
    group: Rc<Group>,
    routing: Routing,
    rules: Arc<ListenerRules>,
    /// Which configuration those are of.
    plan: u64,
    around: Arc<Circumstances>,
    client: Stream,
    to_client: Outgoing,
    /// What the client sent and nobody has taken yet.
    held: Vec<u8>,
    /// That is no whole command.
    is_partial: bool,
    splitter: Splitter,
    /// It must log in (again) first.
    is_stranger: bool,
    key: Key,
    metrics: Rc<UserMetrics>,
    shown: Option<Box<Shown>>,
    order: Order,
    ways: Vec<Way>,
    /// What is to be sent again, in order.
    again: VecDeque<Again>,
    /// The gateways that the client is shown as a cluster, for this layout.
    gateways: Option<(Arc<Layout>, Rc<crate::shown::Shown>)>,
    /// What the client listens to.
    hub: Option<HubSeat>,
    /// What the client may do; `None` when that is everything.
    acl: Option<Arc<Acl>>,
    /// The login that its connections are opened with, where that is its own.
    credential: Option<Arc<Credential>>,
    proving: Option<Proving>,
    /// MULTI was asked of a gateway of several servers, and no key yet.
    transaction: Option<Box<Transaction>>,
    dice: u64,
    /// How many commands were sent again and are not answered yet: no further one may overtake them.
    unsettled: usize,
    /// A command longer than what is held flows by.
    is_flowing: bool,
    own: Option<Box<Own>>,
    pool_seat: Option<Rc<ServerSeat>>,
    waiting: Option<Box<Waiting>>,
    /// Why the wait for a connection ended without one.
    refused: Option<Box<Refusal>>,
    /// The client broke the protocol; it is told so behind what it is owed.
    broken: Option<RequestError>,
    at_end: bool,
    closing: bool,
    /// The client does not even take the last words, or is not to get them.
    is_given_up: bool,
    ended: Option<Box<SessionError>>,
    /// How much was left to write at the last look, and since when that is so.
    stalled: Option<(usize, Instant)>,
    woken: bool,
    /// When the client last said something, or was told something.
    active: Instant,
}

impl Session {
    pub(crate) fn new(room: Rc<RedisRoom>, client: Client, context: SessionContext) -> Result<Self, SessionError> {
        let stream = client.stream.adopt();
        let stream = stream.map_err(|error| SessionError::downstream(&error))?;
        let refused = |refusal: Refusal| SessionError::new(Origin::Internal, Kind::Config, refusal.text);
        let group = room.group(&client.cluster).map_err(refused)?;
        let metrics = room.user_metrics(&client.cluster, &client.user);
        let shown = Shown::of(&client.rules);
        let shared = Rc::new(Shared {
            id: client.id,
            listener: client.listener,
            peer: client.peer,
            is_tls: client.is_tls,
            since: Instant::now(),
            user: client.user.into(),
            cluster: client.cluster.into(),
            name: Vec::new().into(),
            database: 0.into(),
            state: "idle".into(),
            exchanges: 0.into(),
        });
        room.enter(&shared);
        let now = room.core.now();
        let is_newest = room
            .plan()
            .listeners
            .get(&shared.listener)
            .is_some_and(|newest| Arc::ptr_eq(newest, &client.rules));
        let plan = if is_newest { room.generation() } else { u64::MAX };
        let mut session = Self {
            room,
            shared,
            slot: context.slot,
            routing: Routing::of(&group),
            group,
            splitter: Splitter::new(client.rules.limits, false),
            rules: client.rules,
            plan,
            around: client.around,
            client: stream,
            to_client: Outgoing::default(),
            held: client.early,
            is_partial: false,
            is_stranger: false,
            key: Key::default(),
            metrics,
            shown,
            order: Order::default(),
            ways: Vec::new(),
            again: VecDeque::new(),
            unsettled: 0,
            gateways: None,
            hub: None,
            acl: None,
            credential: None,
            proving: None,
            active: now,
            transaction: None,
            dice: client.id.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            is_flowing: false,
            own: None,
            pool_seat: None,
            waiting: None,
            refused: None,
            broken: None,
            at_end: false,
            closing: false,
            is_given_up: false,
            ended: None,
            stalled: None,
            woken: false,
        };
        let user = Arc::clone(&session.shared.user.borrow());
        session.take_on(&user, client.credential);
        session.reroute(&user).map_err(refused)?;
        Ok(session)
    }

    /// Does what can be done now; ready when the session is over.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        if self.plan != self.room.generation() {
            self.follow_plan();
        }
        for _ in 0..TURNS {
            self.signals(cx);
            let mut moved = self.from_ways(cx)?;
            moved |= self.from_own(cx)?;
            moved |= self.resend(cx);
            moved |= self.from_hub(cx)?;
            if self.closing {
                if !self.is_given_up && self.flush_client(cx)?.is_pending() {
                    return self.rest(cx);
                }
                self.client.shutdown_write();
                return Poll::Ready(self.ended.take().map_or(Ok(()), |error| Err(*error)));
            }
            moved |= self.from_client(cx)?;
            moved |= self.flush_own(cx);
            moved |= self.end_if_due();
            if !moved && !self.closing {
                return self.rest(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ends a session that has nothing more to say or to hear; whether it does.
    fn end_if_due(&mut self) -> bool {
        if self.closing {
            return false;
        }
        // It may have left before what it asked for could begin.
        if self.at_end && self.waits_for_nobody() {
            self.closing = true;
            return true;
        }
        if !self.is_quiet() {
            return false;
        }
        if let Some(error) = self.broken.take() {
            self.say(|writer| writer.error(&format!("ERR {error}")));
            let text = error.to_string();
            self.ended = Some(SessionError::new(Origin::Downstream, Kind::Protocol, text).into());
            self.closing = true;
        }
        let is_gone = self.at_end && (self.held.is_empty() || self.is_partial);
        let has_state = self.own.is_some() || self.transaction.is_some();
        let is_drained = self.room.core.is_draining() && !has_state && self.held.is_empty() && !self.is_flowing;
        self.closing |= is_gone || is_drained;
        self.closing
    }

    /// Whether a client that has said its last word is owed what may never come: the rest of its own command, or what a
    /// server waits for. Nobody is there for it; an element that is popped would be lost.
    fn waits_for_nobody(&self) -> bool {
        let is_cut = self.is_flowing && (self.held.is_empty() || self.is_partial);
        is_cut || self.own.as_ref().is_some_and(|own| own.is_endless())
    }

    /// Before going to sleep: what is left to write keeps its waker, and its deadline.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        let flushed = self.flush_client(cx)?;
        if self.order.is_empty() && self.order.is_spread() {
            // Who has several ways needs as many again.
            let owed = match self.ways.as_mut_slice() {
                [way] if way.owed.is_empty() => std::mem::take(&mut way.owed),
                _ => VecDeque::new(),
            };
            self.room.take_desk(self.order.fold(owed));
        }
        let now = self.room.core.now();
        self.stalled = match (flushed, self.stalled) {
            (Poll::Ready(()), _) => None,
            (Poll::Pending, Some((left, since))) if left == self.to_client.len() => Some((left, since)),
            (Poll::Pending, _) => Some((self.to_client.len(), now)),
        };
        let stall = self.stalled.map(|(_, since)| since);
        let stall = stall
            .zip(self.group.rules().write_timeout)
            .map(|(since, limit)| since + limit);
        let queue = self.waiting.as_ref().and_then(|waiting| waiting.until);
        let again = self.next_again().filter(|ready| *ready > now);
        let overdue = self.overdue_at();
        let deadlines = stall.into_iter().chain(queue).chain(again).chain(overdue);
        self.slot.set_deadline(deadlines.chain(self.idle_until()).min());
        self.shared.state.set(match (&self.own, &self.waiting) {
            (Some(own), _) if own.pin.in_transaction() => "in_transaction",
            (Some(_), _) => "pinned",
            (None, Some(_)) => "waiting",
            (None, None) if self.listens() => "subscribed",
            (None, None) if self.is_quiet() => "idle",
            (None, None) => "active",
        });
        Poll::Pending
    }

    fn flush_client(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        let flushed = self.to_client.poll_flush(cx, &mut self.client, &self.room.core.buffers);
        flushed.map_err(|error| SessionError::downstream(&error))
    }

    /// Deadlines, drain.
    fn signals(&mut self, cx: &Context<'_>) {
        if !self.woken {
            self.woken = true;
            self.slot.set_waker(cx);
        }
        let now = self.room.core.now();
        if let Some((_, since)) = self.stalled
            && let Some(limit) = self.write_limit()
            && now.saturating_duration_since(since) >= limit
        {
            self.give_up("the client does not read what it asked for (client_write)");
        }
        if self
            .waiting
            .as_ref()
            .and_then(|waiting| waiting.until)
            .is_some_and(|until| now >= until)
        {
            self.leave_queue();
        }
        self.give_up_overdue();
        if self.idle_until().is_some_and(|until| now >= until) {
            self.give_up("the client said nothing for too long (client_idle)");
        }
        if self.room.core.is_closing() {
            self.closing = true;
        }
    }

    /// Until when the client may say nothing: who waits for something, or listens, may as long as it likes.
    fn idle_until(&self) -> Option<Instant> {
        let limit = self.group.rules().client_idle?;
        let is_idle = self.is_quiet() && self.own.is_none() && !self.listens() && !self.closing;
        is_idle.then(|| self.active + limit)
    }

    /// How long the client may take nothing of what is written to it.
    fn write_limit(&self) -> Option<Duration> {
        if self.closing {
            return Some(LAST_WORDS);
        }
        self.group.rules().write_timeout
    }

    /// Ends the session without a word.
    fn give_up(&mut self, text: &'static str) {
        self.closing = true;
        self.is_given_up = true;
        self.ended = Some(SessionError::new(Origin::Downstream, Kind::Limit, text).into());
    }

    /// Whether everything that was asked so far is answered.
    fn is_quiet(&self) -> bool {
        let own = self.own.as_ref().is_none_or(|own| own.is_quiet());
        own && self.order.is_empty() && !self.is_flowing && !self.awaits_hub()
    }

    /// Answers a command in the gateway's own words, when everything before it is answered.
    fn say(&mut self, words: impl FnOnce(&mut Writer<'_>)) {
        let mut held = self.room.core.buffers.take();
        words(&mut Writer::new(&mut held, self.key.version));
        let number = self.enter(None, &[], None);
        self.order.answer(number, held);
        self.emit();
    }

    /// Ends the session: what it holds is given up.
    fn finish(&mut self) {
        self.slot.set_deadline(None);
        self.leave_queue();
        self.ways.clear();
        self.hub = None;
        // What is on it nobody knows: it is closed.
        self.own = None;
        self.room.leave(self.shared.id);
        self.room.core.buffers.give_back(&mut self.held);
    }
}

impl Future for Session {
    type Output = Result<(), SessionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = ready!(this.advance(cx));
        this.finish();
        Poll::Ready(outcome)
    }
}

impl Drop for Session {
    /// A session that panicked, or that is dropped with its core, leaves nothing behind.
    fn drop(&mut self) {
        self.leave_queue();
        self.room.leave(self.shared.id);
    }
}

/// What a client begins with, and has again after RESET.
const FRESH: Key = Key {
    version: Version::Resp2,
    database: 0,
    reads: false,
    identity: 0,
};

#[cfg(test)]
mod tests {
    use super::*;

    /// What every idle client costs, beside its socket, its task and what is shared.
    #[test]
    fn a_session_is_small() {
        assert!(size_of::<Session>() <= 800, "{} bytes", size_of::<Session>());
        assert!(size_of::<Way>() <= 128, "{} bytes", size_of::<Way>());
        assert!(size_of::<Shared>() <= 240, "{} bytes", size_of::<Shared>());
        assert!(
            size_of::<order::Ticket>() <= 160,
            "{} bytes",
            size_of::<order::Ticket>()
        );
    }
}
