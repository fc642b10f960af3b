//! What the hub of a cluster knows of the cluster's servers.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tidegate_base::{Address, Reason, Refusal};
use tidegate_net::Stream;
use tidegate_redis_wire::reply::{Redirect, Version};

use crate::dial::Key;
use crate::group::Group;
use crate::hub::{Hub, HubRules, Opener, Spot};
use crate::layout::{Atlas, Node, RedisKind as Kind};
use crate::room::RedisRoom;

/// How often a hub looks for what a reload has brought.
const LOOK: Duration = Duration::from_secs(2);

/// Opens the connections of a hub.
struct Listening {
    room: Weak<RedisRoom>,
    group: Weak<Group>,
    identity: u64,
    /// Where what any server can tell was opened to.
    any: Rc<RefCell<Option<Arc<Node>>>>,
}

/// A hub for the clients of a cluster with this login.
pub(crate) fn hub(room: &Rc<RedisRoom>, group: &Rc<Group>, identity: u64) -> Rc<Hub> {
    let opener = Listening {
        room: Rc::downgrade(room),
        group: Rc::downgrade(group),
        identity,
        any: Rc::default(),
    };
    let any = Rc::clone(&opener.any);
    let rules = HubRules {
        buffer: group.rules().pubsub_buffer,
        ..HubRules::default()
    };
    let hub = Hub::new(Arc::clone(&group.cluster), rules, Box::new(opener));
    let seen = Seen::of(group);
    tokio::task::spawn_local(follow(Rc::downgrade(&hub), Rc::downgrade(group), any, seen));
    hub
}

/// A layout that a hub knows of: whose it is, and which.
struct Seen {
    atlas: Arc<Atlas>,
    generation: u64,
}

impl Seen {
    fn of(group: &Group) -> Self {
        let atlas = Arc::clone(&group.rules().atlas);
        Self {
            generation: atlas.generation(),
            atlas,
        }
    }
}

/// Tells a hub of every new layout, and of new rules, for as long as it is there.
async fn follow(hub: Weak<Hub>, group: Weak<Group>, any: Rc<RefCell<Option<Arc<Node>>>>, mut seen: Seen) {
    let mut is_another = false;
    loop {
        let _ = tokio::time::timeout(LOOK, seen.atlas.changed(seen.generation)).await;
        let (Some(hub), Some(group)) = (hub.upgrade(), group.upgrade()) else {
            return;
        };
        hub.set_buffer(group.rules().pubsub_buffer);
        let last = std::mem::replace(&mut seen, Seen::of(&group));
        let has_moved = !Arc::ptr_eq(&last.atlas, &seen.atlas);
        if !has_moved && last.generation == seen.generation {
            continue;
        }
        is_another |= has_moved;
        // A new atlas knows nothing at first: what is listened to meanwhile is better than nothing.
        if group.layout().is_unknown() {
            continue;
        }
        if std::mem::take(&mut is_another) {
            hub.relocate_all();
        } else {
            hub.relocate();
        }
        let is_gone = any.borrow().as_ref().is_some_and(|node| !group.knows(&node.endpoint));
        if is_gone {
            hub.hang_up(&Spot::Any);
        }
    }
}

impl Listening {
    fn node(&self, spot: &Spot) -> Option<Arc<Node>> {
        let group = self.group.upgrade()?;
        let layout = group.layout();
        let is_well = |node: &&Arc<Node>| node.endpoint.is_well();
        match spot {
            Spot::Any => {
                let first = layout
                    .primaries()
                    .find(is_well)
                    .or_else(|| layout.nodes().find(is_well));
                let node = first.or_else(|| layout.nodes().next()).cloned();
                self.any.borrow_mut().clone_from(&node);
                node
            }
            Spot::Node(address) => {
                let known = layout.nodes().find(|node| node.endpoint.address == *address);
                known.cloned().or_else(|| {
                    let from = layout.nodes().next()?;
                    let (host, port) = (address.host()?, address.port()?);
                    Some(group.rules().atlas.at(Some(host), port, from))
                })
            }
        }
    }
}

impl Opener for Listening {
    fn open(&self, at: &Spot) -> LocalBoxFuture<'static, Result<Stream, Refusal>> {
        let (room, group, node) = (self.room.upgrade(), self.group.upgrade(), self.node(at));
        let key = Key {
            version: Version::Resp3,
            identity: self.identity,
            ..Key::default()
        };
        async move {
            let (Some(room), Some(group), Some(node)) = (room, group, node) else {
                return Err(Refusal::new(Reason::Unavailable, "no server is there at the moment"));
            };
            let order = group.order(&node.endpoint, key);
            room.open(&group, &order).await.map(|(stream, _)| stream)
        }
        .boxed_local()
    }

    fn spreads(&self) -> bool {
        self.group
            .upgrade()
            .is_some_and(|group| group.layout().kind == Kind::Hash)
    }

    fn knows(&self, at: &Spot) -> bool {
        let Some(group) = self.group.upgrade() else {
            return false;
        };
        let layout = group.layout();
        let is_of_it = match at {
            Spot::Any => true,
            Spot::Node(address) => layout.nodes().any(|node| node.endpoint.address == *address),
        };
        is_of_it && layout.kind != Kind::Hash
    }

    fn spot_of(&self, channel: &[u8]) -> Spot {
        let Some(group) = self.group.upgrade() else {
            return Spot::Any;
        };
        let layout = group.layout();
        let shard = layout
            .shard(layout.bucket(channel))
            .and_then(|at| layout.shards.get(at));
        let primary = shard.and_then(|shard| shard.primary.as_ref());
        primary.map_or(Spot::Any, |node| Spot::Node(node.endpoint.address.clone()))
    }

    fn primaries(&self) -> Vec<Spot> {
        let Some(group) = self.group.upgrade() else {
            return Vec::new();
        };
        let layout = group.layout();
        if matches!(layout.kind, Kind::Cluster | Kind::Hash) {
            let address = |node: &Arc<Node>| Spot::Node(node.endpoint.address.clone());
            layout.primaries().map(address).collect()
        } else {
            vec![Spot::Any]
        }
    }

    fn moved(&self, from: &Spot, to: &Redirect<'_>) -> Spot {
        let (Some(group), Some(node)) = (self.group.upgrade(), self.node(from)) else {
            return Spot::Any;
        };
        let atlas = &group.rules().atlas;
        let node = if to.ask {
            atlas.at(to.host, to.port, &node)
        } else {
            atlas.moved(to.slot, to.host, to.port, &node)
        };
        let address: Address = node.endpoint.address.clone();
        Spot::Node(address)
    }
}
