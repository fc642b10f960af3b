use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;
use tidegate_base::Address;

use super::announcements;
use super::atlas::Atlas;
use super::config::RedisKind as Kind;
use super::epochs::Epochs;
use super::{cluster, replicated, sentinel};
use crate::plan::ClusterRules;

/// The least time between two looks, however many ask for one.
const LEAST: Duration = Duration::from_millis(100);
/// Time between looks while something is wrong.
const WRONG: Duration = Duration::from_millis(500);
/// How often it is looked whether the one server has another address.
const SINGLE: Duration = Duration::from_millis(200);

/// Follows one cluster's layout, for as long as `rules` has its atlas in the plan.
pub(crate) async fn watch(atlas: Arc<Atlas>, rules: impl Fn() -> Option<Arc<ClusterRules>>) {
    let looks = looks(&atlas, &rules);
    if atlas.topology().kind == Kind::Sentinel {
        select(pin!(looks), pin!(announcements::listen(&atlas, &rules))).await;
    } else {
        looks.await;
    }
}

/// What is remembered between two looks.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) atlas: Arc<Atlas>,
    pub(super) name: String,
    pub(super) epochs: Epochs,
    /// Whom to ask first.
    pub(super) turn: usize,
    /// Whose data the replicas have.
    pub(super) history: Vec<u8>,
    /// The others who say that they are the primary.
    pub(super) rivals: Vec<String>,
    /// The servers of the configuration that have led to the layout.
    seeds: Vec<Address>,
}

impl Watch {
    /// Whether the configuration names other servers than those that led to the layout.
    pub(super) fn has_new_seeds(&self) -> bool {
        self.seeds != self.configured()
    }

    /// The servers of the configuration have led to a layout.
    pub(super) fn seeds_answered(&mut self) {
        self.seeds = self.configured();
    }

    fn configured(&self) -> Vec<Address> {
        let (_, seeds) = self.atlas.seeds();
        let mut addresses: Vec<Address> = seeds.iter().map(|seed| seed.address.clone()).collect();
        // A name that has several addresses tells them in changing order.
        addresses.sort();
        addresses
    }
}

async fn looks(atlas: &Arc<Atlas>, rules: &impl Fn() -> Option<Arc<ClusterRules>>) {
    let mut watch = Watch {
        atlas: Arc::clone(atlas),
        name: String::new(),
        epochs: Epochs::default(),
        turn: 0,
        history: Vec::new(),
        rivals: Vec::new(),
        seeds: Vec::new(),
    };
    while let Some(rules) = rules() {
        watch.name.clone_from(&rules.cluster.name);
        if watch.has_new_seeds() {
            // Perhaps other servers altogether, with epochs of their own.
            watch.epochs = Epochs::default();
        }
        let before = atlas.generation();
        let outcome = match atlas.topology().kind {
            Kind::Cluster => cluster::look(&mut watch, &rules).await,
            Kind::Sentinel => sentinel::look(&mut watch, &rules).await,
            Kind::Replicated => replicated::look(&mut watch, &rules).await,
            Kind::Single => {
                atlas.follow_single();
                Ok(true)
            }
            Kind::Hash => Ok(true),
        };
        let pause = match (atlas.topology().kind, &outcome) {
            (Kind::Single, _) => SINGLE,
            // News spread step by step, so what has changed is looked at again.
            (_, Ok(true)) if atlas.generation() == before => rules.refresh,
            _ => rules.refresh.min(WRONG),
        };
        if let Err(why) = outcome {
            atlas.failed(why);
        }
        tokio::time::sleep(LEAST).await;
        let _ = tokio::time::timeout(pause.saturating_sub(LEAST), atlas.wanted()).await;
    }
}
