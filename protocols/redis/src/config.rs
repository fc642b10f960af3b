use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Address, Period, Secret, Size};
use tidegate_cluster::{Balance, Connect, Health, RouteMatch};
use tidegate_engine::ListenerConfig;
use tidegate_net::{Keepalive, TlsClient};
use tidegate_pool::PoolLimits;

use crate::layout::{RedisEndpoint, RedisReads, RedisTopology};

/// A listener for Redis clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedisListener {
    /// What every listener has.
    #[serde(flatten)]
    pub common: ListenerConfig,
    /// How clients prove who they are.
    #[serde(default)]
    pub login: RedisLogin,
    /// Where clients go; the first rule that holds wins. A client for which none holds is refused.
    #[schemars(length(min = 1))]
    pub routes: Vec<RedisRoute>,
    /// Shows this gateway and its peers as the nodes of a cluster, for clients that know clusters; without it they see one
    /// server, whatever is behind. Every gateway serves every slot, so no client is ever sent to a server.
    #[serde(default)]
    pub advertise: Option<RedisAdvertise>,
    /// The longest argument of a command.
    #[serde(default = "sixty_four_mib")]
    pub max_request: Size,
    /// The longest command, and the longest answer, that is held for the chain to look at; of a longer one it sees the
    /// beginning, or stretches.
    #[serde(default = "one_and_a_half_mib")]
    pub inspect: Size,
}

/// The gateways that clients are shown as the nodes of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisAdvertise {
    /// Where clients reach this gateway: `host:port`.
    pub address: Address,
    /// Where they reach the other gateways of the same cluster, each of which names the others in its turn.
    #[serde(default)]
    pub peers: Vec<Address>,
}

/// How clients prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisLogin {
    /// What a client must show.
    pub method: RedisLoginMethod,
    /// Users, by name; `default` is who logs in without a name.
    pub users: BTreeMap<String, RedisUser>,
}

/// What a client must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RedisLoginMethod {
    /// Nothing: for a Unix socket or a network where everyone is trusted.
    Trust,
    /// A password, by AUTH or HELLO.
    #[default]
    Password,
    /// A client certificate of which the common name or an alternative name is one of `users`.
    Certificate,
    /// What the server asks for, by AUTH or HELLO: the gateway shows it to the server, and is the client's user there.
    Server,
}

/// A user that the gateway knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisUser {
    /// The password, or `#` and its SHA-256 hash in hexadecimal, as in Redis's own ACL rules.
    pub password: Option<Secret>,
    /// Further passwords, or their hashes, each of which will do: for the time in which one follows another.
    pub passwords: Vec<Secret>,
    /// Any password will do. When `default` is so, nobody has to log in.
    pub nopass: bool,
    /// Whether this user may log in at all.
    pub enabled: bool,
    /// What this user may do, in the rules of Redis 7's ACL, with selectors in parentheses; one text or a list of them:
    /// `"~app:* %R~shared:* &news.* +@read +@write -@dangerous +config|get"`. They add up from nothing; without `rules`
    /// everything is allowed.
    /// The gateway holds to them itself, and to the server all its users are one. So `ACL GETUSER`, `ACL SETUSER` and the
    /// like tell of the server's own users and change them: keep such commands away by `-@admin` or `-@dangerous`.
    /// What a script does inside of it is not seen here.
    /// A command that the gateway does not know, as of a module, needs all commands, `allkeys` and `allchannels`.
    pub rules: Option<RedisRules>,
}

/// Access rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RedisRules {
    /// With spaces between them.
    Text(String),
    /// In several texts.
    List(Vec<String>),
}

impl RedisRules {
    /// The texts.
    pub(crate) fn texts(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
        }
    }
}

impl Default for RedisUser {
    fn default() -> Self {
        Self {
            password: None,
            passwords: Vec::new(),
            nopass: false,
            enabled: true,
            rules: None,
        }
    }
}

/// One rule of the route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisRoute {
    /// What the client must be like; holds for everyone when absent. It is looked at when the client has logged in, and
    /// again when it changes its name (CLIENT SETNAME), which is `application_name` here. There is no `database`, since
    /// clients choose that later.
    #[serde(default, rename = "match")]
    pub matches: RouteMatch,
    /// Only for commands whose keys begin with one of these; for all when empty. Commands without keys, and channels, go by
    /// the first rule without it. The keys of one command or transaction must belong to one cluster.
    #[serde(default)]
    pub keys: Vec<String>,
    /// The cluster to go to.
    pub cluster: String,
}

/// Redis or Valkey servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedisCluster {
    /// The server, the servers, or who knows them: see `topology.kind`.
    #[schemars(length(min = 1))]
    pub endpoints: Vec<RedisEndpoint>,
    /// How the servers belong together.
    #[serde(default)]
    pub topology: RedisTopology,
    /// Who answers reads.
    #[serde(default)]
    pub reads: RedisReads,
    /// How a replica is chosen for a read, where `reads.from` is not `primary`; by the least connections when absent. There is
    /// no `consistent_hash`, since clients share connections.
    #[serde(default)]
    pub balance: Option<Balance>,
    /// How connections are opened.
    #[serde(default)]
    pub connect: Connect,
    /// When a server counts as ill, and how it comes back.
    #[serde(default)]
    pub health: Health,
    /// TCP keep-alive towards servers.
    #[serde(default)]
    pub keepalive: Keepalive,
    /// TLS towards servers. Redis has no way to ask for it: with `prefer` it is not used.
    #[serde(default)]
    pub tls: TlsClient,
    /// How server connections are shared.
    #[serde(default)]
    pub pool: RedisPool,
    /// Who to be at the server; the default user without a password when absent.
    #[serde(default)]
    pub credential: Option<RedisCredential>,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: RedisTimeouts,
}

/// How server connections are shared. Ordinary commands of all clients go over a few shared connections; transactions,
/// blocking commands, subscriptions and what else makes state take one of the client's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RedisPool {
    /// How many connections are shared, for each data thread, database and version of the protocol.
    #[schemars(range(min = 1, max = 64))]
    pub shared: usize,
    /// The most commands under way on one shared connection; further clients wait.
    #[schemars(range(min = 1))]
    pub commands: usize,
    /// The most commands of one client under way; its further ones wait.
    #[schemars(range(min = 1))]
    pub commands_per_client: usize,
    /// The most bytes of replies that wait for a client which does not read them; beyond, it is closed.
    pub reply_buffer: Size,
    /// The most bytes of published messages that wait for a client which does not read them; beyond, it is closed.
    pub pubsub_buffer: Size,
    /// How many connections there are that clients have for their own, and for how long.
    #[serde(flatten)]
    pub limits: PoolLimits,
}

impl Default for RedisPool {
    fn default() -> Self {
        Self {
            shared: 2,
            commands: 65_536,
            commands_per_client: 4096,
            reply_buffer: Size::mib(64),
            pubsub_buffer: Size::mib(32),
            limits: PoolLimits::default(),
        }
    }
}

/// Who to be at the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisCredential {
    /// The user.
    #[serde(default = "default_user")]
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How long things may take; 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisTimeouts {
    /// A shared connection that owes answers and says nothing for longer is given up.
    pub reply: Period,
    /// A command that no answer has begun to come to for longer, since those before it were answered, is an error to its client, whose session
    /// goes on; what the server says to it later is for nobody. What blocks on purpose is not meant. 0 means no limit.
    pub request: Period,
    /// A client that takes nothing of what is written to it for longer is closed.
    pub client_write: Period,
    /// A client that says nothing and waits for nothing for longer is closed; one that listens to channels is not. 0 means no
    /// limit.
    pub client_idle: Period,
    /// A command that was not sent, or was turned away unexecuted, waits this long for a server to be there; 0 does not
    /// wait.
    pub failover: Period,
}

impl Default for RedisTimeouts {
    fn default() -> Self {
        Self {
            reply: Period::seconds(60),
            request: Period::seconds(0),
            client_write: Period::seconds(60),
            client_idle: Period::seconds(0),
            failover: Period::seconds(15),
        }
    }
}

fn sixty_four_mib() -> Size {
    Size::mib(64)
}

fn one_and_a_half_mib() -> Size {
    Size::kib(1536)
}

fn default_user() -> String {
    "default".to_owned()
}
