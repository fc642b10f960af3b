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
        "`clusters.<name>.credential.user`; there is still a pool for each user that clients name, and a warning says so",
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
    kept("min_pool_size", Digits, "", "`clusters.<name>.pool.min_idle`"),
    told("reserve_pool", Digits, "", "0", "the old name of `reserve_pool_size`"),
    told(
        "reserve_pool_size",
        Digits,
        "",
        "0",
        "there is no reserve: make `pool_size` larger",
    ),
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
    told(
        "max_db_connections",
        Digits,
        "",
        "0",
        "no pool is larger than this, but several users' pools together can be: choose `pool_size` for that",
    ),
    told(
        "max_db_client_connections",
        Digits,
        "",
        "0",
        "clients are counted for each listener (`max_clients`) and user, and not for each database",
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
    told(
        "reserve_pool_size",
        Digits,
        "",
        "0",
        "there is no reserve: make `pool_size` larger",
    ),
    kept(
        "pool_mode",
        MODES,
        "",
        "`clusters.<name>.users.<user>.mode`, in all clusters",
    ),
    told(
        "max_user_connections",
        Digits,
        "",
        "0",
        "no pool of this user is larger than this, but the pools of several databases together can be",
    ),
    told(
        "query_timeout",
        Digits,
        "",
        "",
        "timeouts hold for all users of a cluster: `ALTER ROLE … SET statement_timeout` holds for one",
    ),
    told(
        "query_wait_timeout",
        Digits,
        "",
        "",
        "timeouts hold for all users of a cluster",
    ),
    told(
        "idle_transaction_timeout",
        Digits,
        "",
        "",
        "timeouts hold for all users of a cluster: `ALTER ROLE … SET idle_in_transaction_session_timeout` holds for one",
    ),
    told(
        "transaction_timeout",
        Digits,
        "",
        "",
        "`ALTER ROLE … SET transaction_timeout` (PostgreSQL 17) holds for one user",
    ),
    told(
        "client_idle_timeout",
        Digits,
        "",
        "",
        "timeouts hold for all users of a cluster",
    ),
    told(
        "max_user_client_connections",
        Digits,
        "",
        "0",
        "`listeners.<name>.max_clients_per_user` is one number for all users",
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
