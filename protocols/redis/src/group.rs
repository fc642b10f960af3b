use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use tidegate_base::Refusal;
use tidegate_cluster::Endpoint;
use tidegate_redis_wire::table::Servers;

use crate::dial::{Key, Order};
use crate::hub::Hub;
use crate::layout::Layout;
use crate::line::Line;
use crate::metrics::GroupMetrics;
use crate::passthrough::Credential;
use crate::plan::ClusterRules;
use crate::server::ServerPool;

/// A layout as a core holds it: to take it for a while touches no count that cores share.
pub(crate) type CoreLayout = Rc<Arc<Layout>>;

/// Rules, the same way.
pub(crate) type CoreRules = Rc<Arc<ClusterRules>>;

/// What all clients of one cluster share on their core.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) cluster: Arc<str>,
    rules: RefCell<CoreRules>,
    /// The layout, and which one it is.
    layout: RefCell<(Option<u64>, CoreLayout)>,
    turn: Cell<u64>,
    /// Whose words servers speak, by the last one that was met.
    pub(crate) flavour: Cell<Servers>,
    /// The plan has it no more; clients that are there stay, and nothing is kept for others.
    is_removed: Cell<bool>,
    pub(crate) metrics: GroupMetrics,
    pub(crate) trunks: RefCell<HashMap<Place, Vec<Rc<Trunk>>>>,
    pub(crate) pools: RefCell<HashMap<Place, Rc<ServerPool>>>,
    /// The logins of clients that are there, by their numbers.
    logins: RefCell<HashMap<u64, Weak<Credential>>>,
    /// What clients listen to, by the login that it is listened to with.
    hubs: RefCell<HashMap<u64, Rc<Hub>>>,
}

/// A server, and what its connections are opened for.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) key: Key,
}

/// One endpoint is one object for as long as it is known.
impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.endpoint, &other.endpoint) && self.key == other.key
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Arc::as_ptr(&self.endpoint).hash(hasher);
        self.key.hash(hasher);
    }
}

/// The place of one shared connection, which is opened when somebody wants it.
#[derive(Debug, Default)]
pub(crate) struct Trunk {
    pub(crate) state: RefCell<State>,
    /// Counts the attempts to open it.
    pub(crate) attempt: Cell<u64>,
    /// Why the last one failed.
    pub(crate) failure: RefCell<Option<Refusal>>,
    pub(crate) waiting: RefCell<Vec<Waker>>,
    /// Connections that were too old, until the last client has left them.
    retiring: RefCell<Vec<Rc<Line>>>,
}

#[derive(Debug, Default)]
pub(crate) enum State {
    #[default]
    Closed,
    Opening,
    Open(Rc<Line>),
}

impl Group {
    pub(crate) fn new(cluster: Arc<str>, rules: Arc<ClusterRules>, metrics: GroupMetrics) -> Rc<Self> {
        Rc::new(Self {
            cluster,
            metrics,
            layout: RefCell::new((None, Rc::new(rules.atlas.layout()))),
            turn: Cell::new(0),
            flavour: Cell::new(Servers::REDIS),
            is_removed: Cell::new(false),
            rules: RefCell::new(Rc::new(rules)),
            trunks: RefCell::default(),
            pools: RefCell::default(),
            logins: RefCell::default(),
            hubs: RefCell::default(),
        })
    }

    /// Its rules as of the plan that its core has.
    pub(crate) fn rules(&self) -> CoreRules {
        Rc::clone(&self.rules.borrow())
    }

    /// Takes new rules.
    pub(crate) fn update(&self, rules: &Arc<ClusterRules>) {
        for pool in self.pools.borrow().values() {
            pool.set_limits(rules.limits);
        }
        *self.rules.borrow_mut() = Rc::new(Arc::clone(rules));
        self.layout.borrow_mut().0 = None;
        self.is_removed.set(false);
    }

    /// The plan has it no more.
    pub(crate) fn remove(&self) {
        self.is_removed.set(true);
    }

    /// The place of the shared connection to a server for a client of this number.
    pub(crate) fn trunk(&self, endpoint: &Arc<Endpoint>, key: Key, client: u64) -> Rc<Trunk> {
        let endpoint = Arc::clone(endpoint);
        let shared = self.rules().shared;
        let mut trunks = self.trunks.borrow_mut();
        let trunks = trunks.entry(Place { endpoint, key }).or_default();
        if trunks.len() < shared {
            trunks.resize_with(shared, Rc::default);
        }
        let at = usize::try_from(client).unwrap_or(0) % shared;
        trunks.get(at).map_or_else(Rc::default, Rc::clone)
    }

    /// The pool of connections to a server that clients have for their own.
    pub(crate) fn pool(&self, endpoint: &Arc<Endpoint>, key: Key) -> Rc<ServerPool> {
        let endpoint = Arc::clone(endpoint);
        let limits = self.rules().limits;
        let mut pools = self.pools.borrow_mut();
        Rc::clone(
            pools
                .entry(Place { endpoint, key })
                .or_insert_with(|| ServerPool::new(limits)),
        )
    }

    /// Which servers there are, as new as can be.
    pub(crate) fn layout(&self) -> CoreLayout {
        let rules = self.rules.borrow();
        let generation = rules.atlas.generation();
        let mut known = self.layout.borrow_mut();
        if known.0 != Some(generation) {
            *known = (Some(generation), Rc::new(rules.atlas.layout()));
        }
        Rc::clone(&known.1)
    }

    /// Whether commands may still go to this server.
    pub(crate) fn knows(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.layout().nodes().any(|node| Arc::ptr_eq(&node.endpoint, endpoint))
    }

    /// How long a command that no server has done waits for one that can.
    pub(crate) fn patience(&self) -> Duration {
        if self.layout().kind.has_replicas() {
            self.rules.borrow().failover
        } else {
            Duration::ZERO
        }
    }

    /// There was a sign that the servers are not what they were.
    pub(crate) fn seek(&self) {
        self.rules.borrow().atlas.refresh();
    }

    /// A number that no other read got, so that reads spread over replicas.
    pub(crate) fn turn(&self) -> u64 {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// What to open a connection with.
    pub(crate) fn order(&self, endpoint: &Arc<Endpoint>, key: Key) -> Order {
        Order {
            endpoint: Arc::clone(endpoint),
            rules: Arc::clone(&self.rules()),
            key,
            credential: self.logins.borrow().get(&key.identity).and_then(Weak::upgrade),
        }
    }

    /// A client with a login of its own has come.
    pub(crate) fn know(&self, credential: &Arc<Credential>) {
        self.logins
            .borrow_mut()
            .insert(credential.id, Arc::downgrade(credential));
    }

    /// Whether a login is the cluster's own, or that of a client that is still there.
    fn is_known(&self, identity: u64) -> bool {
        let logins = self.logins.borrow();
        identity == 0 || logins.get(&identity).is_some_and(|login| login.strong_count() > 0)
    }

    /// What clients with this login listen to; `make` makes it.
    pub(crate) fn hub(&self, identity: u64, make: impl FnOnce() -> Rc<Hub>) -> Rc<Hub> {
        Rc::clone(self.hubs.borrow_mut().entry(identity).or_insert_with(make))
    }

    /// The hubs that there are.
    pub(crate) fn hubs(&self) -> Vec<Rc<Hub>> {
        self.hubs.borrow().values().cloned().collect()
    }

    /// Closes what stands idle for too long, what is too old, what does not answer, and what leads to a server that is
    /// gone or has the login of a client that is.
    pub(crate) fn maintain(&self, now: Instant) {
        for (place, trunks) in self.trunks.borrow().iter() {
            for trunk in trunks {
                self.maintain_trunk(place, trunk, now);
            }
        }
        self.hubs.borrow_mut().retain(|identity, _| self.is_known(*identity));
        self.logins.borrow_mut().retain(|_, login| login.strong_count() > 0);
        // A place is quickly made again, and clients may name as many as they like.
        self.trunks
            .borrow_mut()
            .retain(|_, trunks| !trunks.iter().all(Trunk::is_unused));
        let is_wanted = |place: &Place| self.knows(&place.endpoint) && self.is_known(place.key.identity);
        self.pools.borrow_mut().retain(|place, pool| {
            let counts = pool.counts();
            let is_held = Rc::strong_count(pool) > 1 || counts.lent + counts.opening + counts.waiting > 0;
            is_held || counts.idle > 0 && is_wanted(place) && !self.is_removed.get()
        });
    }

    fn maintain_trunk(&self, place: &Place, trunk: &Trunk, now: Instant) {
        trunk.retiring.borrow_mut().retain(|line| !line.is_lost());
        for line in trunk.retiring.borrow().iter() {
            self.close_if_due(place, line, now);
        }
        let line = match &*trunk.state.borrow() {
            State::Open(line) => Rc::clone(line),
            State::Closed | State::Opening => return,
        };
        let limit = self.rules().limits.max_lifetime;
        let is_old = limit.is_some_and(|limit| now.duration_since(line.opened) >= limit);
        if !self.close_if_due(place, &line, now) && is_old {
            // Clients leave it one by one, as soon as they have what they asked for over it.
            line.retire();
            trunk.retiring.borrow_mut().push(line);
            *trunk.state.borrow_mut() = State::Closed;
        }
    }

    /// Closes a shared connection that stands idle for too long, does not answer, or leads to where nobody is to go;
    /// whether it does.
    fn close_if_due(&self, place: &Place, line: &Line, now: Instant) -> bool {
        let rules = self.rules();
        let past =
            |since: Instant, limit: Option<Duration>| limit.is_some_and(|limit| now.duration_since(since) >= limit);
        let is_unused = line.clients() == 0;
        let is_idle = is_unused && (self.is_removed.get() || past(line.last_moved(), rules.limits.idle_timeout));
        let is_stuck = line
            .silent_since()
            .is_some_and(|since| past(since, rules.reply_timeout));
        if is_stuck {
            tracing::warn!(cluster = %self.cluster, endpoint = %line.endpoint.address,
                "a shared connection is given up: the server owes answers and says nothing");
        }
        let is_gone = !self.knows(&place.endpoint) || !self.is_known(place.key.identity);
        let is_due = is_idle || is_stuck || is_gone && line.silent_since().is_none();
        if is_due {
            line.close();
        }
        is_due
    }
}

impl Trunk {
    /// The connections that there are: the one that clients come to, and those that they are leaving.
    pub(crate) fn lines(&self) -> Vec<Rc<Line>> {
        let mut lines = self.retiring.borrow().clone();
        if let State::Open(line) = &*self.state.borrow() {
            lines.push(Rc::clone(line));
        }
        lines.retain(|line| !line.is_lost());
        lines
    }

    /// Whether it has no connection, and nobody waits for one.
    fn is_unused(self: &Rc<Self>) -> bool {
        let is_opening = matches!(*self.state.borrow(), State::Opening);
        Rc::strong_count(self) == 1 && !is_opening && self.lines().is_empty()
    }
}

#[cfg(test)]
mod tests;
