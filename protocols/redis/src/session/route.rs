use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::slot::SLOTS;
use tidegate_redis_wire::table::{Access, Effect, Row, Servers};

use super::Session;
use super::parts::{Member, Parts};
use super::requests::SPOIL;
use crate::dial::Key;
use crate::group::CoreLayout;
use crate::layout::{Bucket, Layout, Node, RedisKind as Kind, RedisReadsFrom, Shard};
use crate::scatter::{self, Buckets, Way, Which};
use crate::shown::{self, Seen, Shown};

/// A server, and the connection to it that a command goes over: for reads or not.
pub(super) type Target<'l> = (&'l Arc<Node>, Key);

/// Where a command goes.
pub(super) enum Route<'l> {
    /// To who has this bucket, or to any server; nobody may be there now.
    To(Option<Target<'l>>, Option<u16>),
    /// To several.
    Parts(Parts),
    /// The gateway knows the answer.
    Answer(Vec<u8>),
    /// It cannot be done; what the client is told.
    Error(Cow<'static, str>),
}

const IN_TRANSACTION: &[u8] =
    b"-ERR what this gateway answers of the cluster it does not answer within a transaction\r\n";

/// What clients are told of slots that nobody serves (`cluster.c`, `clusterRedirectClient`).
pub(super) const SLOT_DOWN: &str = "CLUSTERDOWN Hash slot not served";
/// The same where there are no slots.
pub(super) const NO_PRIMARY: &str = "ERR no server takes commands at the moment; try again";

impl Buckets for Layout {
    fn bucket(&self, key: &[u8]) -> u16 {
        Layout::bucket(self, key).number()
    }

    fn is_slots(&self) -> bool {
        self.kind == Kind::Cluster
    }
}

/// The slots that clients are shown as served, by shards, as ranges.
fn served(layout: &Layout) -> Vec<Vec<(u16, u16)>> {
    if layout.kind == Kind::Cluster {
        layout.served()
    } else {
        vec![vec![(0, SLOTS - 1)]]
    }
}

impl Session {
    /// Whether all of a client's commands go to one server, whichever that is.
    pub(super) fn has_one_server(&self) -> bool {
        !self.has_several_servers() && self.group.rules().reads.from == RedisReadsFrom::Primary
    }

    /// Answers CLUSTER as the client is to see it, if that is not its server's to say: whether the command is taken.
    pub(super) fn sees_cluster(&mut self, row: Option<&'static Row>, command: &Command<'_>) -> Option<bool> {
        let layout = self.group.layout();
        let streams = self.own.as_ref().is_some_and(|own| own.pin.streams());
        if streams || layout.kind == Kind::Single && self.rules.advertise.is_none() {
            return None;
        }
        let shown = self.gateways(&layout);
        let seen = shown.as_deref().map_or(Seen::Nothing, Seen::Gateways);
        let mut words = Vec::new();
        let answered = shown::answer(command, seen, self.flavour(), self.key.version, &mut words);
        if answered == shown::Answer::Server {
            return None;
        }
        if self.transaction.is_none() && !self.in_transaction() {
            self.say(|writer| writer.raw(&words));
            return Some(true);
        }
        if self.transaction.is_some() {
            self.spoil_held();
            self.say(|writer| writer.raw(IN_TRANSACTION));
            return Some(true);
        }
        // As long as it is not known whether the transaction is still there, it waits.
        Some(self.may_spoil() && self.on_own(row, Effect::Plain, SPOIL, Some(IN_TRANSACTION)))
    }

    /// The gateways that the client is shown as a cluster.
    fn gateways(&mut self, layout: &CoreLayout) -> Option<Rc<Shown>> {
        let gateways = self.rules.advertise.as_ref()?;
        if let Some((known, shown)) = &self.gateways
            && Arc::ptr_eq(known, layout)
        {
            return Some(Rc::clone(shown));
        }
        let shown = Shown::new(&gateways.this, &gateways.peers, &served(layout));
        let shown = Rc::new(shown.over_tls(self.shared.is_tls));
        self.gateways = Some((Arc::clone(layout), Rc::clone(&shown)));
        Some(shown)
    }

    /// What goes to all goes to these: all servers, or those of the shards that this gateway is shown as, since a client
    /// that knows clusters asks every node.
    fn members(&mut self, layout: &CoreLayout, which: Which) -> Vec<Member> {
        let shown = self.gateways(layout).filter(|_| layout.kind == Kind::Cluster);
        let own = shown.as_ref().map_or(&[][..], |shown| shown.shards());
        let shards: Vec<(usize, &Shard)> = if own.is_empty() {
            layout.shards.iter().enumerate().collect()
        } else {
            let own = own.iter().filter_map(|at| Some((*at, layout.shards.get(*at)?)));
            own.collect()
        };
        let primaries = shards.iter().filter_map(|(at, shard)| {
            let node = Arc::clone(shard.primary.as_ref()?);
            let bucket = layout.any_bucket(*at);
            Some(Member { node, bucket })
        });
        // A replica that is gone hears from its primary, or is told when it is back.
        let replicas = shards.iter().flat_map(|(_, shard)| &shard.replicas).filter(is_well);
        match which {
            Which::Primaries => primaries.collect(),
            Which::Nodes => primaries.chain(replicas.cloned().map(Member::replica)).collect(),
        }
    }

    /// Whose words the gateway speaks: those of the servers that the client has to do with.
    pub(super) fn flavour(&self) -> Servers {
        self.group.flavour.get()
    }

    /// Where a command goes, that makes no state.
    pub(super) fn route<'l>(
        &mut self,
        layout: &'l CoreLayout,
        row: Option<&'static Row>,
        command: &Command<'_>,
    ) -> Route<'l> {
        let reads = row.is_some_and(|row| row.access() == Access::Read);
        if !layout.is_spread() {
            return Route::To(self.to_shard(layout, Some(0), reads), None);
        }
        let way = row.map_or(Way::Any, |row| scatter::way(row, command, &***layout));
        match way {
            Way::Bucket(bucket) => Route::To(self.to_bucket(layout, bucket, reads), Some(bucket)),
            Way::Any => Route::To(self.to_any(layout), None),
            Way::Parts(scatter) => Route::Parts(Parts::pieces(scatter)),
            Way::All(which, scatter) => {
                let nodes = self.members(layout, which);
                if nodes.is_empty() {
                    return Route::To(None, None);
                }
                Route::Parts(Parts::all(scatter, nodes))
            }
            Way::Scan(step) => {
                let nodes = self.members(layout, Which::Primaries);
                match nodes.get(step.server()) {
                    Some(node) => Route::Parts(Parts::scan(step, node.clone(), nodes.len())),
                    None if nodes.is_empty() => Route::To(None, None),
                    None => Route::Answer(super::parts::end_of_scan(self.key.version)),
                }
            }
            Way::Error(text) => Route::Error(text),
        }
    }

    /// To who has a bucket.
    pub(super) fn to_bucket<'l>(&self, layout: &'l Layout, bucket: u16, reads: bool) -> Option<Target<'l>> {
        self.to_shard(layout, layout.shard(Bucket::of(bucket)), reads)
    }

    fn to_shard<'l>(&self, layout: &'l Layout, shard: Option<usize>, reads: bool) -> Option<Target<'l>> {
        let rules = self.group.rules();
        let shard = shard?;
        let primary = layout.shards.get(shard).and_then(|shard| shard.primary.as_ref());
        let node = if reads && rules.reads.from != RedisReadsFrom::Primary {
            layout.reader(shard, &rules.reads, self.group.turn())
        } else {
            primary
        };
        node.map(|node| {
            let is_replica = primary.is_none_or(|primary| !Arc::ptr_eq(primary, node));
            let reads = layout.kind == Kind::Cluster && is_replica;
            (node, Key { reads, ..self.key })
        })
    }

    /// To any server that takes commands; the same for a client for as long as it is there.
    pub(super) fn to_any<'l>(&self, layout: &'l Layout) -> Option<Target<'l>> {
        let count = layout.primaries().count();
        let turn = usize::try_from(self.shared.id).unwrap_or(0).checked_rem(count);
        let node = turn.and_then(|turn| {
            let from_there = layout.primaries().skip(turn);
            from_there.chain(layout.primaries().take(turn)).find(is_well)
        });
        let node = node.or_else(|| layout.primaries().next());
        node.map(|node| (node, self.key))
    }
}

/// Whether a node is well; as filters of iterators call it.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "filters pass a reference to their item"
)]
fn is_well(node: &&Arc<Node>) -> bool {
    node.endpoint.is_well()
}
