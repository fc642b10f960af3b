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
    /// Consistent hash: a number of each endpoint's address.
    hashes: Vec<u64>,
    random: u64,
}

impl Picker {
    /// A view of `cluster`; `seed` keeps the cores' random choices apart.
    pub fn new(cluster: Arc<Cluster>, seed: u64) -> Self {
        let generation = cluster.generation();
        let endpoints = cluster.endpoints();
        let credit = vec![0; endpoints.len()];
        let hashes = hashes(&endpoints);
        Self {
            cluster,
            endpoints,
            generation,
            credit,
            hashes,
            random: seed | 1,
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// The endpoint for the next piece of work, or `None` when the cluster has none of this role. Endpoints that are ill
    /// get none, unless all are: then trying beats giving up. `client` says what the client is told apart by, where that
    /// counts.
    pub fn pick<'a>(&mut self, role: Role, now: Instant, client: impl FnOnce() -> &'a str) -> Option<&Arc<Endpoint>> {
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
            Balance::ConsistentHash => self.by_hash(role, any_well, now, hash(client().as_bytes())),
        };
        self.endpoints.get(at.unwrap_or(first))
    }

    fn refresh(&mut self) {
        let generation = self.cluster.generation();
        if generation != self.generation {
            self.generation = generation;
            self.endpoints = self.cluster.endpoints();
            self.credit = vec![0; self.endpoints.len()];
            self.hashes = hashes(&self.endpoints);
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

    /// Weighted rendezvous hashing: each endpoint draws a number for the client, and the highest wins. An endpoint that goes
    /// takes only its own clients with it, on every core and every gateway alike. (Thaler and Ravishankar, 1998; weights as
    /// in draft-ietf-bess-weighted-hrw.)
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are kept of the draw, and shares are small"
    )]
    fn by_hash(&self, role: Role, any_well: bool, now: Instant, client: u64) -> Option<usize> {
        let draw = |at: usize, share: u64| {
            let even = spread(client ^ self.hashes[at]) >> 11;
            // In the open interval from 0 to 1.
            let even = (even as f64 + 0.5) / (1_u64 << 53) as f64;
            share as f64 / -even.ln()
        };
        self.candidates(role, any_well, now)
            .max_by(|&(a, x), &(b, y)| draw(a, x).total_cmp(&draw(b, y)))
            .map(|(at, _)| at)
    }

    /// xorshift64*: the choice needs speed and evenness, not secrecy.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

fn hashes(endpoints: &[Arc<Endpoint>]) -> Vec<u64> {
    let address = |endpoint: &Arc<Endpoint>| hash(endpoint.address.to_string().as_bytes());
    endpoints.iter().map(address).collect()
}

/// FNV-1a, spread: the same in every build and on every machine.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    spread(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv))
}

/// The finaliser of `SplitMix64`: each bit depends on all.
fn spread(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
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
            let port = picker.pick(Role::Primary, now, || "").unwrap().address.port().unwrap();
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
            picker.pick(Role::Primary, now, || "").unwrap().begin();
        }
        let loads: Vec<_> = picker.endpoints.iter().map(|e| e.at_work()).collect();
        assert_eq!(loads, [10, 20]);
        assert_eq!(shares(&mut picker, 300), [100, 200], "ties are broken by turns");
    }

    #[test]
    fn a_client_address_keeps_its_endpoint() {
        let mut picker = picker(Balance::ConsistentHash, &[1, 2, 1]);
        let now = Instant::now();
        let homes = |picker: &mut Picker| -> Vec<u16> {
            let home = |n: u32| {
                let client = format!("10.0.{}.{}", n / 256, n % 256);
                picker
                    .pick(Role::Primary, now, || &client)
                    .unwrap()
                    .address
                    .port()
                    .unwrap()
            };
            (0..10_000).map(home).collect()
        };
        let before = homes(&mut picker);
        let shares = [1, 2, 3].map(|port| before.iter().filter(|home| **home == port).count());
        for (share, expected) in shares.into_iter().zip([2500_usize, 5000, 2500]) {
            assert!(share.abs_diff(expected) < 150, "{shares:?}");
        }
        assert_eq!(homes(&mut picker), before);
        picker.endpoints[0].failed(1);
        for (was, is) in before.iter().zip(homes(&mut picker)) {
            assert!(is != 1 && (*was == 1 || is == *was), "{was} became {is}");
        }
    }

    #[test]
    fn the_ill_get_nothing_unless_all_are() {
        for balance in [Balance::RoundRobin, Balance::Random, Balance::LeastConnections] {
            let mut picker = picker(balance, &[1, 1]);
            picker.endpoints[0].failed(1);
            assert_eq!(shares(&mut picker, 100)[0], 0, "{balance:?}");
            picker.endpoints[1].failed(1);
            assert!(shares(&mut picker, 100)[0] > 0, "{balance:?}");
            assert!(picker.pick(Role::Replica, Instant::now(), || "").is_none());
        }
    }
}
