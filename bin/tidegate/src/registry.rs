//! The only file that names every part: protocols, transforms, discoveries. A new part is one line in each of the three
//! enums and one arm in each `match` over it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tidegate_admin::AdminConfig;
use tidegate_chain::Factory;
use tidegate_cluster::{Discover, Target};
use tidegate_count::{Count, CountConfig};
use tidegate_dns::{Dns, DnsConfig};
use tidegate_engine::{ListenerConfig, ListenerPlan, Protocol, RuntimeConfig};
use tidegate_fixed::Fixed;
use tidegate_postgres::{
    Peers, PlanMistake, Postgres, PostgresCluster, PostgresLimits, PostgresListener, PostgresPeer, PostgresPlan,
    targets,
};
use tidegate_redis::{Redis, RedisCluster, RedisKind, RedisListener, RedisMistake, RedisPlan};
use tidegate_telemetry::{LogConfig, Registry};

use crate::builder::{Builder, Kept, Purpose};
use crate::finding::Finding;

/// Tidegate's configuration. Any text may hold `${NAME}`, `${NAME:-default}` or `${file:/path}`; any single value can be set by
/// the environment, as in `TIDEGATE_LISTENERS__MAIN__ADDRESS`. `tidegate check` finds every mistake.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What is logged, how and where to.
    #[serde(default)]
    pub(crate) log: LogConfig,
    /// The process's threads, and how it goes down.
    #[serde(default)]
    pub(crate) runtime: RuntimeConfig,
    /// The admin API: health, metrics, and what the gateway holds now. Changes take effect at the next start.
    #[serde(default)]
    pub(crate) admin: AdminConfig,
    /// This gateway's number among those behind one address, so that a cancel request finds the right one.
    #[serde(default)]
    #[schemars(range(min = 0, max = 63))]
    pub(crate) node: u8,
    /// The other gateways behind the address, by their `node`: a cancel that one of them is meant to have is sent on to it.
    /// The entry of this gateway itself is left out, so that all can have the same.
    #[serde(default)]
    pub(crate) peers: BTreeMap<String, PostgresPeer>,
    /// What holds over all listeners and clusters.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Where clients come in, by name.
    #[schemars(example = listeners_to_start_from())]
    pub(crate) listeners: BTreeMap<String, Listener>,
    /// Where data is, by name.
    #[schemars(example = clusters_to_start_from())]
    pub(crate) clusters: BTreeMap<String, Servers>,
}

/// What holds over all listeners and clusters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// The most clients at once, over all listeners; 0 means no limit. The next one is told so, also where clients of its
    /// listener wait (`when_full`); the console is open all the same.
    pub(crate) max_clients: usize,
    /// What else holds for PostgreSQL.
    pub(crate) postgres: PostgresLimits,
}

/// A place where clients come in, by the protocol that they speak.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "protocol", rename_all = "snake_case")]
#[schemars(transform = protocol_first)]
pub(crate) enum Listener {
    /// PostgreSQL.
    Postgres(Box<Chained<PostgresListener>>),
    /// Redis and Valkey.
    Redis(Box<Chained<RedisListener>>),
}

/// A set of servers, by the protocol that they speak.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "protocol", rename_all = "snake_case")]
#[schemars(transform = protocol_first)]
pub(crate) enum Servers {
    /// PostgreSQL.
    Postgres(Discovered<PostgresCluster>),
    /// Redis and Valkey.
    Redis(Discovered<RedisCluster>),
}

/// A listener whose exchanges run through transforms.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Chained<L> {
    #[serde(flatten)]
    listener: L,
    /// What looks at the exchanges, in order; nothing is shown to anybody when empty.
    #[serde(default)]
    chain: Vec<Step>,
}

/// Servers that are found in some way.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Discovered<C> {
    #[serde(flatten)]
    cluster: C,
    /// How the endpoints are found.
    #[serde(default)]
    discovery: Discovery,
}

/// One decision about an exchange.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Counts exchanges by verb and outcome.
    Count(CountConfig),
}

/// How the endpoints of a cluster are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Discovery {
    /// They stand in the configuration; a name is looked up at each connection attempt.
    #[default]
    Fixed,
    /// Every address that a name has is an endpoint; names are looked up again and again.
    Dns(DnsConfig),
}

/// Everything that the parts are told, validated. It lives as long as its configuration is in force.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) listeners: Vec<ListenerPlan>,
    pub(crate) plans: Plans,
    pub(crate) kept: Kept,
}

/// What each protocol is told.
#[derive(Debug)]
pub(crate) struct Plans {
    postgres: PostgresPlan,
    redis: RedisPlan,
}

/// Where a cluster's endpoints come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    pub(crate) targets: Vec<Target>,
    pub(crate) discovery: Discovery,
}

impl Config {
    /// The listeners and clusters of the protocol that the console is of.
    pub(crate) fn postgres(&self) -> (Vec<&PostgresListener>, Vec<(&str, &PostgresCluster)>) {
        let listeners = self.listeners.values().filter_map(|listener| match listener {
            Listener::Postgres(chained) => Some(&chained.listener),
            Listener::Redis(_) => None,
        });
        let clusters = self.clusters.iter().filter_map(|(name, servers)| match servers {
            Servers::Postgres(discovered) => Some((name.as_str(), &discovered.cluster)),
            Servers::Redis(_) => None,
        });
        (listeners.collect(), clusters.collect())
    }
}

impl Listener {
    /// What every listener has, whatever protocol it speaks.
    pub(crate) fn common(&self) -> &ListenerConfig {
        match self {
            Self::Postgres(chained) => &chained.listener.common,
            Self::Redis(chained) => &chained.listener.common,
        }
    }
}

impl Step {
    /// What makes the steps of one listener's sessions.
    pub(crate) fn factory(&self, listener: &str, registry: &Registry) -> Arc<dyn Factory> {
        match self {
            Self::Count(config) => Arc::new(Count::new(config, listener, registry)),
        }
    }
}

impl Origin {
    /// The discovery that follows the endpoints.
    pub(crate) fn discover(&self) -> Box<dyn Discover> {
        match self.discovery {
            Discovery::Fixed => Box::new(Fixed::new(self.targets.clone())),
            Discovery::Dns(config) => Box::new(Dns::new(self.targets.clone(), config)),
        }
    }
}

/// The protocols of this process.
pub(crate) struct Protocols {
    postgres: Arc<Postgres>,
    redis: Arc<Redis>,
}

/// PostgreSQL's number among [`Protocols::all`].
pub(crate) const POSTGRES: usize = 0;
/// Redis's.
const REDIS: usize = 1;

impl Protocols {
    /// Made once per process.
    pub(crate) fn new(registry: &Arc<Registry>, node: u8) -> Self {
        Self {
            postgres: Postgres::new(registry, node),
            redis: Redis::new(registry),
        }
    }

    /// In the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Protocol>> {
        vec![Arc::clone(&self.postgres) as _, Arc::clone(&self.redis) as _]
    }

    /// Gives every protocol its part of the Plan.
    pub(crate) fn install(&self, plans: Plans) {
        self.postgres.install(plans.postgres);
        self.redis.install(plans.redis);
    }

    /// The protocol that the console is of.
    pub(crate) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// Follows the servers' health for as long as it is polled.
    pub(crate) fn watch_health(&self) -> impl Future<Output = ()> + Send + 'static {
        let (postgres, redis) = (Arc::clone(&self.postgres), Arc::clone(&self.redis));
        async move {
            futures_util::future::join(postgres.watch_health(), redis.watch_health()).await;
        }
    }

    /// Why clients should be sent elsewhere.
    pub(crate) fn unready(&self) -> Vec<String> {
        let mut reasons = self.postgres.unready();
        reasons.extend(self.redis.unready());
        reasons
    }
}

impl Plan {
    /// Puts the parts together; reports every mistake.
    pub(crate) fn build(
        config: &Config,
        purpose: Purpose,
        before: &Kept,
        registry: &Registry,
    ) -> Result<Self, Vec<Finding>> {
        let mut builder = Builder::new(purpose, before, registry);
        builder.addresses(config);
        let mut parts = Parts::default();
        for (name, servers) in &config.clusters {
            parts.cluster(&mut builder, name, servers);
        }
        for (name, listener) in &config.listeners {
            parts.listener(&mut builder, name, listener);
        }
        let peers = builder.noting(Peers::build(&config.peers, config.node));
        let plans = parts.plans(&mut builder, &config.limits.postgres, peers.unwrap_or_default());
        for listener in &mut builder.listeners {
            listener.max_clients_in_all = config.limits.max_clients;
        }
        match plans {
            Some(plans) if builder.findings.is_empty() => Ok(Self {
                listeners: builder.listeners,
                plans,
                kept: builder.kept,
            }),
            _ => Err(builder.findings),
        }
    }
}

/// The configuration by protocol, as their plans are built from it.
#[derive(Default)]
struct Parts {
    postgres: (BTreeMap<String, PostgresListener>, BTreeMap<String, PostgresCluster>),
    chains: HashMap<String, Vec<Arc<dyn Factory>>>,
    redis: (BTreeMap<String, RedisListener>, BTreeMap<String, RedisCluster>),
}

impl Parts {
    fn cluster(&mut self, builder: &mut Builder<'_>, name: &str, servers: &Servers) {
        let (balance, health, targets, discovery) = match servers {
            Servers::Postgres(Discovered { cluster, discovery }) => {
                self.postgres.1.insert(name.to_owned(), cluster.clone());
                (cluster.balance, cluster.health, targets(cluster), *discovery)
            }
            Servers::Redis(Discovered { cluster, discovery }) => {
                self.redis.1.insert(name.to_owned(), cluster.clone());
                if cluster.topology.kind == RedisKind::Hash && *discovery != Discovery::Fixed {
                    let message = "the members of a ring are those of the configuration: leave it `fixed`";
                    let path = format!("clusters.{name}.discovery");
                    builder.findings.push(Finding::new(path, message));
                }
                let targets = tidegate_redis::targets(cluster);
                (cluster.balance.unwrap_or_default(), cluster.health, targets, *discovery)
            }
        };
        builder.cluster(name, balance, health, Origin { targets, discovery });
    }

    fn listener(&mut self, builder: &mut Builder<'_>, name: &str, listener: &Listener) {
        match listener {
            Listener::Postgres(chained) => {
                self.chains.insert(name.to_owned(), builder.chain(name, &chained.chain));
                builder.listener(name, &chained.listener.common, POSTGRES, &[b"postgresql"]);
                self.postgres.0.insert(name.to_owned(), chained.listener.clone());
            }
            Listener::Redis(chained) => {
                self.chains.insert(name.to_owned(), builder.chain(name, &chained.chain));
                builder.listener(name, &chained.listener.common, REDIS, &[]);
                self.redis.0.insert(name.to_owned(), chained.listener.clone());
            }
        }
    }

    /// Builds every protocol's plan; mistakes are the builder's findings.
    fn plans(self, builder: &mut Builder<'_>, limits: &PostgresLimits, peers: Peers) -> Option<Plans> {
        let members = builder.kept.clusters.iter();
        let endpoints = members
            .map(|(name, member)| (name.clone(), Arc::clone(&member.cluster)))
            .collect();
        // A listener's name is its own, so each protocol takes the chains of its listeners.
        let chains = self.chains;
        let postgres = PostgresPlan::build(&self.postgres.0, &self.postgres.1, &endpoints, chains.clone());
        let postgres = builder.noting(postgres.map(|plan| plan.limited(limits.clone())));
        let redis = RedisPlan::build(&self.redis.0, &self.redis.1, &endpoints, chains);
        let redis = builder.noting(redis);
        postgres.zip(redis).map(|(postgres, redis)| Plans {
            postgres: postgres.with_peers(peers),
            redis,
        })
    }
}

impl From<PlanMistake> for Finding {
    fn from(mistake: PlanMistake) -> Self {
        Self {
            path: mistake.path,
            message: mistake.message,
            candidates: mistake.candidates,
        }
    }
}

impl From<RedisMistake> for Finding {
    fn from(mistake: RedisMistake) -> Self {
        Self {
            path: mistake.path,
            message: mistake.message,
            candidates: mistake.candidates,
        }
    }
}

/// People write and read the protocol first, so the schema tells it first too.
fn protocol_first(schema: &mut Schema) {
    let alternatives = schema.get_mut("oneOf").and_then(Json::as_array_mut);
    for alternative in alternatives.into_iter().flatten() {
        let Some(map) = alternative.as_object_mut() else {
            continue;
        };
        let Some(reference) = map.shift_remove("$ref") else {
            continue;
        };
        let description = map.shift_remove("description").unwrap_or_default();
        let tag = std::mem::take(map);
        *alternative = json!({ "description": description, "allOf": [tag, { "$ref": reference }] });
    }
}

fn listeners_to_start_from() -> Json {
    json!({
        "main": {
            "protocol": "postgres",
            "address": "127.0.0.1:6432",
            "login": { "users": { "app": { "password": "${APP_PASSWORD:-change-me}" } } },
            "routes": [{ "cluster": "app" }],
        }
    })
}

fn clusters_to_start_from() -> Json {
    json!({
        "app": {
            "protocol": "postgres",
            "endpoints": [{ "address": "127.0.0.1:5432" }],
        }
    })
}
