use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tidegate_limit::{Claim, Closing, Quotas, Share, Starved};
use tidegate_postgres_wire::frontend;

use crate::admit::Route;
use crate::config::PostgresLimits;
use crate::group::{EndpointPool, Group};
use crate::orders::Command;
use crate::plan::ClusterRules;
use crate::room::PostgresRoom;
use crate::server::{Server, ServerLease};

/// For so long somebody waits before a connection is closed for it that its own pool needs too.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much of a server's last words is read at once.
const READ: usize = 8 * 1024;
/// How long a server may take to close a connection.
const PARTING: Duration = Duration::from_secs(1);

/// What server connections are counted by, over all cores.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// A cluster, and a database there.
    Database(Arc<str>, String),
    /// A user at the servers.
    User(String),
}

/// A server connection's place among those that are counted.
pub(crate) type Place = Share<Counted>;

/// The limits that a group's connections fall under together with those of others.
#[derive(Debug)]
pub(crate) struct Bounds {
    keys: [Counted; 2],
    starved: RefCell<Vec<Arc<Starved>>>,
    /// One of them is set.
    pub(crate) are_set: Cell<bool>,
}

/// Asks every core for an idle connection under a limit; the first that has one closes it.
#[derive(Debug, Clone)]
pub(crate) struct Relief {
    key: Counted,
    is_found: Arc<AtomicBool>,
}

/// A place that a pool waits for.
#[derive(Debug)]
pub(crate) struct Pending {
    claim: Option<Claim<Counted>>,
    waker: Option<Waker>,
}

/// The places that a pool waits for, the oldest first.
pub(crate) type Claims = Rc<RefCell<VecDeque<Rc<RefCell<Pending>>>>>;

impl Pending {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Place>> {
        self.waker = Some(cx.waker().clone());
        match &mut self.claim {
            Some(claim) => Pin::new(claim).poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }
}

impl EndpointPool {
    /// Waits for a place that was claimed. `None` when the pool needs no more.
    pub(crate) async fn wait_for_place(&self, pending: &Rc<RefCell<Pending>>) -> Option<Place> {
        let place = poll_fn(|cx| pending.borrow_mut().poll(cx)).await;
        self.claims.borrow_mut().retain(|other| !Rc::ptr_eq(other, pending));
        place
    }

    /// Leaves the queue with what is waited for and needed no more, because its client was served or has left: others are not to
    /// make room for it.
    pub(crate) fn forget_claims(&self) {
        loop {
            let counts = self.pool.counts();
            if counts.opening <= counts.waiting {
                return;
            }
            let Some(pending) = self.claims.borrow_mut().pop_front() else {
                return;
            };
            let mut pending = pending.borrow_mut();
            pending.claim = None;
            self.pool.withdraw();
            if let Some(waker) = pending.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Bounds {
    pub(crate) fn new(route: &Route) -> Self {
        Self {
            keys: [
                Counted::Database(Arc::clone(&route.cluster), route.database.clone()),
                Counted::User(route.user.clone()),
            ],
            starved: RefCell::default(),
            are_set: Cell::new(false),
        }
    }

    /// Takes the limits of a plan. Connections are counted without one too, for a plan that sets it.
    pub(crate) fn set(&self, quotas: &Quotas<Counted>, rules: &ClusterRules, limits: &PostgresLimits) {
        let [database, user] = &self.keys;
        let Counted::User(name) = user else { return };
        let most = [rules.max_per_database, limits.server_connections(name)];
        self.are_set.set(most.iter().any(|most| *most > 0));
        let starved = [quotas.set(database, most[0]), quotas.set(user, most[1])];
        self.starved.replace(starved.into());
    }

    /// Whether somebody waits because this one is reached.
    fn is_starved(&self, key: &Counted) -> bool {
        let starved = self.starved.borrow();
        let mut both = self.keys.iter().zip(starved.iter());
        both.any(|(known, starved)| known == key && starved.is_so())
    }

    /// Closes connections. Where they count, their places are given to others only when the server has closed them too: it is to
    /// see no more of them either.
    pub(crate) fn close(&self, servers: impl IntoIterator<Item = Box<Server>>) {
        for server in servers {
            if self.are_set.get() {
                let closing = self.starved.borrow().iter().map(Starved::close).collect();
                tokio::task::spawn_local(part(server, closing));
            }
        }
    }

    /// Closes a connection for somebody who waits, as was found to be wanted.
    fn close_for_others(server: Option<Box<Server>>, closing: Vec<Closing>) {
        if let Some(server) = server {
            tokio::task::spawn_local(part(server, closing));
        }
    }

    /// Whether somebody waits because one of the limits is reached.
    fn are_starved(&self) -> bool {
        self.starved.borrow().iter().any(|starved| starved.is_so())
    }

    /// Finds a connection to be wanted by somebody who waits because one of the limits is reached: more wait than connections are
    /// being closed. It is to be closed then.
    fn find_wanted(&self) -> Option<Vec<Closing>> {
        let starved = self.starved.borrow();
        let wanted = |(at, starved): (usize, &Arc<Starved>)| Some((at, starved.close_wanted()?));
        let (first, closing) = starved.iter().enumerate().find_map(wanted)?;
        let others = starved.iter().enumerate().filter(|(at, _)| *at != first);
        let others = others.map(|(_, starved)| starved.close());
        Some(std::iter::once(closing).chain(others).collect())
    }
}

impl PostgresRoom {
    /// Room for one more connection of a group, if there is some.
    pub(crate) fn place(&self, group: &Group) -> Option<Place> {
        self.postgres.quotas().take(&group.bounds.keys)
    }

    /// Queues up for that, and asks all cores for an idle connection that stands in the way.
    pub(crate) fn claim_place(&self, group: &Group, pool: &EndpointPool) -> Rc<RefCell<Pending>> {
        let pending = Rc::new(RefCell::new(Pending {
            claim: Some(self.postgres.quotas().claim(&group.bounds.keys, Instant::now())),
            waker: None,
        }));
        pool.claims.borrow_mut().push_back(Rc::clone(&pending));
        self.ask_for_relief(group);
        pending
    }

    fn ask_for_relief(&self, group: &Group) {
        let reliefs = group.bounds.keys.clone().map(|key| Relief {
            key,
            is_found: Arc::default(),
        });
        let (cores, protocol) = (self.core.cores.clone(), self.core.protocol);
        tokio::task::spawn_local(async move {
            for core in 0..cores.count() {
                let message = Command::Relieve(reliefs.to_vec());
                cores.deliver(core, protocol, message.into()).await;
            }
        });
    }

    /// Closes the connection of this core that has been idle for longest, for somebody elsewhere who waits for it.
    pub(crate) fn relieve(&self, groups: &[Rc<Group>], relief: &Relief) {
        let pools = groups.iter().filter(|group| group.bounds.is_starved(&relief.key));
        let oldest = pools
            .flat_map(|group| group.pools().into_iter().map(move |pool| (group, pool)))
            .filter(|(_, pool)| pool.pool.counts().waiting == 0)
            .filter_map(|(group, pool)| Some((pool.pool.idle_since()?, group, pool)))
            .min_by_key(|(since, ..)| *since);
        if let Some((_, group, pool)) = oldest
            && !relief.is_found.load(Ordering::Relaxed)
            && let Some(closing) = group.bounds.find_wanted()
            && !relief.is_found.swap(true, Ordering::Relaxed)
        {
            Bounds::close_for_others(pool.pool.give_up(), closing);
        }
    }

    /// A clean connection goes back to its pool; or it is closed, because somebody of another pool waits under the same limit
    /// and nobody of its own, or has waited for much longer.
    pub(crate) fn give_back(self: &Rc<Self>, group: &Rc<Group>, pool: &EndpointPool, lease: ServerLease, now: Instant) {
        if !group.bounds.are_set.get() {
            return drop(lease.give_back(now));
        }
        if let Some(closing) = self.find_needed_elsewhere(group, pool, now) {
            Bounds::close_for_others(lease.take_out(), closing);
            self.open_wanted(group, pool, false);
        } else {
            group.bounds.close(lease.give_back(now));
        }
        pool.forget_claims();
    }

    fn find_needed_elsewhere(&self, group: &Group, pool: &EndpointPool, now: Instant) -> Option<Vec<Closing>> {
        if !group.bounds.are_starved() {
            return None;
        }
        let is_turn = pool.pool.waiting_since().is_none_or(|own| {
            let starved = group.bounds.starved.borrow();
            let quotas = self.postgres.quotas();
            starved
                .iter()
                .any(|starved| quotas.is_turn_of(starved, own, now, PATIENCE))
        });
        is_turn.then(|| group.bounds.find_wanted()).flatten()
    }

    /// Closes what is idle while somebody of another pool waits for it.
    pub(crate) fn make_room(&self, group: &Group, pool: &EndpointPool) {
        if !group.bounds.are_set.get() {
            return;
        }
        let counts = pool.pool.counts();
        if counts.waiting == 0
            && counts.idle > 0
            && let Some(closing) = group.bounds.find_wanted()
        {
            Bounds::close_for_others(pool.pool.give_up(), closing);
        }
    }
}

/// Says goodbye to a server, and waits for its end of the connection to close. Its place is free before it is no more one of those
/// that are being closed.
async fn part(mut server: Box<Server>, closing: Vec<Closing>) {
    let mut words = Vec::new();
    frontend::terminate(&mut words);
    let parting = async {
        server.stream.write_all(&words).await?;
        let mut rest = Vec::new();
        while server.stream.read_some(&mut rest, READ).await? > 0 {
            rest.clear();
        }
        Ok::<(), std::io::Error>(())
    };
    // Whatever comes of it, that is the end.
    let _ = tokio::time::timeout(PARTING, parting).await;
    drop(server);
    drop(closing);
}
