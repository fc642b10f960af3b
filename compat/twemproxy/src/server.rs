use crate::read::digits;

/// The port that memcached's clients leave out of the name (`nc_conf.h`, `CONF_DEFAULT_KETAMA_PORT`).
const SILENT_PORT: &str = "11211";

/// One server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// In Tidegate's words.
    pub(crate) address: String,
    pub(crate) weight: u32,
    /// What is hashed for it.
    pub(crate) name: String,
}

impl Server {
    /// Reads `host:port:weight [name]` or `/path:weight [name]`, from the end (`nc_conf.c`, `conf_add_server`).
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let malformed = || {
            format!(
                "`{text}` is no server: write `host:port:weight`, or `/path:weight`, and a name behind it if it has one"
            )
        };
        let (place, name) = match text.rsplit_once(' ') {
            Some((_, "")) => return Err(format!("`{text}`: the name is empty")),
            Some((place, name)) => (place, Some(name)),
            None => (text, None),
        };
        let (place, weight) = place.rsplit_once(':').ok_or_else(malformed)?;
        let weight = match digits(weight) {
            Some(0) => return Err(format!("`{text}`: the weight is 0")),
            Some(weight) => weight,
            None => return Err(format!("`{text}`: the weight `{weight}` is not a number")),
        };
        let (address, hashed) = if place.starts_with('/') {
            // Its own name is a byte too long there, and that byte is the colon.
            (format!("unix:{place}"), format!("{place}:"))
        } else {
            let (host, port) = place.rsplit_once(':').ok_or_else(malformed)?;
            let address = address(host, port).ok_or_else(|| format!("`{text}`: `{port}` is no port"))?;
            let is_silent = digits(port).is_some_and(|number| number.to_string() == SILENT_PORT);
            (address, if is_silent { host } else { place }.to_owned())
        };
        Ok(Self {
            address,
            weight,
            name: name.map_or(hashed, str::to_owned),
        })
    }
}

/// `host:port` with an IPv6 address in brackets; `None` when the port is none.
pub(crate) fn address(host: &str, port: &str) -> Option<String> {
    let port = digits(port).filter(|port| (1..=u32::from(u16::MAX)).contains(port))?;
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
    Some(if is_bare_ipv6 {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, address: &str, weight: u32, name: &str) {
        let expected = Server {
            address: address.to_owned(),
            weight,
            name: name.to_owned(),
        };
        assert_eq!(Server::parse(text), Ok(expected));
    }

    #[test]
    fn names_are_those_that_twemproxy_hashes() {
        check("127.0.0.1:6379:1", "127.0.0.1:6379", 1, "127.0.0.1:6379");
        check("127.0.0.1:6379:5 one", "127.0.0.1:6379", 5, "one");
        check("cache.local:11211:1", "cache.local:11211", 1, "cache.local");
        check("/tmp/redis.sock:2", "unix:/tmp/redis.sock", 2, "/tmp/redis.sock:");
        check("/tmp/redis.sock:2 a", "unix:/tmp/redis.sock", 2, "a");
        check("::1:6379:1", "[::1]:6379", 1, "::1:6379");
    }

    #[test]
    fn what_is_no_server_is_told() {
        for (text, expected) in [
            ("127.0.0.1", "is no server"),
            ("127.0.0.1:1", "is no server"),
            ("127.0.0.1:6379:0", "the weight is 0"),
            ("127.0.0.1:6379:x", "the weight `x` is not a number"),
            ("127.0.0.1:65536:1", "`65536` is no port"),
            ("127.0.0.1:6379:1 ", "the name is empty"),
            ("127.0.0.1:6379:-1", "the weight `-1` is not a number"),
        ] {
            let message = Server::parse(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
