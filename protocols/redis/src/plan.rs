use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tidegate_base::Secret;
use tidegate_cluster::{Cluster, Conditions, Connect, Target};
use tidegate_net::tls::Connector;
use tidegate_net::{ClientAuth, Keepalive, NetError, TlsMode};
use tidegate_pool::{Limits, MuxLimits};
use tidegate_redis_wire::request;

use crate::config::{RedisCluster, RedisCredential, RedisListener, RedisLoginMethod};
use crate::users::{UserMistake, Users};

/// Everything that Redis's rooms are told, validated and immutable.
#[derive(Debug, Default)]
pub struct RedisPlan {
    pub(crate) listeners: HashMap<Arc<str>, Arc<ListenerRules>>,
    pub(crate) clusters: HashMap<Arc<str>, Arc<ClusterRules>>,
}

/// What a listener does with its clients.
#[derive(Debug)]
pub(crate) struct ListenerRules {
    pub(crate) users: Users,
    pub(crate) routes: Vec<Rule>,
    pub(crate) limits: request::Limits,
}

/// One rule of the route table.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) conditions: Conditions,
    pub(crate) cluster: Arc<str>,
}

/// What is done with a cluster's servers.
#[derive(Debug)]
pub(crate) struct ClusterRules {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) shared: usize,
    pub(crate) mux: MuxLimits,
    pub(crate) limits: Limits,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) credential: Option<(String, Secret)>,
    pub(crate) tls: Connector,
    pub(crate) connect: Connect,
    pub(crate) keepalive: Keepalive,
    pub(crate) reply_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
}

/// A mistake in the configuration that only shows when its parts are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisMistake {
    /// Where, as in `listeners.main.routes.0.cluster`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// The names that would be right.
    pub candidates: Vec<String>,
}

impl RedisPlan {
    /// Puts the parts together. `endpoints` brings each cluster's endpoints, which live on through reloads. Reports every
    /// mistake.
    pub fn build(
        listeners: &BTreeMap<String, RedisListener>,
        clusters: &BTreeMap<String, RedisCluster>,
        endpoints: &HashMap<String, Arc<Cluster>>,
    ) -> Result<Self, Vec<RedisMistake>> {
        let mut plan = Self::default();
        let mut mistakes = Vec::new();
        for (name, config) in clusters {
            if config.endpoints.len() != 1 {
                let message = "one server needs exactly one endpoint";
                mistakes.push(mistake(format!("clusters.{name}.endpoints"), &message, &[]));
            }
            let Some(cluster) = endpoints.get(name) else { continue };
            match ClusterRules::build(config, Arc::clone(cluster)) {
                Ok(rules) => drop(plan.clusters.insert(Arc::from(name.as_str()), Arc::new(rules))),
                Err(error) => mistakes.push(mistake(format!("clusters.{name}.tls"), &error, &[])),
            }
        }
        let known: Vec<_> = clusters.keys().cloned().collect();
        for (name, config) in listeners {
            let rules = ListenerRules::build(config, &format!("listeners.{name}"), &known, &mut mistakes);
            plan.listeners.insert(Arc::from(name.as_str()), Arc::new(rules));
        }
        if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
    }
}

fn mistake(path: String, message: &impl ToString, candidates: &[String]) -> RedisMistake {
    RedisMistake {
        path,
        message: message.to_string(),
        candidates: candidates.to_vec(),
    }
}

/// Whether clients can log in as is asked for.
fn check_login(config: &RedisListener, path: &str, mistakes: &mut Vec<RedisMistake>) {
    let login = &config.login;
    let needs_users = matches!(login.method, RedisLoginMethod::Password | RedisLoginMethod::Certificate);
    if login.users.is_empty() && needs_users {
        let message = "nobody can log in: give `users`, or choose method `trust`";
        mistakes.push(mistake(format!("{path}.login"), &message, &[]));
    }
    let tls = &config.common.tls;
    let asks_for_one = tls.mode != TlsMode::Disable && tls.client_auth != ClientAuth::None && tls.client_ca.is_some();
    if login.method == RedisLoginMethod::Certificate && !asks_for_one {
        let message =
            "method `certificate` needs TLS that asks for one: `tls.mode`, `tls.client_ca` and `tls.client_auth`";
        mistakes.push(mistake(format!("{path}.login.method"), &message, &[]));
    }
    check_promises(config, path, mistakes);
}

/// What can be written already, and is not held to before the session asks for it.
fn check_promises(config: &RedisListener, path: &str, mistakes: &mut Vec<RedisMistake>) {
    let login = &config.login;
    if login.method == RedisLoginMethod::Server {
        let message = "method `server` is not there yet: connections are still opened as the cluster's own user";
        mistakes.push(mistake(format!("{path}.login.method"), &message, &[]));
    }
    for (user, _) in login.users.iter().filter(|(_, user)| user.rules.is_some()) {
        let message = "access rules are not there yet: everything would be allowed";
        mistakes.push(mistake(format!("{path}.login.users.{user}.rules"), &message, &[]));
    }
}

impl ListenerRules {
    fn build(config: &RedisListener, path: &str, clusters: &[String], mistakes: &mut Vec<RedisMistake>) -> Self {
        let login = &config.login;
        check_login(config, path, mistakes);
        let users =
            Users::build(login).unwrap_or_else(|found| {
                let found = found.into_iter();
                mistakes.extend(found.map(|UserMistake { path: at, message }| {
                    mistake(format!("{path}.login.users.{at}"), &message, &[])
                }));
                Users::default()
            });
        let mut routes = Vec::new();
        for (at, route) in config.routes.iter().enumerate() {
            if !clusters.contains(&route.cluster) {
                let message = format!("there is no cluster `{}`", route.cluster);
                mistakes.push(mistake(format!("{path}.routes.{at}.cluster"), &message, clusters));
            }
            match Conditions::build(&route.matches) {
                Ok(conditions) => routes.push(Rule {
                    conditions,
                    cluster: Arc::from(route.cluster.as_str()),
                }),
                Err(error) => mistakes.push(mistake(format!("{path}.routes.{at}.match.client"), &error, &[])),
            }
        }
        let bulk = config.max_request.len().max(1024);
        let defaults = request::Limits::default();
        Self {
            users,
            routes,
            limits: request::Limits {
                bulk,
                arguments: defaults.arguments,
                frame: defaults.frame.min(bulk.saturating_mul(2)),
            },
        }
    }
}

impl ClusterRules {
    fn build(config: &RedisCluster, cluster: Arc<Cluster>) -> Result<Self, NetError> {
        let pool = &config.pool;
        let limits = &pool.limits;
        Ok(Self {
            cluster,
            shared: pool.shared.max(1),
            mux: MuxLimits {
                tickets: pool.commands.max(1),
                tickets_per_client: pool.commands_per_client.max(1),
                waiting: pool.reply_buffer.len().max(64 * 1024),
            },
            limits: Limits {
                size: limits.size.max(1),
                min_idle: limits.min_idle.min(limits.size),
                queue: limits.queue_size,
                idle_timeout: limits.idle_timeout.limit(),
                max_lifetime: limits.max_lifetime.limit(),
            },
            queue_timeout: limits.queue_timeout.limit(),
            credential: config.credential.as_ref().map(|credential| {
                let RedisCredential { user, password } = credential.clone();
                (user, password)
            }),
            tls: Connector::build(&config.tls, &[])?,
            connect: config.connect,
            keepalive: config.keepalive,
            reply_timeout: config.timeouts.reply.limit(),
            write_timeout: config.timeouts.client_write.limit(),
        })
    }
}

/// A cluster's endpoints as the configuration tells them, for a discovery to start from.
pub fn targets(config: &RedisCluster) -> Vec<Target> {
    config
        .endpoints
        .iter()
        .map(|endpoint| Target {
            address: endpoint.address.clone(),
            server_name: None,
            role: endpoint.role,
            weight: endpoint.weight,
        })
        .collect()
}
