use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tidegate_base::{Address, Period, Secret};
use tidegate_chain::Factory;
use tidegate_cluster::{Cluster, Conditions, Connect, Target};
use tidegate_net::tls::Connector;
use tidegate_net::{ClientAuth, Keepalive, NetError, TlsMode};
use tidegate_pool::{Limits, MuxLimits};
use tidegate_redis_wire::request;

use crate::config::{RedisAdvertise, RedisCluster, RedisCredential, RedisListener, RedisLoginMethod};
use crate::layout::{self, Atlas, Reads};
use crate::shown::Gateway;
use crate::users::{UserMistake, Users};

/// How often a layout is looked at without a reason, when nothing is said.
const REFRESH: Duration = Duration::from_secs(10);

/// Everything that Redis's rooms are told, validated and immutable.
#[derive(Debug, Default)]
pub struct RedisPlan {
    pub(crate) listeners: HashMap<Arc<str>, Arc<ListenerRules>>,
    pub(crate) clusters: HashMap<Arc<str>, Arc<ClusterRules>>,
}

/// What a listener does with its clients.
#[derive(Debug)]
pub(crate) struct ListenerRules {
    /// Where the listener is that they are for.
    address: Address,
    pub(crate) users: Users,
    pub(crate) routes: Vec<Rule>,
    pub(crate) limits: request::Limits,
    /// How gateways are shown as the nodes of a cluster, to clients that know clusters.
    pub(crate) advertise: Option<Advertised>,
    /// What looks at commands, in order.
    pub(crate) chain: Vec<Arc<dyn Factory>>,
    /// The longest command and answer that is held to be looked at.
    pub(crate) inspect: usize,
}

/// The gateways that clients are shown.
#[derive(Debug)]
pub(crate) struct Advertised {
    pub(crate) this: Gateway,
    pub(crate) peers: Vec<Gateway>,
}

impl Advertised {
    fn of(config: &RedisAdvertise) -> Self {
        let gateway = |address: &Address| Gateway::new(address.host().unwrap_or_default(), address.port().unwrap_or(0));
        Self {
            this: gateway(&config.address),
            peers: config.peers.iter().map(gateway).collect(),
        }
    }
}

/// One rule of the route table.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) conditions: Conditions,
    /// What the keys of a command must begin with; anything when empty.
    pub(crate) keys: Vec<Box<[u8]>>,
    pub(crate) cluster: Arc<str>,
}

/// What is done with a cluster's servers.
#[derive(Debug)]
pub(crate) struct ClusterRules {
    /// The servers of the configuration, or who knows them. What there is, `atlas` knows.
    pub(crate) cluster: Arc<Cluster>,
    /// Which servers there are, and which of them has a key.
    pub(crate) atlas: Arc<Atlas>,
    /// How often the layout is looked at without a reason.
    pub(crate) refresh: Duration,
    pub(crate) reads: Reads,
    /// How long a command that was not executed waits for a server to be there; zero for not at all.
    pub(crate) failover: Duration,
    /// Who to be at the sentinels.
    pub(crate) sentinel_credential: Option<(String, Secret)>,
    config: RedisCluster,
    pub(crate) shared: usize,
    pub(crate) mux: MuxLimits,
    pub(crate) limits: Limits,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) credential: Option<(String, Secret)>,
    pub(crate) tls: Connector,
    pub(crate) connect: Connect,
    pub(crate) keepalive: Keepalive,
    pub(crate) reply_timeout: Option<Duration>,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    /// The most bytes of messages that wait for a client that does not read.
    pub(crate) pubsub_buffer: usize,
    /// A client that says nothing for longer is closed.
    pub(crate) client_idle: Option<Duration>,
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
    /// Puts the parts together. `endpoints` brings each cluster's endpoints, which live on through reloads; `chains` what
    /// looks at each listener's commands. Reports every mistake.
    pub fn build(
        listeners: &BTreeMap<String, RedisListener>,
        clusters: &BTreeMap<String, RedisCluster>,
        endpoints: &HashMap<String, Arc<Cluster>>,
        mut chains: HashMap<String, Vec<Arc<dyn Factory>>>,
    ) -> Result<Self, Vec<RedisMistake>> {
        let mut plan = Self::default();
        let mut mistakes = Vec::new();
        for (name, config) in clusters {
            for (path, message) in layout::mistakes(config) {
                mistakes.push(mistake(format!("clusters.{name}.{path}"), &message, &[]));
            }
            let Some(cluster) = endpoints.get(name) else { continue };
            match ClusterRules::build(config, Arc::clone(cluster)) {
                Ok(rules) => drop(plan.clusters.insert(Arc::from(name.as_str()), Arc::new(rules))),
                Err(error) => mistakes.push(mistake(format!("clusters.{name}.tls"), &error, &[])),
            }
        }
        let known: Vec<_> = clusters.keys().cloned().collect();
        for (name, config) in listeners {
            let mut rules = ListenerRules::build(config, &format!("listeners.{name}"), &known, &mut mistakes);
            rules.chain = chains.remove(name).unwrap_or_default();
            plan.listeners.insert(Arc::from(name.as_str()), Arc::new(rules));
        }
        if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
    }

    /// The rules for clients that came in here. While a reload changes listeners there is a moment in which a name means one
    /// of them to the engine and another here: then there are none.
    pub(crate) fn rules_at(&self, listener: &str, address: &Address) -> Option<Arc<ListenerRules>> {
        let rules = self.listeners.get(listener)?;
        (rules.address == *address).then(|| Arc::clone(rules))
    }

    /// Takes over what lives on from the plan before: what is known of the layouts.
    pub(crate) fn follow(&mut self, before: &Self) {
        for (name, rules) in &mut self.clusters {
            let atlas = before.clusters.get(name).map(|rules| &rules.atlas);
            // Nobody else has these rules yet.
            if let (Some(atlas), Some(rules)) = (atlas, Arc::get_mut(rules))
                && atlas.fits(&rules.config)
            {
                rules.atlas = Arc::clone(atlas);
            }
        }
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
        if config.routes.iter().all(|route| !route.keys.is_empty()) {
            let message = "one route must be without `keys`: commands without keys have to go somewhere";
            mistakes.push(mistake(format!("{path}.routes"), &message, &[]));
        }
        let mut routes = Vec::new();
        for (at, route) in config.routes.iter().enumerate() {
            if !clusters.contains(&route.cluster) {
                let message = format!("there is no cluster `{}`", route.cluster);
                mistakes.push(mistake(format!("{path}.routes.{at}.cluster"), &message, clusters));
            }
            if route.matches.database.is_some() {
                let message = "clients of Redis choose their database after they were routed";
                mistakes.push(mistake(format!("{path}.routes.{at}.match.database"), &message, &[]));
            }
            match Conditions::build(&route.matches) {
                Ok(conditions) => routes.push(Rule {
                    conditions,
                    keys: route.keys.iter().map(|key| key.as_bytes().into()).collect(),
                    cluster: Arc::from(route.cluster.as_str()),
                }),
                Err(error) => mistakes.push(mistake(format!("{path}.routes.{at}.match.client"), &error, &[])),
            }
        }
        let bulk = config.max_request.len().max(1024);
        let defaults = request::Limits::default();
        Self {
            address: config.common.address.clone(),
            users,
            routes,
            advertise: config.advertise.as_ref().map(Advertised::of),
            chain: Vec::new(),
            inspect: config.inspect.len().max(1024),
            limits: request::Limits {
                bulk,
                arguments: defaults.arguments,
                frame: defaults.frame.min(bulk.saturating_mul(2)),
            },
        }
    }
}

impl ClusterRules {
    /// Tells the atlas which servers are configured: it may be older than this plan.
    pub(crate) fn adopt(&self) {
        self.atlas.adopt(&self.config, Arc::clone(&self.cluster));
    }

    fn build(config: &RedisCluster, cluster: Arc<Cluster>) -> Result<Self, NetError> {
        let pool = &config.pool;
        let limits = &pool.limits;
        let credential = |credential: &Option<RedisCredential>| {
            let RedisCredential { user, password } = credential.clone()?;
            Some((user, password))
        };
        let slow_start = config.health.slow_start.limit();
        Ok(Self {
            atlas: Atlas::new(config, Arc::clone(&cluster)),
            cluster,
            refresh: config.topology.refresh.map_or(REFRESH, Period::duration),
            reads: Reads::new(config.reads, config.balance, slow_start),
            failover: config.timeouts.failover.duration(),
            sentinel_credential: credential(&config.topology.credential),
            config: config.clone(),
            shared: pool.shared.max(1),
            mux: MuxLimits {
                tickets: pool.commands.max(1),
                tickets_per_client: pool.commands_per_client.max(1),
                waiting: pool.reply_buffer.len().max(64 * 1024),
            },
            limits: Limits {
                size: limits.size.max(1),
                reserve: 0,
                reserve_after: None,
                min: 0,
                min_idle: limits.min_idle.min(limits.size),
                queue: limits.queue_size,
                idle_timeout: limits.idle_timeout.limit(),
                max_lifetime: limits.max_lifetime.limit(),
                order: limits.order,
                retry_after: None,
            },
            queue_timeout: limits.queue_timeout.limit(),
            credential: credential(&config.credential),
            tls: Connector::build(&config.tls, &[])?,
            connect: config.connect,
            keepalive: config.keepalive,
            reply_timeout: config.timeouts.reply.limit(),
            request_timeout: config.timeouts.request.limit(),
            write_timeout: config.timeouts.client_write.limit(),
            pubsub_buffer: pool.pubsub_buffer.len().max(64 * 1024),
            client_idle: config.timeouts.client_idle.limit(),
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
