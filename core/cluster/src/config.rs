use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Address, Period};

use crate::Role;

/// One server of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// Where the server listens: `host:port` or `unix:/path`.
    pub address: Address,
    /// What the server is for.
    #[serde(default)]
    pub role: Role,
    /// Its share of new work, relative to the other endpoints of its role.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
}

/// How an endpoint is chosen among those of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The one with the fewest connections at work, relative to its weight.
    #[default]
    LeastConnections,
    /// In turn, as often as its weight says.
    RoundRobin,
    /// By chance, as likely as its weight says.
    Random,
    /// The same one for the same client address, for as long as it is well; as many addresses as its weight says.
    ConsistentHash,
}

/// How a connection to a server is opened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Connect {
    /// How long one attempt may take, TLS and login included.
    pub timeout: Period,
    /// Further attempts after a failed one; 0 means exactly one attempt.
    #[schemars(range(max = 100))]
    pub retries: u32,
    /// The wait before the first retry.
    pub backoff: Period,
    /// By how much each wait grows.
    #[schemars(range(min = 1.0, max = 10.0))]
    pub multiplier: f64,
    /// The longest wait between two attempts; 0 switches the cap off.
    pub backoff_cap: Period,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            timeout: Period::seconds(5),
            retries: 2,
            backoff: Period::millis(50),
            multiplier: 2.0,
            backoff_cap: Period::seconds(60),
        }
    }
}

/// When an endpoint counts as ill, and how it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Time between checks of each endpoint; 0 switches the checks off.
    pub interval: Period,
    /// How long one check may take.
    pub timeout: Period,
    /// Failures in a row (of checks or of connection attempts) after which an endpoint gets no new work.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// How long an endpoint that came back takes to get its full share; 0 gives it at once.
    pub slow_start: Period,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            interval: Period::seconds(1),
            timeout: Period::seconds(2),
            failures: 3,
            slow_start: Period::seconds(10),
        }
    }
}

/// What a client must be like for a route; everything that is given must hold. Texts may contain `*` and `?`;
/// with `\` before them they are characters like others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteMatch {
    /// The database that the client asks for.
    pub database: Option<String>,
    /// The user that the client names.
    pub user: Option<String>,
    /// The client's own name for itself.
    pub application_name: Option<String>,
    /// The client's address: an IP address or a network such as `10.0.0.0/8`; never holds for a Unix socket.
    pub client: Option<String>,
    /// The server name that the client asked for in TLS (SNI); never holds without TLS.
    pub sni: Option<String>,
    /// The common name or an alternative name of the client's checked certificate.
    pub certificate: Option<String>,
}

fn one() -> u32 {
    1
}
