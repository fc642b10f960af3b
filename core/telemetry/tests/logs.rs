//! What a log line looks like.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_base::Secret;
use tidegate_telemetry::{Dialect, LogConfig, LogFormat, LogHandle, LogOutput, Told, subscriber, subscriber_as};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)
}

/// The one helper: a configuration, something that logs, and exactly the lines it gives.
#[track_caller]
fn check(format: LogFormat, level: &str, say: impl FnOnce(&LogHandle), expected: &str) {
    let lines = Lines::default();
    let config = LogConfig {
        format,
        level: level.parse().unwrap(),
        ..LogConfig::default()
    };
    let writer = lines.clone();
    let (subscriber, handle) = subscriber(&config, BoxMakeWriter::new(move || writer.clone()), false, noon);
    tracing::subscriber::with_default(subscriber, || say(&handle));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text, expected);
}

#[test]
fn json_is_one_object_a_line() {
    check(
        LogFormat::Json,
        "info",
        |_| {
            let error = io::Error::other("no \"route\"");
            tracing::info!(target: "tidegate", listener = "main", clients = 3, ok = true, "up\nand running");
            tracing::warn!(target: "tidegate", level = "mine", error = &error as &dyn std::error::Error);
            tracing::debug!(target: "tidegate", "not this");
        },
        r#"{"timestamp":"2023-11-14T22:13:20.123000Z","level":"INFO","target":"tidegate","message":"up\nand running","fields":{"listener":"main","clients":3,"ok":true}}
{"timestamp":"2023-11-14T22:13:20.123000Z","level":"WARN","target":"tidegate","message":"","fields":{"level":"mine","error":"no \"route\""}}
"#,
    );
}

#[test]
fn text_is_plain_and_hides_secrets() {
    let password = Secret::new("hunter2");
    check(
        LogFormat::Text,
        "info",
        |_| tracing::info!(target: "tidegate", ?password, %password, "login"),
        "2023-11-14T22:13:20.123Z  INFO tidegate: login password=*** password=***\n",
    );
}

struct Shout;

impl Dialect for Shout {
    fn lines(&self, event: &Told<'_>) -> String {
        if event.name == "whisper" {
            return String::new();
        }
        format!(
            "{} {} of {}!\n",
            event.level,
            event.message.to_uppercase(),
            event.field("size")
        )
    }
}

#[test]
fn lines_for_people_can_be_of_another_dialect() {
    for (format, is_shouted) in [(LogFormat::Text, true), (LogFormat::Json, false)] {
        let lines = Lines::default();
        let config = LogConfig {
            format,
            ..LogConfig::default()
        };
        let writer = lines.clone();
        let dialect: Option<Arc<dyn Dialect>> = Some(Arc::new(Shout));
        let (subscriber, _) = subscriber_as(
            &config,
            BoxMakeWriter::new(move || writer.clone()),
            false,
            noon,
            dialect,
        );
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "tidegate", size = 3, "fish");
            tracing::info!(name: "whisper", target: "tidegate", "nothing");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text == "WARN FISH of 3!\n", is_shouted, "{text}");
    }
}

#[test]
fn levels_hold_for_parts_and_change_while_running() {
    check(
        LogFormat::Text,
        "warn,tidegate_net=debug",
        |handle| {
            tracing::info!(target: "tidegate", "one");
            tracing::debug!(target: "tidegate_net::tls", "two");
            handle.set_level(&"info".parse().unwrap()).unwrap();
            tracing::info!(target: "tidegate", "three");
            tracing::debug!(target: "tidegate_net::tls", "four");
        },
        "2023-11-14T22:13:20.123Z DEBUG tidegate_net::tls: two\n2023-11-14T22:13:20.123Z  INFO tidegate: three\n",
    );
}

#[test]
fn the_configuration_reads_and_writes() {
    let text = r#"{"level":"info,tidegate_net=debug","format":"json","output":"/tmp/x.log","stats":"1m"}"#;
    let config: LogConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.output, LogOutput::File("/tmp/x.log".into()));
    assert_eq!(serde_json::to_string(&config).unwrap(), text);
    let default: LogConfig = serde_json::from_str("{}").unwrap();
    assert_eq!(
        serde_json::to_string(&default).unwrap(),
        r#"{"level":"info","format":"text","output":"stderr","stats":"0"}"#
    );
    for wrong in [r#"{"level":"inof"}"#, r#"{"format":"xml"}"#, r#"{"outptu":"stderr"}"#] {
        assert!(serde_json::from_str::<LogConfig>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_file_is_appended_to_and_a_wrong_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidegate.log");
    std::fs::write(&path, "before\n").unwrap();
    let config = LogConfig {
        output: LogOutput::File(path.clone()),
        ..LogConfig::default()
    };
    let logs = tidegate_telemetry::init(&config).unwrap();
    tracing::info!(target: "tidegate", "after");
    drop(logs);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("before\n") && text.contains("after"), "{text}");

    let nowhere = LogConfig {
        output: LogOutput::File(folder.path().join("no/such")),
        ..config
    };
    let told = tidegate_telemetry::init(&nowhere).unwrap_err().to_string();
    assert!(told.contains("no/such") && told.contains("log.output"), "{told}");
}
