use std::collections::BTreeSet;

use serde_json::Value as Json;
use tidegate_base::Address;
use tidegate_cluster::shown_pattern;
use tidegate_pgbouncer::console::{ClusterOf, Layout, Named, Setting, UserOf};
use tidegate_postgres::{PoolMode, PostgresCluster, PostgresListener};

use crate::gateway::needs_restart;
use crate::registry::Config;

/// What the configuration says, in the console's terms.
pub(super) fn layout(config: &Config) -> Layout {
    let (listeners, clusters) = config.postgres();
    let mut layout = Layout {
        clusters: clusters
            .iter()
            .map(|(name, cluster)| of_cluster(name, cluster))
            .collect(),
        suspend_timeout: config.runtime.suspend_timeout.limit(),
        ..Layout::default()
    };
    let limits = &config.limits.postgres;
    let mut users: BTreeSet<&String> = limits.users.keys().collect();
    users.extend(clusters.iter().flat_map(|(_, cluster)| cluster.users.keys()));
    // The least of what is set holds; 0 is no limit.
    let of_listeners = listeners.iter().map(|listener| listener.max_clients_per_user);
    let least = of_listeners.filter(|most| *most > 0).min();
    let clients = |most: usize| least.map_or(most, |least| if most == 0 { least } else { least.min(most) });
    layout.others = UserOf {
        max_connections: limits.max_server_connections_per_user,
        max_clients: clients(limits.max_clients_per_user),
        ..UserOf::default()
    };
    for listener in &listeners {
        layout.names.extend(names(listener));
        users.extend(listener.login.users.keys());
    }
    layout.users.extend(users.into_iter().map(|name| UserOf {
        max_connections: limits.server_connections(name),
        max_clients: clients(limits.clients(name)),
        ..of_user(name, &clusters)
    }));
    layout
}

/// What clusters say of a user; the first that does counts.
fn of_user(name: &str, clusters: &[(&str, &PostgresCluster)]) -> UserOf {
    let mut user = UserOf {
        name: name.to_owned(),
        ..UserOf::default()
    };
    for own in clusters.iter().filter_map(|(_, cluster)| cluster.users.get(name)) {
        user.pool_size = user.pool_size.or(own.size);
        user.reserve_pool_size = user.reserve_pool_size.or(own.reserve_size);
        user.pool_mode = user.pool_mode.or(own.mode.map(PoolMode::label));
    }
    user
}

/// The databases that a listener's rules name.
fn names(listener: &PostgresListener) -> impl Iterator<Item = Named> {
    listener.routes.iter().filter_map(|route| {
        let name = shown_pattern(route.matches.database.as_deref()?);
        Some(Named {
            cluster: route.cluster.clone()?,
            database: route.database.clone().unwrap_or_else(|| name.clone()),
            name,
        })
    })
}

fn of_cluster(name: &str, cluster: &PostgresCluster) -> ClusterOf {
    let servers = cluster
        .endpoints
        .iter()
        .map(|endpoint| host_and_port(&endpoint.address));
    ClusterOf {
        name: name.to_owned(),
        servers: servers.collect(),
        force_user: cluster.credential.as_ref().map(|credential| credential.user.clone()),
        pool_size: cluster.pool.limits.size,
        min_pool_size: cluster.pool.min_size,
        reserve_pool_size: cluster.pool.reserve_size,
        max_connections: cluster.pool.max_per_database,
        max_clients: cluster.max_clients_per_database,
        server_lifetime: cluster.pool.limits.max_lifetime.limit(),
        pool_mode: cluster.pool.mode.label(),
    }
}

/// A host and its port, or the path of a Unix socket.
pub(super) fn host_and_port(address: &Address) -> (String, Option<u16>) {
    match address {
        Address::Tcp { host, port } => (host.clone(), Some(*port)),
        Address::Unix(path) => (path.display().to_string(), None),
    }
}

/// Every value of a document under its path.
pub(super) fn flatten(path: String, value: &Json, into: &mut Vec<Setting>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                flatten(below(key), value, into);
            }
        }
        Json::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                flatten(below(&at.to_string()), value, into);
            }
        }
        value => into.push(Setting {
            is_changeable: !needs_restart(&path),
            default: None,
            value: match value {
                Json::String(text) => text.clone(),
                Json::Null => String::new(),
                other => other.to_string(),
            },
            path,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_stand_under_their_paths() {
        let mut settings = Vec::new();
        let document = json!({ "node": 1, "listeners": { "main": { "routes": [{ "cluster": "app" }], "tls": null } } });
        flatten(String::new(), &document, &mut settings);
        let shown: Vec<_> = settings
            .iter()
            .map(|setting| (setting.path.as_str(), setting.value.as_str(), setting.is_changeable))
            .collect();
        let expected = [
            ("node", "1", false),
            ("listeners.main.routes.0.cluster", "app", true),
            ("listeners.main.tls", "", true),
        ];
        assert_eq!(shown, expected);
    }
}
