use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_engine::{ListenerView, RoomView};
use tidegate_telemetry::{Collect, Exposition, MAX_SERIES, OVERFLOW, SampleKind};

/// What is full or empty at this moment; looked at just before a scrape's text is written.
#[derive(Debug, Default, Clone)]
pub(crate) struct Gauges(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    is_ready: bool,
    listeners: Vec<(String, usize, Option<u64>)>,
    pools: BTreeMap<PoolKey, PoolSum>,
    clients: BTreeMap<(String, &'static str), usize>,
}

/// Cluster, space, user.
type PoolKey = (String, String, String);

#[derive(Debug, Default, Clone, Copy)]
struct PoolSum {
    size: usize,
    active: usize,
    idle: usize,
    opening: usize,
    waiting: usize,
}

impl Gauges {
    /// Takes what is there now in the place of what was.
    pub(crate) fn see(&self, listeners: &[ListenerView], rooms: &[RoomView], is_ready: bool) {
        let mut seen = Seen {
            is_ready,
            ..Seen::default()
        };
        for view in listeners {
            let expires = view.certificate_expires_in.map(|left| left.as_secs());
            seen.listeners.push((view.name.clone(), view.clients, expires));
        }
        for view in rooms.iter().flat_map(|room| &room.pools) {
            let mut key = (view.cluster.clone(), view.space.clone(), view.user.clone());
            if !seen.pools.contains_key(&key) && seen.pools.len() >= MAX_SERIES {
                let other = || OVERFLOW.to_owned();
                key = (other(), other(), other());
            }
            let sum = seen.pools.entry(key).or_default();
            sum.size += view.size;
            sum.active += view.active;
            sum.idle += view.idle;
            sum.opening += view.opening;
            sum.waiting += view.waiting;
        }
        for view in rooms.iter().flat_map(|room| &room.clients) {
            *seen.clients.entry((view.cluster.clone(), view.state)).or_default() += 1;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

impl Collect for Gauges {
    fn collect(&self, out: &mut Exposition) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "tidegate_ready";
        out.family(name, "1 while clients should be sent here", SampleKind::Gauge);
        out.sample(name, [], u8::from(seen.is_ready));
        seen.write_listeners(out);
        seen.write_pools(out);
        let name = "tidegate_cluster_clients";
        family(
            out,
            name,
            "Clients routed to a cluster, by what they are doing",
            &seen.clients,
        );
        for ((cluster, state), count) in &seen.clients {
            out.sample(name, [("cluster", cluster.as_str()), ("state", state)], count);
        }
    }
}

impl Seen {
    fn write_listeners(&self, out: &mut Exposition) {
        let name = "tidegate_listener_clients";
        family(out, name, "Clients connected, by listener", &self.listeners);
        for (listener, clients, _) in &self.listeners {
            out.sample(name, [("listener", listener.as_str())], clients);
        }
        let name = "tidegate_certificate_expiry_seconds";
        let expiring = || {
            self.listeners
                .iter()
                .filter_map(|(name, _, left)| Some((name, (*left)?)))
        };
        family(out, name, "Time until a listener's certificate expires", expiring());
        for (listener, left) in expiring() {
            out.sample(name, [("listener", listener.as_str())], left);
        }
    }

    fn write_pools(&self, out: &mut Exposition) {
        let name = "tidegate_pool_connections";
        family(out, name, "Server connections by what they are doing", &self.pools);
        for (key, sum) in &self.pools {
            for (state, count) in [("active", sum.active), ("idle", sum.idle), ("opening", sum.opening)] {
                out.sample(name, labels(key).into_iter().chain([("state", state)]), count);
            }
        }
        let name = "tidegate_pool_max_connections";
        family(out, name, "The most server connections", &self.pools);
        for (key, sum) in &self.pools {
            out.sample(name, labels(key), sum.size);
        }
        let name = "tidegate_pool_waiting_clients";
        family(out, name, "Clients that wait for a server connection", &self.pools);
        for (key, sum) in &self.pools {
            out.sample(name, labels(key), sum.waiting);
        }
    }
}

/// Begins a family that has at least one sample.
fn family(out: &mut Exposition, name: &str, help: &str, samples: impl IntoIterator) {
    if samples.into_iter().next().is_some() {
        out.family(name, help, SampleKind::Gauge);
    }
}

fn labels(key: &PoolKey) -> [(&str, &str); 3] {
    [("cluster", &key.0), ("space", &key.1), ("user", &key.2)]
}
