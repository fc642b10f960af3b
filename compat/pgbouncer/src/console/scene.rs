use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tidegate_engine::{ClientView, ListenerView, PoolView, RoomView, ServerView, Value};

use super::port::{ClusterOf, Layout, Orders};
use super::sockets::split;

/// What there is at one moment.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) layout: Layout,
    pub(super) names: Names,
    pub(super) orders: Orders,
    pub(super) listeners: Vec<ListenerView>,
    pub(super) clients: Vec<ClientView>,
    pub(super) pools: Vec<PoolView>,
    pub(super) servers: Vec<ServerView>,
    /// How many sessions the console itself has.
    pub(super) visitors: usize,
}

/// The console's own database and user, which PgBouncer's tables show too: a table of a gateway that nobody uses is not
/// empty, which exporters take for a failure.
pub(super) const CONSOLE: &str = "pgbouncer";

/// By which name clients ask for a database of a cluster: the first of the configuration that leads there, else its own.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<(String, String), String>);

/// The clients and connections of a database and a user.
#[derive(Debug, Default)]
struct PoolSum {
    active_clients: u64,
    waiting_clients: u64,
    active: usize,
    idle: usize,
    opening: usize,
    longest_wait: Duration,
    mode: &'static str,
}

impl Names {
    pub(super) fn new(layout: &Layout) -> Self {
        let mut names = HashMap::new();
        for named in &layout.names {
            let key = (named.cluster.clone(), named.database.clone());
            names.entry(key).or_insert_with(|| named.name.clone());
        }
        Self(names)
    }

    pub(super) fn of(&self, cluster: &str, database: &str) -> String {
        let key = (cluster.to_owned(), database.to_owned());
        self.0.get(&key).cloned().unwrap_or(key.1)
    }
}

impl Scene {
    pub(super) fn new(layout: Layout, orders: Orders, listeners: Vec<ListenerView>, rooms: Vec<RoomView>) -> Self {
        let mut scene = Self {
            names: Names::new(&layout),
            layout,
            orders,
            listeners,
            ..Self::default()
        };
        for room in rooms {
            scene.clients.extend(room.clients);
            scene.pools.extend(room.pools);
            scene.servers.extend(room.servers);
        }
        scene.clients.sort_by_key(|client| client.id);
        scene
    }

    /// SHOW POOLS: one row for each database and user at the servers, whatever cores, servers and clusters they are spread over.
    pub(super) fn pools(&self) -> Vec<Vec<Value>> {
        let mut sums: BTreeMap<(String, String), PoolSum> = BTreeMap::new();
        for pool in &self.pools {
            let key = (self.names.of(&pool.cluster, &pool.space), pool.user.clone());
            let sum = sums.entry(key).or_default();
            sum.active += pool.active;
            sum.idle += pool.idle;
            sum.opening += pool.opening;
            sum.mode = pool.mode;
        }
        for client in &self.clients {
            // All clients of a cluster with a user of its own are in that user's pool.
            let forced = self.cluster(&client.cluster).and_then(|at| at.force_user.as_ref());
            let user = forced.unwrap_or(&client.user).clone();
            let key = (self.names.of(&client.cluster, &client.space), user);
            let sum = sums.entry(key).or_default();
            if client.state == "waiting" {
                sum.waiting_clients += 1;
                sum.longest_wait = sum.longest_wait.max(client.asked.unwrap_or_default());
            } else {
                sum.active_clients += 1;
            }
            if sum.mode.is_empty() {
                let cluster = self.cluster(&client.cluster);
                sum.mode = cluster.map_or("", |cluster| cluster.pool_mode);
            }
        }
        sums.entry((CONSOLE.to_owned(), CONSOLE.to_owned()))
            .or_insert(PoolSum {
                mode: "statement",
                ..PoolSum::default()
            })
            .active_clients += u64::try_from(self.visitors).unwrap_or(u64::MAX);
        sums.into_iter().map(|(key, sum)| sum.row(key)).collect()
    }

    /// SHOW DATABASES: the names of the configuration, and what clients have found under a rule for any name.
    pub(super) fn databases(&self) -> Vec<Vec<Value>> {
        let mut seen = BTreeSet::new();
        let named = self.layout.names.iter();
        let named = named.map(|named| (named.name.clone(), (named.cluster.clone(), named.database.clone())));
        let used = self.used().into_iter();
        let used = used.map(|key| (self.names.of(&key.0, &key.1), key));
        let mut rows: Vec<_> = named
            .chain(used)
            .filter(|(name, _)| seen.insert(name.clone()))
            .map(|(name, key)| self.database(&name, &key))
            .collect();
        if !seen.contains(CONSOLE) {
            rows.push(self.own_database());
        }
        rows
    }

    /// SHOW USERS: those of the configuration and those who are here.
    pub(super) fn users(&self) -> Vec<Vec<Value>> {
        let mut names: BTreeSet<&str> = self.layout.users.iter().map(|user| user.name.as_str()).collect();
        names.extend(self.clients.iter().map(|client| client.user.as_str()));
        names.extend(self.pools.iter().map(|pool| pool.user.as_str()));
        let row = |name: &str| {
            let known = self.layout.users.iter().find(|user| user.name == name);
            let known = known.unwrap_or(&self.layout.others);
            let size = |size: Option<usize>| size.map_or(String::new(), |size| size.to_string());
            let pools = self.pools.iter().filter(|pool| pool.user == name);
            let clients = self.clients.iter().filter(|client| client.user == name);
            vec![
                name.into(),
                size(known.pool_size).into(),
                size(known.reserve_pool_size).into(),
                known.pool_mode.map_or(Value::Null, Into::into),
                known.max_connections.into(),
                pools.map(connections).sum::<usize>().into(),
                known.max_clients.into(),
                clients.count().into(),
            ]
        };
        names.into_iter().map(row).collect()
    }

    /// SHOW LISTS: how much there is of what.
    pub(super) fn lists(&self, peers: usize) -> Vec<Vec<Value>> {
        let logins = self.clients.iter().filter(|client| client.state == "login").count();
        let lists = [
            ("databases", self.databases().len()),
            ("users", self.users().len()),
            ("peers", peers),
            ("pools", self.pools().len()),
            ("peer_pools", peers),
            ("free_clients", 0),
            ("used_clients", self.clients.len()),
            ("login_clients", logins),
            ("free_servers", 0),
            ("used_servers", self.servers.len()),
            ("dns_names", 0),
            ("dns_zones", 0),
            ("dns_queries", 0),
            ("dns_pending", 0),
        ];
        lists
            .into_iter()
            .map(|(name, count)| vec![name.into(), count.into()])
            .collect()
    }

    fn database(&self, name: &str, key: &(String, String)) -> Vec<Value> {
        let (cluster, database) = key;
        let at = self.cluster(cluster);
        let is_it = |of: &str, space: &str| self.names.of(of, space) == name;
        let pools = self.pools.iter().filter(|pool| is_it(&pool.cluster, &pool.space));
        let current = pools.map(connections).sum::<usize>();
        let clients = self
            .clients
            .iter()
            .filter(|client| is_it(&client.cluster, &client.space))
            .count();
        let hosts: Vec<&str> = at
            .into_iter()
            .flat_map(|at| &at.servers)
            .map(|(host, _)| host.as_str())
            .collect();
        let port = at.and_then(|at| at.servers.first()).and_then(|(_, port)| *port);
        let lifetime = at.and_then(|at| at.server_lifetime).map_or(0, |time| time.as_secs());
        vec![
            name.into(),
            if hosts.is_empty() {
                Value::Null
            } else {
                hosts.join(",").into()
            },
            u64::from(port.unwrap_or(0)).into(),
            database.as_str().into(),
            at.and_then(|at| at.force_user.clone()).map_or(Value::Null, Into::into),
            at.map_or(0, |at| at.pool_size).into(),
            at.map_or(0, |at| at.min_pool_size).into(),
            at.map_or(0, |at| at.reserve_pool_size).into(),
            lifetime.into(),
            at.map_or(Value::Null, |at| at.pool_mode.into()),
            Value::Null,
            at.map_or(0, |at| at.max_connections).into(),
            current.into(),
            at.map_or(0, |at| at.max_clients).into(),
            clients.into(),
            u64::from(self.orders.paused.contains(key)).into(),
            u64::from(self.orders.disabled.contains(key)).into(),
        ]
    }

    /// The console among the databases, as PgBouncer shows its own.
    fn own_database(&self) -> Vec<Value> {
        let port = self.listeners.first().map_or(0, |listener| split(&listener.address).1);
        vec![
            CONSOLE.into(),
            Value::Null,
            port.into(),
            CONSOLE.into(),
            CONSOLE.into(),
            2_usize.into(),
            0_usize.into(),
            0_usize.into(),
            0_usize.into(),
            "statement".into(),
            Value::Null,
            0_usize.into(),
            0_usize.into(),
            0_usize.into(),
            self.visitors.into(),
            0_usize.into(),
            0_usize.into(),
        ]
    }

    /// Clusters and their databases that go by a name.
    pub(super) fn named(&self, name: &str) -> BTreeSet<(String, String)> {
        let named = self.layout.names.iter().filter(|named| named.name == name);
        let named = named.map(|named| (named.cluster.clone(), named.database.clone()));
        let used = self.used().into_iter();
        named
            .chain(used.filter(|(cluster, space)| self.names.of(cluster, space) == name))
            .collect()
    }

    /// How many server connections these databases have in their pools; all that there are without.
    pub(super) fn connections(&self, databases: Option<&BTreeSet<(String, String)>>) -> usize {
        let is_it = |pool: &&PoolView| {
            databases.is_none_or(|databases| databases.contains(&(pool.cluster.clone(), pool.space.clone())))
        };
        self.pools.iter().filter(is_it).map(connections).sum()
    }

    /// Whether a connection of these databases is still to be made anew.
    pub(super) fn has_leaving(&self, databases: Option<&BTreeSet<(String, String)>>) -> bool {
        let is_it = |server: &ServerView| {
            databases.is_none_or(|databases| databases.contains(&(server.cluster.clone(), server.space.clone())))
        };
        self.servers.iter().any(|server| server.is_leaving && is_it(server))
    }

    /// Clusters and their databases that somebody uses.
    pub(super) fn used(&self) -> BTreeSet<(String, String)> {
        let pools = self.pools.iter().map(|pool| (pool.cluster.clone(), pool.space.clone()));
        let clients = self.clients.iter();
        let clients = clients.map(|client| (client.cluster.clone(), client.space.clone()));
        pools.chain(clients).collect()
    }

    fn cluster(&self, name: &str) -> Option<&ClusterOf> {
        self.layout.clusters.iter().find(|cluster| cluster.name == name)
    }
}

impl PoolSum {
    fn row(self, (database, user): (String, String)) -> Vec<Value> {
        vec![
            database.into(),
            user.into(),
            self.active_clients.into(),
            self.waiting_clients.into(),
            0_usize.into(),
            0_usize.into(),
            self.active.into(),
            0_usize.into(),
            0_usize.into(),
            self.idle.into(),
            0_usize.into(),
            0_usize.into(),
            self.opening.into(),
            self.longest_wait.as_secs().into(),
            u64::from(self.longest_wait.subsec_micros()).into(),
            self.mode.into(),
            Value::Null,
        ]
    }
}

fn connections(pool: &PoolView) -> usize {
    pool.active + pool.idle + pool.opening
}
