use std::fmt::Write as _;

use aws_lc_rs::digest;
use tidegate_redis_wire::slot::SLOTS;

/// A gateway as a node of the cluster that clients see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// The host that clients connect to: an address or a name.
    pub(crate) host: String,
    /// The port that clients connect to.
    pub(crate) port: u16,
    /// Forty hexadecimal digits, made of both: the same at every gateway, and after every start.
    pub(crate) id: String,
    /// The same for the shard that it is the only node of.
    pub(crate) shard: String,
}

/// The cluster that clients are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// In an order that all gateways agree on.
    gateways: Vec<Gateway>,
    /// The place of this one.
    this: usize,
    /// Of each gateway, the one that it is shown as a replica of.
    follows: Vec<Option<usize>>,
    /// Slots from, to, and the place of their gateway; in order. Slots that nobody serves are not there.
    ranges: Vec<(u16, u16, usize)>,
    /// The shards that are shown as this gateway, by their places in what it was made of.
    shards: Vec<usize>,
    over_tls: bool,
}

/// A gateway among the others.
#[derive(Debug, Clone)]
pub(super) struct Node<'s> {
    pub(super) gateway: &'s Gateway,
    pub(super) is_this: bool,
    /// Its own slots, from and to.
    pub(super) slots: Vec<(u16, u16)>,
    /// Whose replica it is.
    pub(super) follows: Option<&'s Gateway>,
    /// Differs from primary to primary; a replica says its primary's.
    pub(super) epoch: usize,
}

impl Gateway {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            id: hex(&format!("{host}:{port}")),
            shard: hex(&format!("shard of {host}:{port}")),
        }
    }
}

/// Like the random ids that nodes give themselves, which are SHA-1 sums too (`cluster.c`, `getRandomHexChars`).
fn hex(name: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes());
    digest
        .as_ref()
        .iter()
        .fold(String::with_capacity(40), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Shown {
    /// The cluster of this gateway and its peers, which may name it too; `shards` are the slots, from and to, that each
    /// shard of the real cluster serves, in any order.
    pub(crate) fn new(this: &Gateway, peers: &[Gateway], shards: &[Vec<(u16, u16)>]) -> Self {
        let mut gateways = peers.to_vec();
        gateways.push(this.clone());
        gateways.sort_by(|one, other| (&one.host, one.port).cmp(&(&other.host, other.port)));
        gateways.dedup();
        let place = gateways.iter().position(|gateway| gateway == this).unwrap_or(0);
        let dealt = deal(shards, gateways.len());
        let own = dealt.iter().filter(|(_, gateway)| *gateway == place);
        Self {
            shards: own.map(|(shard, _)| *shard).collect(),
            follows: follows(&dealt, gateways.len()),
            ranges: ranges(shards, &dealt),
            gateways,
            this: place,
            over_tls: false,
        }
    }

    /// Says that clients come over TLS: CLUSTER SHARDS tells of such ports by another name.
    #[must_use]
    pub(crate) fn over_tls(mut self, over_tls: bool) -> Self {
        self.over_tls = over_tls;
        self
    }

    pub(super) fn is_over_tls(&self) -> bool {
        self.over_tls
    }

    pub(super) fn this(&self) -> Option<&Gateway> {
        self.gateways.get(self.this)
    }

    /// The shards that are shown as this gateway, by their places in what [`Self::new`] was given: what a client asks of
    /// every node (DBSIZE, KEYS, SCAN, FLUSHALL, FUNCTION LOAD) goes to these, so that nothing is counted or done twice.
    /// Empty at a gateway that is shown as a replica; it can only mean all.
    pub(crate) fn shards(&self) -> &[usize] {
        &self.shards
    }

    /// All gateways.
    pub(super) fn nodes(&self) -> impl ExactSizeIterator<Item = Node<'_>> {
        self.gateways.iter().enumerate().map(|(place, gateway)| {
            let own = self.ranges.iter().filter(|range| range.2 == place);
            let follows = self.follows.get(place).copied().flatten();
            Node {
                gateway,
                is_this: place == self.this,
                slots: own.map(|range| (range.0, range.1)).collect(),
                follows: follows.and_then(|place| self.gateways.get(place)),
                epoch: follows.unwrap_or(place) + 1,
            }
        })
    }

    /// The primary of this gateway's shard, which it is itself or shown as a replica of.
    pub(super) fn primary(&self) -> Option<&Gateway> {
        let follows = self.follows.get(self.this).copied().flatten();
        self.gateways.get(follows.unwrap_or(self.this))
    }

    /// The gateways that are shown as replicas of one.
    pub(super) fn replicas<'s>(&'s self, of: &'s Gateway) -> impl Iterator<Item = Node<'s>> {
        self.nodes().filter(move |node| node.follows == Some(of))
    }

    /// Slots from and to with their gateway, in order.
    pub(super) fn ranges(&self) -> impl ExactSizeIterator<Item = (u16, u16, Option<&Gateway>)> {
        self.ranges
            .iter()
            .map(|(first, last, place)| (*first, *last, self.gateways.get(*place)))
    }

    /// The gateway of this id.
    pub(super) fn node(&self, id: &[u8]) -> Option<Node<'_>> {
        self.nodes().find(|node| node.gateway.id.as_bytes() == id)
    }

    /// How many slots are served.
    pub(super) fn served(&self) -> usize {
        let slots = self.ranges.iter();
        slots.map(|(first, last, _)| usize::from(last - first) + 1).sum()
    }

    /// Whether all slots are served.
    pub(super) fn is_whole(&self) -> bool {
        self.served() == usize::from(SLOTS)
    }

    /// The gateway that a slot is shown at; this one for what nobody serves.
    #[cfg(test)]
    pub(crate) fn gateway(&self, slot: tidegate_redis_wire::slot::Slot) -> Option<&Gateway> {
        let at = self.ranges.partition_point(|(_, last, _)| *last < slot.number());
        let range = self.ranges.get(at).filter(|(first, _, _)| *first <= slot.number());
        let place = range.map_or(self.this, |(_, _, place)| *place);
        self.gateways.get(place)
    }
}

/// Shards with the place of their gateway: in the order of their lowest slots, so many to each that they differ by one
/// at most. Where there are fewer shards than gateways, some get none.
fn deal(shards: &[Vec<(u16, u16)>], gateways: usize) -> Vec<(usize, usize)> {
    let lowest = |ranges: &Vec<(u16, u16)>| ranges.iter().map(|(first, _)| *first).min();
    let mut order: Vec<_> = shards
        .iter()
        .zip(0..)
        .filter_map(|(ranges, shard)| Some((lowest(ranges)?, shard)))
        .collect();
    order.sort_unstable();
    let count = order.len().max(1);
    let dealt = order.into_iter().zip(0..);
    dealt
        .map(|((_, shard), at): (_, usize)| (shard, at * gateways / count))
        .collect()
}

/// Gateways without a shard, dealt out over the others as their replicas.
fn follows(dealt: &[(usize, usize)], gateways: usize) -> Vec<Option<usize>> {
    let mut primaries: Vec<usize> = dealt.iter().map(|(_, gateway)| *gateway).collect();
    primaries.dedup();
    let mut next = primaries.iter().cycle();
    let follow = |place| {
        if primaries.contains(&place) {
            None
        } else {
            next.next().copied()
        }
    };
    (0..gateways).map(follow).collect()
}

/// Slots from, to, and their gateway, in order. What two shards claim is the first one's.
fn ranges(shards: &[Vec<(u16, u16)>], dealt: &[(usize, usize)]) -> Vec<(u16, u16, usize)> {
    let mut owners: Vec<Option<usize>> = vec![None; SLOTS.into()];
    for (shard, gateway) in dealt {
        for (first, last) in shards.get(*shard).into_iter().flatten() {
            let last = (*last).min(SLOTS - 1);
            let slots = owners.get_mut(usize::from(*first)..=usize::from(last));
            for owner in slots.into_iter().flatten() {
                owner.get_or_insert(*gateway);
            }
        }
    }
    let numbered: Vec<(u16, Option<usize>)> = (0..SLOTS).zip(owners).collect();
    let runs = numbered.chunk_by(|one, next| one.1 == next.1);
    let run = |run: &[(u16, Option<usize>)]| Some((run.first()?.0, run.last()?.0, run.first()?.1?));
    runs.filter_map(run).collect()
}
