use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use tidegate_base::{Reason, Refusal};
use tidegate_cluster::Endpoint;

use crate::dial::{Key, Order};
use crate::line::Line;
use crate::plan::ClusterRules;
use crate::server::ServerPool;

/// What all clients of one cluster share on their core.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) cluster: Arc<str>,
    rules: RefCell<Arc<ClusterRules>>,
    pub(crate) trunks: RefCell<HashMap<Key, Vec<Rc<Trunk>>>>,
    pub(crate) pools: RefCell<HashMap<Key, Rc<ServerPool>>>,
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
}

#[derive(Debug, Default)]
pub(crate) enum State {
    #[default]
    Closed,
    Opening,
    Open(Rc<Line>),
}

impl Group {
    pub(crate) fn new(cluster: Arc<str>, rules: Arc<ClusterRules>) -> Rc<Self> {
        Rc::new(Self {
            cluster,
            rules: RefCell::new(rules),
            trunks: RefCell::default(),
            pools: RefCell::default(),
        })
    }

    /// Its rules as of the plan that its core has.
    pub(crate) fn rules(&self) -> Arc<ClusterRules> {
        Arc::clone(&self.rules.borrow())
    }

    /// Takes new rules.
    pub(crate) fn update(&self, rules: &Arc<ClusterRules>) {
        for pool in self.pools.borrow().values() {
            pool.set_limits(rules.limits);
        }
        *self.rules.borrow_mut() = Arc::clone(rules);
    }

    /// The place of the shared connection for a client of this number.
    pub(crate) fn trunk(&self, key: Key, client: u64) -> Rc<Trunk> {
        let shared = self.rules().shared;
        let mut trunks = self.trunks.borrow_mut();
        let trunks = trunks.entry(key).or_default();
        if trunks.len() < shared {
            trunks.resize_with(shared, Rc::default);
        }
        let at = usize::try_from(client).unwrap_or(0) % shared;
        trunks.get(at).map_or_else(Rc::default, Rc::clone)
    }

    /// The pool of connections that clients have for their own.
    pub(crate) fn pool(&self, key: Key) -> Rc<ServerPool> {
        let limits = self.rules().limits;
        let mut pools = self.pools.borrow_mut();
        Rc::clone(pools.entry(key).or_insert_with(|| ServerPool::new(limits)))
    }

    /// What to open a connection with.
    pub(crate) fn order(&self, key: Key) -> Result<Order, Refusal> {
        let rules = self.rules();
        let endpoints = rules.cluster.endpoints();
        let endpoint: Option<&Arc<Endpoint>> = endpoints.first();
        let endpoint = endpoint.ok_or_else(|| {
            Refusal::new(
                Reason::Unavailable,
                "the cluster has no endpoint at the moment; try again",
            )
        })?;
        Ok(Order {
            endpoint: Arc::clone(endpoint),
            rules,
            key,
        })
    }

    /// Closes what stands idle for too long, what does not answer, and what leads to an endpoint that is gone.
    pub(crate) fn maintain(&self, now: Instant) {
        let rules = self.rules();
        let endpoints = rules.cluster.endpoints();
        let is_gone = |endpoint: &Arc<Endpoint>| !endpoints.iter().any(|known| Arc::ptr_eq(known, endpoint));
        for trunk in self.trunks.borrow().values().flatten() {
            let State::Open(line) = &*trunk.state.borrow() else {
                continue;
            };
            let past = |since: Instant, limit: Option<std::time::Duration>| {
                limit.is_some_and(|limit| now.saturating_duration_since(since) >= limit)
            };
            let is_idle = line.clients() == 0 && past(line.last_moved(), rules.limits.idle_timeout);
            let is_stuck = line
                .silent_since()
                .is_some_and(|since| past(since, rules.reply_timeout));
            if is_stuck {
                tracing::warn!(cluster = %self.cluster, endpoint = %line.endpoint.address,
                    "a shared connection is given up: the server owes answers and says nothing");
            }
            if is_idle || is_stuck || (is_gone(&line.endpoint) && line.silent_since().is_none()) {
                line.close();
            }
        }
    }
}
