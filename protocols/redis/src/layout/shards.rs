use std::sync::Arc;

use tidegate_redis_wire::slot::{SLOTS, Slot};

use super::config::RedisKind as Kind;
use super::node::Node;
use super::reads::Reads;
use super::ring::Places as RingPlaces;

/// Stands for "nobody" in the table of slots.
const NOBODY: u16 = u16::MAX;

/// Which servers there are, and which of them has a key: an immutable snapshot.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) kind: Kind,
    /// Servers with the same data. None before anything is known.
    pub(crate) shards: Vec<Shard>,
    places: Places,
}

/// Servers with the same data.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shard {
    /// Who takes the writes; `None` while nobody does.
    pub(crate) primary: Option<Arc<Node>>,
    /// Who follows it.
    pub(crate) replicas: Vec<Arc<Node>>,
}

/// What the keys of one command must have in common: the slot in a cluster, the shard in a ring, and 0 elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bucket(u16);

#[derive(Debug, PartialEq)]
enum Places {
    One,
    /// The shard of each slot.
    Slots(Box<[u16]>),
    Ring(RingPlaces),
}

impl Bucket {
    /// Where all data is in one place.
    pub(crate) const ONE: Self = Self(0);

    /// The bucket of this number.
    pub(crate) const fn of(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub(crate) const fn number(self) -> u16 {
        self.0
    }

    /// A slot of a cluster.
    pub(crate) const fn slot(slot: Slot) -> Self {
        Self(slot.number())
    }
}

impl Layout {
    /// Where nothing is known yet.
    pub(super) fn unknown(kind: Kind) -> Self {
        Self {
            kind,
            shards: Vec::new(),
            places: Places::One,
        }
    }

    /// All data on a primary and its replicas.
    pub(super) fn one(kind: Kind, mut shard: Shard) -> Self {
        shard.replicas.sort_by(by_address);
        Self {
            kind,
            shards: vec![shard],
            places: Places::One,
        }
    }

    /// A cluster's slots over shards; further shards than fit into the table serve nothing.
    pub(super) fn slots(mut shards: Vec<Shard>, ranges: &[(Slot, Slot, usize)]) -> Self {
        let mut table = vec![NOBODY; usize::from(SLOTS)];
        for (first, last, shard) in ranges {
            let shard = u16::try_from(*shard).unwrap_or(NOBODY);
            if let Some(slots) = table.get_mut(usize::from(first.number())..=usize::from(last.number())) {
                slots.fill(shard);
            }
        }
        for shard in &mut shards {
            shard.replicas.sort_by(by_address);
        }
        Self {
            kind: Kind::Cluster,
            shards,
            places: Places::Slots(table.into()),
        }
    }

    /// Servers that know nothing of one another.
    pub(super) fn ring((shards, places): (Vec<Shard>, RingPlaces)) -> Self {
        Self {
            kind: Kind::Hash,
            shards,
            places: Places::Ring(places),
        }
    }

    /// Whether keys are on several servers.
    pub(crate) fn is_spread(&self) -> bool {
        matches!(self.kind, Kind::Cluster | Kind::Hash)
    }

    /// What a key must have in common with the other keys of its command.
    #[inline]
    pub(crate) fn bucket(&self, key: &[u8]) -> Bucket {
        match &self.places {
            Places::One => Bucket(0),
            Places::Slots(_) => Bucket::slot(Slot::of(key)),
            Places::Ring(places) => Bucket(u16::try_from(places.of(key)).unwrap_or(NOBODY)),
        }
    }

    /// The shard of a bucket; `None` when nobody serves it.
    #[inline]
    pub(crate) fn shard(&self, bucket: Bucket) -> Option<usize> {
        let at = match &self.places {
            Places::One => 0,
            Places::Slots(table) => usize::from(*table.get(usize::from(bucket.0))?),
            Places::Ring(_) => usize::from(bucket.0),
        };
        (at < self.shards.len()).then_some(at)
    }

    /// A bucket of a shard's, where shards can change hands.
    pub(crate) fn any_bucket(&self, shard: usize) -> Option<u16> {
        let Places::Slots(slots) = &self.places else {
            return None;
        };
        let at = slots.iter().position(|owner| usize::from(*owner) == shard);
        at.and_then(|at| u16::try_from(at).ok())
    }

    /// Who takes the writes, one of each shard that has one.
    pub(crate) fn primaries(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.shards.iter().filter_map(|shard| shard.primary.as_ref())
    }

    /// All servers.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.primary.iter().chain(&shard.replicas))
    }

    /// Who of a shard answers a read: by whom reads go to, the lag, health and balance; the primary when no replica will do,
    /// and a replica when there is no primary. `turn` counts reads, so that they spread.
    #[inline]
    pub(crate) fn reader(&self, shard: usize, reads: &Reads, turn: u64) -> Option<&Arc<Node>> {
        reads.choose(self.shards.get(shard)?, turn)
    }

    /// Whether nothing is known yet.
    pub(crate) fn is_unknown(&self) -> bool {
        self.shards.is_empty()
    }

    /// The slots of each shard, as ranges from and to; none but in a cluster.
    pub(crate) fn served(&self) -> Vec<Vec<(u16, u16)>> {
        let mut served: Vec<Vec<(u16, u16)>> = vec![Vec::new(); self.shards.len()];
        let Places::Slots(table) = &self.places else {
            return served;
        };
        for (slot, shard) in (0..SLOTS).zip(table.iter()) {
            let Some(ranges) = served.get_mut(usize::from(*shard)) else {
                continue;
            };
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        served
    }

    /// Whether every slot has somebody who takes its writes.
    pub(super) fn is_whole(&self) -> bool {
        let has_primary = |at: usize| self.shards.get(at).is_some_and(|shard| shard.primary.is_some());
        match &self.places {
            Places::One => has_primary(0),
            Places::Slots(table) => table.iter().all(|shard| has_primary(usize::from(*shard))),
            Places::Ring(_) => self.shards.iter().all(|shard| shard.primary.is_some()),
        }
    }

    /// Whether the other one has the same servers in the same places.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same_shard = |(a, b): (&Shard, &Shard)| same(&a.primary, &b.primary) && same(&a.replicas, &b.replicas);
        self.kind == other.kind
            && self.places == other.places
            && self.shards.len() == other.shards.len()
            && self.shards.iter().zip(&other.shards).all(same_shard)
    }

    /// With one slot on another node (cluster specification, "MOVED Redirection"). A replica of the slot's own shard has
    /// taken over all of it; any other node has got this slot.
    pub(super) fn moved(&self, slot: Slot, node: &Arc<Node>) -> Self {
        let Places::Slots(table) = &self.places else {
            let shard = Shard {
                primary: Some(Arc::clone(node)),
                replicas: Vec::new(),
            };
            return Self::slots(vec![shard], &[(slot, slot, 0)]);
        };
        let (mut shards, mut table) = (self.shards.clone(), table.clone());
        let is_node = |known: &Arc<Node>| Arc::ptr_eq(&known.endpoint, &node.endpoint);
        let heir = shards
            .iter()
            .position(|shard| shard.primary.as_ref().is_some_and(is_node));
        let old = self.shard(Bucket::slot(slot));
        let follows = |shard: &mut Shard| {
            let before = shard.replicas.len();
            shard.replicas.retain(|known| !is_node(known));
            shard.replicas.len() < before
        };
        if let (None, Some(shard)) = (heir, old.and_then(|at| shards.get_mut(at)))
            && follows(shard)
        {
            shard.replicas.extend(shard.primary.replace(Arc::clone(node)));
            shard.replicas.sort_by(by_address);
        } else {
            let heir = heir.unwrap_or_else(|| {
                for shard in &mut shards {
                    follows(shard);
                }
                shards.push(Shard {
                    primary: Some(Arc::clone(node)),
                    replicas: Vec::new(),
                });
                shards.len() - 1
            });
            if let Some(place) = table.get_mut(usize::from(slot.number())) {
                *place = u16::try_from(heir).unwrap_or(NOBODY);
            }
        }
        Self {
            kind: self.kind,
            shards,
            places: Places::Slots(table),
        }
    }

    /// What one reads of it in a log: who takes the writes, and how many replicas there are.
    pub(super) fn summary(&self) -> String {
        const MOST: usize = 8;
        let mut primaries: Vec<String> = self.primaries().map(|node| node.endpoint.address.to_string()).collect();
        let more = primaries.len().saturating_sub(MOST);
        primaries.truncate(MOST);
        let replicas: usize = self.shards.iter().map(|shard| shard.replicas.len()).sum();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let names = if primaries.is_empty() {
            "none".to_owned()
        } else {
            primaries.join(", ")
        };
        format!("primary {names}{more}; replicas {replicas}")
    }
}

fn by_address(a: &Arc<Node>, b: &Arc<Node>) -> std::cmp::Ordering {
    a.endpoint.address.cmp(&b.endpoint.address)
}

fn same<'n>(a: impl IntoIterator<Item = &'n Arc<Node>>, b: impl IntoIterator<Item = &'n Arc<Node>>) -> bool {
    let pointers = |node: &'n Arc<Node>| Arc::as_ptr(node);
    a.into_iter().map(pointers).eq(b.into_iter().map(pointers))
}
