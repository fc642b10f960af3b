use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time as it is written in configuration: `250ms`, `5s`, `1m 30s`, `2h`, or `0` for "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

impl Period {
    /// "Off", where a setting has such a value.
    pub const OFF: Self = Self(Duration::ZERO);

    /// From whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// From milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// As a standard duration.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// `None` when the period is zero, which settings document as "off".
    pub fn limit(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "0" {
            return Ok(Self::OFF);
        }
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| PeriodError(text.to_owned()))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return out.write_str("0");
        }
        write!(out, "{}", humantime::format_duration(self.0))
    }
}

impl TryFrom<String> for Period {
    type Error = PeriodError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "period",
            "description": "a length of time such as 250ms, 5s, 1m 30s or 2h; 0 for off"
        })
    }
}

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of time: write 250ms, 5s, 1m 30s, 2h, or 0 for off")]
pub struct PeriodError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        assert_eq!("250ms".parse::<Period>().unwrap(), Period::millis(250));
        assert_eq!("1m 30s".parse::<Period>().unwrap(), Period::seconds(90));
        assert_eq!("0".parse::<Period>().unwrap().limit(), None);
        assert_eq!(Period::seconds(90).to_string(), "1m 30s");
        assert!("5".parse::<Period>().is_err());
        assert!("soon".parse::<Period>().is_err());
    }
}
