mod login;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Period, Secret, Size};
use tidegate_cluster::{Balance, Connect, EndpointConfig, Health, Role, RouteMatch};
use tidegate_engine::ListenerConfig;
use tidegate_net::{Keepalive, TlsClient};
use tidegate_pool::PoolLimits;

pub use login::{Login, LoginConnection, LoginMatch, LoginMethod, LoginQuery, LoginRule, SystemUser, User};

/// A listener for PostgreSQL clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostgresListener {
    /// What every listener has.
    #[serde(flatten)]
    pub common: ListenerConfig,
    /// How clients prove who they are.
    #[serde(default)]
    pub login: Login,
    /// Where clients go; the first rule that holds wins. A client for which none holds is refused.
    #[schemars(length(min = 1))]
    pub routes: Vec<Route>,
    /// The admin console: databases that the gateway itself answers, in the language of PgBouncer's. There is none when
    /// absent.
    #[serde(default)]
    pub console: Option<Console>,
    /// The most clients of one user at once; 0 means no limit.
    #[serde(default)]
    pub max_clients_per_user: usize,
    /// Tell clients the address and the error of a server that cannot be reached.
    #[serde(default)]
    pub verbose_errors: bool,
    /// Take requests of the simple protocol, whose texts may hold several statements. A client that sends one where they
    /// are not taken is closed.
    #[serde(default = "yes")]
    pub simple_queries: bool,
    /// The longest message of a client; one that sends a longer one is closed. 0 means no limit but the protocol's own.
    #[serde(default = "no_size")]
    pub max_message_size: Size,
    /// Put the client's address behind the `application_name` that it comes with.
    #[serde(default)]
    pub application_name_add_host: bool,
    /// A NOTICE for each client that is let in.
    #[serde(default)]
    pub login_notice: Option<String>,
}

/// The admin console of a listener. Its users log in as the listener's others do; over a Unix socket, whoever runs as the
/// same user of the system as the gateway may do everything without a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// The names that clients ask for. No server's database of such a name is reached by this listener.
    #[schemars(length(min = 1))]
    pub databases: Vec<String>,
    /// Users who may do everything.
    pub admin_users: Vec<String>,
    /// Users who may look.
    pub stats_users: Vec<String>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            databases: vec!["tidegate".to_owned(), "pgbouncer".to_owned()],
            admin_users: Vec::new(),
            stats_users: Vec::new(),
        }
    }
}

/// One rule of the route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What the client must be like; holds for everyone when absent.
    #[serde(default, rename = "match")]
    pub matches: RouteMatch,
    /// The cluster to go to.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The endpoints' role.
    #[serde(default)]
    pub role: Role,
    /// The database at the server, where it differs from the one that the client asks for.
    #[serde(default)]
    pub database: Option<String>,
    /// Reads the cluster from the user name, `user.deployment[.pool]`, instead of from `cluster`.
    #[serde(default)]
    pub user_suffix: Option<UserSuffix>,
}

/// Routes by user name: `user.deployment` goes to the deployment's direct cluster, `user.deployment.pool` to its pooled
/// one, and the server sees `user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSuffix {
    /// The deployments, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// The database for a client that names none, or that names its full user name.
    #[serde(default = "postgres")]
    pub default_database: String,
}

/// Where a deployment's clients go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deployment {
    /// The cluster for `user.deployment`.
    pub direct: Option<String>,
    /// The cluster for `user.deployment.pool`.
    pub pooled: Option<String>,
}

/// A set of PostgreSQL servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostgresCluster {
    /// The servers.
    #[schemars(length(min = 1))]
    pub endpoints: Vec<EndpointConfig>,
    /// How a server is chosen among those of a role.
    #[serde(default)]
    pub balance: Balance,
    /// How connections are opened.
    #[serde(default)]
    pub connect: Connect,
    /// When a server counts as ill, and how it comes back.
    #[serde(default)]
    pub health: Health,
    /// TCP keep-alive towards servers.
    #[serde(default)]
    pub keepalive: Keepalive,
    /// TLS towards servers.
    #[serde(default)]
    pub tls: TlsClient,
    /// How server connections are shared.
    #[serde(default)]
    pub pool: Pool,
    /// What differs for some users, by name.
    #[serde(default)]
    pub users: BTreeMap<String, ClusterUser>,
    /// The user to be at the servers, whoever the client is; the client's own user and password when absent.
    #[serde(default)]
    pub credential: Option<Credential>,
    /// Settings of clients that do not ask for their own when they come, such as `TimeZone` or `application_name`.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Asks a database for users of this cluster who are found nowhere else; instead of a listener's `login.query`.
    #[serde(default)]
    pub login_query: Option<Box<LoginQuery>>,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// The most clients of one database at once, over all users and listeners; 0 means no limit.
    #[serde(default)]
    pub max_clients_per_database: usize,
}

/// What holds over all listeners and clusters of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresLimits {
    /// The most server connections of one user at the servers, over all databases; 0 means no limit. Who finds them taken waits, and an
    /// idle connection of another pool makes room.
    pub max_server_connections_per_user: usize,
    /// The most clients of one user at once; 0 means no limit.
    pub max_clients_per_user: usize,
    /// What differs for some users, by name.
    pub users: BTreeMap<String, LimitedUser>,
}

/// The limits of one user; what is absent is as for everybody, and 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitedUser {
    /// The most server connections where this is the user at the servers.
    pub max_server_connections: Option<usize>,
    /// The most clients who come by this name.
    pub max_clients: Option<usize>,
}

impl PostgresLimits {
    /// The most server connections of a user; 0 means no limit.
    pub fn server_connections(&self, user: &str) -> usize {
        let own = self.users.get(user).and_then(|user| user.max_server_connections);
        own.unwrap_or(self.max_server_connections_per_user)
    }

    /// The most clients of a user; 0 means no limit.
    pub fn clients(&self, user: &str) -> usize {
        let own = self.users.get(user).and_then(|user| user.max_clients);
        own.unwrap_or(self.max_clients_per_user)
    }
}

/// When a server connection goes back to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// When its transaction ends.
    #[default]
    Transaction,
    /// When its statement ends; transactions are refused.
    Statement,
}

impl PoolMode {
    /// The name in views.
    pub fn label(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        }
    }
}

/// How server connections are shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pool {
    /// When a server connection goes back to the pool.
    pub mode: PoolMode,
    /// How many there are, and for how long.
    #[serde(flatten)]
    pub limits: PoolLimits,
    /// A client that has waited for a connection for so long is told so by a NOTICE; 0 tells nobody.
    pub queue_notice: Period,
    /// Run on every new server connection before a client gets it, and again behind `reset_query`. A connection on which it
    /// fails is not used.
    pub connect_query: String,
    /// So many connections more are opened for clients that have waited for `reserve_after`. They are then like the others, and go
    /// when they are idle for `idle_timeout`.
    pub reserve_size: usize,
    /// How long a client has waited when a connection of the reserve is opened for it; 0 leaves the reserve alone.
    pub reserve_after: Period,
    /// The most server connections of one database, over all users and endpoints; 0 means no limit. Who finds them taken waits, and an idle
    /// connection of another pool makes room.
    pub max_per_database: usize,
    /// Connections that are kept open, lent ones included, while clients are there; with `credential` also without any, once a
    /// client was there, for as long as the server lets them in.
    pub min_size: usize,
    /// When a server could not be reached, clients that wait wait on, and it is tried again after so long; who comes meanwhile is told at
    /// once. 0 tells those who wait at once too.
    pub retry_after: Period,
    /// What makes a server connection clean after a client that left state on it. Empty closes the connection instead.
    pub reset_query: String,
    /// Take no server for `BEGIN` until the first real statement, so that an empty transaction meets no server. The
    /// transaction's `now()` is then that of its first statement.
    pub deferred_begin: bool,
    /// How many bytes of prepared statements each server connection keeps, oldest out; 0 does not share them, so that in
    /// transaction mode named statements last only as long as the transaction.
    pub prepared_statements: Size,
    /// The longest request that is held to be looked at; longer ones flow by, and count as changing the session when
    /// they might.
    pub inspect: Size,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            mode: PoolMode::default(),
            limits: PoolLimits::default(),
            queue_notice: Period::default(),
            connect_query: String::new(),
            reserve_size: 0,
            reserve_after: Period::seconds(5),
            max_per_database: 0,
            min_size: 0,
            retry_after: Period::seconds(0),
            reset_query: "DISCARD ALL".to_owned(),
            deferred_begin: true,
            prepared_statements: Size::mib(4),
            inspect: Size::mib(1),
        }
    }
}

/// What differs for one user of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterUser {
    /// When a server connection goes back to the pool.
    pub mode: Option<PoolMode>,
    /// The most server connections of one of this user's pools.
    #[schemars(range(min = 1))]
    pub size: Option<usize>,
    /// The reserve of one of this user's pools.
    pub reserve_size: Option<usize>,
    /// How long a client waits for a connection before it is refused; 0 waits forever.
    pub queue_timeout: Option<Period>,
    /// How long things may take.
    pub timeouts: UserTimeouts,
}

/// How long things may take for one user; what is absent is the cluster's, and 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserTimeouts {
    /// A query that takes longer is cancelled at the server.
    pub query: Option<Period>,
    /// A client whose transaction takes longer is closed.
    pub transaction: Option<Period>,
    /// A client that leaves a transaction open for longer without a request is closed.
    pub idle_in_transaction: Option<Period>,
    /// A client without a request for longer is closed.
    pub client_idle: Option<Period>,
}

/// Who to be at the servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The user.
    pub user: String,
    /// The password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Send the password in the clear to a server without TLS that asks for it so.
    #[serde(default)]
    pub allow_cleartext: bool,
}

/// How long things may take; 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// A query that takes longer is cancelled at the server.
    pub query: Period,
    /// A client whose transaction takes longer is closed.
    pub transaction: Period,
    /// A client that leaves a transaction open for longer without a request is closed.
    pub idle_in_transaction: Period,
    /// A client without a request for longer is closed.
    pub client_idle: Period,
}

fn yes() -> bool {
    true
}

fn no_size() -> Size {
    Size::mib(0)
}

fn postgres() -> String {
    "postgres".to_owned()
}
