use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// How much is logged: a level for all, and levels for parts: `info,tidegate_postgres=debug`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogLevel {
    text: String,
    targets: Targets,
}

impl LogLevel {
    pub(crate) fn targets(&self) -> Targets {
        self.targets.clone()
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        let targets = Targets::new().with_default(LevelFilter::INFO);
        Self {
            text: "info".into(),
            targets,
        }
    }
}

impl FromStr for LogLevel {
    type Err = LogLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut targets = Targets::new();
        for part in text.split(',').map(str::trim) {
            let wrong = || LogLevelError(part.to_owned());
            // `Targets` would take a misspelt level for the name of a part, and log nothing at all.
            targets = match part.split_once('=') {
                Some((name, level)) if is_target(name) => targets.with_target(name, level_of(level).ok_or_else(wrong)?),
                Some(_) => return Err(wrong()),
                None => targets.with_default(level_of(part).ok_or_else(wrong)?),
            };
        }
        Ok(Self {
            text: text.to_owned(),
            targets,
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl TryFrom<String> for LogLevel {
    type Error = LogLevelError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LogLevel> for String {
    fn from(level: LogLevel) -> Self {
        level.text
    }
}

impl JsonSchema for LogLevel {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LogLevel".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "off, error, warn, info, debug or trace; also for single parts: info,tidegate_postgres=debug"
        })
    }
}

/// A text that is no log level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no log level: write off, error, warn, info, debug, trace, or part=level, separated by commas")]
pub struct LogLevelError(pub String);

fn level_of(word: &str) -> Option<LevelFilter> {
    let levels = [
        ("off", LevelFilter::OFF),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    levels
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word.trim()))
        .map(|(_, level)| level)
}

fn is_target(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_levels_and_refuses_misspelt_ones() {
        for text in ["info", "warn,tidegate_postgres=debug", "off, tidegate_net::tls=TRACE"] {
            assert_eq!(text.parse::<LogLevel>().unwrap().to_string(), text);
        }
        for wrong in ["", "inof", "info,", "a=loud", "=info", "info,[x]=debug"] {
            assert!(wrong.parse::<LogLevel>().is_err(), "{wrong}");
        }
        assert_eq!(LogLevel::default(), "info".parse().unwrap());
    }
}
