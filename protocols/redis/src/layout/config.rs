use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use tidegate_base::{Address, Period};
use tidegate_cluster::Role;
use tidegate_redis_wire::hash::{Distribution, Hash};

use crate::config::RedisCredential;

/// One server, or one that knows of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisEndpoint {
    /// Where it listens: `host:port` or `unix:/path`.
    pub address: Address,
    /// With topology `replicated` the first guess at who is the primary; what the servers say of themselves counts.
    #[serde(default)]
    pub role: Role,
    /// Its share: of the keys with topology `hash`, of the reads among the replicas with `replicated`.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// With topology `hash`: the name that its place among the others is made of, so that its keys stay when it moves to
    /// another address; the address when absent, as in twemproxy.
    #[serde(default)]
    pub name: Option<String>,
}

/// How the servers belong together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisTopology {
    /// What the endpoints are.
    pub kind: RedisKind,
    /// How often the layout is looked at without a reason; 10s when absent. After a redirection, a lost connection or
    /// another sign of change it is looked at sooner. Not with `single` and `hash`, which do not change.
    pub refresh: Option<Period>,
    /// With `sentinel`: the name that the sentinels know the primary by.
    pub master: Option<String>,
    /// With `sentinel`: who to be at the sentinels.
    pub credential: Option<RedisCredential>,
    /// With `hash`: what number a key has, by twemproxy's names; `fnv1a_64` when absent.
    pub hash: Option<RedisHash>,
    /// With `hash`: how the numbers are spread over the servers, by twemproxy's names; `ketama` when absent.
    pub distribution: Option<RedisDistribution>,
    /// With `hash`: two characters, as in `"{}"`; what stands between them in a key is hashed instead of the key.
    pub hash_tag: Option<String>,
}

/// What the endpoints of a cluster are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisKind {
    /// One server.
    #[default]
    Single,
    /// A primary and its replicas. Which is the primary, they say themselves.
    Replicated,
    /// Sentinels, which know where the primary and its replicas are.
    Sentinel,
    /// Some nodes of a Redis Cluster, which know all of it.
    Cluster,
    /// Servers that know nothing of one another; each key belongs to one of them, as with twemproxy.
    Hash,
}

/// Who answers reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisReads {
    /// Whom reads go to.
    pub from: RedisReadsFrom,
    /// A replica that is further behind than this is not read; 0 means no limit, and 10s holds when absent. It is measured
    /// with every health check, and no more precise than their interval.
    pub max_lag: Option<Period>,
}

/// Whom reads go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisReadsFrom {
    /// The primary: a read sees what was written before it.
    #[default]
    Primary,
    /// A replica that is well and not too far behind; the primary when there is none.
    PreferReplica,
    /// Whoever answers fastest, the primary included.
    Nearest,
}

/// A hash by twemproxy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedisHash(pub(crate) Hash);

/// A distribution by twemproxy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedisDistribution(pub(crate) Distribution);

/// A name that twemproxy does not know.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of twemproxy's names")]
pub struct RedisNameError(String);

impl RedisKind {
    /// Its name in a configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Replicated => "replicated",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
            Self::Hash => "hash",
        }
    }

    /// Whether the servers have replicas.
    pub(crate) fn has_replicas(self) -> bool {
        matches!(self, Self::Replicated | Self::Sentinel | Self::Cluster)
    }
}

impl TryFrom<String> for RedisHash {
    type Error = RedisNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Hash::by_name(&name).map(Self).ok_or(RedisNameError(name))
    }
}

impl From<RedisHash> for String {
    fn from(hash: RedisHash) -> Self {
        hash.0.name().to_owned()
    }
}

impl JsonSchema for RedisHash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RedisHash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Hash::ALL.map(Hash::name) })
    }
}

impl TryFrom<String> for RedisDistribution {
    type Error = RedisNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Distribution::by_name(&name).map(Self).ok_or(RedisNameError(name))
    }
}

impl From<RedisDistribution> for String {
    fn from(distribution: RedisDistribution) -> Self {
        distribution.0.name().to_owned()
    }
}

impl JsonSchema for RedisDistribution {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RedisDistribution".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Distribution::ALL.map(Distribution::name) })
    }
}

fn one() -> u32 {
    1
}
