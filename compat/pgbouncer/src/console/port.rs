use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tidegate_engine::{ListenerView, RoomView};

/// The gateway, as the console shows and commands it.
pub trait Subject: Send + Sync + 'static {
    /// The release that is running.
    fn version(&self) -> &str;
    /// The time of day.
    fn now(&self) -> SystemTime;
    /// The listeners, and what every core holds now, of the protocol that the console belongs to.
    fn views(&self) -> BoxFuture<'_, (Vec<ListenerView>, Vec<RoomView>)>;
    /// How many sessions the console itself has.
    fn visitors(&self) -> usize;
    /// What the configuration says.
    fn layout(&self) -> BoxFuture<'_, Layout>;
    /// The configuration value by value, secrets masked.
    fn settings(&self) -> BoxFuture<'_, Vec<Setting>>;
    /// What clients have come to since the process began.
    fn totals(&self) -> Vec<Totals>;
    /// The other gateways behind the same address.
    fn peers(&self) -> Vec<PeerOf>;
    /// Reads the configuration again; why it was not taken.
    fn reload(&self) -> BoxFuture<'_, Result<(), Vec<String>>>;
    /// Sets one value until the process ends, or until a reload where the configuration is `PgBouncer`'s: what is to be said
    /// of it, or why nothing has changed.
    fn set(&self, key: String, value: String) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>>;
    /// What is ordered now.
    fn orders(&self) -> Orders;
    /// Orders something else; ready when every core has heard of it.
    fn order(&self, orders: Orders) -> BoxFuture<'_, ()>;
    /// Ends these clients, by the `id` of their views.
    fn kill(&self, ids: Vec<u64>) -> BoxFuture<'_, ()>;
    /// Has server connections made anew as clients can do without them: of databases, or all.
    fn renew(&self, databases: Option<BTreeSet<(String, String)>>) -> BoxFuture<'_, ()>;
    /// Begins to end the process.
    fn end(&self, ending: Ending);
}

/// What is ordered while the process runs. A database is one of a cluster, by its name at the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orders {
    /// Nothing is read of clients and servers; what is held for them goes out.
    pub is_suspended: bool,
    /// Nobody is given a server connection, and those that come back are closed.
    pub is_paused: bool,
    /// The same for single databases.
    pub paused: BTreeSet<(String, String)>,
    /// Databases that let no new client in.
    pub disabled: BTreeSet<(String, String)>,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// At once; what servers do for clients is cancelled.
    Now,
    /// When transactions have ended.
    WhenServersRest,
    /// When clients have left by themselves.
    WhenClientsLeave,
}

/// What the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Names of databases that clients may ask for.
    pub names: Vec<Named>,
    /// Where they lead.
    pub clusters: Vec<ClusterOf>,
    /// Users by name.
    pub users: Vec<UserOf>,
    /// How long a suspension waits for what is held; none means no limit.
    pub suspend_timeout: Option<Duration>,
    /// What holds for a user without a name there.
    pub others: UserOf,
}

/// A name that clients may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The cluster that it leads to.
    pub cluster: String,
    /// The database there.
    pub database: String,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterOf {
    /// Its name.
    pub name: String,
    /// The addresses of its servers: host, and port; none of a Unix socket, whose host is its path.
    pub servers: Vec<(String, Option<u16>)>,
    /// The user that it is reached as, where that is not the client's.
    pub force_user: Option<String>,
    /// The most connections of a pool.
    pub pool_size: usize,
    /// The fewest.
    pub min_pool_size: usize,
    /// So many more for clients that have waited for long.
    pub reserve_pool_size: usize,
    /// The most connections of a database, over all pools; 0 means no limit.
    pub max_connections: usize,
    /// The most clients of a database; 0 means no limit.
    pub max_clients: usize,
    /// How old a connection may get.
    pub server_lifetime: Option<Duration>,
    /// `session`, `transaction` or `statement`.
    pub pool_mode: &'static str,
}

/// A user that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserOf {
    /// Its name.
    pub name: String,
    /// The most connections of one of its pools, where that is its own.
    pub pool_size: Option<usize>,
    /// The reserve of one of its pools, where that is its own.
    pub reserve_pool_size: Option<usize>,
    /// Its own mode.
    pub pool_mode: Option<&'static str>,
    /// The most server connections; 0 means no limit.
    pub max_connections: usize,
    /// The most clients; 0 means no limit.
    pub max_clients: usize,
}

/// Another gateway behind the same address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerOf {
    /// Its number.
    pub number: u8,
    /// Its host, or the path of its Unix socket.
    pub host: String,
    /// Its port; none of a Unix socket.
    pub port: Option<u16>,
    /// The most cancels on their way to it.
    pub most: usize,
    /// Cancels on their way to it.
    pub active: usize,
    /// Cancels that wait for their turn.
    pub waiting: usize,
}

/// A value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Where it stands, as in `listeners.main.address`.
    pub path: String,
    /// What it is.
    pub value: String,
    /// What it is when nobody sets it, where that is known.
    pub default: Option<String>,
    /// Whether a reload changes it.
    pub is_changeable: bool,
}

/// What one cluster, database and user have come to since the process began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// The cluster.
    pub cluster: String,
    /// The database at the server.
    pub database: String,
    /// The numbers.
    pub sums: Sums,
}

/// Numbers that only grow; times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Times that a client was given a server connection.
    pub assignments: u64,
    /// Transactions.
    pub transactions: u64,
    /// Queries.
    pub queries: u64,
    /// Bytes from clients.
    pub received: u64,
    /// Bytes to clients.
    pub sent: u64,
    /// How long transactions took.
    pub transaction_us: u64,
    /// How long queries took.
    pub query_us: u64,
    /// How long clients waited for a server.
    pub wait_us: u64,
}
