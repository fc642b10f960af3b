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
use tidegate_postgres::{PlanMistake, Postgres, PostgresCluster, PostgresListener, PostgresPlan, targets};
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
    /// Where clients come in, by name.
    #[schemars(example = listeners_to_start_from())]
    pub(crate) listeners: BTreeMap<String, Listener>,
    /// Where data is, by name.
    #[schemars(example = clusters_to_start_from())]
    pub(crate) clusters: BTreeMap<String, Servers>,
}

/// A place where clients come in, by the protocol that they speak.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "protocol", rename_all = "snake_case")]
#[schemars(transform = protocol_first)]
pub(crate) enum Listener {
    /// PostgreSQL.
    Postgres(Chained<PostgresListener>),
}

/// A set of servers, by the protocol that they speak.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "protocol", rename_all = "snake_case")]
#[schemars(transform = protocol_first)]
pub(crate) enum Servers {
    /// PostgreSQL.
    Postgres(Discovered<PostgresCluster>),
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
    pub(crate) postgres: PostgresPlan,
    pub(crate) kept: Kept,
}

/// Where a cluster's endpoints come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    pub(crate) targets: Vec<Target>,
    pub(crate) discovery: Discovery,
}

impl Listener {
    /// What every listener has, whatever protocol it speaks.
    pub(crate) fn common(&self) -> &ListenerConfig {
        match self {
            Self::Postgres(chained) => &chained.listener.common,
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
}

/// PostgreSQL's number among [`Protocols::all`].
const POSTGRES: usize = 0;

impl Protocols {
    /// Made once per process.
    pub(crate) fn new(registry: &Arc<Registry>, node: u8) -> Self {
        Self {
            postgres: Postgres::new(registry, node),
        }
    }

    /// In the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Protocol>> {
        vec![Arc::clone(&self.postgres) as _]
    }

    /// Gives every protocol its part of the Plan.
    pub(crate) fn install(&self, postgres: PostgresPlan) {
        self.postgres.install(postgres);
    }

    /// Follows the servers' health for as long as it is polled.
    pub(crate) fn watch_health(&self) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.postgres).watch_health()
    }

    /// Why clients should be sent elsewhere.
    pub(crate) fn unready(&self) -> Vec<String> {
        self.postgres.unready()
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
        let (mut postgres_listeners, mut postgres_clusters) = (BTreeMap::new(), BTreeMap::new());
        let mut chains = HashMap::new();
        for (name, Servers::Postgres(servers)) in &config.clusters {
            let cluster = &servers.cluster;
            let origin = Origin {
                targets: targets(cluster),
                discovery: servers.discovery,
            };
            builder.cluster(name, cluster.balance, cluster.health, origin);
            postgres_clusters.insert(name.clone(), cluster.clone());
        }
        for (name, Listener::Postgres(chained)) in &config.listeners {
            chains.insert(name.clone(), builder.chain(name, &chained.chain));
            builder.listener(name, &chained.listener.common, POSTGRES, &[b"postgresql"]);
            postgres_listeners.insert(name.clone(), chained.listener.clone());
        }
        let members = builder.kept.clusters.iter();
        let endpoints = members
            .map(|(name, member)| (name.clone(), Arc::clone(&member.cluster)))
            .collect();
        match PostgresPlan::build(&postgres_listeners, &postgres_clusters, &endpoints, chains) {
            Ok(postgres) if builder.findings.is_empty() => Ok(Self {
                listeners: builder.listeners,
                postgres,
                kept: builder.kept,
            }),
            Ok(_) => Err(builder.findings),
            Err(mistakes) => {
                builder.findings.extend(mistakes.into_iter().map(Finding::from));
                Err(builder.findings)
            }
        }
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
