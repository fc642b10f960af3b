use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, reload};

use crate::json::JsonLines;
use crate::level::LogLevel;

/// What is logged, how and where to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How much is logged: `off`, `error`, `warn`, `info`, `debug` or `trace`, also for single parts:
    /// `info,tidegate_postgres=debug`. A reload changes it.
    pub level: LogLevel,
    /// `text` for people, `json` for machines: one object a line.
    pub format: LogFormat,
    /// `stderr`, `stdout`, or the path of a file to append to.
    pub output: LogOutput,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LogOutput {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
}

impl From<String> for LogOutput {
    fn from(text: String) -> Self {
        match text.as_str() {
            "stderr" => Self::Stderr,
            "stdout" => Self::Stdout,
            _ => Self::File(text.into()),
        }
    }
}

impl From<LogOutput> for String {
    fn from(output: LogOutput) -> Self {
        match output {
            LogOutput::Stderr => "stderr".into(),
            LogOutput::Stdout => "stdout".into(),
            LogOutput::File(path) => path.display().to_string(),
        }
    }
}

impl JsonSchema for LogOutput {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LogOutput".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "stderr, stdout, or the path of a file to append to"
        })
    }
}

/// Changes the level while the process runs.
#[derive(Debug, Clone)]
pub struct LogHandle(reload::Handle<Targets, tracing_subscriber::Registry>);

impl LogHandle {
    /// From now on log this much.
    pub fn set_level(&self, level: &LogLevel) -> Result<(), LogError> {
        self.0.reload(level.targets()).map_err(|_| LogError::Gone)
    }
}

/// Why logs cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log file cannot be opened.
    #[error("cannot open the log file {path}: {source}; correct log.output or the file's permissions")]
    File {
        /// Its path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Something else in this process has set up logs before.
    #[error("logs are already set up in this process")]
    AlreadySet,
    /// Logs were shut down before.
    #[error("logs are no longer set up in this process")]
    Gone,
}

/// Sets up the logs of this process, once.
pub fn init(config: &LogConfig) -> Result<LogHandle, LogError> {
    let (writer, colour) = writer(&config.output)?;
    let (subscriber, handle) = subscriber(config, writer, colour, SystemTime::now);
    tracing::dispatcher::set_global_default(Dispatch::new(subscriber)).map_err(|_| LogError::AlreadySet)?;
    Ok(handle)
}

/// The subscriber that [`init`] installs, on a writer and a clock of one's own.
pub fn subscriber(
    config: &LogConfig,
    writer: BoxMakeWriter,
    colour: bool,
    now: fn() -> SystemTime,
) -> (impl Subscriber + Send + Sync + 'static, LogHandle) {
    let (filter, handle) = reload::Layer::new(config.level.targets());
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
    let lines = match config.format {
        LogFormat::Text => layer.with_timer(Stamp(now)).boxed(),
        LogFormat::Json => layer.event_format(JsonLines { now }).boxed(),
    };
    (
        tracing_subscriber::registry().with(filter).with(lines),
        LogHandle(handle),
    )
}

fn writer(output: &LogOutput) -> Result<(BoxMakeWriter, bool), LogError> {
    Ok(match output {
        LogOutput::Stderr => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
        LogOutput::Stdout => (BoxMakeWriter::new(io::stdout), io::stdout().is_terminal()),
        LogOutput::File(path) => {
            let file = open(path).map_err(|source| LogError::File {
                path: path.display().to_string(),
                source,
            })?;
            (BoxMakeWriter::new(Arc::new(file)), false)
        }
    })
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The time in UTC, to the millisecond.
struct Stamp(fn() -> SystemTime);

impl FormatTime for Stamp {
    fn format_time(&self, out: &mut Writer<'_>) -> std::fmt::Result {
        write!(out, "{}", humantime::format_rfc3339_millis((self.0)()))
    }
}
