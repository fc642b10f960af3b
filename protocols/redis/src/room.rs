use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tidegate_base::{Reason, Refusal, Secret};
use tidegate_cluster::Endpoint;
use tidegate_engine::{ClientView, CoreContext, PoolView, Room, RoomView, ServerView, SessionContext, SessionError};

use tidegate_redis_wire::table::Servers;

use crate::Redis;
use crate::admit::Client;
use crate::carrier;
use crate::dial::{self, Key, Order};
use crate::group::{Group, Place, State, Trunk};
use crate::line::{EndsStock, Line};
use crate::metrics::UserMetrics;
use crate::passthrough::Credential;
use crate::plan::RedisPlan;
use crate::server::{Server, ServerPool};
use crate::session::{Desk, Session, Shared, Spare};

/// Redis's part of one core.
pub(crate) struct RedisRoom {
    pub(crate) core: CoreContext,
    redis: Arc<Redis>,
    plan: RefCell<(u64, Arc<RedisPlan>)>,
    groups: RefCell<HashMap<Arc<str>, Rc<Group>>>,
    sessions: RefCell<HashMap<u64, Rc<Shared>>>,
    users: RefCell<HashMap<(String, String), Rc<UserMetrics>>>,
    /// Memory for clients that have something under way.
    desks: RefCell<Vec<Desk>>,
    pub(crate) ends: Rc<EndsStock>,
    pub(crate) spare: Spare,
}

/// How many desks that nobody uses are kept.
const KEPT_DESKS: usize = 256;

impl RedisRoom {
    pub(crate) fn new(redis: Arc<Redis>, core: CoreContext) -> Rc<Self> {
        let plan = (redis.generation(), redis.plan());
        Rc::new(Self {
            core,
            redis,
            plan: RefCell::new(plan),
            groups: RefCell::default(),
            sessions: RefCell::default(),
            users: RefCell::default(),
            desks: RefCell::default(),
            ends: Rc::default(),
            spare: Spare::default(),
        })
    }

    /// What is counted for a user of a cluster.
    pub(crate) fn user_metrics(&self, cluster: &str, user: &str) -> Rc<UserMetrics> {
        let mut users = self.users.borrow_mut();
        let made = users.entry((cluster.to_owned(), user.to_owned()));
        Rc::clone(made.or_insert_with(|| self.redis.families().user(cluster, user)))
    }

    /// Memory to work in.
    pub(crate) fn desk(&self) -> Desk {
        self.desks.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes memory that is not needed any more.
    pub(crate) fn take_desk(&self, desk: Desk) {
        let mut desks = self.desks.borrow_mut();
        if desks.len() < KEPT_DESKS {
            desks.push(desk);
        }
    }

    /// The plan, as new as can be; groups follow it.
    pub(crate) fn plan(&self) -> Arc<RedisPlan> {
        let generation = self.redis.generation();
        if self.plan.borrow().0 != generation {
            let plan = self.redis.plan();
            for group in self.groups.borrow().values() {
                match plan.clusters.get(&group.cluster) {
                    Some(rules) => group.update(rules),
                    None => group.remove(),
                }
            }
            *self.plan.borrow_mut() = (generation, plan);
        }
        Arc::clone(&self.plan.borrow().1)
    }

    /// Which plan that is; seen by [`Self::plan`], at the latest when the core tidies up.
    pub(crate) fn generation(&self) -> u64 {
        self.plan.borrow().0
    }

    /// What the clients of a cluster share; `Err` when it is not in the plan.
    pub(crate) fn group(&self, cluster: &Arc<str>) -> Result<Rc<Group>, Refusal> {
        let plan = self.plan();
        if let Some(group) = self.groups.borrow().get(cluster) {
            return Ok(Rc::clone(group));
        }
        let rules = plan
            .clusters
            .get(cluster)
            .ok_or_else(|| Refusal::new(Reason::Unavailable, "the cluster of this route is being removed"))?;
        let metrics = self.redis.families().group(cluster);
        let group = Group::new(Arc::clone(cluster), Arc::clone(rules), metrics);
        self.groups.borrow_mut().insert(Arc::clone(cluster), Rc::clone(&group));
        Ok(group)
    }

    /// Opens a shared connection, whose trunk is in [`State::Opening`] then.
    pub(crate) fn open_trunk(
        self: &Rc<Self>,
        group: &Rc<Group>,
        endpoint: &Arc<Endpoint>,
        key: Key,
        trunk: &Rc<Trunk>,
    ) {
        trunk.attempt.set(trunk.attempt.get() + 1);
        *trunk.state.borrow_mut() = State::Opening;
        let (room, group, trunk) = (Rc::clone(self), Rc::clone(group), Rc::clone(trunk));
        let order = group.order(endpoint, key);
        tokio::task::spawn_local(async move {
            let (state, failure) = match room.open(&group, &order).await {
                Ok((stream, greeting)) => {
                    let is_valkey = greeting.server == "valkey";
                    group
                        .flavour
                        .set(if is_valkey { Servers::VALKEY } else { Servers::REDIS });
                    let is_tls = stream.tls().is_some();
                    let line = Line::new(
                        greeting,
                        order.endpoint,
                        is_tls,
                        order.rules.mux,
                        Rc::clone(&room.core.buffers),
                        Rc::clone(&room.ends),
                    );
                    tokio::task::spawn_local(carrier::run(Rc::clone(&line), room.core.clone(), stream));
                    (State::Open(line), None)
                }
                Err(refusal) => (State::Closed, Some(refusal)),
            };
            *trunk.state.borrow_mut() = state;
            *trunk.failure.borrow_mut() = failure;
            for waker in trunk.waiting.borrow_mut().drain(..) {
                waker.wake();
            }
        });
    }

    /// Opens connections for as long as a pool wants some.
    pub(crate) fn open_wanted(
        self: &Rc<Self>,
        group: &Rc<Group>,
        endpoint: &Arc<Endpoint>,
        key: Key,
        pool: &Rc<ServerPool>,
    ) {
        while pool.take_order(Instant::now()).is_some() {
            let (room, group, pool) = (Rc::clone(self), Rc::clone(group), Rc::clone(pool));
            let order = group.order(endpoint, key);
            tokio::task::spawn_local(async move {
                match room.open(&group, &order).await {
                    Ok((stream, _)) => {
                        let now = Instant::now();
                        pool.opened(Box::new(Server::new(stream, order.endpoint)), now);
                    }
                    Err(refusal) => pool.not_opened(&refusal, false, Instant::now()),
                }
            });
        }
    }

    /// Opens a connection on a login thread and takes it to this core.
    pub(crate) async fn open(
        &self,
        group: &Group,
        order: &Order,
    ) -> Result<(tidegate_net::Stream, dial::Greeting), Refusal> {
        let begin = Instant::now();
        let opening = self.core.login.spawn({
            let order = order.clone();
            async move { dial::open(&order).await }
        });
        let opened = opening.await;
        group.metrics.connect_time.record(begin.elapsed());
        if !matches!(opened, Ok(Ok(_))) {
            group.metrics.connect_failures.inc();
        }
        match opened {
            Ok(Ok(opened)) => {
                let stream = opened.stream.adopt();
                let stream = stream.map_err(|_| Refusal::new(Reason::Unavailable, "out of sockets"))?;
                Ok((stream, opened.greeting))
            }
            Ok(Err(error)) => {
                tracing::warn!(cluster = %order.rules.cluster.name, endpoint = %order.endpoint.address, %error,
                    "cannot open a server connection");
                Err(error.refusal())
            }
            Err(_) => Err(Refusal::new(Reason::ShuttingDown, "the gateway is going down")),
        }
    }

    /// The number and the secret of a login that a server has let in.
    pub(crate) fn intern(&self, user: String, password: Secret) -> Arc<Credential> {
        self.redis.credentials.intern(user, password)
    }

    pub(crate) fn enter(&self, shared: &Rc<Shared>) {
        self.sessions.borrow_mut().insert(shared.id, Rc::clone(shared));
    }

    pub(crate) fn leave(&self, id: u64) {
        self.sessions.borrow_mut().remove(&id);
    }

    fn line_view(&self, group: &Group, key: Key, line: &Line, now: Instant) -> ServerView {
        ServerView {
            protocol: "redis",
            cluster: group.cluster.to_string(),
            endpoint: line.endpoint.address.to_string(),
            space: key.database.to_string(),
            user: user_of(group),
            ident: line.greeting.id.to_string(),
            state: "shared",
            client: None,
            tls: line.is_tls,
            is_leaving: false,
            age: now.saturating_duration_since(line.opened),
            exchanges: line.exchanges.get(),
            core: self.core.index,
        }
    }

    fn group_views(&self, group: &Group, view: &mut RoomView, now: Instant) {
        for (place, trunks) in group.trunks.borrow().iter() {
            for trunk in trunks {
                for line in trunk.lines() {
                    view.servers.push(self.line_view(group, place.key, &line, now));
                }
            }
        }
        for hub in group.hubs() {
            for (spot, is_up) in hub.links() {
                view.servers.push(ServerView {
                    protocol: "redis",
                    cluster: group.cluster.to_string(),
                    endpoint: spot.to_string(),
                    space: String::new(),
                    user: user_of(group),
                    ident: String::new(),
                    state: if is_up { "subscribed" } else { "opening" },
                    client: None,
                    tls: false,
                    is_leaving: false,
                    age: Duration::ZERO,
                    exchanges: 0,
                    core: self.core.index,
                });
            }
        }
        for (place, pool) in group.pools.borrow().iter() {
            let counts = pool.counts();
            view.pools.push(PoolView {
                protocol: "redis",
                cluster: group.cluster.to_string(),
                endpoint: place.endpoint.address.to_string(),
                role: "primary",
                space: place.key.database.to_string(),
                user: user_of(group),
                mode: "transaction",
                size: pool.size(),
                active: counts.lent,
                idle: counts.idle,
                opening: counts.opening,
                waiting: counts.waiting,
                core: self.core.index,
            });
        }
    }
}

fn user_of(group: &Group) -> String {
    let rules = group.rules();
    let user = rules.credential.as_ref().map(|(user, _)| user.clone());
    user.unwrap_or_else(|| "default".to_owned())
}

impl Room for RedisRoom {
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

    fn deliver(self: Rc<Self>, _: Box<dyn Any + Send>) {}

    fn maintain(self: Rc<Self>, now: Instant) {
        self.plan();
        let groups: Vec<_> = self.groups.borrow().values().cloned().collect();
        for group in groups {
            group.maintain(now);
            group.metrics.heard(&group.hubs());
            let pools: Vec<_> = group
                .pools
                .borrow()
                .iter()
                .map(|(place, pool)| (place.clone(), Rc::clone(pool)))
                .collect();
            for (Place { endpoint, key }, pool) in pools {
                let gone = pool.expire(now, |server| server.is_well(&mut Context::from_waker(Waker::noop())));
                drop(gone);
                self.open_wanted(&group, &endpoint, key, &pool);
            }
        }
    }

    fn view(&self, now: Instant) -> RoomView {
        let mut view = RoomView::default();
        for shared in self.sessions.borrow().values() {
            view.clients.push(ClientView {
                id: shared.id,
                protocol: "redis",
                listener: shared.listener.to_string(),
                peer: shared.peer.clone(),
                user: shared.user.borrow().to_string(),
                space: shared.database.get().to_string(),
                application_name: String::from_utf8_lossy(&shared.name.borrow()).into_owned(),
                cluster: shared.cluster.borrow().to_string(),
                state: shared.state.get(),
                is_still: false,
                tls: shared.is_tls,
                age: now.saturating_duration_since(shared.since),
                asked: None,
                exchanges: shared.exchanges.get(),
                core: self.core.index,
            });
        }
        for group in self.groups.borrow().values() {
            self.group_views(group, &mut view, now);
        }
        view
    }
}

impl fmt::Debug for RedisRoom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisRoom")
            .field("core", &self.core.index)
            .finish_non_exhaustive()
    }
}
