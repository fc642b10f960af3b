use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_engine::{Admitted, CoreContext, Downstream, Protocol, Room, SessionError};

use crate::admit::admit;
use crate::plan::RedisPlan;
use crate::room::RedisRoom;

/// Redis, as the engine knows it.
pub struct Redis {
    plan: ArcSwap<RedisPlan>,
    generation: AtomicU64,
    clients: AtomicU64,
    this: Weak<Self>,
}

impl Redis {
    /// A gateway that serves nobody until a plan is installed.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            plan: ArcSwap::default(),
            generation: AtomicU64::new(0),
            clients: AtomicU64::new(0),
            this: this.clone(),
        })
    }

    /// Takes a new plan. Sessions under way pick it up at their next exchange boundary.
    pub fn install(&self, mut plan: RedisPlan) {
        let before = self.plan();
        plan.follow(&before);
        for rules in plan.clusters.values() {
            rules.adopt();
        }
        self.plan.store(Arc::new(plan));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Why clients could not be served now: the clusters whose layout is not known, or of which no server was seen to be
    /// well. Empty when ready.
    pub fn unready(&self) -> Vec<String> {
        let plan = self.plan();
        let mut reasons = Vec::new();
        for (name, rules) in &plan.clusters {
            let is_checked = rules.cluster.health.interval.limit().is_some();
            let layout = rules.atlas.layout();
            let mut endpoints = layout.nodes().map(|node| &node.endpoint);
            if layout.is_unknown() {
                let why = rules.atlas.trouble();
                let why = why.unwrap_or_else(|| "nobody has answered yet".to_owned());
                reasons.push(format!("the layout of cluster {name} is not known: {why}"));
            } else if !endpoints.any(|endpoint| endpoint.is_proven() || !is_checked && endpoint.is_well()) {
                reasons.push(format!("cluster {name} has no endpoint that is well"));
            }
        }
        reasons.sort();
        reasons
    }

    pub(crate) fn plan(&self) -> Arc<RedisPlan> {
        self.plan.load_full()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A number that no other client has had, counted from 1 as Redis counts its own.
    pub(crate) fn next_client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Protocol for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn admit(&self, downstream: Downstream) -> BoxFuture<'_, Result<Admitted, SessionError>> {
        admit(self, downstream).boxed()
    }

    fn room(&self, core: CoreContext) -> Rc<dyn Room> {
        match self.this.upgrade() {
            Some(redis) => RedisRoom::new(redis, core),
            None => unreachable!("the engine calls this on the Arc that `new` made"),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Redis").finish_non_exhaustive()
    }
}
