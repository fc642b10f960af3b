use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a stream can be opened or accepted: a TCP host and port, or a Unix socket path.
///
/// Written `127.0.0.1:5432`, `[::1]:5432`, `db.example.com:5432`, `unix:/run/x.sock`, or `unix:@name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A TCP endpoint; the host is a literal IPv4 or IPv6 address (without brackets) or a DNS name.
    Tcp {
        /// Address literal or DNS name.
        host: String,
        /// TCP port, 0 only where a listener asks the system to choose.
        port: u16,
    },
    /// A Unix stream socket: a path, or a name behind `@`, which is one of Linux's abstract namespace.
    Unix(PathBuf),
}

impl Address {
    /// The TCP port, if this is a TCP address.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// The host that a certificate for this address should name, if any.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } => Some(host),
            Self::Unix(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AddressError(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            let is_name = path.strip_prefix('@').is_some_and(|name| !name.is_empty());
            return if path.starts_with('/') || is_name {
                Ok(Self::Unix(PathBuf::from(path)))
            } else {
                Err(wrong())
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self::Tcp {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "address",
            "description": "host:port, [ipv6]:port, unix:/path or unix:@name"
        })
    }
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address: write host:port, [ipv6]:port, unix:/path or unix:@name")]
pub struct AddressError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in [
            "127.0.0.1:5432",
            "[::1]:6432",
            "db.local:1",
            "unix:/run/a.sock",
            "unix:@a/b.sock",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "localhost",
            "::1:5432",
            "host:",
            "host:70000",
            ":1",
            "unix:rel",
            "unix:@",
            "a b:1",
            "[::1:5",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
