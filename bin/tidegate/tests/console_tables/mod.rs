//! The tables of PgBouncer 1.24's console, as its `admin.c` and `stats.c` have them.

use tidegate_kit::{RawClient, message};

use crate::console_house::columns;

/// Every table: its name, and its columns with their types.
pub(crate) const TABLES: [(&str, &str); 21] = [
    ("active_sockets", SOCKETS),
    ("clients", CLIENTS),
    ("config", "key:text value:text default:text changeable:text"),
    (
        "databases",
        "name:text host:text port:int4 database:text force_user:text pool_size:int4 min_pool_size:int4 \
         reserve_pool_size:int4 server_lifetime:int4 pool_mode:text load_balance_hosts:text max_connections:int4 \
         current_connections:int4 max_client_connections:int4 current_client_connections:int4 paused:int4 disabled:int4",
    ),
    ("dns_hosts", "hostname:text ttl:int8 addrs:text"),
    ("dns_zones", "zonename:text serial:int8 count:int4"),
    (
        "fds",
        "fd:int4 task:text user:text database:text addr:text port:int4 cancel:int8 link:int4 client_encoding:text \
         std_strings:text datestyle:text timezone:text password:text scram_client_key:bytea scram_server_key:bytea",
    ),
    ("lists", "list:text items:int4"),
    ("mem", "name:text size:int4 used:int4 free:int4 memtotal:int4"),
    (
        "peer_pools",
        "peer_id:int4 cl_active_cancel_req:int4 cl_waiting_cancel_req:int4 sv_active_cancel:int4 sv_login:int4",
    ),
    ("peers", "peer_id:int4 host:text port:int4 pool_size:int4"),
    (
        "pools",
        "database:text user:text cl_active:int4 cl_waiting:int4 cl_active_cancel_req:int4 cl_waiting_cancel_req:int4 \
         sv_active:int4 sv_active_cancel:int4 sv_being_canceled:int4 sv_idle:int4 sv_used:int4 sv_tested:int4 \
         sv_login:int4 maxwait:int4 maxwait_us:int4 pool_mode:text load_balance_hosts:text",
    ),
    ("servers", CLIENTS),
    ("sockets", SOCKETS),
    ("state", "key:text value:text"),
    (
        "stats",
        "database:text total_server_assignment_count:numeric total_xact_count:numeric total_query_count:numeric \
         total_received:numeric total_sent:numeric total_xact_time:numeric total_query_time:numeric \
         total_wait_time:numeric total_client_parse_count:numeric total_server_parse_count:numeric \
         total_bind_count:numeric avg_server_assignment_count:numeric avg_xact_count:numeric avg_query_count:numeric \
         avg_recv:numeric avg_sent:numeric avg_xact_time:numeric avg_query_time:numeric avg_wait_time:numeric \
         avg_client_parse_count:numeric avg_server_parse_count:numeric avg_bind_count:numeric",
    ),
    (
        "stats_averages",
        "database:text server_assignment_count:numeric xact_count:numeric query_count:numeric bytes_received:numeric \
         bytes_sent:numeric xact_time:numeric query_time:numeric wait_time:numeric avg_client_parse_count:numeric \
         avg_server_parse_count:numeric avg_bind_count:numeric",
    ),
    (
        "stats_totals",
        "database:text server_assignment_count:numeric xact_count:numeric query_count:numeric bytes_received:numeric \
         bytes_sent:numeric xact_time:numeric query_time:numeric wait_time:numeric client_parse_count:numeric \
         server_parse_count:numeric bind_count:numeric",
    ),
    ("totals", "name:text value:numeric"),
    (
        "users",
        "name:text pool_size:text reserve_pool_size:text pool_mode:text max_user_connections:int4 \
         current_connections:int4 max_user_client_connections:int4 current_client_connections:int4",
    ),
    ("version", "version:text"),
];

const CLIENTS: &str = "type:text user:text database:text replication:text state:text addr:text port:int4 \
     local_addr:text local_port:int4 connect_time:text request_time:text wait:int4 wait_us:int4 close_needed:int4 \
     ptr:text link:text remote_pid:int4 tls:text application_name:text prepared_statements:int4 id:int4";

const SOCKETS: &str = "type:text user:text database:text replication:text state:text addr:text port:int4 \
     local_addr:text local_port:int4 connect_time:text request_time:text wait:int4 wait_us:int4 close_needed:int4 \
     ptr:text link:text remote_pid:int4 tls:text application_name:text prepared_statements:int4 id:int4 \
     recv_pos:int4 pkt_pos:int4 pkt_remain:int4 send_pos:int4 send_remain:int4 pkt_avail:int4 send_avail:int4";

/// The columns of the reply to a simple query, as [`TABLES`] has them.
pub(crate) fn simple(client: &mut RawClient, statement: &str) -> String {
    let reply = client.query(statement);
    let rows = reply.frames.iter().filter(|frame| frame.tag == b'D').count();
    assert_eq!(
        reply.tags(),
        format!("T{}CZ", "D".repeat(rows)),
        "{statement}: {reply:?}"
    );
    columns(&reply.frames[0])
}

/// The same by Parse, Describe of both kinds, Bind and Execute: what was described without being run must be what comes.
pub(crate) fn extended(client: &mut RawClient, statement: &str) -> String {
    client.send(
        &[
            message::parse("s", statement),
            message::describe(b'S', "s"),
            message::bind("", "s", &[]),
            message::describe(b'P', ""),
            message::execute("", 0),
            message::close(b'S', "s"),
            message::sync(),
        ]
        .concat(),
    );
    let reply = client.reply();
    let rows = reply.frames.iter().filter(|frame| frame.tag == b'D').count();
    let expected = format!("1tT2T{}C3Z", "D".repeat(rows));
    assert_eq!(reply.tags(), expected, "{statement}: {reply:?}");
    let described: Vec<_> = reply
        .frames
        .iter()
        .filter(|frame| frame.tag == b'T')
        .map(columns)
        .collect();
    assert_eq!(described[0], described[1]);
    described[0].clone()
}
