use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tidegate_base::Refusal;
use tidegate_engine::{ClientView, CoreContext, PoolView, Room, RoomView, ServerView, SessionContext, SessionError};
use tidegate_postgres_wire::login::Credential;

use crate::Postgres;
use crate::admit::{Client, Route};
use crate::dial;
use crate::group::{EndpointPool, Group};
use crate::orders::Command;
use crate::plan::PostgresPlan;
use crate::server::{Server, ServerLease, unavailable};
use crate::session::{Canceller, Session, Shared, clean};
use crate::settings::SettingsTable;
use crate::statements::{Interner, Verbs};

/// A group that nobody used for so long, and that holds no connection, is forgotten.
const GROUP_IDLE: Duration = Duration::from_secs(60);

/// How long sessions may take to read what came while they stood still.
const READ_FIRST: Duration = Duration::from_secs(1);

/// PostgreSQL's part of one core.
pub(crate) struct PostgresRoom {
    pub(crate) core: CoreContext,
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) settings: SettingsTable,
    pub(crate) statements: Interner,
    pub(crate) verbs: Verbs,
    /// Where a wake-up's rewritten bytes are gathered.
    pub(crate) gather: RefCell<Vec<u8>>,
    plan: RefCell<(u64, Arc<PostgresPlan>)>,
    groups: RefCell<HashMap<Route, Rc<Group>>>,
    sessions: RefCell<HashMap<u32, Rc<Shared>>>,
    serial: Cell<u64>,
    is_suspended: Cell<bool>,
    /// When sessions stood still last, and until when.
    stop: Cell<(Instant, Instant)>,
}

/// A client wants what it (or somebody with its key) is running to be cancelled.
pub(crate) struct CancelRequest {
    pub(crate) process: i32,
    pub(crate) secret: Vec<u8>,
    pub(crate) canceller: Canceller,
}

impl PostgresRoom {
    pub(crate) fn new(postgres: Arc<Postgres>, core: CoreContext) -> Rc<Self> {
        let plan = (postgres.generation(), postgres.plan());
        let is_suspended = postgres.orders().is_suspended;
        let now = Instant::now();
        Rc::new(Self {
            core,
            postgres,
            settings: SettingsTable::default(),
            statements: Interner::default(),
            verbs: Verbs::default(),
            gather: RefCell::new(Vec::with_capacity(tidegate_net::READ_BUFFER)),
            plan: RefCell::new(plan),
            groups: RefCell::default(),
            sessions: RefCell::default(),
            serial: Cell::new(0),
            is_suspended: Cell::new(is_suspended),
            stop: Cell::new((now, now)),
        })
    }

    /// The plan, as new as can be; groups follow it.
    pub(crate) fn plan(&self) -> Arc<PostgresPlan> {
        let generation = self.postgres.generation();
        if self.plan.borrow().0 != generation {
            let plan = self.postgres.plan();
            for group in self.groups.borrow().values() {
                if let Some(rules) = plan.clusters.get(&group.route.cluster) {
                    group.update(rules, self.seed());
                    group.bounds.set(self.postgres.quotas(), rules, &plan.limits);
                }
            }
            *self.plan.borrow_mut() = (generation, plan);
        }
        Arc::clone(&self.plan.borrow().1)
    }

    /// A number that no other session of this core has had.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    /// What the clients of a route share; `Err` when its cluster is not in the plan.
    pub(crate) fn group(&self, route: &Route, credential: Credential, now: Instant) -> Result<Rc<Group>, Refusal> {
        let plan = self.plan();
        if let Some(group) = self.groups.borrow().get(route) {
            group.learn(credential);
            return Ok(Rc::clone(group));
        }
        let rules = plan
            .clusters
            .get(&route.cluster)
            .ok_or_else(|| unavailable("the cluster of this route is being removed"))?;
        let metrics = self
            .postgres
            .families()
            .group(&route.cluster, &route.database, &route.user);
        let group = Group::new(route.clone(), Arc::clone(rules), metrics, credential, self.seed(), now);
        group.bounds.set(self.postgres.quotas(), rules, &plan.limits);
        group.pause(self.postgres.orders().pauses(&route.cluster, &route.database));
        self.groups.borrow_mut().insert(route.clone(), Rc::clone(&group));
        Ok(group)
    }

    /// Makes a connection clean that its client left in some state, and gives it back; or closes it.
    pub(crate) fn clean_in_background(self: &Rc<Self>, group: &Rc<Group>, pool: EndpointPool, lease: ServerLease) {
        let (room, group) = (Rc::clone(self), Rc::clone(group));
        tokio::task::spawn_local(async move {
            let rules = group.rules();
            match clean(&rules, lease).await {
                Ok(lease) => room.give_back(&group, &pool, lease, Instant::now()),
                Err(lease) => {
                    group.metrics.discarded.inc();
                    group.bounds.close(lease.take_out());
                }
            }
            // A place may have become free, and somebody may wait for one.
            room.open_wanted(&group, &pool, false);
        });
    }

    pub(crate) fn enter(&self, shared: &Rc<Shared>) {
        self.sessions.borrow_mut().insert(shared.slot, Rc::clone(shared));
    }

    pub(crate) fn leave(&self, slot: u32) {
        self.sessions.borrow_mut().remove(&slot);
    }

    fn obey(self: &Rc<Self>, command: &Command) {
        match command {
            Command::Kill(ids) => {
                let sessions: Vec<_> = self.sessions.borrow().values().cloned().collect();
                for shared in sessions.iter().filter(|shared| ids.contains(&shared.id())) {
                    shared.kill();
                }
            }
            Command::Relieve(reliefs) => {
                let groups: Vec<_> = self.groups.borrow().values().cloned().collect();
                for relief in reliefs {
                    self.relieve(&groups, relief);
                }
            }
            Command::Renew(databases) => {
                let now = Instant::now();
                for group in self.groups.borrow().values() {
                    let key = || (group.route.cluster.to_string(), group.route.database.clone());
                    if databases.as_ref().is_none_or(|databases| databases.contains(&key())) {
                        group.renew(now);
                    }
                }
            }
            Command::Look => {
                self.plan();
                let orders = self.postgres.orders();
                self.suspend(orders.is_suspended);
                let groups: Vec<_> = self.groups.borrow().values().cloned().collect();
                for group in groups {
                    let is_paused = orders.pauses(&group.route.cluster, &group.route.database);
                    if group.pause(is_paused) && !is_paused {
                        for pool in group.pools() {
                            self.open_wanted(&group, &pool, false);
                        }
                    }
                }
            }
        }
    }

    /// Whether sessions stop where they are.
    pub(crate) fn is_suspended(&self) -> bool {
        self.is_suspended.get()
    }

    /// A time at which something is due, later by the time that sessions stood still: what came meanwhile is read first.
    pub(crate) fn beyond_stop(&self, at: Instant) -> Instant {
        let (since, until) = self.stop.get();
        if at < since || at > until + READ_FIRST {
            return at;
        }
        at + until.saturating_duration_since(since)
    }

    /// Stops every session where it is, or lets them go on.
    fn suspend(&self, is_suspended: bool) {
        if self.is_suspended.replace(is_suspended) != is_suspended {
            let (now, (since, _)) = (Instant::now(), self.stop.get());
            self.stop.set((if is_suspended { now } else { since }, now));
            for shared in self.sessions.borrow().values() {
                shared.is_still.set(false);
                shared.wake();
            }
        }
    }

    fn seed(&self) -> u64 {
        let mut bytes = [0; 8];
        dial::fill(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    fn group_views(&self, view: &mut RoomView, now: Instant) {
        for group in self.groups.borrow().values() {
            for line in group.lines() {
                view.servers.push(ServerView {
                    protocol: "postgres",
                    cluster: group.route.cluster.to_string(),
                    endpoint: line.endpoint.address.to_string(),
                    space: group.route.database.clone(),
                    user: group.route.user.clone(),
                    ident: line.process.to_string(),
                    state: "listening",
                    client: None,
                    tls: line.is_tls,
                    is_leaving: false,
                    age: now.saturating_duration_since(line.opened),
                    exchanges: 0,
                    core: self.core.index,
                });
            }
            for pool in group.pools() {
                let counts = pool.pool.counts();
                view.pools.push(PoolView {
                    protocol: "postgres",
                    cluster: group.route.cluster.to_string(),
                    endpoint: pool.endpoint.address.to_string(),
                    role: group.route.role.label(),
                    space: group.route.database.clone(),
                    user: group.route.user.clone(),
                    mode: group.mode().label(),
                    size: pool.pool.size(),
                    active: counts.lent,
                    idle: counts.idle,
                    opening: counts.opening,
                    waiting: counts.waiting,
                    core: self.core.index,
                });
                pool.pool
                    .each_idle(|server| view.servers.push(self.server_view(group, server, now)));
            }
        }
    }

    fn server_view(&self, group: &Group, server: &Server, now: Instant) -> ServerView {
        ServerView {
            protocol: "postgres",
            cluster: group.route.cluster.to_string(),
            endpoint: server.endpoint.address.to_string(),
            space: group.route.database.clone(),
            user: group.route.user.clone(),
            ident: server.process.to_string(),
            state: "idle",
            client: None,
            tls: server.stream.tls().is_some(),
            is_leaving: group.is_leaving(server.opened),
            age: now.saturating_duration_since(server.opened),
            exchanges: server.exchanges,
            core: self.core.index,
        }
    }
}

impl Room for PostgresRoom {
    fn serve(
        self: Rc<Self>,
        client: Box<dyn Any + Send>,
        context: SessionContext,
    ) -> LocalBoxFuture<'static, Result<(), SessionError>> {
        match client.downcast::<Client>() {
            Ok(client) => match Session::new(self, *client, context) {
                Ok(session) => Box::pin(session),
                Err(error) => std::future::ready(Err(error)).boxed_local(),
            },
            Err(_) => unreachable!("the engine brings to a room what its own protocol admitted"),
        }
    }

    fn deliver(self: Rc<Self>, message: Box<dyn Any + Send>) {
        let request = match message.downcast::<CancelRequest>() {
            Ok(request) => request,
            Err(message) => {
                if let Ok(command) = message.downcast::<Command>() {
                    self.obey(&command);
                }
                return;
            }
        };
        let sessions = self.sessions.borrow();
        let Some(address) = tidegate_postgres_wire::CancelAddress::decode(request.process) else {
            return;
        };
        if let Some(shared) = sessions.get(&address.slot())
            && shared.key.matches(request.process, &request.secret)
        {
            shared.cancel(request.canceller);
        }
    }

    fn maintain(self: Rc<Self>, now: Instant) {
        let plan = self.plan();
        let is_planned = |group: &Group| plan.clusters.contains_key(&group.route.cluster);
        for group in self.groups.borrow().values() {
            group.keep_fewest(is_planned(group));
            if !is_planned(group) && !group.has_clients() {
                group.close_idle("its cluster is gone");
            }
        }
        let groups: Vec<_> = self.groups.borrow().values().cloned().collect();
        for group in groups {
            group.forget_gone();
            group.move_lines();
            for pool in group.pools() {
                let is_well = |server: &mut Box<Server>| server.is_well(&mut Context::from_waker(Waker::noop()));
                let expired = pool.pool.expire(now, is_well);
                let lifetime = group.limits().max_lifetime;
                for server in &expired {
                    let is_old = lifetime.is_some_and(|lifetime| now.duration_since(server.opened) >= lifetime);
                    server.because(if is_old {
                        "its lifetime is over"
                    } else {
                        "it was idle for too long"
                    });
                }
                group.bounds.close(expired);
                self.make_room(&group, &pool);
                // Who waits until it is tried again has nobody else to do that.
                if pool.endpoint.is_well() || pool.pool.counts().waiting > 0 {
                    self.open_wanted(&group, &pool, false);
                }
            }
        }
        self.groups.borrow_mut().retain(|_, group| {
            let is_held = group.has_clients() || !group.is_unused();
            // Nobody comes again to a cluster that is gone, and whoever asked for what is not there has been told so.
            let is_of_use = is_planned(group) && !group.is_refused();
            is_held || is_of_use && now.saturating_duration_since(group.used.get()) < GROUP_IDLE
        });
    }

    fn view(&self, now: Instant) -> RoomView {
        let mut view = RoomView::default();
        for shared in self.sessions.borrow().values() {
            let group = &shared.group;
            let state = shared.state.get();
            view.clients.push(ClientView {
                id: shared.id(),
                protocol: "postgres",
                listener: shared.listener.to_string(),
                peer: shared.peer.clone(),
                user: shared.user().to_owned(),
                space: group.route.database.clone(),
                application_name: shared.application_name.borrow().clone(),
                cluster: group.route.cluster.to_string(),
                state: state.label(),
                is_still: shared.is_still.get(),
                tls: shared.is_tls,
                age: now.saturating_duration_since(shared.since),
                asked: Some(now.saturating_duration_since(shared.asked.get())),
                exchanges: shared.exchanges.get(),
                core: self.core.index,
            });
            if let Some(lent) = shared.lent.borrow().as_ref() {
                view.servers.push(ServerView {
                    protocol: "postgres",
                    cluster: group.route.cluster.to_string(),
                    endpoint: lent.endpoint.address.to_string(),
                    space: group.route.database.clone(),
                    user: group.route.user.clone(),
                    ident: lent.process.to_string(),
                    state: if state.is_pinned() { "pinned" } else { "active" },
                    client: Some(shared.id()),
                    tls: lent.is_tls,
                    is_leaving: group.is_leaving(lent.opened),
                    age: now.saturating_duration_since(lent.opened),
                    exchanges: lent.exchanges,
                    core: self.core.index,
                });
            }
        }
        self.group_views(&mut view, now);
        view
    }
}

impl fmt::Debug for PostgresRoom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PostgresRoom")
            .field("core", &self.core.index)
            .finish_non_exhaustive()
    }
}
