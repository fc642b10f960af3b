//! What is happening: metrics and logs.
//!
//! Metrics are resolved once, when a session or a core starts, into handles with one writer each; counting through a
//! handle is a relaxed load and store, and the handles of a series are summed when somebody scrapes. Nothing grows
//! with the number of requests.
//!
//! The text format is written here rather than through `prometheus-client`: its families lock a map on every look-up
//! and its registry owns the values, so everything but some sixty lines of encoding would have gone unused.

mod dialect;
mod exposition;
mod family;
mod instrument;
mod json;
mod level;
mod log;
mod process;
mod registry;

pub use dialect::{Dialect, Told};
pub use exposition::{CONTENT_TYPE, Collect, Exposition, SampleKind};
pub use family::{Family, MAX_SERIES, OVERFLOW};
pub use instrument::{Counter, DEFAULT_BOUNDS, Gauge, Histogram, Instrument, SharedCounter, SharedGauge};
pub use level::{LogLevel, LogLevelError};
pub use log::{LogConfig, LogError, LogFormat, LogHandle, LogOutput, Logs, init, init_as, subscriber, subscriber_as};
pub use process::ProcessMetrics;
pub use registry::Registry;
