use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_engine::{Admitted, CoreContext, Downstream, Protocol, Room, SessionError, VirtualDatabase};
use tidegate_limit::{Concurrency, Quotas};
use tidegate_postgres_wire::login::{Disguise, Stored, Verifier};
use tidegate_telemetry::Registry;

use crate::admit::{Lookups, Route, Seat, admit};
use crate::dial::{SaltedCache, fill};
use crate::metrics::Families;
use crate::orders::{Command, Orders};
use crate::peers::PeerView;
use crate::plan::PostgresPlan;
use crate::quota::Counted;
use crate::room::PostgresRoom;
use crate::totals::Totals;

/// PostgreSQL, as the engine knows it: the plan, and what the login threads share.
pub struct Postgres {
    plan: ArcSwap<PostgresPlan>,
    generation: AtomicU64,
    node: u8,
    disguise: Disguise,
    salted: SaltedCache,
    lookups: Lookups,
    clients: Concurrency<Seat>,
    quotas: Quotas<Counted>,
    families: Families,
    console: OnceLock<Arc<dyn VirtualDatabase>>,
    orders: ArcSwap<Orders>,
    this: Weak<Self>,
}

impl Postgres {
    /// A gateway that serves nobody until a plan is installed. `node` is its number in cancel keys, below 64.
    pub fn new(registry: &Arc<Registry>, node: u8) -> Arc<Self> {
        let mut key = [0; 32];
        fill(&mut key);
        // Unknown users are asked as those with a SCRAM verifier are: the same questions, the same work.
        let like = Stored::Scram(Verifier::derive(&key, &key[..16], Verifier::ITERATIONS));
        Arc::new_cyclic(|this| Self {
            plan: ArcSwap::default(),
            generation: AtomicU64::new(0),
            node,
            disguise: Disguise::new(key, &like),
            salted: SaltedCache::default(),
            lookups: Lookups::default(),
            clients: Concurrency::default(),
            quotas: Quotas::new(Instant::now()),
            families: Families::new(registry),
            console: OnceLock::new(),
            orders: ArcSwap::default(),
            this: this.clone(),
        })
    }

    /// Takes a new plan. Sessions under way pick it up at their next exchange boundary.
    pub fn install(&self, mut plan: PostgresPlan) {
        plan.peers.keep(&self.plan().peers);
        self.plan.store(Arc::new(plan));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Answers the console of every listener by this from now on; what is given first stays.
    pub fn answer_by(&self, console: Arc<dyn VirtualDatabase>) {
        let _ = self.console.set(console);
    }

    /// What is ordered now.
    pub fn orders(&self) -> Arc<Orders> {
        self.orders.load_full()
    }

    /// Orders something else; every core has to be told by the message that this returns.
    pub fn order(&self, orders: Orders) -> impl Fn() -> Box<dyn Any + Send> + use<> {
        self.orders.store(Arc::new(orders));
        Self::look()
    }

    /// The message that has every core look at the plan and the orders at once.
    pub fn look() -> impl Fn() -> Box<dyn Any + Send> {
        || Command::Look.into()
    }

    /// The message that has server connections made anew: of databases, each of a cluster by its name at the server, or
    /// of all.
    pub fn renew(databases: Option<BTreeSet<(String, String)>>) -> impl Fn() -> Box<dyn Any + Send> {
        move || Command::Renew(databases.clone()).into()
    }

    /// The message that ends these clients, by the `id` of their views.
    pub fn kill(ids: Vec<u64>) -> impl Fn() -> Box<dyn Any + Send> {
        move || Command::Kill(ids.clone()).into()
    }

    /// What its clients have come to since the process began.
    pub fn totals(&self) -> Vec<Totals> {
        self.families.totals()
    }

    /// The other gateways behind the same address.
    pub fn peers(&self) -> Vec<PeerView> {
        self.plan().peers.views()
    }

    /// Why clients could not be served now: the clusters of which no endpoint was seen to be well. Empty when ready.
    pub fn unready(&self) -> Vec<String> {
        let plan = self.plan();
        let mut reasons: Vec<_> = plan
            .clusters
            .iter()
            .filter(|(_, rules)| {
                !rules
                    .cluster
                    .endpoints()
                    .iter()
                    .any(|endpoint| endpoint.is_proven() || !is_checked(rules) && endpoint.is_well())
            })
            .map(|(name, _)| format!("cluster {name} has no endpoint that is well"))
            .collect();
        reasons.sort();
        reasons
    }

    pub(crate) fn plan(&self) -> Arc<PostgresPlan> {
        self.plan.load_full()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn node(&self) -> u8 {
        self.node
    }

    pub(crate) fn disguise(&self) -> &Disguise {
        &self.disguise
    }

    pub(crate) fn salted(&self) -> &SaltedCache {
        &self.salted
    }

    pub(crate) fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    pub(crate) fn clients(&self) -> &Concurrency<Seat> {
        &self.clients
    }

    pub(crate) fn quotas(&self) -> &Quotas<Counted> {
        &self.quotas
    }

    pub(crate) fn families(&self) -> &Families {
        &self.families
    }

    pub(crate) fn console(&self) -> Option<&Arc<dyn VirtualDatabase>> {
        self.console.get()
    }

    /// Clients with the same home share a core, and so their pools.
    pub(crate) fn home(&self, route: &Route) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&route.cluster, &route.database, &route.user).hash(&mut hasher);
        hasher.finish()
    }
}

impl Protocol for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn admit(&self, downstream: Downstream) -> BoxFuture<'_, Result<Admitted, SessionError>> {
        admit(self, downstream).boxed()
    }

    fn room(&self, core: CoreContext) -> Rc<dyn Room> {
        match self.this.upgrade() {
            Some(postgres) => PostgresRoom::new(postgres, core),
            None => unreachable!("the engine calls this on the Arc that `new` made"),
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Postgres")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

fn is_checked(rules: &crate::plan::ClusterRules) -> bool {
    rules.cluster.health.interval.limit().is_some()
}
