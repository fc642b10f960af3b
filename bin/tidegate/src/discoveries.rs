use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use tidegate_cluster::Cluster;
use tokio::task::AbortHandle;

use crate::builder::Member;
use crate::registry::Origin;

/// The discoveries that are under way, one per cluster; they come and go with the Plan.
#[derive(Debug, Default)]
pub(crate) struct Discoveries(HashMap<String, Running>);

#[derive(Debug)]
struct Running {
    cluster: Arc<Cluster>,
    origin: Origin,
    task: AbortHandle,
}

impl Discoveries {
    /// Follows these clusters from now on. One that is unchanged is not disturbed.
    pub(crate) fn follow(&mut self, members: &HashMap<String, Member>) {
        self.0
            .retain(|name, running| members.get(name).is_some_and(|member| running.is_of(member)));
        for (name, member) in members {
            if !self.0.contains_key(name) {
                self.0.insert(name.clone(), Running::start(member));
            }
        }
    }
}

impl Running {
    fn start(member: &Member) -> Self {
        let mut updates = member.origin.discover().watch();
        let cluster = Arc::clone(&member.cluster);
        // What is known at once is there before the first client comes.
        if let Some(Some(targets)) = updates.next().now_or_never() {
            cluster.apply(&targets);
        }
        let follow = {
            let cluster = Arc::clone(&cluster);
            async move {
                while let Some(targets) = updates.next().await {
                    tracing::info!(cluster = %cluster.name, endpoints = targets.len(), "endpoints changed");
                    cluster.apply(&targets);
                }
            }
        };
        Self {
            cluster,
            origin: member.origin.clone(),
            task: tokio::spawn(follow).abort_handle(),
        }
    }

    fn is_of(&self, member: &Member) -> bool {
        Arc::ptr_eq(&self.cluster, &member.cluster) && self.origin == member.origin
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use tidegate_base::Address;
    use tidegate_cluster::{Balance, Health, Role, Target};

    use super::*;
    use crate::registry::Discovery;

    fn members(cluster: &Arc<Cluster>, addresses: &[&str]) -> HashMap<String, Member> {
        let target = |address: &&str| Target {
            address: address.parse::<Address>().unwrap(),
            server_name: None,
            role: Role::Primary,
            weight: 1,
        };
        let origin = Origin {
            targets: addresses.iter().map(target).collect(),
            discovery: Discovery::Fixed,
        };
        let member = Member {
            cluster: Arc::clone(cluster),
            origin,
        };
        HashMap::from([(cluster.name.clone(), member)])
    }

    #[tokio::test]
    async fn endpoints_are_there_at_once_and_keep_their_health() {
        let cluster = Arc::new(Cluster::new("app".to_owned(), Balance::default(), Health::default()));
        let mut discoveries = Discoveries::default();
        discoveries.follow(&members(&cluster, &["a:1", "b:1"]));
        let first = Arc::clone(&cluster.endpoints()[0]);
        first.failed(1);
        let generation = cluster.generation();
        discoveries.follow(&members(&cluster, &["a:1", "b:1"]));
        assert_eq!(cluster.generation(), generation, "unchanged means undisturbed");
        discoveries.follow(&members(&cluster, &["a:1", "c:1"]));
        let endpoints = cluster.endpoints();
        assert_eq!(endpoints[1].address.to_string(), "c:1");
        assert!(Arc::ptr_eq(&endpoints[0], &first) && !endpoints[0].is_well());
    }

    #[tokio::test]
    async fn a_cluster_that_is_gone_is_followed_no_longer() {
        let cluster = Arc::new(Cluster::new("app".to_owned(), Balance::default(), Health::default()));
        let mut discoveries = Discoveries::default();
        let mut named = members(&cluster, &["localhost:1"]);
        if let Some(member) = named.get_mut("app") {
            member.origin.discovery = Discovery::Dns(tidegate_dns::DnsConfig::default());
        }
        discoveries.follow(&named);
        drop(named);
        discoveries.follow(&HashMap::new());
        while Arc::strong_count(&cluster) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
