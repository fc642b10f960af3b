use std::time::{Duration, SystemTime};

use tidegate_engine::{ClientView, ServerView, Value};

use super::scene::Scene;
use super::show::SOCKET_INSIDE;
use crate::phrases::mark;

/// What of the connections is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// States in one word.
    Plain,
    /// States that say whose they are, and what stands in buffers, of which there is nothing to say.
    Inside,
}

impl Scene {
    /// SHOW CLIENTS.
    pub(super) fn client_rows(&self, now: SystemTime, detail: Detail) -> Vec<Vec<Value>> {
        self.clients
            .iter()
            .map(|client| self.client(client, now, detail))
            .collect()
    }

    /// SHOW SERVERS.
    pub(super) fn server_rows(&self, now: SystemTime, detail: Detail) -> Vec<Vec<Value>> {
        self.servers
            .iter()
            .map(|server| self.server(server, now, detail))
            .collect()
    }

    /// `SHOW SOCKETS`; `SHOW ACTIVE_SOCKETS` leaves out what rests.
    pub(super) fn sockets(&self, now: SystemTime, is_active_only: bool) -> Vec<Vec<Value>> {
        let rests = |state: &str| matches!(state, "idle" | "login" | "in_transaction");
        let clients = self
            .clients
            .iter()
            .filter(|client| !is_active_only || !rests(client.state));
        let servers = self
            .servers
            .iter()
            .filter(|server| !is_active_only || server.state == "active");
        let clients = clients.map(|client| self.client(client, now, Detail::Inside));
        clients
            .chain(servers.map(|server| self.server(server, now, Detail::Inside)))
            .collect()
    }

    fn client(&self, client: &ClientView, now: SystemTime, detail: Detail) -> Vec<Value> {
        let state = match (client.state, detail) {
            ("waiting", Detail::Plain) => "waiting",
            ("idle", Detail::Plain) => "idle",
            (_, Detail::Plain) => "active",
            ("waiting", Detail::Inside) => "cl_waiting",
            ("login", Detail::Inside) => "cl_login",
            (_, Detail::Inside) => "cl_active",
        };
        let waits = client.asked.filter(|_| client.state == "waiting").unwrap_or_default();
        let listener = self.listeners.iter().find(|listener| listener.name == client.listener);
        let server = self.servers.iter().find(|server| server.client == Some(client.id));
        row(
            Socket {
                kind: "C",
                user: &client.user,
                database: self.names.of(&client.cluster, &client.space),
                state,
                address: &client.peer,
                local: listener.map_or("", |listener| &listener.address),
                connected: before(now, client.age),
                requested: before(now, client.asked.unwrap_or(client.age)),
                waits,
                ptr: of_client(client.id),
                link: server.map(of_server).unwrap_or_default(),
                process: 0,
                is_leaving: false,
                is_tls: client.tls,
                application_name: &client.application_name,
                id: client.id,
            },
            detail,
        )
    }

    fn server(&self, server: &ServerView, now: SystemTime, detail: Detail) -> Vec<Value> {
        let state = match (server.state, detail) {
            ("idle", Detail::Plain) => "idle",
            ("idle", Detail::Inside) => "sv_idle",
            (_, Detail::Plain) => "active",
            (_, Detail::Inside) => "sv_active",
        };
        let client = self.clients.iter().find(|client| server.client == Some(client.id));
        row(
            Socket {
                kind: "S",
                user: &server.user,
                database: self.names.of(&server.cluster, &server.space),
                state,
                address: &server.endpoint,
                local: "",
                connected: before(now, server.age),
                requested: before(now, server.age),
                waits: Duration::ZERO,
                ptr: of_server(server),
                link: server.client.map(of_client).unwrap_or_default(),
                process: server.ident.parse().unwrap_or(0),
                is_leaving: server.is_leaving,
                is_tls: server.tls,
                application_name: client.map_or("", |client| &client.application_name),
                id: 0,
            },
            detail,
        )
    }
}

struct Socket<'s> {
    kind: &'static str,
    user: &'s str,
    database: String,
    state: &'static str,
    address: &'s str,
    local: &'s str,
    connected: String,
    requested: String,
    waits: Duration,
    ptr: String,
    link: String,
    process: u64,
    is_leaving: bool,
    is_tls: bool,
    application_name: &'s str,
    id: u64,
}

fn row(socket: Socket<'_>, detail: Detail) -> Vec<Value> {
    let ((address, port), (local, local_port)) = (split(socket.address), split(socket.local));
    let mut row = vec![
        socket.kind.into(),
        socket.user.into(),
        socket.database.into(),
        "none".into(),
        socket.state.into(),
        address.into(),
        port.into(),
        local.into(),
        local_port.into(),
        socket.connected.into(),
        socket.requested.into(),
        socket.waits.as_secs().into(),
        u64::from(socket.waits.subsec_micros()).into(),
        u64::from(socket.is_leaving).into(),
        socket.ptr.into(),
        socket.link.into(),
        socket.process.into(),
        if socket.is_tls { "TLS" } else { "" }.into(),
        socket.application_name.into(),
        0_usize.into(),
        socket.id.into(),
    ];
    if detail == Detail::Inside {
        row.extend(SOCKET_INSIDE.map(|_| Value::Number(0)));
    }
    row
}

/// What tells a client from others, as an address in memory does in PgBouncer.
fn of_client(id: u64) -> String {
    format!("0x{id:x}")
}

/// The same for a server connection.
fn of_server(server: &ServerView) -> String {
    mark(&format!("{} {}", server.endpoint, server.ident))
}

/// Host and port; of a Unix socket `unix` and 0.
pub(super) fn split(address: &str) -> (&str, u64) {
    if address.starts_with("unix") {
        return ("unix", 0);
    }
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (host, port.parse().unwrap_or(0))
}

/// A moment as PgBouncer writes it: `2026-11-21 15:27:41 UTC`.
fn before(now: SystemTime, ago: Duration) -> String {
    let start = SystemTime::UNIX_EPOCH;
    let at = now.checked_sub(ago).unwrap_or(start).max(start);
    let text = humantime::format_rfc3339_seconds(at).to_string();
    text.replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_two_parts() {
        for (address, expected) in [
            ("127.0.0.1:5432", ("127.0.0.1", 5432)),
            ("[::1]:5432", ("::1", 5432)),
            ("db.example:7", ("db.example", 7)),
            ("unix:uid=1000", ("unix", 0)),
            ("unix:/run/x.sock", ("unix", 0)),
            ("", ("", 0)),
        ] {
            assert_eq!(split(address), expected, "{address}");
        }
    }

    #[test]
    fn moments() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_274_861);
        assert_eq!(before(now, Duration::ZERO), "2026-11-21 15:27:41 UTC");
        assert_eq!(before(now, Duration::from_secs(86_400)), "2026-11-20 15:27:41 UTC");
        assert_eq!(
            before(SystemTime::UNIX_EPOCH, Duration::from_secs(1)),
            "1970-01-01 00:00:00 UTC"
        );
    }
}
