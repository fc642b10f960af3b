use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Address, Secret};

/// The admin API: health, metrics, and what the gateway holds now. Changes take effect at the next start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Whether there is an admin API at all.
    pub enabled: bool,
    /// Where it listens, `host:port`. Health and metrics are open to whoever reaches this address.
    pub address: Address,
    /// The bearer token for everything but health and metrics, which without it is closed.
    pub token: Option<Secret>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: Address::Tcp {
                host: "127.0.0.1".to_owned(),
                port: 9930,
            },
            token: None,
        }
    }
}
