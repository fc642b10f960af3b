//! The only file that names every part: protocols, transforms, discoveries. A new part is one line in each of the three
//! enums and one arm in each `match` over it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tidegate_admin::AdminConfig;
use tidegate_chain::{Chain, Factory};
use tidegate_cluster::{Balance, Cluster, Discover, Health, Target};
use tidegate_count::{Count, CountConfig};
use tidegate_dns::{Dns, DnsConfig};
use tidegate_engine::{ListenerConfig, ListenerPlan, Protocol, RuntimeConfig};
use tidegate_fixed::Fixed;
use tidegate_net::tls::Acceptor;
use tidegate_net::{NetError, TlsMode, TlsServer};
use tidegate_postgres::{PlanMistake, Postgres, PostgresCluster, PostgresListener, PostgresPlan, targets};
use tidegate_telemetry::{LogConfig, Registry};

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

/// What a Plan is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see whether it can be: nothing is written.
    Check,
    /// To be put in force.
    Run,
}

/// Everything that the parts are told, validated. It lives as long as its configuration is in force.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) listeners: Vec<ListenerPlan>,
    pub(crate) postgres: PostgresPlan,
    pub(crate) kept: Kept,
}

/// What lives on when the next Plan wants it unchanged: certificates that were made, and endpoints' health.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    acceptors: HashMap<String, (TlsServer, Arc<Acceptor>)>,
    pub(crate) clusters: HashMap<String, Member>,
}

/// A cluster and where its endpoints come from.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) origin: Origin,
}

/// Where a cluster's endpoints come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    targets: Vec<Target>,
    discovery: Discovery,
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
        let mut builder = Builder {
            purpose,
            before,
            registry,
            kept: Kept::default(),
            listeners: Vec::new(),
            findings: Vec::new(),
        };
        builder.addresses(config);
        let (mut postgres_listeners, mut postgres_clusters) = (BTreeMap::new(), BTreeMap::new());
        let mut chains = HashMap::new();
        for (name, Servers::Postgres(servers)) in &config.clusters {
            let cluster = &servers.cluster;
            builder.cluster(
                name,
                cluster.balance,
                cluster.health,
                targets(cluster),
                servers.discovery,
            );
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

struct Builder<'b> {
    purpose: Purpose,
    before: &'b Kept,
    registry: &'b Registry,
    kept: Kept,
    listeners: Vec<ListenerPlan>,
    findings: Vec<Finding>,
}

impl Builder<'_> {
    /// No two may want one address; port 0 is a new one each time.
    fn addresses(&mut self, config: &Config) {
        let mut taken = HashMap::new();
        let admin = &config.admin;
        if admin.enabled {
            if admin.address.port().is_none() {
                let message = "the admin API speaks HTTP over TCP: write host:port";
                self.findings.push(Finding::new("admin.address", message));
            }
            taken.insert(&admin.address, "the admin API".to_owned());
        }
        for (name, Listener::Postgres(chained)) in &config.listeners {
            let address = &chained.listener.common.address;
            let other = taken.insert(address, format!("listener `{name}`"));
            if let Some(other) = other.filter(|_| address.port() != Some(0)) {
                let message = format!("{address} is already the address of {other}");
                self.findings
                    .push(Finding::new(format!("listeners.{name}.address"), message));
            }
        }
    }

    /// The same cluster as before when its endpoints may keep their health.
    fn cluster(&mut self, name: &str, balance: Balance, health: Health, targets: Vec<Target>, discovery: Discovery) {
        let before = self.before.clusters.get(name).map(|member| &member.cluster);
        let same = before.filter(|cluster| cluster.balance == balance && cluster.health == health);
        let new = || Arc::new(Cluster::new(name.to_owned(), balance, health));
        let member = Member {
            cluster: same.map_or_else(new, Arc::clone),
            origin: Origin { targets, discovery },
        };
        self.kept.clusters.insert(name.to_owned(), member);
    }

    fn chain(&mut self, listener: &str, steps: &[Step]) -> Vec<Arc<dyn Factory>> {
        if steps.len() > Chain::MAX_STEPS {
            let message = format!("has {} steps, and the most is {}", steps.len(), Chain::MAX_STEPS);
            self.findings
                .push(Finding::new(format!("listeners.{listener}.chain"), message));
        }
        let factory = |step: &Step| -> Arc<dyn Factory> {
            match step {
                Step::Count(config) => Arc::new(Count::new(config, listener, self.registry)),
            }
        };
        steps.iter().map(factory).collect()
    }

    fn listener(&mut self, name: &str, config: &ListenerConfig, protocol: usize, alpn: &[&[u8]]) {
        let tls = match self.acceptor(name, &config.tls, alpn) {
            Ok(tls) => tls,
            Err(error) => {
                let path = format!("listeners.{name}.tls{}", key_of(&config.tls, &error));
                return self.findings.push(Finding::new(path, error.to_string()));
            }
        };
        self.listeners.push(ListenerPlan {
            name: Arc::from(name),
            address: config.address.clone(),
            protocol,
            max_clients: config.max_clients,
            max_clients_per_address: config.max_clients_per_address,
            pre_auth_timeout: config.pre_auth_timeout.duration(),
            keepalive: config.keepalive,
            tls,
        });
    }

    fn acceptor(
        &mut self,
        name: &str,
        settings: &TlsServer,
        alpn: &[&[u8]],
    ) -> Result<Option<Arc<Acceptor>>, NetError> {
        if settings.mode == TlsMode::Disable {
            return Ok(None);
        }
        let before = self.before.acceptors.get(name).filter(|(known, _)| known == settings);
        let acceptor = match before {
            // A certificate that was made in memory must not change with every reload.
            Some((_, acceptor)) => Arc::clone(acceptor),
            None => Arc::new(Acceptor::build(&self.settings(settings), alpn)?),
        };
        let kept = (settings.clone(), Arc::clone(&acceptor));
        self.kept.acceptors.insert(name.to_owned(), kept);
        Ok(Some(acceptor))
    }
}

impl Builder<'_> {
    /// A check makes no certificate files, which may belong to another user than the one who checks.
    fn settings(&self, settings: &TlsServer) -> TlsServer {
        let mut settings = settings.clone();
        let folder = &mut settings.generate.directory;
        if self.purpose == Purpose::Check
            && folder
                .as_ref()
                .is_some_and(|folder| !folder.join("server.crt").exists())
        {
            *folder = None;
        }
        settings
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

/// The key that names the file that an error is about.
fn key_of(settings: &TlsServer, error: &NetError) -> &'static str {
    let NetError::Certificate { file, .. } = error else {
        return "";
    };
    let files = [
        (".certificate", &settings.certificate),
        (".key", &settings.key),
        (".client_ca", &settings.client_ca),
    ];
    let is_it = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.display().to_string() == *file);
    files
        .into_iter()
        .find(|(_, path)| is_it(path))
        .map_or("", |(key, _)| key)
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
