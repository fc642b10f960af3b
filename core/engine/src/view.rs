use std::time::Duration;

/// A listener as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerView {
    /// Its name.
    pub name: String,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// The address that is really bound.
    pub address: String,
    /// Whether TLS is off, offered or demanded.
    pub tls: &'static str,
    /// Clients connected now.
    pub clients: usize,
    /// The most clients; 0 means no limit.
    pub max_clients: usize,
    /// How long the certificate is still valid.
    pub certificate_expires_in: Option<Duration>,
}

/// What one protocol's room on one core holds now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomView {
    /// The clients that live here.
    pub clients: Vec<ClientView>,
    /// The pools that live here.
    pub pools: Vec<PoolView>,
    /// Their server connections.
    pub servers: Vec<ServerView>,
}

/// A client as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientView {
    /// Tells clients apart for as long as one is connected.
    pub id: u64,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// The listener that it came by.
    pub listener: String,
    /// Where it comes from.
    pub peer: String,
    /// Who it is.
    pub user: String,
    /// The database, keyspace or other name space that it is in.
    pub space: String,
    /// Its own name for itself.
    pub application_name: String,
    /// The cluster that it is routed to.
    pub cluster: String,
    /// What it is doing: `idle`, `waiting`, `active`, `in_transaction`, `pinned`.
    pub state: &'static str,
    /// It is suspended, and what was held to be written is out.
    pub is_still: bool,
    /// Whether its connection is encrypted.
    pub tls: bool,
    /// How long it has been connected.
    pub age: Duration,
    /// How long ago its latest request came, where that is known; a client that waits has waited since.
    pub asked: Option<Duration>,
    /// Exchanges done.
    pub exchanges: u64,
    /// The core that it lives on.
    pub core: usize,
}

/// A pool as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolView {
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// The cluster.
    pub cluster: String,
    /// The endpoint's address.
    pub endpoint: String,
    /// The endpoint's role.
    pub role: &'static str,
    /// The database, keyspace or other name space.
    pub space: String,
    /// The user at the server.
    pub user: String,
    /// `session`, `transaction` or `statement`.
    pub mode: &'static str,
    /// The most server connections.
    pub size: usize,
    /// Lent out.
    pub active: usize,
    /// Idle.
    pub idle: usize,
    /// Being opened.
    pub opening: usize,
    /// Clients that wait.
    pub waiting: usize,
    /// The core that it lives on.
    pub core: usize,
}

/// A server connection as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerView {
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// The cluster.
    pub cluster: String,
    /// The endpoint's address.
    pub endpoint: String,
    /// The database, keyspace or other name space.
    pub space: String,
    /// The user at the server.
    pub user: String,
    /// The server's own name for the connection, such as a process id.
    pub ident: String,
    /// `idle`, `active` or `pinned`.
    pub state: &'static str,
    /// The client that has it, by the `id` of its view.
    pub client: Option<u64>,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether it is closed as soon as its client can do without it.
    pub is_leaving: bool,
    /// How long it has been open.
    pub age: Duration,
    /// Exchanges done.
    pub exchanges: u64,
    /// The core that it lives on.
    pub core: usize,
}
