use std::sync::Arc;
use std::time::Instant;

use crate::{Balance, Cluster, Endpoint, Role};

/// One core's view of a cluster, from which it picks endpoints without sharing anything but their atomics.
#[derive(Debug)]
pub struct Picker {
    cluster: Arc<Cluster>,
    endpoints: Arc<Vec<Arc<Endpoint>>>,
    generation: u64,
    /// Smooth weighted round robin: each endpoint's credit.
    credit: Vec<i64>,
    random: u64,
}

impl Picker {
    /// A view of `cluster`; `seed` keeps the cores' random choices apart.
    pub fn new(cluster: Arc<Cluster>, seed: u64) -> Self {
        let generation = cluster.generation();
        let endpoints = cluster.endpoints();
        let credit = vec![0; endpoints.len()];
        Self {
            cluster,
            endpoints,
            generation,
            credit,
            random: seed | 1,
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// The endpoint for the next piece of work, or `None` when the cluster has none of this role. Endpoints that are ill
    /// get none, unless all are: then trying beats giving up.
    pub fn pick(&mut self, role: Role, now: Instant) -> Option<&Arc<Endpoint>> {
        self.refresh();
        let mut of_role = self.endpoints.iter().enumerate().filter(|(_, e)| e.role == role);
        let (first, _) = of_role.next()?;
        if of_role.next().is_none() {
            return self.endpoints.get(first);
        }
        let any_well = self.endpoints.iter().any(|e| e.role == role && e.is_well());
        let at = match self.cluster.balance {
            Balance::LeastConnections => self.least(role, any_well, now),
            Balance::RoundRobin => self.next_in_turn(role, any_well, now),
            Balance::Random => self.by_chance(role, any_well, now),
        };
        self.endpoints.get(at.unwrap_or(first))
    }

    fn refresh(&mut self) {
        let generation = self.cluster.generation();
        if generation != self.generation {
            self.generation = generation;
            self.endpoints = self.cluster.endpoints();
            self.credit = vec![0; self.endpoints.len()];
        }
    }

    /// Each candidate's position and share.
    fn candidates(&self, role: Role, any_well: bool, now: Instant) -> impl Iterator<Item = (usize, u64)> + '_ {
        let ramp = self.cluster.health.slow_start.limit();
        self.endpoints
            .iter()
            .enumerate()
            .filter(move |(_, endpoint)| endpoint.role == role && (endpoint.is_well() || !any_well))
            .map(move |(at, endpoint)| (at, endpoint.share(now, ramp)))
    }

    fn least(&mut self, role: Role, any_well: bool, now: Instant) -> Option<usize> {
        // Equal load is broken by turns, or the first endpoint would get everything when there is little to do.
        let turn = self.next_in_turn(role, any_well, now)?;
        let load = |at: usize, share: u64| {
            let at_work = u64::try_from(self.endpoints[at].at_work()).unwrap_or(u64::MAX);
            at_work.saturating_mul(1_000_000) / share.max(1)
        };
        self.candidates(role, any_well, now)
            .min_by_key(|&(at, share)| (load(at, share), at != turn))
            .map(|(at, _)| at)
    }

    /// Smooth weighted round robin: everyone earns their share, the richest is picked and pays the sum.
    fn next_in_turn(&mut self, role: Role, any_well: bool, now: Instant) -> Option<usize> {
        let ramp = self.cluster.health.slow_start.limit();
        let mut total = 0_i64;
        let mut best: Option<usize> = None;
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            if endpoint.role != role || (any_well && !endpoint.is_well()) {
                continue;
            }
            let share = i64::try_from(endpoint.share(now, ramp)).unwrap_or(i64::MAX);
            total = total.saturating_add(share);
            self.credit[at] = self.credit[at].saturating_add(share);
            if best.is_none_or(|best| self.credit[at] > self.credit[best]) {
                best = Some(at);
            }
        }
        let best = best?;
        self.credit[best] -= total;
        Some(best)
    }

    fn by_chance(&mut self, role: Role, any_well: bool, now: Instant) -> Option<usize> {
        let total: u64 = self.candidates(role, any_well, now).map(|(_, share)| share).sum();
        let mut ticket = self.next_random() % total.max(1);
        for (at, share) in self.candidates(role, any_well, now) {
            if ticket < share {
                return Some(at);
            }
            ticket -= share;
        }
        None
    }

    /// xorshift64*: the choice needs speed and evenness, not secrecy.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Health, Target};

    fn picker(balance: Balance, weights: &[u32]) -> Picker {
        let cluster = Cluster::new("c".to_owned(), balance, Health::default());
        let targets: Vec<_> = (1..)
            .zip(weights)
            .map(|(port, weight)| Target {
                address: format!("h:{port}").parse().unwrap(),
                server_name: None,
                role: Role::Primary,
                weight: *weight,
            })
            .collect();
        cluster.apply(&targets);
        Picker::new(Arc::new(cluster), 42)
    }

    fn shares(picker: &mut Picker, picks: usize) -> Vec<usize> {
        let now = Instant::now();
        let mut counts = vec![0; picker.endpoints.len()];
        for _ in 0..picks {
            let port = picker.pick(Role::Primary, now).unwrap().address.port().unwrap();
            counts[usize::from(port) - 1] += 1;
        }
        counts
    }

    #[test]
    fn round_robin_keeps_to_its_weights_within_one_percent() {
        let counts = shares(&mut picker(Balance::RoundRobin, &[1, 2, 7]), 10_000);
        for (count, expected) in counts.into_iter().zip([1000_usize, 2000, 7000]) {
            assert!(count.abs_diff(expected) <= 100, "{count} of {expected}");
        }
    }

    #[test]
    fn random_keeps_to_its_weights_roughly() {
        let counts = shares(&mut picker(Balance::Random, &[1, 3]), 10_000);
        assert!((2300..2700).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn least_connections_looks_at_load_and_weight() {
        let mut picker = picker(Balance::LeastConnections, &[1, 2]);
        let now = Instant::now();
        for _ in 0..30 {
            picker.pick(Role::Primary, now).unwrap().begin();
        }
        let loads: Vec<_> = picker.endpoints.iter().map(|e| e.at_work()).collect();
        assert_eq!(loads, [10, 20]);
        assert_eq!(shares(&mut picker, 300), [100, 200], "ties are broken by turns");
    }

    #[test]
    fn the_ill_get_nothing_unless_all_are() {
        for balance in [Balance::RoundRobin, Balance::Random, Balance::LeastConnections] {
            let mut picker = picker(balance, &[1, 1]);
            picker.endpoints[0].failed(1);
            assert_eq!(shares(&mut picker, 100)[0], 0, "{balance:?}");
            picker.endpoints[1].failed(1);
            assert!(shares(&mut picker, 100)[0] > 0, "{balance:?}");
            assert!(picker.pick(Role::Replica, Instant::now()).is_none());
        }
    }
}
