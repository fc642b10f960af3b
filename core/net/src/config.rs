use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::Period;

/// TCP keep-alive and what else tells that a peer is gone, set on every socket of the place it is configured at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    /// Idle time before the first probe; 0 leaves keep-alive off.
    pub idle: Period,
    /// Time between probes.
    pub interval: Period,
    /// Unanswered probes after which the connection counts as dead.
    pub count: u32,
    /// How long sent bytes may stay unacknowledged before the connection counts as dead; 0 leaves that to the system.
    pub user_timeout: Period,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            idle: Period::seconds(60),
            interval: Period::seconds(10),
            count: 6,
            user_timeout: Period::default(),
        }
    }
}

/// Whether a listener offers or demands TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// TLS is refused; clients go on in the clear.
    #[default]
    Disable,
    /// TLS is offered, plaintext is served too.
    Allow,
    /// Plaintext is refused.
    Require,
}

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// No certificate is asked for.
    #[default]
    None,
    /// A certificate is checked if the client shows one.
    Optional,
    /// A client without a good certificate is refused.
    Require,
}

/// The lowest TLS version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// A certificate that Tidegate makes for itself when no file is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsGenerate {
    /// DNS names and IP addresses that the certificate is valid for; `localhost`, `127.0.0.1` and `::1` when empty.
    pub names: Vec<String>,
    /// Where `ca.crt`, `server.crt` and `server.key` are kept, so that clients can verify and restarts keep them; kept
    /// in memory only when absent.
    pub directory: Option<PathBuf>,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsServer {
    /// Whether TLS is offered or demanded.
    pub mode: TlsMode,
    /// PEM file with the certificate chain; read again when it changes.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key (PKCS#8, PKCS#1 or SEC1); read again when it changes.
    pub key: Option<PathBuf>,
    /// PEM file with the authorities that client certificates are checked against.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must show a certificate.
    pub client_auth: ClientAuth,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// The certificate that is made when `certificate` and `key` are absent.
    pub generate: TlsGenerate,
}

/// How much TLS a server is asked for, with libpq's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsClientMode {
    /// Never.
    Disable,
    /// If the server offers it; the certificate is not checked.
    #[default]
    Prefer,
    /// Always; the certificate is checked only if `ca` is given.
    Require,
    /// Always, with a certificate from a trusted authority.
    VerifyCa,
    /// Always, with a certificate from a trusted authority for the server's own name.
    VerifyFull,
}

/// TLS towards servers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsClient {
    /// How much TLS is asked for.
    pub mode: TlsClientMode,
    /// PEM file with the trusted authorities.
    pub ca: Option<PathBuf>,
    /// PEM file with a client certificate to show.
    pub certificate: Option<PathBuf>,
    /// PEM file with its key.
    pub key: Option<PathBuf>,
    /// The name to verify and to send as SNI, where it differs from the endpoint's host.
    pub server_name: Option<String>,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
}
