//! A configuration like Tidegate's own, and the helpers that every test goes through.
#![allow(dead_code, unreachable_pub, missing_docs)] // a module of several test binaries; each uses its part

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;
use tidegate_base::{Address, Period, Secret, Size};
use tidegate_config::{Document, Mistake, Overrides, prepare};

/// The whole configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Logs.
    #[serde(default)]
    pub log: Log,
    /// Where clients come in, by name.
    #[serde(default)]
    #[schemars(example = serde_json::json!({"main": {"protocol": "postgres", "address": "127.0.0.1:6432"}}))]
    pub listeners: BTreeMap<String, Listener>,
    /// Where data is, by name.
    #[serde(default)]
    pub clusters: BTreeMap<String, Cluster>,
}

#[derive(Debug, Deserialize, JsonSchema, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// What is logged.
    pub level: String,
    /// How it is written.
    pub format: Format,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: Format::Text,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Listener {
    /// The elephant.
    Postgres(PostgresListener),
    /// Redis.
    Redis(RedisListener),
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct RedisListener {
    /// Where to listen.
    pub address: Address,
    /// Databases there are.
    #[serde(default)]
    pub databases: u16,
}

/// A listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresListener {
    /// Where to listen.
    pub address: Address,
    /// Most clients at a time.
    #[serde(default = "ten_thousand")]
    pub max_clients: u32,
    /// How long a client may take before it is logged in.
    #[serde(default = "fifteen_seconds")]
    pub pre_auth_timeout: Period,
    /// Largest read.
    pub buffer: Option<Size>,
    /// TLS towards clients.
    pub tls: Option<Tls>,
    /// Who may come in.
    pub login: Option<Login>,
    /// First match wins.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// What looks at the exchanges.
    #[serde(default)]
    pub chain: Vec<ChainStep>,
    /// Threads: `auto` or a number.
    #[serde(default)]
    pub threads: Threads,
}

fn ten_thousand() -> u32 {
    10_000
}

fn fifteen_seconds() -> Period {
    Period::seconds(15)
}

#[derive(Debug, Deserialize, JsonSchema, serde::Serialize, Default)]
#[serde(untagged)]
pub enum Threads {
    #[default]
    #[serde(skip_deserializing)]
    Unset,
    Word(Auto),
    Number(u16),
}

#[derive(Debug, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    Auto,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// What clients may do.
    pub mode: TlsMode,
    /// The certificate's file.
    pub certificate: Option<String>,
    /// A file that really ends so.
    pub key_file: Option<String>,
    /// What to ask of clients.
    #[serde(default = "oldest")]
    pub min_version: String,
}

fn oldest() -> String {
    "1.2".into()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    Disable,
    Allow,
    Require,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Login {
    /// Everybody may come in.
    Trust {},
    /// SCRAM.
    #[serde(rename = "scram-sha-256")]
    Scram {
        /// Who there is.
        #[serde(default)]
        users: BTreeMap<String, User>,
    },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Its password.
    pub password: Secret,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where to.
    pub cluster: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChainStep {
    /// Counts.
    Count(Count),
    /// Limits.
    Limit(Limit),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Per second.
    #[schemars(range(min = 1, max = 1000))]
    pub rate: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Where.
    #[schemars(length(min = 1))]
    pub endpoints: Vec<Endpoint>,
    /// Another name for the password.
    #[serde(default)]
    pub password: Option<Secret>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Where.
    pub address: Address,
    /// How much.
    #[serde(default = "one")]
    pub weight: f64,
    /// Whether it takes part.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

pub fn schema() -> Json {
    schemars::schema_for!(Config).to_value()
}

pub fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub const OVERRIDES: Overrides<'_> = Overrides {
    prefix: "TIDEGATE_",
    reserved: &["TIDEGATE_CONFIG"],
};

/// Reads, resolves and checks a text.
pub fn prepared(name: &str, text: &str, variables: &[(&str, &str)]) -> Result<Document, Vec<Mistake>> {
    prepare(
        Document::parse(name, text)?,
        &schema(),
        &environment(variables),
        OVERRIDES,
    )
}

/// The one helper: a text, and exactly the report it must give.
#[track_caller]
pub fn check(name: &str, text: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let told: Vec<String> = match prepared(name, text, variables) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(told, expected, "\n{text}");
}
