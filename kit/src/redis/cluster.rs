use std::net::SocketAddr;
use std::time::Duration;

use super::{Flavour, Redis};
use crate::{eventually, wait_until};

const SLOTS: usize = 16_384;

/// A cluster of one's own on loopback: primaries with an equal share of the slots, and replicas of them.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
    primaries: usize,
}

impl RedisCluster {
    /// Three primaries with a replica each.
    pub fn start(flavour: Flavour) -> Self {
        Self::of(flavour, 3, 1)
    }

    /// So many primaries with so many replicas each, and waits until all of them agree.
    pub fn of(flavour: Flavour, primaries: usize, replicas: usize) -> Self {
        let count = primaries * (1 + replicas);
        let start = || {
            let node = Redis::builder(flavour).cluster();
            node.setting("cluster-node-timeout", "2000").start()
        };
        let cluster = Self {
            nodes: (0..count).map(|_| start()).collect(),
            primaries,
        };
        cluster.share_slots();
        cluster.introduce();
        cluster.replicate();
        cluster.wait_ok();
        cluster
    }

    /// All nodes, the primaries of the start first; replica `n` follows primary `n % primaries`.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// A node, to stop it or to run it again.
    pub fn node(&mut self, index: usize) -> &mut Redis {
        &mut self.nodes[index]
    }

    /// The addresses of all nodes.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Redis::address).collect()
    }

    /// The id of a node.
    #[track_caller]
    pub fn id(&self, index: usize) -> String {
        self.nodes[index].ask(&["CLUSTER", "MYID"]).text()
    }

    /// The node that serves a slot now, as the first node that runs sees it.
    #[track_caller]
    pub fn owner(&self, slot: u16) -> usize {
        let asked = self.running().next().expect("a node that runs");
        let port = owner_port(asked, slot).unwrap_or_else(|| panic!("nobody serves slot {slot}"));
        let owner = self.nodes.iter().position(|node| node.port().to_string() == port);
        owner.unwrap_or_else(|| panic!("slot {slot} is served by a strange port {port}"))
    }

    /// Moves a slot with its keys to another primary.
    #[track_caller]
    pub fn move_slot(&self, slot: u16, to: usize) {
        let from = self.owner(slot);
        if from == to {
            return;
        }
        self.open_slot(slot, from, to);
        self.move_keys(slot, from, to);
        self.close_slot(slot, from, to);
    }

    /// Begins to move a slot: from now on keys are at either end, and `ASK` tells where.
    #[track_caller]
    pub fn open_slot(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        ok(
            &self.nodes[to],
            &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.id(from)],
        );
        ok(
            &self.nodes[from],
            &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.id(to)],
        );
    }

    /// Moves the keys of an open slot.
    #[track_caller]
    pub fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let port = self.nodes[to].port().to_string();
        let mut client = self.nodes[from].client();
        loop {
            let keys = client.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.items().is_empty() {
                return;
            }
            let mut words: Vec<String> = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "REPLACE", "KEYS"]
                .map(str::to_owned)
                .to_vec();
            words.extend(keys.items().iter().map(super::Resp::text));
            let moved = client.ask(&words).text();
            assert!(moved == "OK" || moved == "NOKEY", "{moved}");
        }
    }

    /// Ends a move: the new owner first, so that nobody is without one; then waits until all who run have heard of it.
    /// Moves in quick succession would else overtake the news of one another, and an old claim with a newer epoch would
    /// leave the slot to nobody (`cluster.c`, `clusterUpdateSlotsConfigWith`).
    #[track_caller]
    pub fn close_slot(&self, slot: u16, from: usize, to: usize) {
        let (number, id) = (slot.to_string(), self.id(to));
        for node in [to, from] {
            ok(&self.nodes[node], &["CLUSTER", "SETSLOT", &number, "NODE", &id]);
        }
        let port = self.nodes[to].port().to_string();
        eventually("all have heard of the slot's new owner", || {
            self.running()
                .all(|node| owner_port(node, slot).as_ref() == Some(&port))
        });
    }

    /// Makes a replica the primary of its slots, in order, and waits until the old primary follows it.
    #[track_caller]
    pub fn fail_over(&self, replica: usize) {
        let port = self.nodes[replica].info("master_port");
        let old = self.nodes.iter().find(|node| node.port().to_string() == port);
        let old = old.unwrap_or_else(|| panic!("node {replica} follows nobody"));
        // Now and then the others refuse their votes, and the attempt ends after five seconds.
        let done = (0..4).any(|_| {
            let asked = self.nodes[replica].ask(&["CLUSTER", "FAILOVER"]).text();
            assert!(asked == "OK" || asked.contains("to a replica"), "{asked}");
            wait_until(Duration::from_secs(7), || {
                self.nodes[replica].info("role") == "master" && old.info("master_link_status") == "up"
            })
        });
        assert!(done, "node {replica} does not become a primary");
    }

    /// Waits until every node that runs sees all slots served and every replica is in step.
    #[track_caller]
    pub fn wait_ok(&self) {
        eventually("the cluster is in order", || {
            self.running().all(|node| {
                let info = node.ask(&["CLUSTER", "INFO"]).text();
                let link = node.info("master_link_status");
                info.contains("cluster_state:ok") && (link.is_empty() || link == "up")
            })
        });
    }

    fn running(&self) -> impl Iterator<Item = &Redis> {
        self.nodes.iter().filter(|node| node.process().is_some())
    }

    fn share_slots(&self) {
        for (index, node) in self.nodes.iter().take(self.primaries).enumerate() {
            let bound = |share: usize| share * SLOTS / self.primaries;
            let (first, last) = (bound(index).to_string(), (bound(index + 1) - 1).to_string());
            ok(node, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
        }
        for (index, node) in self.nodes.iter().enumerate() {
            ok(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
    }

    fn introduce(&self) {
        let Some((first, others)) = self.nodes.split_first() else {
            return;
        };
        for node in others {
            let bus = node.bus.as_ref().map_or(0, crate::Port::number).to_string();
            ok(first, &["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), &bus]);
        }
        let count = self.nodes.len().to_string();
        eventually("all nodes know all others", || {
            self.nodes.iter().all(|node| {
                let info = node.ask(&["CLUSTER", "INFO"]).text();
                info.contains(&format!("cluster_known_nodes:{count}\r\n"))
            })
        });
    }

    fn replicate(&self) {
        for (index, node) in self.nodes.iter().enumerate().skip(self.primaries) {
            let primary = self.id(index % self.primaries);
            // The primary's slots must have been heard of first.
            eventually("a replica has a primary", || {
                node.ask(&["CLUSTER", "REPLICATE", &primary]).text() == "OK"
            });
        }
    }
}

#[track_caller]
fn ok(node: &Redis, words: &[&str]) {
    let answer = node.ask(words).text();
    assert_eq!(answer, "OK", "{words:?}");
}

/// The port of who serves a slot, as a node sees it.
fn owner_port(asked: &Redis, slot: u16) -> Option<String> {
    let slots = asked.ask(&["CLUSTER", "SLOTS"]);
    let range = slots.items().iter().find(|range| {
        let bound = |at: usize| range.items()[at].text().parse::<u16>().unwrap_or(0);
        (bound(0)..=bound(1)).contains(&slot)
    })?;
    Some(range.items()[2].items()[1].text())
}
