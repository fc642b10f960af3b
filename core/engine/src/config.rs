use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Address, Period};
use tidegate_net::{BACKLOG, Keepalive, TlsServer, UnixSocket};

/// The process's threads, and how it goes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Threads that move clients' bytes: a number, or `auto` for one per core. Takes effect at the next start.
    pub data_threads: Threads,
    /// Threads that accept clients, shake hands and check passwords. Takes effect at the next start.
    #[schemars(range(min = 1, max = 64))]
    pub login_threads: usize,
    /// How long open transactions may go on after SIGTERM.
    pub drain_timeout: Period,
    /// How long `SUSPEND` at the console waits until what is held for clients and servers is written out.
    pub suspend_timeout: Period,
    /// A file with the process's number, for as long as it runs. A second process with the same file does not start. Takes
    /// effect at the next start.
    pub pid_file: Option<PathBuf>,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            data_threads: Threads::default(),
            login_threads: 2,
            drain_timeout: Period::seconds(30),
            suspend_timeout: Period::seconds(10),
            pid_file: None,
        }
    }
}

/// A number of threads, or one per core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Threads {
    /// So many.
    Number(#[schemars(range(min = 1, max = 64))] NonZeroUsize),
    /// One per core, at most 64.
    #[default]
    #[serde(rename = "auto", with = "auto")]
    #[schemars(with = "auto::Auto")]
    Auto,
}

mod auto {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub(super) enum Auto {
        /// One per core.
        Auto,
    }

    pub(super) fn serialize<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
        Auto::Auto.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
        Auto::deserialize(from).map(|_| ())
    }
}

impl Threads {
    /// The most data threads; a core's number fits the six bits that it has in a cancel key.
    pub const MOST: usize = 64;

    /// How many threads that is on this machine.
    pub fn count(self) -> usize {
        match self {
            Self::Number(number) => number.get().min(Self::MOST),
            Self::Auto => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(Self::MOST)),
        }
    }
}

/// What every listener has, whatever protocol it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerConfig {
    /// Where to listen: `host:port`, `[ipv6]:port`, `unix:/path`, or `unix:@name` in Linux's abstract namespace.
    pub address: Address,
    /// The most connections that the system holds back until they are accepted; it may have a lower limit of its own.
    #[serde(default = "backlog")]
    #[schemars(range(min = 1, max = 65535))]
    pub backlog: u16,
    /// Lets other processes of the same user listen on the same TCP port; the system gives each of them a part of the
    /// clients. A process that goes down leaves its part to the others. Takes effect when the port is bound.
    #[serde(default)]
    pub reuse_port: bool,
    /// The file of a Unix socket.
    #[serde(default)]
    pub unix: UnixSocket,
    /// The most clients at once; for what becomes of the next one see `when_full`. 0 means no limit.
    #[serde(default = "ten_thousand")]
    pub max_clients: usize,
    /// What becomes of a client that comes when there are `max_clients`.
    #[serde(default)]
    pub when_full: WhenFull,
    /// The most clients from one IP address at once; 0 means no limit.
    #[serde(default)]
    pub max_clients_per_address: usize,
    /// How long a client may take from connecting to being logged in.
    #[serde(default = "fifteen_seconds")]
    pub pre_auth_timeout: Period,
    /// TCP keep-alive towards clients.
    #[serde(default)]
    pub keepalive: Keepalive,
    /// TLS towards clients.
    #[serde(default)]
    pub tls: TlsServer,
}

/// What becomes of a client that comes when a listener is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It is told so in its own protocol, and closed.
    #[default]
    Refuse,
    /// It waits in the system's queue of connections until somebody leaves. Nothing is read of it, a request to cancel
    /// included.
    Wait,
}

fn backlog() -> u16 {
    BACKLOG
}

fn ten_thousand() -> usize {
    10_000
}

fn fifteen_seconds() -> Period {
    Period::seconds(15)
}
