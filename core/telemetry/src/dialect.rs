//! Log lines in words that are given from outside.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value as Json;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::json::Fields;

/// How lines for people look, where that is not for this crate to say: in the words of another program, whose logs somebody
/// reads by machine.
pub trait Dialect: Send + Sync + 'static {
    /// The lines that an event becomes, each with its end; none when it is left out.
    fn lines(&self, event: &Told<'_>) -> String;
}

/// Something that is logged.
#[derive(Debug)]
pub struct Told<'e> {
    /// When.
    pub at: SystemTime,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: &'static str,
    /// The part that logs it.
    pub target: &'e str,
    /// The event's own name, for those that have one.
    pub name: &'e str,
    /// What is said.
    pub message: &'e str,
    /// What is said of it.
    pub fields: Vec<(&'e str, String)>,
}

impl Told<'_> {
    /// A field; empty when there is none of that name.
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Formats events by a dialect.
pub(crate) struct DialectLines {
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) now: fn() -> SystemTime,
}

impl<S, N> FormatEvent<S, N> for DialectLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let told = Told {
            at: (self.now)(),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            name: event.metadata().name(),
            message: &fields.message,
            fields: fields
                .others
                .iter()
                .map(|(name, value)| (name.as_str(), text(value)))
                .collect(),
        };
        writer.write_str(&self.dialect.lines(&told))
    }
}
