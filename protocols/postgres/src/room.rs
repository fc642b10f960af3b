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
use tidegate_net::Stream;
use tidegate_postgres_wire::login::Credential;

use crate::Postgres;
use crate::admit::{Client, Route};
use crate::dial::{self, Order};
use crate::group::{EndpointPool, Group, Opener, RENEWED};
use crate::hub::LineView;
use crate::orders::Command;
use crate::plan::{ClusterRules, PostgresPlan};
use crate::server::{Need, Server, ServerLease, unavailable};
use crate::session::{Canceller, Session, Shared, clean};
use crate::settings::{Settings, SettingsTable};
use crate::statements::{Interner, Verbs};
use crate::told::Opened;

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

    /// Opens connections for as long as a pool wants some.
    pub(crate) fn open_wanted(self: &Rc<Self>, group: &Rc<Group>, pool: &EndpointPool, verbose: bool) {
        while let Some(need) = pool.pool.take_order(Instant::now()) {
            let place = match self.place(group) {
                Some(place) => Ok(place),
                // Nobody waits: it is not worth anybody's connection. Or one is waited for already: whoever gets it asks for the next.
                None if need.is_none() || !pool.claims.borrow().is_empty() => return pool.pool.withdraw(),
                None => Err(self.claim_place(group, pool)),
            };
            let rules = group.rules();
            let started = need.map_or_else(|| self.started(&rules), |need: Need| need.started);
            let (room, group, pool) = (Rc::clone(self), Opener::new(group), pool.clone());
            tokio::task::spawn_local(async move {
                let place = match place {
                    Ok(place) => place,
                    Err(pending) => {
                        let Some(place) = pool.wait_for_place(&pending).await else {
                            return;
                        };
                        room.open_wanted(&group, &pool, verbose);
                        place
                    }
                };
                if !pool.pool.needs_opening() {
                    return pool.pool.withdraw();
                }
                let order = room.order(&group.rules(), &group, &pool, &started, verbose);
                let dialled = Instant::now();
                let postgres = Arc::clone(&room.postgres);
                let opening = room.core.login.spawn({
                    let order = order.clone();
                    async move { dial::open(&order, postgres.salted()).await }
                });
                let outcome = match opening.await {
                    Ok(Ok(opened)) => opened
                        .stream
                        .adopt()
                        .map(|stream| (stream, opened.ready, opened.begun))
                        .map_err(|_| (unavailable("out of sockets"), true)),
                    Ok(Err(error)) => {
                        tracing::warn!(name: "server not opened", cluster = %group.route.cluster,
                            endpoint = %order.endpoint.address, database = %order.database, user = %order.user,
                            refused = error.is_refusal(), %error, "cannot open a server connection");
                        Err((error.refusal(&order.endpoint, order.verbose), error.is_servers_fault()))
                    }
                    Err(_) => Err((unavailable("the gateway is going down"), false)),
                };
                let now = Instant::now();
                match outcome {
                    Ok((stream, ready, begun)) => {
                        group.metrics.connect_time.record(dialled.elapsed());
                        let base = begun.set.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                        let begins = (started, room.settings.intern(base));
                        let mut server = Server::new(stream, ready, begins, Arc::clone(&pool.endpoint), place, now);
                        server.has_begun = !order.rules.connect_query.is_empty();
                        server.begun_pins = begun.pins;
                        let lifetime = group.limits().max_lifetime;
                        server.told = Opened::tell(&group.route, &pool.endpoint.address, lifetime);
                        // All are made anew since, perhaps by other rules.
                        room.plan();
                        if group.is_leaving(dialled) {
                            group.close(vec![Box::new(server)], RENEWED);
                            pool.pool.withdraw();
                            return room.open_wanted(&group, &pool, verbose);
                        }
                        group.learn_greeting(&server);
                        pool.pool.opened(Box::new(server), now);
                        room.make_room(&group, &pool);
                    }
                    Err((refusal, may_pass)) => {
                        group.metrics.connect_failures.inc();
                        pool.pool.not_opened(&refusal, may_pass, now);
                    }
                }
            });
        }
    }

    /// What a connection is opened with that no client waits for.
    fn started(&self, rules: &ClusterRules) -> Rc<Settings> {
        let parameters = rules.parameters.iter();
        // As for clients: the name is SET.
        let parameters = parameters.filter(|(name, _)| !name.eq_ignore_ascii_case("application_name"));
        self.settings
            .intern(parameters.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Opens a connection that listens, beside the pools.
    pub(crate) async fn open_line(
        &self,
        group: &Group,
        started: &crate::settings::Settings,
    ) -> Result<(Stream, LineView), Refusal> {
        let now = Instant::now();
        // It is nobody's in particular.
        let pool = group.pick(now, "")?;
        let order = self.order(&group.rules(), group, &pool, started, false);
        let postgres = Arc::clone(&self.postgres);
        let endpoint = Arc::clone(&order.endpoint);
        let opening = self.core.login.spawn({
            let order = order.clone();
            async move { dial::open(&order, postgres.salted()).await }
        });
        let opened = match opening.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                tracing::warn!(cluster = %group.route.cluster, endpoint = %endpoint.address, %error,
                    "cannot open the connection that listens");
                return Err(error.refusal(&endpoint, false));
            }
            Err(_) => return Err(unavailable("the gateway is going down")),
        };
        let stream = opened.stream.adopt().map_err(|_| unavailable("out of sockets"))?;
        let view = LineView {
            endpoint,
            process: opened.ready.process,
            is_tls: stream.tls().is_some(),
            opened: now,
        };
        Ok((stream, view))
    }

    fn order(
        &self,
        rules: &Arc<ClusterRules>,
        group: &Group,
        pool: &EndpointPool,
        started: &crate::settings::Settings,
        verbose: bool,
    ) -> Order {
        let user = rules
            .credential
            .as_ref()
            .map_or(&group.route.user, |credential| &credential.user);
        let credential = match rules.password() {
            Some(password) => Credential::Password(password.clone()),
            None => group.credential(),
        };
        Order {
            rules: Arc::clone(rules),
            endpoint: Arc::clone(&pool.endpoint),
            database: group.route.database.clone(),
            user: user.clone(),
            credential,
            parameters: started
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            verbose,
        }
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
