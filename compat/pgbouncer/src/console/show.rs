use tidegate_engine::{Column, ColumnKind};

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    ActiveSockets,
    Clients,
    Config,
    Databases,
    DnsHosts,
    DnsZones,
    Fds,
    Help,
    Lists,
    Mem,
    PeerPools,
    Peers,
    Pools,
    Servers,
    Sockets,
    State,
    Stats,
    StatsAverages,
    StatsTotals,
    Totals,
    Users,
    Version,
}

/// The words behind SHOW (`admin.c`, `show_map`).
pub(super) const ALL: [(&str, Show); 22] = [
    ("active_sockets", Show::ActiveSockets),
    ("clients", Show::Clients),
    ("config", Show::Config),
    ("databases", Show::Databases),
    ("dns_hosts", Show::DnsHosts),
    ("dns_zones", Show::DnsZones),
    ("fds", Show::Fds),
    ("help", Show::Help),
    ("lists", Show::Lists),
    ("mem", Show::Mem),
    ("peer_pools", Show::PeerPools),
    ("peers", Show::Peers),
    ("pools", Show::Pools),
    ("servers", Show::Servers),
    ("sockets", Show::Sockets),
    ("state", Show::State),
    ("stats", Show::Stats),
    ("stats_averages", Show::StatsAverages),
    ("stats_totals", Show::StatsTotals),
    ("totals", Show::Totals),
    ("users", Show::Users),
    ("version", Show::Version),
];

/// What SHOW HELP says.
pub(super) const HELP: &str = "Console usage
\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION
\tSHOW PEERS|PEER_POOLS
\tSHOW FDS|SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE
\tSHOW DNS_HOSTS|DNS_ZONES
\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS
\tRELOAD
\tSET key = arg
\tPAUSE [<db>]
\tRESUME [<db>]
\tSUSPEND
\tRECONNECT [<db>]
\tWAIT_CLOSE [<db>]
\tDISABLE <db>
\tENABLE <db>
\tKILL [<db>]
\tKILL_CLIENT <client_id>
\tSHUTDOWN
\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS";

impl Show {
    /// Its columns, with the names, the types and the order of PgBouncer 1.24.
    pub(super) fn columns(self) -> Vec<Column> {
        let table: &[&[Column]] = match self {
            Self::Help => &[],
            Self::Clients | Self::Servers => &[&SOCKET],
            Self::Sockets | Self::ActiveSockets => &[&SOCKET, &SOCKET_INSIDE],
            Self::Config => &[&CONFIG],
            Self::Databases => &[&DATABASES],
            Self::DnsHosts => &[&[text("hostname"), int8("ttl"), text("addrs")]],
            Self::DnsZones => &[&[text("zonename"), int8("serial"), int4("count")]],
            Self::Fds => &[&FDS],
            Self::Lists => &[&[text("list"), int4("items")]],
            Self::Mem => &[&MEM],
            Self::PeerPools => &[&PEER_POOLS],
            Self::Peers => &[&[int4("peer_id"), text("host"), int4("port"), int4("pool_size")]],
            Self::Pools => &[&POOLS],
            Self::State => &[&[text("key"), text("value")]],
            Self::Stats => &[&[text("database")], &STATS_TOTAL, &STATS_AVERAGE],
            Self::StatsTotals => &[&[text("database")], &TOTALS],
            Self::StatsAverages => &[&[text("database")], &AVERAGES],
            Self::Totals => &[&[text("name"), numeric("value")]],
            Self::Users => &[&USERS],
            Self::Version => &[&[text("version")]],
        };
        table.concat()
    }

    /// Only who may do everything sees it.
    pub(super) fn is_for_admins(self) -> bool {
        self == Self::Fds
    }
}

const fn text(name: &'static str) -> Column {
    column(name, ColumnKind::Text)
}

const fn int4(name: &'static str) -> Column {
    column(name, ColumnKind::Int4)
}

const fn int8(name: &'static str) -> Column {
    column(name, ColumnKind::Int8)
}

const fn numeric(name: &'static str) -> Column {
    column(name, ColumnKind::Numeric)
}

const fn bytes(name: &'static str) -> Column {
    column(name, ColumnKind::Bytes)
}

const fn column(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind }
}

const SOCKET: [Column; 21] = [
    text("type"),
    text("user"),
    text("database"),
    text("replication"),
    text("state"),
    text("addr"),
    int4("port"),
    text("local_addr"),
    int4("local_port"),
    text("connect_time"),
    text("request_time"),
    int4("wait"),
    int4("wait_us"),
    int4("close_needed"),
    text("ptr"),
    text("link"),
    int4("remote_pid"),
    text("tls"),
    text("application_name"),
    int4("prepared_statements"),
    int4("id"),
];

/// What a process with one buffer for each socket knows of it.
pub(super) const SOCKET_INSIDE: [Column; 7] = [
    int4("recv_pos"),
    int4("pkt_pos"),
    int4("pkt_remain"),
    int4("send_pos"),
    int4("send_remain"),
    int4("pkt_avail"),
    int4("send_avail"),
];

const CONFIG: [Column; 4] = [text("key"), text("value"), text("default"), text("changeable")];

const DATABASES: [Column; 17] = [
    text("name"),
    text("host"),
    int4("port"),
    text("database"),
    text("force_user"),
    int4("pool_size"),
    int4("min_pool_size"),
    int4("reserve_pool_size"),
    int4("server_lifetime"),
    text("pool_mode"),
    text("load_balance_hosts"),
    int4("max_connections"),
    int4("current_connections"),
    int4("max_client_connections"),
    int4("current_client_connections"),
    int4("paused"),
    int4("disabled"),
];

const FDS: [Column; 15] = [
    int4("fd"),
    text("task"),
    text("user"),
    text("database"),
    text("addr"),
    int4("port"),
    int8("cancel"),
    int4("link"),
    text("client_encoding"),
    text("std_strings"),
    text("datestyle"),
    text("timezone"),
    text("password"),
    bytes("scram_client_key"),
    bytes("scram_server_key"),
];

const MEM: [Column; 5] = [text("name"), int4("size"), int4("used"), int4("free"), int4("memtotal")];

const PEER_POOLS: [Column; 5] = [
    int4("peer_id"),
    int4("cl_active_cancel_req"),
    int4("cl_waiting_cancel_req"),
    int4("sv_active_cancel"),
    int4("sv_login"),
];

const POOLS: [Column; 17] = [
    text("database"),
    text("user"),
    int4("cl_active"),
    int4("cl_waiting"),
    int4("cl_active_cancel_req"),
    int4("cl_waiting_cancel_req"),
    int4("sv_active"),
    int4("sv_active_cancel"),
    int4("sv_being_canceled"),
    int4("sv_idle"),
    int4("sv_used"),
    int4("sv_tested"),
    int4("sv_login"),
    int4("maxwait"),
    int4("maxwait_us"),
    text("pool_mode"),
    text("load_balance_hosts"),
];

const STATS_TOTAL: [Column; 11] = [
    numeric("total_server_assignment_count"),
    numeric("total_xact_count"),
    numeric("total_query_count"),
    numeric("total_received"),
    numeric("total_sent"),
    numeric("total_xact_time"),
    numeric("total_query_time"),
    numeric("total_wait_time"),
    numeric("total_client_parse_count"),
    numeric("total_server_parse_count"),
    numeric("total_bind_count"),
];

const STATS_AVERAGE: [Column; 11] = [
    numeric("avg_server_assignment_count"),
    numeric("avg_xact_count"),
    numeric("avg_query_count"),
    numeric("avg_recv"),
    numeric("avg_sent"),
    numeric("avg_xact_time"),
    numeric("avg_query_time"),
    numeric("avg_wait_time"),
    numeric("avg_client_parse_count"),
    numeric("avg_server_parse_count"),
    numeric("avg_bind_count"),
];

const TOTALS: [Column; 11] = [
    numeric("server_assignment_count"),
    numeric("xact_count"),
    numeric("query_count"),
    numeric("bytes_received"),
    numeric("bytes_sent"),
    numeric("xact_time"),
    numeric("query_time"),
    numeric("wait_time"),
    numeric("client_parse_count"),
    numeric("server_parse_count"),
    numeric("bind_count"),
];

const AVERAGES: [Column; 11] = [
    numeric("server_assignment_count"),
    numeric("xact_count"),
    numeric("query_count"),
    numeric("bytes_received"),
    numeric("bytes_sent"),
    numeric("xact_time"),
    numeric("query_time"),
    numeric("wait_time"),
    numeric("avg_client_parse_count"),
    numeric("avg_server_parse_count"),
    numeric("avg_bind_count"),
];

const USERS: [Column; 8] = [
    text("name"),
    text("pool_size"),
    text("reserve_pool_size"),
    text("pool_mode"),
    int4("max_user_connections"),
    int4("current_connections"),
    int4("max_user_client_connections"),
    int4("current_client_connections"),
];
