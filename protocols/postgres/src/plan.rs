mod login;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tidegate_base::{Address, Period, Secret};
use tidegate_chain::Factory;
use tidegate_cluster::{Cluster, Conditions, Connect, Role};
use tidegate_net::tls::Connector;
use tidegate_net::{Keepalive, NetError};
use tidegate_pool::Limits;
use tidegate_postgres_wire::login::Stored;
use tidegate_postgres_wire::{Head, is_setting};

use crate::config::{
    ClusterUser, Credential, LoginMethod, LoginQuery, Pool, PoolMode, PostgresCluster, PostgresLimits,
    PostgresListener, Timeouts, User, UserSuffix,
};
use crate::console::ConsoleRules;
use crate::login_rules::LoginRules;
use crate::peers::Peers;
use crate::users::UserFile;

/// Everything that PostgreSQL's rooms are told, validated and immutable.
#[derive(Debug, Default)]
pub struct PostgresPlan {
    pub(crate) listeners: HashMap<Arc<str>, Arc<ListenerRules>>,
    pub(crate) clusters: HashMap<Arc<str>, Arc<ClusterRules>>,
    pub(crate) peers: Peers,
    pub(crate) limits: PostgresLimits,
}

/// What a listener does with its clients.
#[derive(Debug)]
pub(crate) struct ListenerRules {
    /// Where the listener is that they are for.
    address: Address,
    pub(crate) login: LoginRules,
    pub(crate) known_users_only: bool,
    pub(crate) users: BTreeMap<String, KnownUser>,
    pub(crate) user_file: Option<UserFile>,
    pub(crate) query: Option<Box<LoginQuery>>,
    pub(crate) routes: Vec<Rule>,
    pub(crate) chain: Vec<Arc<dyn Factory>>,
    pub(crate) console: Option<ConsoleRules>,
    pub(crate) max_clients_per_user: usize,
    pub(crate) manners: Manners,
    pub(crate) application_name_add_host: bool,
    pub(crate) login_notice: Option<Arc<str>>,
}

/// How a listener's clients are treated once they are let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    pub(crate) verbose_errors: bool,
    pub(crate) simple_queries: bool,
    /// The most bytes of a message.
    pub(crate) max_message: usize,
}

/// A user of the configuration.
#[derive(Debug)]
pub(crate) struct KnownUser {
    pub(crate) stored: Option<Stored>,
    pub(crate) databases: Vec<String>,
    pub(crate) methods: Vec<LoginMethod>,
    pub(crate) enabled: bool,
}

/// One rule of the route table.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) conditions: Conditions,
    pub(crate) to: Destination,
    pub(crate) role: Role,
    pub(crate) database: Option<String>,
}

/// Where a rule leads.
#[derive(Debug)]
pub(crate) enum Destination {
    Cluster(Arc<str>),
    UserSuffix(UserSuffix),
}

/// What is done with a cluster's servers.
#[derive(Debug)]
pub(crate) struct ClusterRules {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) mode: PoolMode,
    pub(crate) limits: Limits,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) queue_notice: Option<Duration>,
    pub(crate) connect_query: String,
    pub(crate) reset_query: String,
    pub(crate) deferred_begin: bool,
    pub(crate) prepared_bytes: usize,
    pub(crate) inspect: usize,
    pub(crate) users: BTreeMap<String, ClusterUser>,
    pub(crate) credential: Option<Credential>,
    pub(crate) login_query: Option<Box<LoginQuery>>,
    pub(crate) tls: Connector,
    pub(crate) connect: Connect,
    pub(crate) keepalive: Keepalive,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) timeouts: Timeouts,
    pub(crate) max_per_database: usize,
    pub(crate) max_clients_per_database: usize,
}

/// What of a cluster's rules may differ from user to user, as it is for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) mode: PoolMode,
    pub(crate) limits: Limits,
    pub(crate) queue_notice: Option<Duration>,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) query: Option<Duration>,
    pub(crate) transaction: Option<Duration>,
    pub(crate) idle_in_transaction: Option<Duration>,
    pub(crate) client_idle: Option<Duration>,
}

/// A mistake in the configuration that only shows when its parts are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanMistake {
    /// Where, as in `listeners.main.routes.0.cluster`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// The names that would be right.
    pub candidates: Vec<String>,
}

impl PostgresPlan {
    /// Puts the parts together. `clusters` brings each cluster's endpoints, which live on through reloads; `chains` each
    /// listener's steps. Reports every mistake.
    pub fn build(
        listeners: &BTreeMap<String, PostgresListener>,
        clusters: &BTreeMap<String, PostgresCluster>,
        endpoints: &HashMap<String, Arc<Cluster>>,
        mut chains: HashMap<String, Vec<Arc<dyn Factory>>>,
    ) -> Result<Self, Vec<PlanMistake>> {
        let mut plan = Self::default();
        let mut mistakes = Vec::new();
        for (name, config) in clusters {
            let Some(cluster) = endpoints.get(name) else { continue };
            match ClusterRules::build(config, Arc::clone(cluster)) {
                Ok(rules) => drop(plan.clusters.insert(Arc::from(name.as_str()), Arc::new(rules))),
                Err(error) => mistakes.push(mistake(format!("clusters.{name}.tls"), &error, &[])),
            }
            for parameter in config.parameters.keys().filter(|name| !is_setting(name)) {
                let message = "this is no setting: leave it to clients";
                mistakes.push(mistake(
                    format!("clusters.{name}.parameters.{parameter}"),
                    &message,
                    &[],
                ));
            }
        }
        let known: Vec<_> = clusters.keys().cloned().collect();
        for (name, config) in clusters {
            login::check_query(
                config.login_query.as_deref(),
                &format!("clusters.{name}.login_query"),
                &known,
                &mut mistakes,
            );
        }
        for (name, config) in listeners {
            let path = format!("listeners.{name}");
            let chain = chains.remove(name).unwrap_or_default();
            let rules = ListenerRules::build(config, chain, &path, clusters, &mut mistakes);
            plan.listeners.insert(Arc::from(name.as_str()), Arc::new(rules));
        }
        if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
    }

    /// The same with other gateways to send cancels on to.
    #[must_use]
    pub fn with_peers(self, peers: Peers) -> Self {
        Self { peers, ..self }
    }

    /// With what holds over all listeners and clusters.
    #[must_use]
    pub fn limited(self, limits: PostgresLimits) -> Self {
        Self { limits, ..self }
    }

    /// The rules for clients that came in here. While a reload changes listeners there is a moment in which a name means one
    /// of them to the engine and another here: then there are none.
    pub(crate) fn rules_at(&self, listener: &str, address: &Address) -> Option<Arc<ListenerRules>> {
        let rules = self.listeners.get(listener)?;
        (rules.address == *address).then(|| Arc::clone(rules))
    }

    /// The user that everybody is at a cluster's servers, where it has one.
    pub(crate) fn user_at(&self, cluster: &str) -> Option<&str> {
        let credential = self.clusters.get(cluster)?.credential.as_ref();
        credential.map(|credential| credential.user.as_str())
    }
}

fn mistake(path: String, message: &impl ToString, candidates: &[String]) -> PlanMistake {
    PlanMistake {
        path,
        message: message.to_string(),
        candidates: candidates.to_vec(),
    }
}

impl Manners {
    /// Whether every message is looked at, also those that need it for nothing else.
    pub(crate) fn bound_messages(&self) -> bool {
        self.max_message != usize::MAX
    }

    /// Whether a client may send such a message.
    pub(crate) fn allow(&self, head: Head) -> bool {
        head.total() <= self.max_message && (self.simple_queries || head.kind != b'Q')
    }
}

impl ListenerRules {
    fn build(
        config: &PostgresListener,
        chain: Vec<Arc<dyn Factory>>,
        path: &str,
        clusters: &BTreeMap<String, PostgresCluster>,
        mistakes: &mut Vec<PlanMistake>,
    ) -> Self {
        let names: Vec<_> = clusters.keys().cloned().collect();
        let login = &config.login;
        let rules = login::rules(config, &format!("{path}.login"), clusters, mistakes);
        let console = config.console.as_ref();
        let is_closed = console.is_some_and(|console| console.admin_users.is_empty() && console.stats_users.is_empty());
        if is_closed && !matches!(config.common.address, Address::Unix(_)) {
            let message = "nobody may enter: give `admin_users` or `stats_users`";
            mistakes.push(mistake(format!("{path}.console"), &message, &[]));
        }
        let user_file = login.user_file.as_deref().and_then(|file| {
            UserFile::open(file)
                .map_err(|error| mistakes.push(mistake(format!("{path}.login.user_file"), &error, &[])))
                .ok()
        });
        let routes = config.routes.iter().enumerate();
        let routes = routes
            .filter_map(|(at, route)| {
                Rule::build(route, &format!("{path}.routes.{at}"), &names)
                    .map_err(|wrong| mistakes.extend(wrong))
                    .ok()
            })
            .collect();
        Self {
            address: config.common.address.clone(),
            login: rules,
            known_users_only: login.known_users_only,
            users: login
                .users
                .iter()
                .map(|(name, user)| (name.clone(), known_user(user)))
                .collect(),
            user_file,
            query: login.query.clone(),
            routes,
            chain,
            console: config.console.as_ref().map(ConsoleRules::new),
            max_clients_per_user: config.max_clients_per_user,
            manners: Manners {
                verbose_errors: config.verbose_errors,
                simple_queries: config.simple_queries,
                max_message: match config.max_message_size.len() {
                    0 => usize::MAX,
                    most => most,
                },
            },
            application_name_add_host: config.application_name_add_host,
            login_notice: config.login_notice.as_deref().map(Arc::from),
        }
    }
}

fn known_user(user: &User) -> KnownUser {
    KnownUser {
        stored: user.password.as_ref().map(|secret| Stored::parse(secret.reveal())),
        databases: user.databases.clone(),
        methods: user.methods.clone(),
        enabled: user.enabled,
    }
}

impl Rule {
    fn build(route: &crate::config::Route, path: &str, clusters: &[String]) -> Result<Self, Vec<PlanMistake>> {
        let mut wrong = Vec::new();
        let conditions = Conditions::build(&route.matches).unwrap_or_else(|error| {
            wrong.push(mistake(format!("{path}.match.client"), &error, &[]));
            Conditions::default()
        });
        let unknown = |name: &String| (!clusters.contains(name)).then(|| format!("there is no cluster `{name}`"));
        let to = match (&route.cluster, &route.user_suffix) {
            (Some(name), None) => {
                if let Some(message) = unknown(name) {
                    wrong.push(mistake(format!("{path}.cluster"), &message, clusters));
                }
                Destination::Cluster(Arc::from(name.as_str()))
            }
            (None, Some(suffix)) => {
                for (id, deployment) in &suffix.deployments {
                    let both = [("direct", &deployment.direct), ("pooled", &deployment.pooled)];
                    for (key, name) in both {
                        if let Some(message) = name.as_ref().and_then(unknown) {
                            let path = format!("{path}.user_suffix.deployments.{id}.{key}");
                            wrong.push(mistake(path, &message, clusters));
                        }
                    }
                }
                Destination::UserSuffix(suffix.clone())
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "a route needs exactly one of `cluster` and `user_suffix`";
                wrong.push(mistake(path.to_owned(), &message, &[]));
                Destination::Cluster(Arc::from(""))
            }
        };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            conditions,
            to,
            role: route.role,
            database: route.database.clone(),
        })
    }
}

impl ClusterRules {
    fn build(config: &PostgresCluster, cluster: Arc<Cluster>) -> Result<Self, NetError> {
        let Pool {
            mode,
            limits,
            queue_notice,
            connect_query,
            reset_query,
            reserve_size,
            reserve_after,
            max_per_database,
            min_size,
            retry_after,
            deferred_begin,
            prepared_statements,
            inspect,
        } = &config.pool;
        Ok(Self {
            cluster,
            mode: *mode,
            limits: Limits {
                size: limits.size.max(1),
                reserve: *reserve_size,
                reserve_after: reserve_after.limit(),
                min: *min_size,
                min_idle: limits.min_idle.min(limits.size),
                queue: limits.queue_size,
                idle_timeout: limits.idle_timeout.limit(),
                max_lifetime: limits.max_lifetime.limit(),
                order: limits.order,
                retry_after: retry_after.limit(),
            },
            queue_timeout: limits.queue_timeout.limit(),
            queue_notice: queue_notice.limit(),
            connect_query: connect_query.trim().to_owned(),
            reset_query: reset_query.trim().to_owned(),
            deferred_begin: *deferred_begin,
            prepared_bytes: prepared_statements.len(),
            inspect: inspect.len().max(1024),
            users: config.users.clone(),
            credential: config.credential.clone(),
            login_query: config.login_query.clone(),
            tls: Connector::build(&config.tls, &[])?,
            connect: config.connect,
            keepalive: config.keepalive,
            parameters: config.parameters.clone(),
            timeouts: config.timeouts,
            max_per_database: *max_per_database,
            max_clients_per_database: config.max_clients_per_database,
        })
    }

    /// What holds for one user's pools.
    pub(crate) fn terms(&self, user: &str) -> Terms {
        let own = self.users.get(user).copied().unwrap_or_default();
        let size = own.size.map_or(self.limits.size, |size| size.max(1));
        let timeouts = own.timeouts;
        Terms {
            mode: own.mode.unwrap_or(self.mode),
            limits: Limits {
                size,
                reserve: own.reserve_size.unwrap_or(self.limits.reserve),
                min: self.limits.min.min(size),
                ..self.limits
            },
            queue_notice: self.queue_notice,
            queue_timeout: own.queue_timeout.map_or(self.queue_timeout, Period::limit),
            query: timeouts.query.unwrap_or(self.timeouts.query).limit(),
            transaction: timeouts.transaction.unwrap_or(self.timeouts.transaction).limit(),
            idle_in_transaction: timeouts
                .idle_in_transaction
                .unwrap_or(self.timeouts.idle_in_transaction)
                .limit(),
            client_idle: timeouts.client_idle.unwrap_or(self.timeouts.client_idle).limit(),
        }
    }

    /// The password of the cluster's own credential.
    pub(crate) fn password(&self) -> Option<&Secret> {
        self.credential
            .as_ref()
            .and_then(|credential| credential.password.as_ref())
    }
}

/// A cluster's endpoints as the configuration tells them, for a discovery to start from.
pub fn targets(config: &PostgresCluster) -> Vec<tidegate_cluster::Target> {
    config
        .endpoints
        .iter()
        .map(|endpoint| tidegate_cluster::Target {
            address: Address::clone(&endpoint.address),
            server_name: None,
            role: endpoint.role,
            weight: endpoint.weight,
        })
        .collect()
}
