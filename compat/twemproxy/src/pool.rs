use std::collections::HashMap;

use tidegate_config::{Entry, Path, Value, nearest};

use crate::keys::KEYS;
use crate::read::{Reader, line};
use crate::server::{Server, address};

/// Names of `hash` (`nc_hashkit.h`, `HASH_CODEC`); the default is among them.
const HASHES: [&str; 12] = [
    "one_at_a_time",
    "md5",
    "crc16",
    "crc32",
    "crc32a",
    "fnv1_64",
    "fnv1a_64",
    "fnv1_32",
    "fnv1a_32",
    "hsieh",
    "murmur",
    "jenkins",
];
const DISTRIBUTIONS: [&str; 3] = ["ketama", "modula", "random"];
/// The heaviest server that Tidegate takes.
const MOST_WEIGHT: u32 = 1000;

/// A value and the line that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

/// A pool, with what it says; what it does not say is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Of a Unix socket.
    pub(crate) permissions: Option<At<String>>,
    pub(crate) client_connections: Option<At<u32>>,
    pub(crate) hash: Option<String>,
    pub(crate) hash_tag: Option<String>,
    pub(crate) distribution: Option<String>,
    pub(crate) timeout_ms: Option<u32>,
    pub(crate) backlog: Option<At<u32>>,
    pub(crate) tcpkeepalive: Option<bool>,
    pub(crate) preconnect: Option<At<bool>>,
    pub(crate) redis_auth: Option<String>,
    pub(crate) server_connections: Option<At<u32>>,
    pub(crate) auto_eject_hosts: Option<At<bool>>,
    pub(crate) server_retry_timeout_ms: Option<At<u32>>,
    pub(crate) server_failure_limit: Option<At<u32>>,
    pub(crate) servers: Vec<Server>,
}

impl Pool {
    /// Reads all pools of a document.
    pub(crate) fn read_all(reader: &mut Reader<'_>) -> Vec<Self> {
        let root = Path::root();
        let Value::Map(entries) = &reader.document.root().value else {
            reader.wrong(&root, "a configuration of twemproxy is a map of pools");
            return Vec::new();
        };
        if entries.is_empty() {
            reader.wrong(&root, "there are no pools");
        }
        let pools: Vec<Self> = entries.iter().map(|entry| Self::read(reader, entry)).collect();
        let mut listening: HashMap<&str, &str> = HashMap::new();
        for pool in pools.iter().filter(|pool| !pool.address.is_empty()) {
            if let Some(other) = listening.insert(&pool.address, &pool.name) {
                let path = root.key(&pool.name).key("listen");
                reader.wrong(&path, format!("pool `{other}` listens there already"));
            }
        }
        pools
    }

    fn read(reader: &mut Reader<'_>, entry: &Entry) -> Self {
        let mut pool = Self {
            name: entry.key.clone(),
            ..Self::default()
        };
        let path = Path::root().key(&entry.key);
        let Value::Map(entries) = &entry.node.value else {
            reader.wrong(&path, "a pool is a map of keys");
            return pool;
        };
        for entry in entries {
            pool.take(reader, &path.key(&entry.key), entry);
        }
        for (key, why) in [("listen", "where to listen"), ("servers", "which servers it has")] {
            if entry.node.get(key).is_none() {
                reader.wrong(&path, format!("`{key}` is missing: {why}"));
            }
        }
        if entry.node.get("redis").is_none() {
            // That is twemproxy's default (`nc_conf.h`, `CONF_DEFAULT_REDIS`).
            reader.wrong(&path, MEMCACHED);
        }
        pool.check_weights(reader, &path);
        pool
    }

    /// Takes one key.
    fn take(&mut self, reader: &mut Reader<'_>, path: &Path, entry: &Entry) {
        let node = &entry.node;
        let at = |value| At {
            value,
            line: line(entry),
        };
        match entry.key.as_str() {
            "listen" => self.take_listen(reader, path, entry),
            "client_connections" => self.client_connections = reader.number(path, node).map(at),
            "hash" => self.hash = word(reader, path, entry, &HASHES),
            "distribution" => self.distribution = word(reader, path, entry, &DISTRIBUTIONS),
            "hash_tag" => {
                self.hash_tag = reader.scalar(path, node);
                if self.hash_tag.as_ref().is_some_and(|tag| tag.len() != 2) {
                    reader.wrong(path, "is not two characters");
                }
            }
            "timeout" => self.timeout_ms = reader.number(path, node),
            "backlog" => self.backlog = reader.number(path, node).map(at),
            "tcpkeepalive" => self.tcpkeepalive = reader.boolean(path, node),
            "preconnect" => self.preconnect = flag(reader, path, entry),
            "redis" => {
                if reader.boolean(path, node) == Some(false) {
                    reader.wrong(path, MEMCACHED);
                }
            }
            "redis_auth" => {
                self.redis_auth = reader.scalar(path, node);
                if self.redis_auth.as_ref().is_some_and(String::is_empty) {
                    reader.wrong(path, "has no value");
                }
            }
            "redis_db" => {
                if reader.number(path, node).is_some_and(|number| number != 0) {
                    reader.wrong(path, DATABASE);
                }
            }
            "server_connections" => {
                self.server_connections = reader.number(path, node).map(at);
                if self.server_connections.as_ref().is_some_and(|count| count.value == 0) {
                    reader.wrong(path, "cannot be 0");
                }
            }
            "auto_eject_hosts" => self.auto_eject_hosts = flag(reader, path, entry),
            "server_retry_timeout" => self.server_retry_timeout_ms = reader.number(path, node).map(at),
            "server_failure_limit" => self.server_failure_limit = reader.number(path, node).map(at),
            "servers" => self.take_servers(reader, path, entry),
            unknown => {
                let near = nearest(unknown, KEYS.iter().map(|key| key.name));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                reader.wrong(path, format!("`{unknown}` is no key of twemproxy{near}"));
            }
        }
    }

    /// `host:port`, or a path with permissions in octal behind it (`nc_conf.c`, `conf_set_listen`).
    fn take_listen(&mut self, reader: &mut Reader<'_>, path: &Path, entry: &Entry) {
        let Some(text) = reader.scalar(path, &entry.node) else {
            return;
        };
        if !text.starts_with('/') {
            let place = text.rsplit_once(':').and_then(|(host, port)| address(host, port));
            match place {
                Some(place) => self.address = place,
                None => reader.wrong(path, format!("`{text}` is no `host:port`")),
            }
            return;
        }
        let (socket, permissions) = match text.rsplit_once(' ') {
            Some((socket, permissions)) => (socket, Some(permissions)),
            None => (text.as_str(), None),
        };
        self.address = format!("unix:{socket}");
        if let Some(permissions) = permissions {
            if u32::from_str_radix(permissions, 8).is_ok_and(|bits| bits <= 0o777) {
                self.permissions = Some(At {
                    value: permissions.to_owned(),
                    line: line(entry),
                });
            } else {
                reader.wrong(path, format!("`{permissions}` are no permissions of a file"));
            }
        }
    }

    fn take_servers(&mut self, reader: &mut Reader<'_>, path: &Path, entry: &Entry) {
        let Value::List(nodes) = &entry.node.value else {
            return reader.wrong(path, "must be a list of servers");
        };
        if nodes.is_empty() {
            reader.wrong(path, "there are no servers");
        }
        for (index, node) in nodes.iter().enumerate() {
            let path = path.index(index);
            let Some(text) = reader.scalar(&path, node) else {
                continue;
            };
            match Server::parse(&text) {
                Ok(server) if self.servers.iter().any(|known| known.name == server.name) => {
                    reader.wrong(
                        &path,
                        format!("another server of this pool is called `{}` too", server.name),
                    );
                }
                Ok(server) => self.servers.push(server),
                Err(message) => reader.wrong(&path, message),
            }
        }
    }

    /// Weights that are too large for Tidegate are divided by what they have in common. The ring of ketama stays the
    /// same, as only the shares count there (`nc_ketama.c`, `ketama_update`); a modula has as many places as weights.
    fn check_weights(&mut self, reader: &mut Reader<'_>, path: &Path) {
        if self.servers.iter().all(|server| server.weight <= MOST_WEIGHT) {
            return;
        }
        let is_ketama = self.distribution.as_deref().is_none_or(|name| name == "ketama");
        let common = self
            .servers
            .iter()
            .fold(0, |common, server| divisor(common, server.weight))
            .max(1);
        let mut weights = self.servers.iter().map(|server| server.weight / common);
        if is_ketama && weights.all(|weight| weight <= MOST_WEIGHT) {
            for server in &mut self.servers {
                server.weight /= common;
            }
            return;
        }
        let message =
            format!("weights above {MOST_WEIGHT} are not possible; smaller ones in other proportions move keys");
        reader.wrong(&path.key("servers"), message);
    }
}

const MEMCACHED: &str = "this is a pool of memcached, which Tidegate does not speak; pools of Redis have `redis: true`";
const DATABASE: &str = "a cluster of Tidegate has no database of its own, and clients would see the data of database 0: \
     take the key out, and let clients send `SELECT`";

fn flag(reader: &mut Reader<'_>, path: &Path, entry: &Entry) -> Option<At<bool>> {
    let value = reader.boolean(path, &entry.node)?;
    Some(At {
        value,
        line: line(entry),
    })
}

/// One of these words.
fn word(reader: &mut Reader<'_>, path: &Path, entry: &Entry, words: &[&str]) -> Option<String> {
    let text = reader.scalar(path, &entry.node)?;
    if words.contains(&text.as_str()) {
        return Some(text);
    }
    let near = match nearest(&text, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of: {}", words.join(", ")),
    };
    reader.wrong(path, format!("`{text}` is no {}; {near}", entry.key));
    None
}

fn divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { divisor(other, one % other) }
}
