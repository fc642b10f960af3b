use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::Period;
use tracing::{Dispatch, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, reload};

use crate::Registry;
use crate::dialect::{Dialect, DialectLines};
use crate::exposition::{Collect, Exposition, SampleKind};
use crate::json::JsonLines;
use crate::level::LogLevel;

/// How many lines wait for their writer at most.
const MOST_LINES: usize = 8192;

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
    /// How often a line says what clients have come to since the last one, where a protocol counts that. 0 means never.
    pub stats: Period,
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

/// The logs of this process. What was logged last is written out when this is dropped.
///
/// Lines go through a bounded queue to a thread of their own: whoever reads standard error too slowly, or a disk that
/// hangs, stops no client. Lines that find the queue full are dropped, and counted.
#[derive(Debug)]
pub struct Logs {
    /// Changes the level.
    pub handle: LogHandle,
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

impl Logs {
    /// Counts the lines that were dropped, as `tidegate_log_lines_dropped_total`.
    pub fn register(&self, registry: &Registry) {
        registry.collect(Dropped(self.dropped.clone()));
    }
}

struct Dropped(ErrorCounter);

impl Collect for Dropped {
    fn collect(&self, out: &mut Exposition) {
        let name = "tidegate_log_lines_dropped_total";
        let help = "Log lines that were dropped because their reader or disk was too slow.";
        out.family(name, help, SampleKind::Counter);
        out.sample(name, [], u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX));
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
pub fn init(config: &LogConfig) -> Result<Logs, LogError> {
    init_as(config, None)
}

/// The same, with lines for people as a dialect has them.
pub fn init_as(config: &LogConfig, dialect: Option<Arc<dyn Dialect>>) -> Result<Logs, LogError> {
    let (sink, colour) = sink(&config.output)?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MOST_LINES)
        .thread_name("log")
        .finish(sink);
    let dropped = writer.error_counter();
    let (subscriber, handle) = subscriber_as(config, BoxMakeWriter::new(writer), colour, SystemTime::now, dialect);
    tracing::dispatcher::set_global_default(Dispatch::new(subscriber)).map_err(|_| LogError::AlreadySet)?;
    Ok(Logs {
        handle,
        dropped,
        _writer: guard,
    })
}

/// The subscriber that [`init`] installs, on a writer and a clock of one's own.
pub fn subscriber(
    config: &LogConfig,
    writer: BoxMakeWriter,
    colour: bool,
    now: fn() -> SystemTime,
) -> (impl Subscriber + Send + Sync + 'static, LogHandle) {
    subscriber_as(config, writer, colour, now, None)
}

/// The same, in a dialect.
pub fn subscriber_as(
    config: &LogConfig,
    writer: BoxMakeWriter,
    colour: bool,
    now: fn() -> SystemTime,
    dialect: Option<Arc<dyn Dialect>>,
) -> (impl Subscriber + Send + Sync + 'static, LogHandle) {
    let (filter, handle) = reload::Layer::new(config.level.targets());
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
    let lines = match (config.format, dialect) {
        (LogFormat::Text, None) => layer.with_timer(Stamp(now)).boxed(),
        (LogFormat::Text, Some(dialect)) => layer.event_format(DialectLines { dialect, now }).boxed(),
        (LogFormat::Json, _) => layer.event_format(JsonLines { now }).boxed(),
    };
    (
        tracing_subscriber::registry().with(filter).with(lines),
        LogHandle(handle),
    )
}

/// Where lines are written, and whether in colour.
fn sink(output: &LogOutput) -> Result<(Box<dyn Write + Send>, bool), LogError> {
    Ok(match output {
        LogOutput::Stderr => (Box::new(io::stderr()), io::stderr().is_terminal()),
        LogOutput::Stdout => (Box::new(io::stdout()), io::stdout().is_terminal()),
        LogOutput::File(path) => {
            let file = open(path).map_err(|source| LogError::File {
                path: path.display().to_string(),
                source,
            })?;
            (Box::new(file), false)
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
