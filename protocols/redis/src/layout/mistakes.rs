use std::collections::HashSet;

use tidegate_cluster::{Balance, Role};

use super::config::{RedisKind, RedisReadsFrom};
use super::ring;
use crate::config::RedisCluster;

/// What is wrong with a cluster's topology: paths below the cluster, and what to do.
pub(crate) fn mistakes(config: &RedisCluster) -> Vec<(String, String)> {
    let mut found = Mistakes {
        kind: config.topology.kind,
        found: Vec::new(),
    };
    found.topology(config);
    found.endpoints(config);
    found.reads(config);
    found.found
}

struct Mistakes {
    kind: RedisKind,
    found: Vec<(String, String)>,
}

impl Mistakes {
    fn note(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.found.push((path.into(), message.into()));
    }

    /// Something that is given must have a meaning here.
    fn meaning(&mut self, path: impl Into<String>, is_given: bool, kinds: &[RedisKind]) {
        if is_given && !kinds.contains(&self.kind) {
            let names: Vec<String> = kinds.iter().map(|kind| format!("`{}`", kind.name())).collect();
            let (kind, names) = (self.kind.name(), names.join(" or "));
            self.note(path, format!("has no meaning for topology `{kind}`, only for {names}"));
        }
    }

    fn topology(&mut self, config: &RedisCluster) {
        use RedisKind::{Cluster, Hash, Replicated, Sentinel};
        let topology = &config.topology;
        let changing = [Replicated, Sentinel, Cluster];
        self.meaning("topology.refresh", topology.refresh.is_some(), &changing);
        self.meaning("topology.master", topology.master.is_some(), &[Sentinel]);
        self.meaning("topology.credential", topology.credential.is_some(), &[Sentinel]);
        self.meaning("topology.hash", topology.hash.is_some(), &[Hash]);
        self.meaning("topology.distribution", topology.distribution.is_some(), &[Hash]);
        self.meaning("topology.hash_tag", topology.hash_tag.is_some(), &[Hash]);
        if self.kind == Sentinel && topology.master.as_ref().is_none_or(String::is_empty) {
            let message = "sentinels need the name that they know the primary by, as in `master: mymaster`";
            self.note("topology.master", message);
        }
        if topology.refresh.is_some_and(|refresh| refresh.limit().is_none()) {
            self.note("topology.refresh", "must be longer than 0");
        }
        if topology.hash_tag.as_ref().is_some_and(|tag| ring::tag(tag).is_none()) {
            self.note("topology.hash_tag", "must be two ASCII characters, as in \"{}\"");
        }
    }

    fn endpoints(&mut self, config: &RedisCluster) {
        use RedisKind::{Cluster, Hash, Replicated, Single};
        if self.kind == Single && config.endpoints.len() != 1 {
            let message = "one server needs exactly one endpoint; for more say how they belong together in `topology`";
            self.note("endpoints", message);
        }
        let mut names = HashSet::new();
        for (at, endpoint) in config.endpoints.iter().enumerate() {
            let path = |key: &str| format!("endpoints.{at}.{key}");
            self.meaning(path("role"), endpoint.role == Role::Replica, &[Replicated]);
            self.meaning(path("weight"), endpoint.weight != 1, &[Hash, Replicated]);
            self.meaning(path("name"), endpoint.name.is_some(), &[Hash]);
            if self.kind == Hash && !names.insert(ring::name(endpoint)) {
                self.note(path("name"), "two servers of a ring must not have one name");
            }
            if self.kind == Cluster && endpoint.address.host().is_none() {
                let message = "nodes of a cluster are found by host and port: write host:port";
                self.note(path("address"), message);
            }
        }
    }

    fn reads(&mut self, config: &RedisCluster) {
        let from = config.reads.from;
        let spreads = from != RedisReadsFrom::Primary;
        if spreads && !self.kind.has_replicas() {
            let message = format!("there are no replicas with topology `{}`", self.kind.name());
            self.note("reads.from", message);
        } else if spreads && config.health.interval.limit().is_none() {
            let message = "without health checks nobody knows which replicas may be read";
            self.note("health.interval", message);
        }
        if !spreads && config.reads.max_lag.is_some() {
            self.note("reads.max_lag", "has no meaning while reads go to the primary");
        }
        match config.balance {
            Some(_) if !spreads => {
                self.note(
                    "balance",
                    "has no meaning while reads go to the primary: see `reads.from`",
                );
            }
            Some(Balance::ConsistentHash) => {
                let message = "clients share the connections to Redis: choose one of the others";
                self.note("balance", message);
            }
            _ => {}
        }
    }
}
