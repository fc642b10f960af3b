use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tidegate_base::Refusal;
use tidegate_cluster::{Endpoint, Picker};
use tidegate_pool::Limits;
use tidegate_postgres_wire::login::Credential;

use crate::admit::Route;
use crate::config::PoolMode;
use crate::hub::{Hub, LineView};
use crate::metrics::GroupMetrics;
use crate::plan::{ClusterRules, Terms};
use crate::quota::{Bounds, Claims};
use crate::server::{Reported, Server, ServerPool, unavailable};
use crate::settings::Settings;

/// The most kinds of start-up settings whose greeting is remembered.
const MOST_GREETINGS: usize = 64;

/// Why connections are closed that are to be made anew.
pub(crate) const RENEWED: &str = "it is made anew";

/// What all clients of one cluster, role, database and user share on their core: a pool for each endpoint.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) route: Route,
    pub(crate) rules: RefCell<Arc<ClusterRules>>,
    /// What of the rules holds for its user; requests look at it.
    pub(crate) terms: Cell<Terms>,
    pub(crate) metrics: GroupMetrics,
    picker: RefCell<Picker>,
    pools: RefCell<Vec<EndpointPool>>,
    credential: RefCell<Credential>,
    greetings: RefCell<Vec<(Rc<Settings>, Rc<Reported>)>>,
    /// Who listens for the clients, by the settings to open with: a payload comes in the client's encoding.
    hubs: RefCell<Vec<(Rc<Settings>, Rc<Hub>)>>,
    /// Nobody is given a server.
    is_paused: Cell<bool>,
    /// Connections from before are closed as they come back.
    renewed: Cell<Option<Instant>>,
    /// What its connections are counted by.
    pub(crate) bounds: Bounds,
    /// When somebody last used it.
    pub(crate) used: Cell<Instant>,
    /// How many of those who hold it open a connection for it.
    openers: Cell<usize>,
}

/// A group, for as long as a connection is being opened for it.
#[derive(Debug)]
pub(crate) struct Opener(Rc<Group>);

/// The pool of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct EndpointPool {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) pool: Rc<ServerPool>,
    pub(crate) claims: Claims,
}

impl Group {
    pub(crate) fn new(
        route: Route,
        rules: Arc<ClusterRules>,
        metrics: GroupMetrics,
        credential: Credential,
        seed: u64,
        now: Instant,
    ) -> Rc<Self> {
        Rc::new(Self {
            picker: RefCell::new(Picker::new(Arc::clone(&rules.cluster), seed)),
            bounds: Bounds::new(&route),
            terms: Cell::new(rules.terms(&route.user)),
            rules: RefCell::new(rules),
            route,
            metrics,
            pools: RefCell::default(),
            credential: RefCell::new(credential),
            greetings: RefCell::default(),
            hubs: RefCell::default(),
            is_paused: Cell::new(false),
            renewed: Cell::new(None),
            used: Cell::new(now),
            openers: Cell::new(0),
        })
    }

    /// Its rules as of the plan that its core has.
    pub(crate) fn rules(&self) -> Arc<ClusterRules> {
        Arc::clone(&self.rules.borrow())
    }

    /// The mode of its pools.
    pub(crate) fn mode(&self) -> PoolMode {
        self.terms.get().mode
    }

    /// Takes new rules.
    pub(crate) fn update(&self, rules: &Arc<ClusterRules>, seed: u64) {
        let is_other = !Arc::ptr_eq(self.picker.borrow().cluster(), &rules.cluster);
        if is_other {
            *self.picker.borrow_mut() = Picker::new(Arc::clone(&rules.cluster), seed);
        }
        let begin_otherwise = self.rules.borrow().connect_query != rules.connect_query;
        // What logins have left may be those of others than the user that clients are at the servers from now on.
        if self.rules.borrow().credential != rules.credential {
            *self.credential.borrow_mut() = Credential::None;
        }
        *self.rules.borrow_mut() = Arc::clone(rules);
        self.terms.set(rules.terms(&self.route.user));
        if begin_otherwise {
            self.greetings.borrow_mut().clear();
            self.renew(Instant::now());
        }
        for pool in self.pools.borrow().iter() {
            pool.pool.set_limits(self.limits());
        }
    }

    /// Gives nobody a server any more and closes those that are idle, or goes on. Tells whether that is a change.
    pub(crate) fn pause(&self, is_paused: bool) -> bool {
        if self.is_paused.replace(is_paused) == is_paused {
            return false;
        }
        for pool in self.pools.borrow().iter() {
            pool.pool.set_limits(self.limits());
        }
        if is_paused {
            self.close_idle("it is paused");
        }
        true
    }

    /// Closes all idle connections, and says why.
    pub(crate) fn close_idle(&self, why: &'static str) {
        for pool in self.pools.borrow().iter() {
            self.close(pool.pool.clear(), why);
        }
    }

    /// Makes its server connections anew as their clients can do without them.
    pub(crate) fn renew(&self, now: Instant) {
        self.renewed.set(Some(now));
        for pool in self.pools.borrow().iter() {
            self.close(pool.pool.renew(now), RENEWED);
        }
    }

    /// Closes connections that were idle, and says why.
    pub(crate) fn close(&self, servers: impl IntoIterator<Item = Box<Server>>, why: &'static str) {
        let servers = servers.into_iter().inspect(|server| server.because(why));
        self.bounds.close(servers);
    }

    /// Whether a connection of this age is one that is made anew.
    pub(crate) fn is_leaving(&self, opened: Instant) -> bool {
        self.renewed.get().is_some_and(|renewed| opened < renewed)
    }

    /// The bounds of its pools.
    pub(crate) fn limits(&self) -> Limits {
        let limits = self.terms.get().limits;
        if self.is_paused.get() {
            return Limits {
                size: 0,
                reserve: 0,
                ..limits
            };
        }
        limits
    }

    /// With what to log in to servers: what the latest client's login left.
    pub(crate) fn credential(&self) -> Credential {
        self.credential.borrow().clone()
    }

    /// Remembers what a client's login left. One that left nothing changes nothing.
    pub(crate) fn learn(&self, credential: Credential) {
        if credential != Credential::None {
            *self.credential.borrow_mut() = credential;
        }
    }

    /// The pool of the endpoint whose turn it is, for a client from this address.
    pub(crate) fn pick(&self, now: Instant, peer: &str) -> Result<EndpointPool, Refusal> {
        let mut picker = self.picker.borrow_mut();
        let Some(endpoint) = picker.pick(self.route.role, now, || without_port(peer)) else {
            return Err(unavailable(
                "the cluster has no endpoint of this role at the moment; try again",
            ));
        };
        let mut pools = self.pools.borrow_mut();
        if let Some(known) = pools.iter().find(|known| Arc::ptr_eq(&known.endpoint, endpoint)) {
            return Ok(known.clone());
        }
        let pool = EndpointPool {
            endpoint: Arc::clone(endpoint),
            pool: ServerPool::new(self.limits()),
            claims: Claims::default(),
        };
        pool.pool.set_in_use(true);
        pools.push(pool.clone());
        Ok(pool)
    }

    /// The hub whose connection is opened with these settings.
    pub(crate) fn hub(&self, started: &Rc<Settings>) -> Rc<Hub> {
        let mut hubs = self.hubs.borrow_mut();
        if let Some((_, hub)) = hubs.iter().find(|(known, _)| Rc::ptr_eq(known, started)) {
            return Rc::clone(hub);
        }
        let hub = Rc::new(Hub::default());
        hubs.push((Rc::clone(started), Rc::clone(&hub)));
        hub
    }

    /// The connections that listen.
    pub(crate) fn lines(&self) -> Vec<LineView> {
        self.hubs.borrow().iter().filter_map(|(_, hub)| hub.view()).collect()
    }

    /// Connections that listen leave endpoints that are gone.
    pub(crate) fn move_lines(&self) {
        let endpoints = self.rules().cluster.endpoints();
        for (_, hub) in self.hubs.borrow().iter() {
            hub.stay_with(&endpoints);
        }
    }

    /// Its pools.
    pub(crate) fn pools(&self) -> Vec<EndpointPool> {
        self.pools.borrow().clone()
    }

    /// Forgets the pools of endpoints that are gone, once nothing of theirs is lent; their idle connections are closed.
    pub(crate) fn forget_gone(&self) {
        let rules = self.rules();
        let endpoints = rules.cluster.endpoints();
        self.pools.borrow_mut().retain(|pool| {
            if endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, &pool.endpoint)) {
                return true;
            }
            self.close(pool.pool.clear(), "its endpoint is gone");
            let counts = pool.pool.counts();
            counts.lent + counts.opening + counts.waiting > 0
        });
    }

    /// Whether somebody holds it beside the room and those who open its connections.
    pub(crate) fn has_clients(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) > 1 + self.openers.get()
    }

    /// Has the fewest connections kept open while clients are there. Where all are one user at the servers, they stay without
    /// any, but where the server refuses: there is one pool of them, however many come.
    pub(crate) fn keep_fewest(self: &Rc<Self>, is_planned: bool) {
        let has_clients = self.has_clients();
        let rules = self.rules();
        let is_of_all = rules
            .credential
            .as_ref()
            .is_some_and(|credential| credential.user == self.route.user);
        for pool in self.pools.borrow().iter() {
            let is_kept = is_planned && is_of_all && !pool.pool.is_refused();
            pool.pool.set_in_use(has_clients || is_kept);
        }
    }

    /// Whether all of its pools could not open a connection, for a reason that does not pass by itself: there is no such
    /// database, say.
    pub(crate) fn is_refused(&self) -> bool {
        let pools = self.pools.borrow();
        !pools.is_empty() && pools.iter().all(|pool| pool.pool.is_refused())
    }

    /// Whether nothing of it is in use.
    pub(crate) fn is_unused(&self) -> bool {
        self.pools
            .borrow()
            .iter()
            .all(|pool| pool.pool.counts() == tidegate_pool::Counts::default())
    }

    /// What a server says of itself to a client with these start-up settings, if that is known.
    pub(crate) fn greeting(&self, started: &Rc<Settings>) -> Option<Rc<Reported>> {
        let greetings = self.greetings.borrow();
        let found = greetings.iter().find(|(known, _)| Rc::ptr_eq(known, started));
        found.map(|(_, reported)| Rc::clone(reported))
    }

    /// Learns that from a server whose settings are just these.
    pub(crate) fn learn_greeting(&self, server: &Server) -> Rc<Reported> {
        let mut greetings = self.greetings.borrow_mut();
        greetings.retain(|(known, _)| !Rc::ptr_eq(known, &server.settings));
        if greetings.len() >= MOST_GREETINGS {
            greetings.remove(0);
        }
        let reported = Rc::new(server.reported.clone());
        greetings.push((Rc::clone(&server.settings), Rc::clone(&reported)));
        reported
    }

    /// What is reported for `name` by a server that was not started with it: the server's own default.
    pub(crate) fn default_of(&self, name: &str) -> Option<String> {
        let greetings = self.greetings.borrow();
        let found = greetings.iter().find(|(started, _)| started.get(name).is_none());
        found.and_then(|(_, reported)| reported.get(name).map(str::to_owned))
    }
}

impl Opener {
    pub(crate) fn new(group: &Rc<Group>) -> Self {
        group.openers.set(group.openers.get() + 1);
        Self(Rc::clone(group))
    }
}

impl Deref for Opener {
    type Target = Rc<Group>;

    fn deref(&self) -> &Rc<Group> {
        &self.0
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.openers.set(self.0.openers.get().saturating_sub(1));
    }
}

/// The address of a client, which comes from another port each time.
fn without_port(peer: &str) -> &str {
    peer.rsplit_once(':').map_or(peer, |(address, _)| address)
}
