use super::{Key, MODES, kept, told};
use crate::value::Kind::{Database, Digits, Text, Word};

/// What a connection string of `[databases]` may hold (`loader.c`, `parse_database`).
pub(super) const DATABASES: [Key; 24] = [
    kept(
        "dbname",
        Text,
        "",
        "the `database` of the route, where it differs from the name",
    ),
    kept(
        "host",
        Text,
        "",
        "`clusters.<name>.endpoints`, one for each host of a list, in turn; without one, or with a path or `@`, a Unix socket. A name is looked up again \
         and again: `discovery: { dns: … }`",
    ),
    kept("port", Digits, "5432", "`clusters.<name>.endpoints`"),
    kept(
        "user",
        Text,
        "",
        "`clusters.<name>.credential.user`; all clients of the entry share its pool",
    ),
    kept(
        "password",
        Text,
        "",
        "`clusters.<name>.credential.password`; when absent, that of `user` in the `auth_file`",
    ),
    kept(
        "auth_user",
        Text,
        "",
        "`clusters.<name>.login_query.user`, with its password from the `auth_file`",
    ),
    kept("auth_query", Text, "", "`clusters.<name>.login_query.statement`"),
    kept(
        "auth_dbname",
        Database,
        "",
        "`clusters.<name>.login_query.cluster` and `database`",
    ),
    kept("pool_size", Digits, "", "`clusters.<name>.pool.size`"),
    kept("min_pool_size", Digits, "", "`clusters.<name>.pool.min_size`"),
    kept("reserve_pool", Digits, "", "the old name of `reserve_pool_size`"),
    kept("reserve_pool_size", Digits, "", "`clusters.<name>.pool.reserve_size`"),
    kept(
        "connect_query",
        Text,
        "",
        "`clusters.<name>.pool.connect_query`; run again behind `server_reset_query`, and a connection on which it fails is not used",
    ),
    kept("pool_mode", MODES, "", "`clusters.<name>.pool.mode`"),
    kept("query_wait_timeout", Digits, "", "`clusters.<name>.pool.queue_timeout`"),
    told(
        "load_balance_hosts",
        Word(&["disable", "round-robin"]),
        "round-robin",
        "round-robin",
        "hosts are always taken in turn; one that is down is left out until it is well",
    ),
    told(
        "target_session_attrs",
        Word(&["any", "read-write", "read-only", "primary", "standby"]),
        "any",
        "any",
        "servers are not asked: list only hosts of the wanted role",
    ),
    kept(
        "max_db_connections",
        Digits,
        "",
        "`clusters.<name>.pool.max_per_database`",
    ),
    kept(
        "max_db_client_connections",
        Digits,
        "",
        "`clusters.<name>.max_clients_per_database`",
    ),
    kept("server_lifetime", Digits, "", "`clusters.<name>.pool.max_lifetime`"),
    kept(
        "client_encoding",
        Text,
        "",
        "`clusters.<name>.parameters`, for clients that ask for none",
    ),
    kept("datestyle", Text, "", "the same"),
    kept("timezone", Text, "", "the same"),
    kept("application_name", Text, "", "the same"),
];

/// What the settings of a user may hold (`loader.c`, `parse_user`).
pub(super) const USERS: [Key; 10] = [
    kept(
        "pool_size",
        Digits,
        "",
        "`clusters.<name>.users.<user>.size`, in all clusters",
    ),
    kept(
        "reserve_pool_size",
        Digits,
        "",
        "`clusters.<name>.users.<user>.reserve_size`, in all clusters",
    ),
    kept(
        "pool_mode",
        MODES,
        "",
        "`clusters.<name>.users.<user>.mode`, in all clusters",
    ),
    kept(
        "max_user_connections",
        Digits,
        "",
        "`limits.postgres.users.<user>.max_server_connections`",
    ),
    kept(
        "query_timeout",
        Digits,
        "",
        "`clusters.<name>.users.<user>.timeouts.query`, in all clusters",
    ),
    kept(
        "query_wait_timeout",
        Digits,
        "",
        "`clusters.<name>.users.<user>.queue_timeout`, in all clusters without `user`",
    ),
    kept(
        "idle_transaction_timeout",
        Digits,
        "",
        "`clusters.<name>.users.<user>.timeouts.idle_in_transaction`, in all clusters",
    ),
    kept(
        "transaction_timeout",
        Digits,
        "",
        "`clusters.<name>.users.<user>.timeouts.transaction`, in all clusters",
    ),
    kept(
        "client_idle_timeout",
        Digits,
        "",
        "`clusters.<name>.users.<user>.timeouts.client_idle`, in all clusters without `user`",
    ),
    kept(
        "max_user_client_connections",
        Digits,
        "",
        "`limits.postgres.users.<user>.max_clients`",
    ),
];

/// What a connection string of `[peers]` may hold (`loader.c`, `parse_peer`).
pub(super) const PEERS: [Key; 3] = [
    kept(
        "host",
        Text,
        "",
        "`peers.<number>.address`; a number above 63 is left out with a warning, and the gateway's own without",
    ),
    kept("port", Digits, "6432", "`peers.<number>.address`"),
    kept(
        "pool_size",
        Digits,
        "",
        "`peers.<number>.max_cancels`; `default_pool_size` without it",
    ),
];
