use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tidegate_base::Address;
use tidegate_cluster::Endpoint;
use tidegate_redis_wire::hash::{Distribution, Hash, Member, Ring};
use tidegate_redis_wire::slot::hash_tag;

use super::config::{RedisDistribution, RedisEndpoint, RedisHash, RedisTopology};
use super::node::Node;
use super::shards::Shard;
use crate::config::RedisCluster;

/// The port whose servers twemproxy names by their host alone (`nc_conf.c`, `CONF_DEFAULT_KETAMA_PORT`).
const NAMELESS_PORT: u16 = 11_211;

/// Which shard a key belongs to where the servers know nothing of one another.
#[derive(Debug)]
pub(super) struct Places {
    ring: Ring,
    hash: Hash,
    tag: Option<[u8; 2]>,
    /// With the distribution `random`: what the next key gets. It needs evenness and not chance.
    turn: Option<AtomicU32>,
}

impl Places {
    /// The members must be in twemproxy's order: see [`ordered`].
    fn new(topology: &RedisTopology, members: &[Member]) -> Self {
        let RedisHash(hash) = topology.hash.unwrap_or(RedisHash(Hash::Fnv1a64));
        let default = RedisDistribution(Distribution::Ketama);
        let RedisDistribution(distribution) = topology.distribution.unwrap_or(default);
        Self {
            ring: Ring::new(distribution, members),
            hash,
            tag: topology.hash_tag.as_deref().and_then(tag),
            turn: (distribution == Distribution::Random).then(AtomicU32::default),
        }
    }

    /// The shard of a key.
    pub(super) fn of(&self, key: &[u8]) -> usize {
        let number = match &self.turn {
            Some(turn) => turn.fetch_add(1, Ordering::Relaxed),
            None => self.hash.of(self.tag.map_or(key, |marks| hash_tag(key, &marks))),
        };
        self.ring.pick(number).unwrap_or(0)
    }
}

impl PartialEq for Places {
    fn eq(&self, other: &Self) -> bool {
        let random = |places: &Self| places.turn.is_some();
        self.ring == other.ring && self.hash == other.hash && self.tag == other.tag && random(self) == random(other)
    }
}

/// Every endpoint as a shard of its own, and where keys belong among them. `known` finds a node that is in use.
pub(super) fn shards(config: &RedisCluster, known: impl Fn(&Address) -> Option<Arc<Node>>) -> (Vec<Shard>, Places) {
    let endpoints = ordered(&config.endpoints);
    let members: Vec<Member> = endpoints
        .iter()
        .map(|(name, endpoint)| Member {
            name: name.clone(),
            weight: u16::try_from(endpoint.weight).unwrap_or(u16::MAX).max(1),
        })
        .collect();
    let shards = endpoints.into_iter().map(|(name, endpoint)| {
        let RedisEndpoint {
            address, role, weight, ..
        } = endpoint;
        let node = match known(address) {
            Some(node) if node.id == name => node,
            Some(node) => Node::new(Arc::clone(&node.endpoint), name),
            None => Node::new(Arc::new(Endpoint::new(address.clone(), None, *role, *weight)), name),
        };
        Shard {
            primary: Some(node),
            replicas: Vec::new(),
        }
    });
    (shards.collect(), Places::new(&config.topology, &members))
}

/// In twemproxy's order: by the length of the name, then by its bytes (`nc_server.c`, `string_compare`).
fn ordered(endpoints: &[RedisEndpoint]) -> Vec<(String, &RedisEndpoint)> {
    let mut ordered: Vec<_> = endpoints.iter().map(|endpoint| (name(endpoint), endpoint)).collect();
    ordered.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    ordered
}

/// What twemproxy calls a server (`nc_conf.c`, `conf_add_server`).
pub(super) fn name(endpoint: &RedisEndpoint) -> String {
    match (&endpoint.name, &endpoint.address) {
        (Some(name), _) => name.clone(),
        (
            None,
            Address::Tcp {
                host,
                port: NAMELESS_PORT,
            },
        ) => host.clone(),
        (None, Address::Tcp { host, port }) => format!("{host}:{port}"),
        (None, Address::Unix(path)) => path.display().to_string(),
    }
}

/// The two marks of a hash tag; `None` when they are not two ASCII characters.
pub(super) fn tag(text: &str) -> Option<[u8; 2]> {
    text.as_bytes()
        .try_into()
        .ok()
        .filter(|marks: &[u8; 2]| marks.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str, name: Option<&str>) -> RedisEndpoint {
        RedisEndpoint {
            address: address.parse().unwrap(),
            role: tidegate_cluster::Role::Primary,
            weight: 1,
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn names_and_order_are_twemproxys() {
        let endpoints = [
            endpoint("10.0.0.10:6379", None),
            endpoint("10.0.0.2:6379", None),
            endpoint("cache.example:11211", None),
            endpoint("10.0.0.1:6379", Some("zz")),
            endpoint("unix:/run/a", None),
        ];
        let names: Vec<_> = ordered(&endpoints).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["zz", "/run/a", "10.0.0.2:6379", "cache.example", "10.0.0.10:6379"]
        );
    }

    #[test]
    fn a_tag_is_two_characters() {
        assert_eq!(tag("{}"), Some(*b"{}"));
        assert_eq!(tag("$$"), Some(*b"$$"));
        for wrong in ["", "{", "{}}", "é"] {
            assert_eq!(tag(wrong), None, "{wrong}");
        }
    }
}
