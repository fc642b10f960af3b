use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::Period;

/// Which idle connection is lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LendOrder {
    /// The one that was used last, so that those that are not needed stay idle and are closed.
    #[default]
    Lifo,
    /// The one that was idle for longest, so that all have the same work.
    Fifo,
}

/// How many server connections a pool holds, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PoolLimits {
    /// The most server connections of one pool (one endpoint, database and user).
    #[schemars(range(min = 1))]
    pub size: usize,
    /// Idle connections that are kept open once the pool is in use.
    pub min_idle: usize,
    /// The most clients that wait for a connection of one pool; the next one is refused at once.
    pub queue_size: usize,
    /// How long a client waits for a connection before it is refused; 0 waits forever.
    pub queue_timeout: Period,
    /// An idle connection above `min_idle` is closed after this; 0 keeps it.
    pub idle_timeout: Period,
    /// A connection older than this is closed when it is next idle; 0 keeps it.
    pub max_lifetime: Period,
    /// Which idle connection is lent, among those that need no other settings first.
    pub order: LendOrder,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            size: 20,
            min_idle: 0,
            queue_size: 100_000,
            queue_timeout: Period::seconds(30),
            idle_timeout: Period::seconds(600),
            max_lifetime: Period::seconds(3600),
            order: LendOrder::default(),
        }
    }
}
