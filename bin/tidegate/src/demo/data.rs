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

/// The gateway's configuration.
pub(crate) fn config(port: u16, admin_port: u16, token: &str, server_port: u16, tls: bool) -> String {
    let tls = if tls { "allow" } else { "disable" };
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
clusters:
  demo:
    protocol: postgres
    endpoints:
      - address: \"127.0.0.1:{server_port}\"
    pool: {{ mode: transaction, size: 10 }}
"
    )
}

/// What to type.
pub(crate) fn invitation(port: u16, admin_port: u16, token: &str, config: &Path) -> String {
    let url = format!("postgresql://demo:demo@127.0.0.1:{port}/demo");
    let psql = format!("psql {url}");
    let admin = format!("http://127.0.0.1:{admin_port}");
    format!(
        "
Tidegate is running, in transaction mode, with a PostgreSQL behind it.

  {psql}

  metrics  {admin}/metrics
  health   {admin}/readyz
  admin    curl -H 'Authorization: Bearer {token}' {admin}/v1/pools

Some things to try:
  {psql} -c 'SELECT city, sum(total) FROM orders JOIN customers ON customers.id = customer GROUP BY city'
  pgbench -i -q {url} && pgbench -n -S -M prepared -c 50 -T 5 {url}
  curl -s {admin}/metrics | grep tidegate_count
  edit {config} (a pool's size, say): it is read again by itself

Ctrl-C stops everything and leaves nothing behind.",
        config = config.display(),
    )
}
