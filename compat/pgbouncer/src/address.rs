use std::net::IpAddr;

/// Where a host of PgBouncer's is, in Tidegate's words.
pub(crate) struct Host {
    pub(crate) address: String,
    /// A name, which may have several addresses.
    pub(crate) is_name: bool,
}

impl Host {
    /// A name or an address, or the folder of a Unix socket, which may be one of the abstract namespace.
    pub(crate) fn read(host: &str, port: i64) -> Result<Self, &'static str> {
        let is_name = !host.starts_with(['/', '@']) && host.parse::<IpAddr>().is_err() && host != "localhost";
        let address = match host {
            "" => return Err("a host of the list is empty"),
            host if host.starts_with(['/', '@']) => unix(host, port),
            host if host.contains(char::is_whitespace) => {
                return Err("there is white space in it; between pairs stand spaces only");
            }
            host if host.contains(':') => format!("[{host}]:{port}"),
            host => format!("{host}:{port}"),
        };
        Ok(Self { address, is_name })
    }
}

/// The Unix socket of a folder.
pub(crate) fn unix(folder: &str, port: i64) -> String {
    format!("unix:{}/.s.PGSQL.{port}", folder.trim_end_matches('/'))
}
