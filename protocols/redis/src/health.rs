use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_cluster::Endpoint;
use tidegate_redis_wire::reply::{Code, Failure, Value};
use tidegate_redis_wire::topology::Replication;
use tokio::task::JoinHandle;

use crate::Redis;
use crate::dial::DialError;
use crate::layout::{self, Atlas, Node, Talk};
use crate::plan::ClusterRules;

/// How often it is looked which servers are due for a check, and which clusters there are.
const LOOK: Duration = Duration::from_millis(200);
/// The most checks under way at once.
const MOST_AT_ONCE: usize = 64;

impl Redis {
    /// Follows the clusters' layouts and checks their servers, for as long as the process lives. Runs on the control plane.
    pub async fn watch_health(self: Arc<Self>) {
        futures_util::future::join(self.watch_servers(), self.watch_layouts()).await;
    }

    async fn watch_servers(&self) {
        let mut due: Vec<(Arc<Endpoint>, Instant)> = Vec::new();
        let at_once = Arc::new(tokio::sync::Semaphore::new(MOST_AT_ONCE));
        loop {
            let now = Instant::now();
            let plan = self.plan();
            let mut next = Vec::new();
            for rules in plan.clusters.values() {
                let Some(interval) = rules.cluster.health.interval.limit() else {
                    continue;
                };
                for node in rules.atlas.layout().nodes() {
                    let last = due.iter().find(|(known, _)| Arc::ptr_eq(known, &node.endpoint));
                    let at = match last {
                        Some((_, at)) if *at > now => *at,
                        _ => {
                            let permit = Arc::clone(&at_once).acquire_owned().await;
                            let check = check(Arc::clone(rules), Arc::clone(node));
                            tokio::spawn(async move {
                                check.await;
                                drop(permit);
                            });
                            now + interval
                        }
                    };
                    next.push((Arc::clone(&node.endpoint), at));
                }
            }
            due = next;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One task per cluster, which ends when the cluster leaves the plan.
    async fn watch_layouts(self: &Arc<Self>) {
        let mut tasks: HashMap<Arc<str>, Watching> = HashMap::new();
        loop {
            let plan = self.plan();
            tasks.retain(|name, watching| {
                let rules = plan.clusters.get(name);
                !watching.task.is_finished() && rules.is_some_and(|rules| Arc::ptr_eq(&rules.atlas, &watching.atlas))
            });
            for (name, rules) in &plan.clusters {
                if !tasks.contains_key(name) {
                    let watching = Watching::start(self, Arc::clone(name), Arc::clone(&rules.atlas));
                    tasks.insert(Arc::clone(name), watching);
                }
            }
            drop(plan);
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A layout that is followed for as long as this lives.
struct Watching {
    atlas: Arc<Atlas>,
    task: JoinHandle<()>,
}

impl Watching {
    fn start(redis: &Arc<Redis>, name: Arc<str>, atlas: Arc<Atlas>) -> Self {
        let redis = Arc::downgrade(redis);
        let rules = {
            let atlas = Arc::clone(&atlas);
            move || {
                let plan = redis.upgrade()?.plan();
                let rules = plan.clusters.get(&name)?;
                Arc::ptr_eq(&rules.atlas, &atlas).then(|| Arc::clone(rules))
            }
        };
        Self {
            task: tokio::spawn(layout::watch(Arc::clone(&atlas), rules)),
            atlas,
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn check(rules: Arc<ClusterRules>, node: Arc<Node>) {
    let health = rules.cluster.health;
    let (cluster, address) = (&rules.cluster.name, &node.endpoint.address);
    match Talk::within(health.timeout.duration(), &node.endpoint, ask(&rules, &node)).await {
        Ok(()) => {
            if node.endpoint.succeeded(Instant::now()) {
                tracing::info!(%cluster, endpoint = %address, "endpoint is back");
            }
        }
        Err(error) => {
            rules.atlas.refresh();
            if node.endpoint.failed(health.failures) {
                tracing::warn!(%cluster, endpoint = %address, %error, "endpoint ejected: too many failures in a row");
            }
        }
    }
}

/// Asks a server whether it answers: PING, which one that demands another login than ours refuses, and one that still
/// loads. Where there are replicas, it is also asked how far it has come.
async fn ask(rules: &ClusterRules, node: &Node) -> Result<(), DialError> {
    let opened = Talk::open(rules, &node.endpoint, rules.credential.as_ref()).await;
    let mut talk = match opened {
        Err(DialError::Refused { asked: "AUTH", .. }) => return Ok(()),
        other => other?,
    };
    let asked = Instant::now();
    match talk.ask(&["PING"], "PING").await {
        Err(DialError::Refused { text, .. }) if Failure::new(text.as_bytes()).code() == Code::NoAuth => return Ok(()),
        other => other.map(drop)?,
    }
    node.note_round_trip(asked.elapsed());
    if !rules.atlas.layout().kind.has_replicas() {
        return Ok(());
    }
    let (reply, _) = Value::read(talk.ask(&["INFO", "replication"], "INFO").await?)?;
    if let Some(info) = reply.text().and_then(Replication::read) {
        rules.atlas.heard(node, &info, Instant::now());
    }
    Ok(())
}
