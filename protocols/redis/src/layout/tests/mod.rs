//! Layouts of real servers, and the rules that any layout keeps.

mod cluster;
mod hash;
mod mistakes;
mod readers;
mod replicated;
mod sentinel;
mod single;
mod slots;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tidegate_cluster::{Cluster, Endpoint, Role};
use tidegate_kit::{Redis as Server, wait_until};

use super::{Atlas, Layout, Node};
use crate::plan::RedisPlan;
use crate::{Redis, RedisCluster, targets};

/// How soon after a change the layout must be right.
const SOON: Duration = Duration::from_secs(10);

/// A cluster of the configuration, which is followed as in a gateway.
struct Followed {
    redis: Arc<Redis>,
    runtime: tokio::runtime::Runtime,
}

impl Followed {
    /// With these endpoints, and more to say.
    fn start(endpoints: &[Json], more: &Json) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let redis = Redis::new(&tidegate_telemetry::Registry::new());
        redis.install(plan(endpoints, more));
        runtime.spawn(Arc::clone(&redis).watch_health());
        Self { redis, runtime }
    }

    /// Takes another configuration.
    fn reload(&self, endpoints: &[Json], more: &Json) {
        self.redis.install(plan(endpoints, more));
    }

    fn atlas(&self) -> Arc<Atlas> {
        Arc::clone(&self.redis.plan().clusters["app"].atlas)
    }

    fn layout(&self) -> Arc<Layout> {
        self.atlas().layout()
    }

    /// The port of the one primary; 0 while there is none.
    fn primary(&self) -> u16 {
        self.layout().primaries().next().map_or(0, |node| port(node))
    }

    /// The ports of all replicas.
    fn replicas(&self) -> Vec<u16> {
        let layout = self.layout();
        let replicas = layout.shards.iter().flat_map(|shard| &shard.replicas);
        let mut ports: Vec<u16> = replicas.map(|node| port(node)).collect();
        ports.sort_unstable();
        ports
    }
}

fn plan(endpoints: &[Json], more: &Json) -> RedisPlan {
    let config = config(endpoints, more);
    let cluster = Cluster::new("app".to_owned(), config.balance.unwrap_or_default(), config.health);
    cluster.apply(&targets(&config));
    RedisPlan::build(
        &BTreeMap::new(),
        &BTreeMap::from([("app".to_owned(), config)]),
        &HashMap::from([("app".to_owned(), Arc::new(cluster))]),
        HashMap::new(),
    )
    .unwrap()
}

fn config(endpoints: &[Json], more: &Json) -> RedisCluster {
    let mut wanted = json!({ "endpoints": endpoints });
    wanted
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(wanted).unwrap()
}

fn endpoints<'s>(servers: impl IntoIterator<Item = &'s Server>) -> Vec<Json> {
    let address = |server: &Server| json!({ "address": server.address().to_string() });
    servers.into_iter().map(address).collect()
}

fn port(node: &Node) -> u16 {
    node.endpoint.address.port().unwrap()
}

fn sorted(mut ports: Vec<u16>) -> Vec<u16> {
    ports.sort_unstable();
    ports
}

#[track_caller]
fn soon(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(SOON, condition), "not within {SOON:?}: {what}");
}

fn node(port: u16) -> Arc<Node> {
    let address = format!("h:{port}").parse().unwrap();
    Node::nameless(&Arc::new(Endpoint::new(address, None, Role::Primary, 1)))
}
