use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts exchanges by verb and outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CountConfig {
    /// The metrics' label `chain`; the listener's name when absent.
    pub name: Option<String>,
}
