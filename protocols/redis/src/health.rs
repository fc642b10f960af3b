use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_cluster::Endpoint;

use crate::Redis;
use crate::dial::probe;
use crate::plan::ClusterRules;

/// How often it is looked which endpoints are due for a check.
const LOOK: Duration = Duration::from_millis(200);
/// The most checks under way at once.
const MOST_AT_ONCE: usize = 64;

impl Redis {
    /// Checks the endpoints of the installed plan, for as long as the process lives. Runs on the control plane.
    pub async fn watch_health(self: Arc<Self>) {
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
                for endpoint in rules.cluster.endpoints().iter() {
                    let last = due.iter().find(|(known, _)| Arc::ptr_eq(known, endpoint));
                    let at = match last {
                        Some((_, at)) if *at > now => *at,
                        _ => {
                            let permit = Arc::clone(&at_once).acquire_owned().await;
                            let check = check(Arc::clone(rules), Arc::clone(endpoint));
                            tokio::spawn(async move {
                                check.await;
                                drop(permit);
                            });
                            now + interval
                        }
                    };
                    next.push((Arc::clone(endpoint), at));
                }
            }
            due = next;
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn check(rules: Arc<ClusterRules>, endpoint: Arc<Endpoint>) {
    let health = rules.cluster.health;
    let (cluster, address) = (&rules.cluster.name, &endpoint.address);
    match probe(&rules, &endpoint, health.timeout.duration()).await {
        Ok(()) => {
            if endpoint.succeeded(Instant::now()) {
                tracing::info!(%cluster, endpoint = %address, "endpoint is back");
            }
        }
        Err(error) => {
            if endpoint.failed(health.failures) {
                tracing::warn!(%cluster, endpoint = %address, %error, "endpoint ejected: too many failures in a row");
            }
        }
    }
}
