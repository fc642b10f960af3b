use std::fmt::Write as _;

/// A key of a pool, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it, in Markdown.
    pub becomes: &'static str,
}

const fn key(name: &'static str, becomes: &'static str) -> Key {
    Key { name, becomes }
}

/// All keys of twemproxy 0.5 (`nc_conf.c`, `conf_commands`).
pub const KEYS: [Key; 17] = [
    key(
        "listen",
        "`listeners.<pool>.address`; a path becomes `unix:/path`, and its permissions are named in a comment",
    ),
    key(
        "client_connections",
        "`listeners.<pool>.max_clients`, without a limit when absent. twemproxy 0.5 reads it and holds to none",
    ),
    key("hash", "`clusters.<pool>.topology.hash`, the same names and numbers"),
    key("hash_tag", "`clusters.<pool>.topology.hash_tag`"),
    key(
        "distribution",
        "`clusters.<pool>.topology.distribution`, the same names and rings: keys stay where they are",
    ),
    key(
        "timeout",
        "`clusters.<pool>.connect.timeout` and `timeouts.reply`; when absent Tidegate's own, where twemproxy waits for ever",
    ),
    key("backlog", "a comment: Tidegate's is fixed"),
    key(
        "tcpkeepalive",
        "`clusters.<pool>.keepalive`, which Tidegate has on unless this says `false`",
    ),
    key(
        "preconnect",
        "a comment: shared connections are opened when they are needed; health checks find a server that is not there",
    ),
    key(
        "redis",
        "must be `true`: `protocol: redis`. A memcached pool is a mistake",
    ),
    key(
        "redis_auth",
        "`listeners.<pool>.login.users.default.password` and `clusters.<pool>.credential.password`",
    ),
    key(
        "redis_db",
        "must be `0`: a cluster has no database of its own, and clients would see other data",
    ),
    key(
        "server_connections",
        "`clusters.<pool>.pool.shared`, at most 64; it counts for each data thread",
    ),
    key(
        "auto_eject_hosts",
        "`true` becomes a comment: Tidegate does not give a dead server's keys to others, which would split the data",
    ),
    key(
        "server_retry_timeout",
        "`clusters.<pool>.health.interval` where hosts are ejected; else a comment, as it has no effect in twemproxy either",
    ),
    key(
        "server_failure_limit",
        "`clusters.<pool>.health.failures` where hosts are ejected; else a comment, as it has no effect in twemproxy either",
    ),
    key(
        "servers",
        "`clusters.<pool>.endpoints`, with the `weight` and the `name` that twemproxy hashes",
    ),
];

/// All keys as a table, for the guide.
pub fn table() -> String {
    let mut out = "| twemproxy | Tidegate |\n|---|---|\n".to_owned();
    for Key { name, becomes } in KEYS {
        let _ = writeln!(out, "| `{name}` | {becomes} |");
    }
    out
}
