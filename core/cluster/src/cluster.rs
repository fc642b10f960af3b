use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::{Balance, Endpoint, Health, Target};

/// A set of endpoints under one name.
#[derive(Debug)]
pub struct Cluster {
    /// Its name in configuration.
    pub name: String,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// When an endpoint counts as ill.
    pub health: Health,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    generation: AtomicU64,
}

impl Cluster {
    /// A cluster that knows no endpoint yet.
    pub fn new(name: String, balance: Balance, health: Health) -> Self {
        Self {
            name,
            balance,
            health,
            endpoints: ArcSwap::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Takes a new set of endpoints. One that stays keeps its health and its counts.
    pub fn apply(&self, targets: &[Target]) {
        let before = self.endpoints.load();
        let after = targets
            .iter()
            .map(|target| {
                let same = before.iter().find(|endpoint| {
                    endpoint.address == target.address
                        && endpoint.role == target.role
                        && endpoint.weight == target.weight
                        && endpoint.server_name == target.server_name
                });
                same.map_or_else(|| Arc::new(new_endpoint(target)), Arc::clone)
            })
            .collect();
        self.endpoints.store(Arc::new(after));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The endpoints, in their configured order.
    pub fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// Counts up with every new set of endpoints, so that a core can keep its own copy.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

fn new_endpoint(target: &Target) -> Endpoint {
    Endpoint::new(
        target.address.clone(),
        target.server_name.clone(),
        target.role,
        target.weight,
    )
}
