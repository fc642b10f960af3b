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
