//! A client's session: takes servers, moves bytes both ways, and gives servers back clean.
//!
//! One hand-written future, so that an idle session is small and a wake-up does all that it can without a task switch.

mod clean;
mod exchange;
mod gate;
mod gather;
mod lending;
mod limits;
mod listen;
mod mend;
mod replies;
mod requests;
mod shared;
mod shown;
mod single;
mod sql_prepare;
mod welcome;

pub(crate) use clean::clean;
pub(crate) use shared::{Canceller, Shared};

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tidegate_base::{Kind, Origin, Reason, Refusal};
use tidegate_engine::{SessionContext, SessionError, Slot};
use tidegate_net::{Outgoing, Stream};
use tidegate_postgres_wire::backend::{self, Severity, Status};
use tidegate_postgres_wire::{CancelAddress, CancelKey, Cursor, sqlstate};

use crate::admit::Client;
use crate::config::PoolMode;
use crate::dial::fill;
use crate::effects::{Answers, Bracket, Touched};
use crate::group::{EndpointPool, Group};
use crate::plan::Manners;
use crate::room::PostgresRoom;
use crate::server::{ServerLease, ServerSeat};
use crate::settings::Settings;
use crate::statements::Names;
use crate::told::Farewell;
use shared::State;
use shown::Shown;

/// How many reads one wake-up may do before others get their turn.
const TURNS: usize = 16;
/// So many cancels may be on their way to one server. Until the last has come and gone nobody else gets that server, so
/// whoever asks again and again adds nothing.
const MOST_CANCELS: usize = 4;
/// How long a client may take to read the gateway's last words.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How much of a client is read while it waits for a server.
const READ_AHEAD: usize = 64 * 1024;

/// One client's session.
pub(crate) struct Session {
    room: Rc<PostgresRoom>,
    shared: Rc<Shared>,
    slot: Slot,
    group: Rc<Group>,
    client: Stream,
    to_client: Outgoing,
    /// What the client sent and nobody has taken yet.
    held: Vec<u8>,
    /// Bytes of a message that is thrown away, still to come.
    discard: usize,
    /// A step has refused a part of a batch: the rest of it is thrown away, up to its Sync.
    skips: bool,
    cursor: Cursor,
    mode: PoolMode,
    settings: Rc<Settings>,
    /// What the client asked for when it came.
    initial: Rc<Settings>,
    /// What of it servers are opened with.
    started: Rc<Settings>,
    lease: Option<ServerLease>,
    pool: Option<EndpointPool>,
    seat: Option<Rc<ServerSeat>>,
    waits: bool,
    /// The server's settings may not fit after all: nothing goes to it before they are known to.
    settling: bool,
    /// The held bytes are worth another look: a server was lent, or a verdict came.
    retry: bool,
    login: Option<Box<welcome::Login>>,
    names: Option<Box<Names>>,
    /// The unnamed statement: Parse's body behind the name.
    unnamed: Vec<u8>,
    /// Running it may change the session.
    unnamed_changes: bool,
    deferred: Option<Bracket>,
    touched: Option<Box<Touched>>,
    probing: Option<Box<Answers>>,
    chain: Option<Box<Shown>>,
    ears: Option<Box<listen::Subscriptions>>,
    /// The SQLSTATE of the exchange's first error.
    failed: Option<[u8; 5]>,
    began: Instant,
    deadline: Option<(Instant, Due)>,
    at_end: bool,
    /// In this wake-up nothing more comes from the client: a waker is left with its socket.
    client_is_dry: bool,
    /// The same of the server that is held.
    server_is_dry: bool,
    closing: bool,
    /// Why it ends, if the client broke the protocol.
    broken: Option<Box<SessionError>>,
    /// The client does not even take the last words.
    is_given_up: bool,
    woken: bool,
    manners: Manners,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It is time to tell the client that it waits.
    QueueNotice,
    Queue,
    Reserve,
    Query,
    KillQuery,
    Transaction,
    IdleInTransaction,
    ClientIdle,
    Listen,
    /// The last words do not get through.
    Close,
}

impl Session {
    pub(crate) fn new(room: Rc<PostgresRoom>, client: Client, context: SessionContext) -> Result<Self, SessionError> {
        let now = Instant::now();
        let stream = client
            .stream
            .adopt()
            .map_err(|error| SessionError::downstream(&error))?;
        let refused = |refusal: Refusal| SessionError::new(Origin::Internal, Kind::Config, refusal.text);
        let group = room.group(&client.route, client.credential, now).map_err(refused)?;
        let rules = group.rules();
        // Of two of a name the last one counts.
        let given = rules.parameters.iter();
        let asked = client.settings.iter().map(|(name, value)| (name, value));
        let all = given.chain(asked).map(|(name, value)| (name.as_str(), value.as_str()));
        let all = room.settings.intern(all);
        let mode = if all.get("replication").is_some() {
            PoolMode::Session
        } else {
            group.mode()
        };
        // The client's own name for itself is SET, so that clients that differ in nothing else share servers. Who
        // replicates cannot SET anything.
        let started = if all.get("replication").is_some() {
            Rc::clone(&all)
        } else {
            room.settings.with(&all, [("application_name", None)])
        };
        let slot = context.slot;
        let core = room.core.index;
        let address = u8::try_from(core)
            .ok()
            .and_then(|core| CancelAddress::new(room.postgres.node(), core, slot.number()))
            .ok_or_else(|| SessionError::new(Origin::Internal, Kind::Limit, "too many sessions on one core"))?;
        let key = CancelKey::new(address, client.version, fill);
        let shared = Shared::new(
            (slot.number(), room.next_serial(), core),
            key,
            (Rc::clone(&group), client.user),
            client.listener.clone(),
            (client.peer, client.is_tls),
            all.get("application_name").unwrap_or_default().to_owned(),
            client.permits,
        );
        room.enter(&shared);
        let chain = Shown::of(&room, &client.listener);
        Ok(Self {
            room,
            shared,
            slot,
            group,
            client: stream,
            to_client: Outgoing::default(),
            held: client.early.into_vec(),
            discard: 0,
            skips: false,
            cursor: Cursor::new(),
            mode,
            initial: Rc::clone(&all),
            settings: all,
            started,
            lease: None,
            pool: None,
            seat: None,
            waits: false,
            settling: false,
            retry: false,
            login: Some(Box::new(welcome::Login {
                last_words: client.last_words,
                notice: client.notice,
            })),
            names: None,
            unnamed: Vec::new(),
            unnamed_changes: false,
            deferred: None,
            touched: None,
            probing: None,
            chain,
            ears: None,
            failed: None,
            began: now,
            deadline: None,
            at_end: false,
            client_is_dry: false,
            server_is_dry: false,
            closing: false,
            broken: None,
            is_given_up: false,
            woken: false,
            manners: client.manners,
        })
    }

    /// Does what can be done now; ready when the session is over.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        for _ in 0..TURNS {
            self.signals(cx)?;
            if self.is_suspended() {
                return self.hold_still(cx);
            }
            let mut moved = false;
            if self.login.is_some() {
                moved |= self.welcome(cx)?;
            }
            if self.waits {
                moved |= self.poll_lease(cx)?;
            }
            if self.lease.is_some() {
                moved |= self.from_server(cx)?;
            }
            moved |= self.from_hub();
            if self.closing {
                if !self.is_given_up {
                    ready!(self.flush_client(cx)).map_err(|error| SessionError::downstream(&error))?;
                    self.client.shutdown_write();
                }
                return Poll::Ready(self.broken.take().map_or(Ok(()), |error| Err(*error)));
            }
            if self.login.is_none() {
                moved |= self.from_client(cx)?;
            }
            if !moved && !self.closing {
                return self.flush_all(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether it stops where it is. One that ends does so, and so do all when the process goes down.
    fn is_suspended(&self) -> bool {
        self.room.is_suspended() && !self.closing && !self.room.core.is_draining()
    }

    /// Suspended: what is held goes out, and nothing comes in.
    fn hold_still(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        let flushed = self.flush_all(cx);
        let is_out = |lease: &ServerLease| lease.out.is_empty();
        let is_still = self.to_client.is_empty() && self.lease.as_ref().is_none_or(is_out);
        self.shared.is_still.set(is_still);
        flushed
    }

    /// Before going to sleep: what is left to write keeps its waker.
    fn flush_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SessionError>> {
        if let Poll::Ready(Err(error)) = self.flush_client(cx) {
            return Poll::Ready(Err(SessionError::downstream(&error)));
        }
        if let Some(mut lease) = self.lease.take() {
            let server = &mut *lease;
            let flushed = server.out.poll_flush(cx, &mut server.stream, &self.room.core.buffers);
            self.lease = Some(lease);
            if let Poll::Ready(Err(_)) = flushed {
                self.server_lost();
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    fn flush_client(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_client.poll_flush(cx, &mut self.client, &self.room.core.buffers)
    }

    /// Cancels, deadlines, drain.
    fn signals(&mut self, cx: &Context<'_>) -> Result<(), SessionError> {
        if !self.woken {
            self.woken = true;
            self.slot.set_waker(cx);
            self.shared.set_waker(cx.waker());
        }
        if self.shared.take_cancel() {
            self.cancel();
        }
        if self.shared.take_kill() && !self.closing {
            if !self.waits {
                self.cancel();
            }
            let text = "terminating connection due to administrator command";
            self.say_goodbye(&Refusal::new(Reason::ShuttingDown, text));
        }
        if let Some((at, due)) = self.deadline.filter(|_| !self.is_suspended()) {
            let now = self.room.core.now();
            let moved = self.room.beyond_stop(at);
            if now >= moved {
                self.set_deadline(None);
                self.due(due, now);
            } else if now >= at {
                self.set_deadline(Some((moved, due)));
            }
        }
        if self.room.core.is_draining() {
            self.drain();
        }
        Ok(())
    }

    /// The process goes down: a session ends at its boundary, and when the time for that is over, at once; a query that
    /// still runs is cancelled first.
    fn drain(&mut self) {
        let is_closing = self.room.core.is_closing();
        if self.closing || self.login.is_some() || !(is_closing || self.is_at_boundary()) {
            return;
        }
        if self.lease.as_ref().is_some_and(|lease| !lease.expected.is_quiet()) {
            self.cancel_once(self.room.core.now());
            return;
        }
        let text = "terminating connection because the gateway is shutting down";
        self.say_goodbye(&Refusal::new(Reason::ShuttingDown, text));
    }

    fn set_deadline(&mut self, deadline: Option<(Instant, Due)>) {
        if self.deadline != deadline {
            self.deadline = deadline;
            self.slot.set_deadline(deadline.map(|(at, _)| at));
        }
    }

    /// Arms a deadline, where the setting has one.
    fn limit(&mut self, limit: Option<Duration>, due: Due) {
        let deadline = limit.map(|limit| (self.room.core.now() + limit, due));
        self.set_deadline(deadline);
    }

    fn due(&mut self, due: Due, now: Instant) {
        match due {
            Due::QueueNotice if self.waits => self.tell_of_wait(),
            Due::Queue if self.waits => self.give_up_waiting(now),
            Due::Reserve if self.waits => self.use_reserve(),
            Due::Listen => self.give_up_listen(None),
            Due::Close => self.is_given_up = true,
            Due::Query if self.lease.is_some() => {
                self.cancel_once(now);
            }
            Due::KillQuery if self.lease.is_some() => {
                let text = "the query was cancelled (query timeout), and the server did not obey";
                self.say_goodbye(&Refusal::new(Reason::TimedOut, text));
            }
            Due::Transaction if self.lease.is_some() || self.deferred.is_some() => {
                let text = "terminating connection due to transaction timeout";
                self.say_goodbye(&Refusal::new(Reason::TimedOut, text).with_code("25P04"));
            }
            Due::IdleInTransaction if self.lease.is_some() || self.deferred.is_some() => {
                let text = "terminating connection due to idle-in-transaction timeout";
                self.say_goodbye(&Refusal::new(Reason::TimedOut, text).with_code("25P03"));
            }
            Due::ClientIdle if self.is_at_boundary() => {
                let text = "terminating connection due to idle-session timeout";
                self.say_goodbye(&Refusal::new(Reason::TimedOut, text).with_code("57P05"));
            }
            _ => {}
        }
    }

    /// Whether no exchange and no transaction is under way.
    fn is_at_boundary(&self) -> bool {
        let server_rests = self.lease.as_ref().is_none_or(|lease| lease.is_clean());
        server_rests
            && !self.waits
            && !self.awaits_listen()
            && self.held.is_empty()
            && self.cursor.at_boundary()
            && self.deferred.is_none()
    }

    /// Cancels what the server is doing, unless that was done already, and gives it a while to obey.
    fn cancel_once(&mut self, now: Instant) {
        if !matches!(self.deadline, Some((_, Due::KillQuery))) {
            self.cancel();
            self.set_deadline(Some((now + Duration::from_secs(10), Due::KillQuery)));
        }
    }

    /// Cancels what the session's server is doing for it.
    fn cancel(&mut self) {
        let cancellers = self.shared.take_cancellers();
        if self.waits {
            self.leave_queue(self.room.core.now());
            let text = "canceling statement due to user request";
            self.refuse_held(&Refusal::new(Reason::TimedOut, text).with_code(sqlstate::QUERY_CANCELED));
            return;
        }
        if self.awaits_listen() {
            let text = "canceling statement due to user request";
            let refusal = Refusal::new(Reason::TimedOut, text).with_code(sqlstate::QUERY_CANCELED);
            return self.give_up_listen(Some(&refusal));
        }
        let Some(lease) = &self.lease else { return };
        if lease.expected.is_quiet() {
            return;
        }
        let (rules, endpoint) = (self.group.rules(), lease.endpoint.clone());
        let (process, secret) = (lease.process, lease.secret.clone());
        let under_way = Rc::clone(&lease.cancels);
        if under_way.get() >= MOST_CANCELS {
            return;
        }
        under_way.set(under_way.get() + 1);
        self.group.metrics.cancels.inc();
        let shared = Rc::clone(&self.shared);
        let login = self.room.core.login.clone();
        // The server is not given back before the cancel has come and gone: it could hit the next client.
        tokio::task::spawn_local(async move {
            let sending = login.spawn(async move { crate::dial::cancel(&rules, &endpoint, process, &secret).await });
            if let Ok(Err(error)) = sending.await {
                tracing::warn!(%error, "cannot cancel a query");
            }
            drop(cancellers);
            under_way.set(under_way.get() - 1);
            shared.wake();
        });
    }

    /// Says a fatal error to the client, behind what it was told already, and ends the session.
    fn say_goodbye(&mut self, refusal: &Refusal) {
        let lease = self.lease.take();
        self.say_goodbye_beside(lease.as_ref(), refusal);
        self.lease = lease;
    }

    /// The same, where the server that the session holds is in other hands.
    fn say_goodbye_beside(&mut self, lease: Option<&ServerLease>, refusal: &Refusal) {
        crate::told::refused(&self.shared, refusal);
        *self.shared.farewell.borrow_mut() = Farewell::Told(Box::new(refusal.clone()));
        // In the midst of a message nothing can be said.
        let is_between = lease.is_none_or(|lease| lease.cursor.at_boundary());
        if is_between {
            let mut out = Vec::new();
            backend::refusal(&mut out, Severity::Fatal, refusal);
            self.to_client.queue(&out, &self.room.core.buffers);
        }
        self.closing = true;
        self.limit(Some(LAST_WORDS), Due::Close);
    }

    /// Answers the request that is held, all of it, with an error, and goes on; or ends the session when only part of it
    /// is here.
    fn refuse_held(&mut self, refusal: &Refusal) {
        match requests::first_exchange(&self.held) {
            Some(length) if self.deferred.is_none() && self.login.is_none() => {
                crate::told::refused(&self.shared, refusal);
                self.held.drain(..length);
                let mut out = Vec::new();
                backend::refusal(&mut out, Severity::Error, refusal);
                backend::ready(&mut out, Status::Idle);
                self.say(&out);
                self.retry = true;
                self.rest();
            }
            _ => self.say_goodbye(refusal),
        }
    }

    /// The server's stream broke.
    fn server_lost(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        lease.because("the connection was lost");
        lease.endpoint.rest();
        self.shared.lent.replace(None);
        let is_between = lease.cursor.at_boundary() && lease.held.is_empty();
        // The server's own last words were weighed when they came.
        let last_words = lease.last_words.take();
        let keeps_going = last_words.is_some() || (is_between && self.can_lose(&lease));
        let has_said_goodbye = lease.has_said_goodbye;
        let is_idle = self.loses_nothing(&lease);
        // Half-closed behind the client's own half-close, and everything is answered.
        let is_asked_for = self.at_end && lease.expected.is_quiet();
        let pool = self.pool.take();
        drop(lease);
        if let Some(pool) = &pool {
            self.room.open_wanted(&self.group, pool, self.manners.verbose_errors);
        }
        self.touched = None;
        self.probing = None;
        if is_idle {
            return self.rest();
        }
        let text = "the connection to the server was lost";
        let refusal = Refusal::new(Reason::Unavailable, text).with_code(sqlstate::CONNECTION_FAILURE);
        if keeps_going {
            let mut out = last_words.unwrap_or_default();
            if out.is_empty() {
                backend::refusal(&mut out, Severity::Error, &refusal);
            }
            backend::ready(&mut out, Status::Idle);
            self.say(&out);
            self.rest();
        } else if is_between && !has_said_goodbye && !is_asked_for {
            self.say_goodbye(&refusal);
        } else {
            self.closing = true;
        }
    }

    /// The session holds no server.
    fn rest(&mut self) {
        self.shared.state.set(State::Idle);
        let limit = self.group.terms.get().client_idle;
        self.limit(limit, Due::ClientIdle);
    }

    /// Ends the session: what it holds goes back, is cleaned, or closed.
    fn finish(&mut self) {
        crate::told::ended(&self.shared);
        self.set_deadline(None);
        self.unlisten(None);
        self.room.leave(self.shared.slot);
        let now = self.room.core.now();
        self.group.used.set(now);
        if self.waits {
            self.leave_queue(now);
        }
        let (lease, pool) = (self.lease.take(), self.pool.take());
        if let (Some(mut lease), Some(pool)) = (lease, pool) {
            // Nobody asks any more what came of it, and locks of a session outlive the ROLLBACK.
            lease.tainted |= !self.is_known();
            lease.endpoint.rest();
            self.room.clean_in_background(&self.group, pool, lease);
        }
        self.room.core.buffers.give_back(&mut self.held);
    }
}

impl Future for Session {
    type Output = Result<(), SessionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        (this.client_is_dry, this.server_is_dry) = (false, false);
        let outcome = ready!(this.advance(cx));
        this.finish();
        Poll::Ready(outcome)
    }
}

impl Drop for Session {
    /// A session that panicked, or that is dropped with its core, leaves nothing behind: its server is closed.
    fn drop(&mut self) {
        self.unlisten(None);
        self.room.leave(self.shared.slot);
        if self.waits
            && let (Some(pool), Some(seat)) = (&self.pool, &self.seat)
        {
            drop(pool.pool.leave(seat, Instant::now()));
        }
        if let Some(lease) = &self.lease {
            lease.endpoint.rest();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Session;

    /// An idle client costs this much and nothing else but its socket and its name: no buffer, no login's leftovers.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Session>() <= 640, "{} bytes", size_of::<Session>());
    }
}
