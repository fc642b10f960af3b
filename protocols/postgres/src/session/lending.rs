use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tidegate_base::{Reason, Refusal};
use tidegate_engine::SessionError;
use tidegate_postgres_wire::backend::{self, Status};
use tidegate_postgres_wire::{frontend, sqlstate};

use super::shared::State;
use super::single::no_blocks;
use super::{Due, PoolMode, Session};
use crate::effects::{Answers, Touched};
use crate::expected::Entry;
use crate::server::{Need, Server, ServerLease, ServerSeat};
use crate::settings::{Settings, is_doubtful, restated, transition};

/// How often the server is asked again what is so.
const MOST_AGAIN: u8 = 5;

impl Session {
    /// Takes a server, or queues up for one. `true` when something came of it at once.
    pub(super) fn borrow(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.room.core.now();
        self.room.plan();
        let pool = match self.group.pick(now, &self.shared.peer) {
            Ok(pool) => pool,
            Err(refusal) => {
                self.refuse_held(&refusal);
                return true;
            }
        };
        let settings = Rc::clone(&self.settings);
        while let Some(mut lease) = pool.pool.try_lend(|server| Rc::ptr_eq(&server.settings, &settings)) {
            // A connection that died while it was idle is replaced before a client gets it.
            if !lease.is_well(cx) {
                continue;
            }
            self.server_is_dry = true;
            self.pool = Some(pool);
            return self.begin(lease, cx);
        }
        let seat = match &self.seat {
            Some(seat) => Rc::clone(seat),
            None => ServerSeat::new(Need {
                started: Rc::clone(&self.started),
            }),
        };
        self.seat = Some(Rc::clone(&seat));
        if pool.pool.refuses(&seat, now) {
            // It is told so when its request is held, as those are who wait.
            self.pool = Some(pool);
            self.wait_for(now);
            cx.waker().wake_by_ref();
            return false;
        }
        if !pool.pool.wait(&seat, cx.waker(), now) {
            let text = "too many clients wait for a server connection (queue_size); try again";
            self.refuse_held(&Refusal::new(Reason::Overloaded, text));
            return true;
        }
        self.pool = Some(pool.clone());
        self.wait_for(now);
        self.room.open_wanted(&self.group, &pool, self.manners.verbose_errors);
        false
    }

    fn wait_for(&mut self, now: Instant) {
        self.waits = true;
        self.began = now;
        self.shared.asked.set(now);
        self.shared.state.set(State::Waiting);
        self.limit_wait(None);
    }

    /// Whether the wait is over.
    pub(super) fn poll_lease(&mut self, cx: &Context<'_>) -> Result<bool, SessionError> {
        let (Some(pool), Some(seat)) = (&self.pool, &self.seat) else {
            self.waits = false;
            return Ok(true);
        };
        match pool.pool.poll_turn(seat, cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(lease)) => {
                self.waits = false;
                self.server_is_dry = false;
                let waited = self.room.core.now().saturating_duration_since(self.began);
                self.group.metrics.wait_time.record(waited);
                self.begin(lease, cx);
                Ok(true)
            }
            Poll::Ready(Err(refusal)) => {
                self.waits = false;
                self.pool = None;
                self.refuse_held(&refusal);
                Ok(true)
            }
        }
    }

    pub(super) fn leave_queue(&mut self, now: Instant) {
        self.waits = false;
        if let (Some(pool), Some(seat)) = (self.pool.take(), &self.seat) {
            self.group.bounds.close(pool.pool.leave(seat, now));
            pool.forget_claims();
        }
    }

    /// Makes a server this client's own: its settings first, then the BEGIN that was put off. Both go out in one write
    /// with the request. `false` when the server cannot be made to fit and another is being opened.
    fn begin(&mut self, mut lease: ServerLease, cx: &Context<'_>) -> bool {
        if !Rc::ptr_eq(&lease.settings, &self.settings) {
            let group = &self.group;
            let defaults: Vec<(String, String)> = lease
                .started
                .iter()
                .filter(|(name, _)| self.settings.get(name).is_none())
                .filter_map(|(name, _)| Some((name.to_owned(), group.default_of(name)?)))
                .collect();
            let default_of = |name: &str| {
                defaults
                    .iter()
                    .find(|(n, _)| n == name)
                    .map(|(_, value)| value.as_str())
            };
            let fits = self.mode != PoolMode::Session || Rc::ptr_eq(&lease.started, &self.started);
            let base = lease.has_begun.then_some(&*lease.base);
            let from = |have: &Settings| transition(have, &self.settings, &lease.started, base, default_of);
            match from(&lease.settings) {
                Ok(sql) if fits => {
                    if let Some(sql) = sql {
                        self.own_query(&mut lease, sql.as_bytes());
                        self.settling = is_doubtful(&lease.settings, &self.settings);
                    }
                    lease.settings = Rc::clone(&self.settings);
                }
                outcome => {
                    // What its last client has set may be all that is in the way.
                    let is_for_cleaning = fits && lease.has_begun && outcome.is_err() && from(&lease.started).is_ok();
                    match self.pool.clone().filter(|_| is_for_cleaning) {
                        Some(pool) => {
                            lease.tainted = true;
                            self.room.clean_in_background(&self.group, pool, lease);
                        }
                        None => self.group.bounds.close(lease.take_out()),
                    }
                    self.wait_for_another(cx);
                    return false;
                }
            }
        }
        if let Some(bracket) = self.deferred.take() {
            self.own_query(&mut lease, bracket.tag().as_bytes());
        }
        // What a client leaves on a server of its own is cleared away, whatever mode a reload has made of the cluster's.
        lease.tainted |= self.mode == PoolMode::Session;
        lease.batch.begin();
        lease.endpoint.begin();
        self.shared.lend(&lease);
        self.shared.state.set(State::Active);
        self.began = self.room.core.now();
        self.limit_request(None);
        self.shared.asked.set(self.began);
        self.group.metrics.assignments.inc();
        self.lease = Some(lease);
        self.retry = true;
        true
    }

    fn wait_for_another(&mut self, cx: &Context<'_>) {
        let Some(pool) = self.pool.clone() else { return };
        let seat = self.seat.get_or_insert_with(|| {
            ServerSeat::new(Need {
                started: Rc::clone(&self.started),
            })
        });
        pool.pool.wait_first(seat, cx.waker(), self.room.core.now());
        self.wait_for(self.room.core.now());
        self.room.open_wanted(&self.group, &pool, self.manners.verbose_errors);
    }

    pub(super) fn own_query(&self, lease: &mut ServerLease, sql: &[u8]) {
        let mut out = self.room.core.buffers.take();
        frontend::query(&mut out, sql);
        lease.out.queue(&out, &self.room.core.buffers);
        self.room.core.buffers.give_back(&mut out);
        lease.expected.sent(Entry::OwnQuery);
        lease.unnamed_of = 0;
    }

    /// A setting that the client counts on cannot be had any more: its request is refused, and the server is made clean.
    pub(super) fn unsettled(&mut self, lease: &mut ServerLease, reason: &str) {
        self.settling = false;
        lease.tainted = true;
        let text = format!("a setting of this session cannot be made again: {reason}");
        let refusal = Refusal::new(Reason::Unavailable, text).with_code(sqlstate::CONNECTION_FAILURE);
        self.say_goodbye(&refusal);
    }

    /// Gives the server back, if the wire proves that it is clean and nothing of the client is left on it; finds out what
    /// may be left on it first.
    pub(super) fn try_release(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        if !lease.is_clean() || self.probing.is_some() || !self.cursor.at_boundary() {
            self.between_requests(&lease);
            self.lease = Some(lease);
            return;
        }
        debug_assert!(lease.naming.is_empty() && lease.parsing.is_empty() && lease.local.is_empty());
        if let Some(touched) = self.touched.take() {
            self.resolve(&mut lease, &touched);
            if !lease.expected.is_settled() {
                self.lease = Some(lease);
                return;
            }
        }
        if self.mode == PoolMode::Session || lease.pinned {
            self.shared
                .state
                .set(if lease.pinned { State::Pinned } else { State::Idle });
            let limit = self.group.terms.get().client_idle;
            self.limit(limit, Due::ClientIdle);
            self.lease = Some(lease);
            return;
        }
        lease.endpoint.rest();
        self.shared.lent.replace(None);
        if let Some(pool) = self.pool.take() {
            if lease.tainted {
                self.tell_of_base(&lease);
                self.room.clean_in_background(&self.group, pool, lease);
            } else {
                self.room.give_back(&self.group, &pool, lease, self.room.core.now());
            }
        }
        self.rest();
    }

    /// In session mode: the client's name for itself went back to what the connection was opened with, and becomes what the
    /// client came with before anything else is asked. Not sooner: the client may be about to leave.
    pub(super) fn name_again(&mut self, lease: &mut ServerLease) {
        let name = "application_name";
        let is_due = self.mode == PoolMode::Session && !Rc::ptr_eq(&lease.settings, &self.settings);
        if !is_due || !lease.is_clean() {
            return;
        }
        let settings = Rc::clone(&self.settings);
        if let Some(own) = settings.get(name) {
            if let Some(sql) = restated([(name, own)].into_iter(), |_| true) {
                self.own_query(lease, sql.as_bytes());
            }
            let mut out = Vec::new();
            backend::parameter_status(&mut out, name.as_bytes(), own.as_bytes());
            self.to_client.queue(&out, &self.room.core.buffers);
        }
        lease.settings = settings;
    }

    /// What every connection begins with will be so again: the client hears of it where the server has told it otherwise.
    fn tell_of_base(&mut self, lease: &ServerLease) {
        let mut out = Vec::new();
        for (name, told) in &lease.reported.0 {
            let value = lease.base.get(&name.to_ascii_lowercase());
            let value =
                value.filter(|value| *value != &**told && self.settings.get(&name.to_ascii_lowercase()).is_none());
            if let Some(value) = value {
                backend::parameter_status(&mut out, name.as_bytes(), value.as_bytes());
            }
        }
        if !out.is_empty() {
            self.to_client.queue(&out, &self.room.core.buffers);
        }
    }

    /// Nothing is under way, and yet the server is kept: for an open transaction, or for a cancel that may still hit it.
    fn between_requests(&mut self, lease: &ServerLease) {
        if !lease.expected.is_settled() {
            return;
        }
        if lease.status == Status::Idle {
            self.shared.state.set(State::Idle);
            return self.set_deadline(None);
        }
        if self.mode == PoolMode::Statement {
            return self.say_goodbye_beside(Some(lease), &no_blocks());
        }
        self.in_transaction(Some(lease));
    }

    /// The client has a transaction open, and nothing under way in it.
    pub(super) fn in_transaction(&mut self, server: Option<&Server>) {
        self.shared.state.set(State::InTransaction);
        self.limit_transaction(server);
    }

    /// The client asks for something while it holds a server that rests.
    pub(super) fn request_begins(&mut self, server: &Server) {
        self.began = self.room.core.now();
        self.shared.asked.set(self.began);
        self.shared.state.set(State::Active);
        self.limit_request(server.entered);
    }

    /// The transaction has ended: what it touched becomes known, from its words where they suffice, else by asking.
    fn resolve(&mut self, lease: &mut ServerLease, touched: &Touched) {
        // What every connection begins with is not there any more where something went back to its default, or away.
        let undoes = touched.resets() || (touched.undoes && lease.begun_pins > 0);
        lease.tainted |= touched.taint || (lease.has_begun && undoes);
        lease.held_for_good = touched.holds || (lease.held_for_good && !touched.discard);
        lease.pinned |= lease.held_for_good;
        if touched.discard || touched.deallocate {
            lease.prepared.clear();
            self.names = None;
        }
        if touched.discard {
            self.unnamed.clear();
            self.unlisten(None);
        }
        for channel in &touched.unlistens {
            self.unlisten(channel.as_deref());
        }
        if let Some(sql) = touched.question(self.settings.iter().map(|(name, _)| name)) {
            let answers = Answers {
                asked: sql,
                ..Answers::default()
            };
            self.ask(lease, Box::new(answers));
        }
    }

    fn ask(&mut self, lease: &mut ServerLease, answers: Box<Answers>) {
        self.own_query(lease, answers.asked.as_bytes());
        self.probing = Some(answers);
    }

    /// The server did not say what is so now: it is asked again, for as long as that may be a late cancel's doing.
    fn ask_again(&mut self, lease: &mut ServerLease, mut answers: Box<Answers>) {
        if answers.again == MOST_AGAIN {
            let text = "the state of the session at the server is not known any more";
            let refusal = Refusal::new(Reason::Unavailable, text).with_code(sqlstate::CONNECTION_FAILURE);
            return self.say_goodbye(&refusal);
        }
        answers.again += 1;
        answers.failed = false;
        answers.settings.clear();
        self.ask(lease, answers);
    }

    /// The server has said what is so now.
    pub(super) fn learn(&mut self, lease: &mut ServerLease, answers: Box<Answers>) {
        if answers.failed {
            return self.ask_again(lease, answers);
        }
        if let Some(pins) = answers.pins {
            lease.pinned = pins > lease.begun_pins || lease.held_for_good;
        }
        if answers.settings.is_empty() {
            return;
        }
        // What is back at its start-up value is so by the client's start-up packet here, and by the connection's there.
        let or = |started: &Rc<Settings>| {
            let started = Rc::clone(started);
            let changes = answers.settings.iter().map(move |(name, value)| {
                let value = value.clone().or_else(|| started.get(name).map(str::to_owned));
                (name.clone(), value)
            });
            changes.collect::<Vec<_>>()
        };
        let (of_client, of_server) = (or(&self.initial), or(&lease.started));
        let with = |settings: &Settings, changes: &[(String, Option<String>)]| {
            let changes = changes.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
            self.room.settings.with(settings, changes)
        };
        let (settings, lent) = (with(&self.settings, &of_client), with(&lease.settings, &of_server));
        self.settings = settings;
        lease.settings = lent;
    }
}
