use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tidegate_base::Address;
use tidegate_cluster::{Cluster, Endpoint};
use tidegate_redis_wire::slot::Slot;
use tidegate_redis_wire::topology::Replication;
use tokio::sync::{Notify, watch};

use super::book::{Book, Known};
use super::config::{RedisKind as Kind, RedisTopology};
use super::node::Node;
use super::ring;
use super::shards::{Layout, Shard};
use crate::config::RedisCluster;

/// Reasons of a change that are told on a quieter level.
const MOVED: &str = "MOVED";
const CONFIGURED: &str = "configuration";

/// The layout of one cluster of the configuration, as it is now. It lives on through reloads, and is shared by the control
/// plane, which looks at the servers, and all cores.
#[derive(Debug)]
pub(crate) struct Atlas {
    topology: RedisTopology,
    /// The servers of the configuration.
    cluster: ArcSwap<Cluster>,
    layout: ArcSwap<Layout>,
    generation: AtomicU64,
    changes: watch::Sender<u64>,
    wanted: Notify,
    book: Mutex<Book>,
}

impl Atlas {
    /// Nothing is known until it is told to [`Atlas::adopt`] the configuration.
    pub(crate) fn new(config: &RedisCluster, cluster: Arc<Cluster>) -> Arc<Self> {
        Arc::new(Self {
            topology: config.topology.clone(),
            layout: ArcSwap::from_pointee(Layout::unknown(config.topology.kind)),
            cluster: ArcSwap::new(cluster),
            generation: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            wanted: Notify::new(),
            book: Mutex::default(),
        })
    }

    /// Whether this is an atlas of what is configured now, and the layout may be kept. Other endpoints may lead to the same
    /// servers, which the next look finds out.
    pub(crate) fn fits(&self, config: &RedisCluster) -> bool {
        let (mine, other) = (&self.topology, &config.topology);
        (mine.kind, &mine.master) == (other.kind, &other.master)
            && (mine.hash, mine.distribution, &mine.hash_tag) == (other.hash, other.distribution, &other.hash_tag)
    }

    /// Takes the servers of the configuration.
    pub(crate) fn adopt(&self, config: &RedisCluster, cluster: Arc<Cluster>) {
        let seeds = cluster.endpoints();
        self.cluster.store(cluster);
        match self.topology.kind {
            Kind::Single => self.follow_single(),
            Kind::Hash => {
                let mut book = self.book();
                let layout = self.layout();
                let known = |address: &Address| {
                    let mut nodes = layout.nodes();
                    let node = nodes.find(|node| node.endpoint.address == *address).map(Arc::clone);
                    let seed = || seeds.iter().find(|seed| seed.address == *address).map(Node::nameless);
                    node.or_else(seed)
                };
                self.put(&mut book, Layout::ring(ring::shards(config, known)), CONFIGURED);
            }
            Kind::Replicated | Kind::Sentinel | Kind::Cluster => {}
        }
        self.wanted.notify_one();
    }

    /// The layout now.
    pub(crate) fn layout(&self) -> Arc<Layout> {
        self.layout.load_full()
    }

    /// Counts the layouts: one load, so that a core can keep its own copy.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        // Who sees the number must see the layout that it stands for.
        self.generation.load(Ordering::Acquire)
    }

    /// Somebody saw a sign of change: the servers are to be asked soon. Many calls make one look.
    pub(crate) fn refresh(&self) {
        self.wanted.notify_one();
    }

    /// A `MOVED`: the layout is changed at once, and looked at soon. `from` is who said so, which a missing host means.
    pub(crate) fn moved(&self, slot: Slot, host: Option<&str>, port: u16, from: &Node) -> Arc<Node> {
        let node = {
            let mut book = self.book();
            let layout = self.layout();
            let node = self.find(&mut book, &layout, host, port, from);
            // One who says that the slot is on itself knows no better; the look will tell.
            if self.topology.kind == Kind::Cluster && !Arc::ptr_eq(&node.endpoint, &from.endpoint) {
                book.note(slot, &node);
                self.put(&mut book, layout.moved(slot, &node), MOVED);
            }
            node
        };
        self.refresh();
        node
    }

    /// An `ASK`: the node, without a change to the layout.
    pub(crate) fn at(&self, host: Option<&str>, port: u16, from: &Node) -> Arc<Node> {
        let mut book = self.book();
        self.find(&mut book, &self.layout(), host, port, from)
    }

    /// Ready when the generation is another than this.
    pub(crate) async fn changed(&self, than: u64) {
        let mut changes = self.changes.subscribe();
        // The sender lives as long as this.
        let _ = changes.wait_for(|generation| *generation != than).await;
    }

    /// Why there is no layout, or it may be out of date; `None` after a look that went well.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.book().trouble.clone()
    }

    /// A health check of a node has told how it stands.
    pub(crate) fn heard(&self, node: &Node, info: &Replication<'_>, now: Instant) {
        let layout = self.layout();
        let is_primary = layout
            .primaries()
            .any(|known| Arc::ptr_eq(&known.endpoint, &node.endpoint));
        let mut book = self.book();
        if info.is_master {
            book.lags.primary(info, now);
            node.set_lag(is_primary.then_some(std::time::Duration::ZERO));
        } else {
            node.set_lag(book.lags.of(info, now));
        }
        drop(book);
        if node.note_followers(info.followers) || is_primary != info.is_master {
            self.refresh();
        }
    }

    pub(super) fn topology(&self) -> &RedisTopology {
        &self.topology
    }

    /// The servers of the configuration, and the number of their set.
    pub(super) fn seeds(&self) -> (u64, Arc<Vec<Arc<Endpoint>>>) {
        let cluster = self.cluster.load();
        let generation = cluster.generation();
        (generation, cluster.endpoints())
    }

    /// Ready when somebody wants a look.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// How many redirections there were: told back by [`Atlas::publish`].
    pub(super) fn moves(&self) -> u64 {
        self.book().count()
    }

    /// Whom the last redirection named.
    pub(super) fn witness(&self) -> Option<Arc<Node>> {
        self.book().witness.clone()
    }

    /// Puts together what a look that began at `moves` has found, and puts it in force.
    pub(super) fn publish(&self, moves: u64, reason: &str, draw: impl FnOnce(&mut Known) -> Layout) {
        let mut book = self.book();
        let mut known = Known::new(&self.layout(), &book, self.seeds().1);
        let layout = book.renewed(draw(&mut known), moves);
        book.trouble = None;
        self.put(&mut book, layout, reason);
    }

    /// A look that failed: the layout stays.
    pub(super) fn failed(&self, why: String) {
        let mut book = self.book();
        if book.trouble.as_ref() != Some(&why) {
            tracing::warn!(cluster = %self.cluster.load().name, %why, "cannot learn the cluster's layout; the old one holds");
            book.trouble = Some(why);
        }
    }

    /// The one server of the configuration; of several addresses one that is well, and the same for as long as it is.
    pub(super) fn follow_single(&self) {
        let (_, endpoints) = self.seeds();
        let mut book = self.book();
        let layout = self.layout();
        let now = layout.primaries().next();
        let stays = now.filter(|node| {
            node.endpoint.is_well() && endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, &node.endpoint))
        });
        let well = || endpoints.iter().find(|endpoint| endpoint.is_well());
        let node = stays.map(Arc::clone).or_else(|| {
            let endpoint = well().or_else(|| endpoints.first())?;
            let same = now.filter(|node| Arc::ptr_eq(&node.endpoint, endpoint));
            Some(same.map_or_else(|| Node::nameless(endpoint), Arc::clone))
        });
        let layout = match node {
            Some(node) => Layout::one(
                Kind::Single,
                Shard {
                    primary: Some(node),
                    replicas: Vec::new(),
                },
            ),
            None => Layout::unknown(Kind::Single),
        };
        self.put(&mut book, layout, CONFIGURED);
    }

    fn find(&self, book: &mut Book, layout: &Layout, host: Option<&str>, port: u16, from: &Node) -> Arc<Node> {
        book.stranger(layout, &self.seeds().1, &from.address_of(host, port))
    }

    /// Puts a layout in force, if it is another.
    fn put(&self, _held: &mut MutexGuard<'_, Book>, layout: Layout, reason: &str) {
        if self.layout.load().is_same(&layout) {
            return;
        }
        let name = &self.cluster.load().name;
        let summary = layout.summary();
        if matches!(reason, MOVED | CONFIGURED) {
            // A cluster that is being spread anew says so thousands of times, and the configuration is known.
            tracing::debug!(cluster = %name, layout = %summary, %reason, "the cluster's layout changed");
        } else {
            tracing::info!(cluster = %name, layout = %summary, %reason, "the cluster's layout changed");
        }
        self.layout.store(Arc::new(layout));
        let generation = self.generation.fetch_add(1, Ordering::Release) + 1;
        self.changes.send_replace(generation);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing that is done under the lock leaves it half done.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
