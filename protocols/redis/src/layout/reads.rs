use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_cluster::Balance;

use super::config::{RedisReads, RedisReadsFrom};
use super::node::Node;
use super::shards::Shard;

/// The limit on a replica's lag when nothing is said.
const MAX_LAG: Duration = Duration::from_secs(10);
/// Who answers within this beyond the fastest, and a quarter, is as near.
const AS_NEAR: Duration = Duration::from_micros(200);

/// Who answers reads, ready to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) from: RedisReadsFrom,
    pub(crate) max_lag: Option<Duration>,
    pub(crate) balance: Balance,
    /// How long a server that came back takes to get its full share.
    pub(crate) slow_start: Option<Duration>,
}

impl Reads {
    pub(crate) fn new(reads: RedisReads, balance: Option<Balance>, slow_start: Option<Duration>) -> Self {
        Self {
            from: reads.from,
            max_lag: reads.max_lag.map_or(Some(MAX_LAG), tidegate_base::Period::limit),
            balance: balance.unwrap_or_default(),
            slow_start,
        }
    }

    /// Who of a shard answers the read of this turn.
    pub(super) fn choose<'s>(&self, shard: &'s Shard, turn: u64) -> Option<&'s Arc<Node>> {
        let primary = shard.primary.as_ref();
        let is_well = |node: &&Arc<Node>| node.endpoint.is_well();
        let fresh = || shard.replicas.iter().filter(|node| self.is_fresh(node));
        let chosen = match self.from {
            RedisReadsFrom::Primary => return primary,
            RedisReadsFrom::PreferReplica => self.pick(&|| fresh().filter(is_well), turn),
            RedisReadsFrom::Nearest => {
                let able = || primary.into_iter().chain(fresh()).filter(is_well);
                let nearest = able().filter_map(|node| node.round_trip()).min();
                // Before anybody was measured, all are as near.
                let limit = nearest.map(|nearest| nearest + nearest / 4 + AS_NEAR);
                let is_near = |node: &&Arc<Node>| match (limit, node.round_trip()) {
                    (Some(limit), Some(taken)) => taken <= limit,
                    (limit, _) => limit.is_none(),
                };
                self.pick(&|| able().filter(is_near), turn)
            }
        };
        // Where all are ill, trying beats giving up.
        chosen.or(primary).or_else(|| self.pick(&fresh, turn))
    }

    fn is_fresh(&self, node: &Node) -> bool {
        node.lag()
            .is_some_and(|lag| self.max_lag.is_none_or(|most| lag <= most))
    }

    /// One of the candidates, by the balance.
    fn pick<'s, I: Iterator<Item = &'s Arc<Node>>>(
        &self,
        candidates: &impl Fn() -> I,
        turn: u64,
    ) -> Option<&'s Arc<Node>> {
        let mut first_two = candidates();
        let first = first_two.next()?;
        if first_two.next().is_none() {
            return Some(first);
        }
        let now = Instant::now();
        let share = |node: &Arc<Node>| node.endpoint.share(now, self.slow_start).max(1);
        let number = match self.balance {
            Balance::Random | Balance::ConsistentHash => mixed(turn),
            // The golden ratio's multiples fill a circle evenly, whatever the weights and without runs.
            Balance::RoundRobin | Balance::LeastConnections => turn.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        let total: u64 = candidates().map(share).sum();
        let mut ticket = scaled(number, total);
        let in_turn = candidates().find(|node| {
            let share = share(node);
            let is_it = ticket < share;
            ticket = ticket.saturating_sub(share);
            is_it
        });
        if self.balance != Balance::LeastConnections {
            return in_turn;
        }
        let load = |node: &Arc<Node>| {
            let at_work = u64::try_from(node.endpoint.at_work()).unwrap_or(u64::MAX);
            at_work.saturating_mul(1_000_000) / share(node)
        };
        // Equal load is broken by turns, or the first would get everything when there is little to do.
        candidates().min_by_key(|node| (load(node), in_turn.is_none_or(|in_turn| !Arc::ptr_eq(in_turn, node))))
    }
}

/// A number of 64 bits, brought below `total`.
fn scaled(number: u64, total: u64) -> u64 {
    u64::try_from((u128::from(number) * u128::from(total)) >> 64).unwrap_or(0)
}

/// The finaliser of `SplitMix64`: each bit depends on all.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
