use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tidegate_base::Address;
use tidegate_cluster::{Endpoint, Role};
use tidegate_redis_wire::slot::Slot;

use super::lag::Lags;
use super::node::Node;
use super::shards::Layout;

/// The most nodes that are known by redirections alone, and the most redirections that are remembered.
const MOST: usize = 1024;

/// What stands behind a layout: whoever changes it holds the lock around this.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Nodes that redirections told of and no layout has.
    strangers: VecDeque<Arc<Node>>,
    /// The last redirections by `MOVED`, with their numbers: a look that began before one must not undo it.
    moves: VecDeque<(u64, Slot, Arc<Node>)>,
    count: u64,
    /// Whom the last one named: nobody knows better.
    pub(super) witness: Option<Arc<Node>>,
    pub(super) lags: Lags,
    /// Why the last look failed.
    pub(super) trouble: Option<String>,
}

impl Book {
    /// The node at an address, which is made if nobody knew of it.
    pub(super) fn stranger(&mut self, layout: &Layout, seeds: &[Arc<Endpoint>], address: &Address) -> Arc<Node> {
        let is_it = |node: &&Arc<Node>| node.endpoint.address == *address;
        if let Some(known) = layout.nodes().chain(&self.strangers).find(is_it) {
            return Arc::clone(known);
        }
        let node = Node::nameless(&endpoint(seeds, address, Role::Primary));
        if self.strangers.len() >= MOST {
            self.strangers.pop_front();
        }
        self.strangers.push_back(Arc::clone(&node));
        node
    }

    /// Remembers a redirection.
    pub(super) fn note(&mut self, slot: Slot, node: &Arc<Node>) {
        self.count += 1;
        if self.moves.len() >= MOST {
            self.moves.pop_front();
        }
        self.moves.push_back((self.count, slot, Arc::clone(node)));
        self.witness = Some(Arc::clone(node));
    }

    /// How many redirections there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// A layout that a look has found, with the redirections since `count` on top.
    pub(super) fn renewed(&mut self, mut layout: Layout, count: u64) -> Layout {
        for (_, slot, node) in self.moves.iter().filter(|(number, ..)| *number > count) {
            let known = layout
                .nodes()
                .find(|known| Arc::ptr_eq(&known.endpoint, &node.endpoint));
            let node = Arc::clone(known.unwrap_or(node));
            layout = layout.moved(*slot, &node);
        }
        let in_layout = |node: &Arc<Node>| layout.nodes().any(|known| Arc::ptr_eq(&known.endpoint, &node.endpoint));
        self.strangers.retain(|node| !in_layout(node));
        layout
    }
}

/// The nodes that are known, by address, while a layout is put together.
#[derive(Debug)]
pub(super) struct Known {
    nodes: HashMap<Address, Arc<Node>>,
    seeds: Arc<Vec<Arc<Endpoint>>>,
}

impl Known {
    pub(super) fn new(layout: &Layout, book: &Book, seeds: Arc<Vec<Arc<Endpoint>>>) -> Self {
        let nodes = book.strangers.iter().chain(layout.nodes());
        let by_address = |node: &Arc<Node>| (node.endpoint.address.clone(), Arc::clone(node));
        Self {
            nodes: nodes.map(by_address).collect(),
            seeds,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node at an address: the same as ever, and its endpoint even when another server with another id is there now.
    pub(super) fn node(&mut self, address: &Address, id: &str, role: Role) -> Arc<Node> {
        let known = self.nodes.get(address);
        if let Some(node) = known.filter(|node| id.is_empty() || node.id == id) {
            return Arc::clone(node);
        }
        let endpoint = known.map_or_else(
            || endpoint(&self.seeds, address, role),
            |node| Arc::clone(&node.endpoint),
        );
        let node = if id.is_empty() {
            Node::nameless(&endpoint)
        } else {
            Node::new(endpoint, id.to_owned())
        };
        self.nodes.insert(address.clone(), Arc::clone(&node));
        node
    }
}

/// The seed at an address, or a new endpoint.
fn endpoint(seeds: &[Arc<Endpoint>], address: &Address, role: Role) -> Arc<Endpoint> {
    let seed = seeds.iter().find(|seed| seed.address == *address);
    seed.map_or_else(|| Arc::new(Endpoint::new(address.clone(), None, role, 1)), Arc::clone)
}
