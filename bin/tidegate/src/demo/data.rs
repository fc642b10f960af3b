use std::path::Path;

/// What is in the throw-away server: for each database the statements that make its content.
pub(crate) const SQL: [(&str, &str); 2] = [
    (
        "postgres",
        "CREATE ROLE demo LOGIN PASSWORD 'demo';\n\nCREATE DATABASE demo OWNER demo;\n\n",
    ),
    (
        "demo",
        "SET SESSION AUTHORIZATION demo;\n\n\
         CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text NOT NULL);\n\n\
         CREATE TABLE orders (\n  id int PRIMARY KEY,\n  customer int NOT NULL REFERENCES customers,\n  \
         placed date NOT NULL,\n  total numeric(10, 2) NOT NULL\n);\n\n\
         INSERT INTO customers SELECT n, 'customer ' || n,\n  \
         (ARRAY['Lisbon', 'Oslo', 'Izmir', 'Kyoto', 'Quito'])[1 + n % 5]\n  FROM generate_series(1, 100) n;\n\n\
         INSERT INTO orders SELECT n, 1 + n * 7 % 100, date '2026-01-01' + n % 300, (n * 37 % 10000) / 100.0\n  \
         FROM generate_series(1, 5000) n;\n\n",
    ),
];

/// A Redis that keeps nothing.
pub(crate) fn redis_conf(port: u16, password: &str, folder: &Path) -> String {
    format!(
        "port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave \"\"\nappendonly no\nmaxmemory 256mb\ndir {}\n",
        folder.display()
    )
}

/// What is in the throw-away Redis, as lines that one could type.
pub(crate) fn redis_commands() -> String {
    let customers = (1..=100).map(|n| {
        let city = ["Lisbon", "Oslo", "Izmir", "Kyoto", "Quito"][n % 5];
        format!("HSET customer:{n} name 'customer {n}' city {city}\r\nZINCRBY cities 1 {city}\r\n")
    });
    let greeting = "SET greeting 'Hello from behind Tidegate'\r\n".to_owned();
    [greeting].into_iter().chain(customers).collect()
}

/// How the demo is set up: ports of the gateway and behind it.
#[derive(Debug)]
pub(crate) struct Setting<'s> {
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    pub(crate) token: &'s str,
    pub(crate) server_port: u16,
    pub(crate) has_tls: bool,
    pub(crate) redis: Option<RedisSetting<'s>>,
}

/// The part of Redis.
#[derive(Debug)]
pub(crate) struct RedisSetting<'s> {
    pub(crate) port: u16,
    pub(crate) server_port: u16,
    pub(crate) password: &'s str,
    /// The program that talks to it.
    pub(crate) client: &'static str,
}

/// The gateway's configuration.
pub(crate) fn config(setting: &Setting<'_>) -> String {
    let Setting {
        port,
        admin_port,
        token,
        server_port,
        has_tls,
        redis,
    } = setting;
    let tls = if *has_tls { "allow" } else { "disable" };
    let (listener, cluster) = redis.as_ref().map(redis_config).unwrap_or_default();
    format!(
        "log: {{ level: warn }}
runtime: {{ drain_timeout: 2s }}
admin: {{ address: \"127.0.0.1:{admin_port}\", token: \"{token}\" }}
listeners:
  demo:
    protocol: postgres
    address: \"127.0.0.1:{port}\"
    tls: {{ mode: {tls} }}
    login: {{ users: {{ demo: {{ password: demo }} }} }}
    routes:
      - cluster: demo
    chain:
      - count: {{}}
{listener}clusters:
  demo:
    protocol: postgres
    endpoints:
      - address: \"127.0.0.1:{server_port}\"
    pool: {{ mode: transaction, size: 10 }}
{cluster}"
    )
}

/// A listener and a cluster.
fn redis_config(setting: &RedisSetting<'_>) -> (String, String) {
    let RedisSetting {
        port,
        server_port,
        password,
        ..
    } = setting;
    let listener = format!(
        "  redis:
    protocol: redis
    address: \"127.0.0.1:{port}\"
    login: {{ users: {{ demo: {{ password: demo }} }} }}
    routes:
      - cluster: redis
"
    );
    let cluster = format!(
        "  redis:
    protocol: redis
    endpoints:
      - address: \"127.0.0.1:{server_port}\"
    credential: {{ password: \"{password}\" }}
"
    );
    (listener, cluster)
}

/// What to type.
pub(crate) fn invitation(setting: &Setting<'_>, config: &Path) -> String {
    let Setting {
        port,
        admin_port,
        token,
        redis,
        ..
    } = setting;
    let url = format!("postgresql://demo:demo@127.0.0.1:{port}/demo");
    let psql = format!("psql {url}");
    let admin = format!("http://127.0.0.1:{admin_port}");
    let redis_url = redis
        .as_ref()
        .map(|redis| format!("redis://demo:demo@127.0.0.1:{}", redis.port));
    let client = redis.as_ref().map_or("", |redis| redis.client);
    let (behind, typed, tries) = match redis_url {
        Some(url) => (
            "a PostgreSQL (in transaction mode) and a Redis",
            format!("\n  {client} -u {url}"),
            format!(
                "\n  {client} -u {url} HGETALL customer:7\n  {client} -u {url} SUBSCRIBE news        \
                 # and in another terminal: {client} -u {url} PUBLISH news hello\n  \
                 {} -u {url} -q -t get,set -n 200000 -P 16",
                client.replace("cli", "benchmark")
            ),
        ),
        None => ("a PostgreSQL (in transaction mode)", String::new(), String::new()),
    };
    format!(
        "
Tidegate is running, with {behind} behind it.

  {psql}{typed}

  metrics  {admin}/metrics
  health   {admin}/readyz
  admin    curl -H 'Authorization: Bearer {token}' {admin}/v1/pools

Some things to try:
  {psql} -c 'SELECT city, sum(total) FROM orders JOIN customers ON customers.id = customer GROUP BY city'
  pgbench -i -q {url} && pgbench -n -S -M prepared -c 50 -T 5 {url}{tries}
  curl -s {admin}/metrics | grep tidegate_count
  edit {config} (a pool's size, say): it is read again by itself

Ctrl-C stops everything and leaves nothing behind.",
        config = config.display(),
    )
}
