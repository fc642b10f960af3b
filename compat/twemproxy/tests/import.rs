//! Configurations of twemproxy, and what becomes of them.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use tidegate_config::Document;
use tidegate_twemproxy::{Imported, KEYS, import, table};

/// The pools of Redis in `conf/nutcracker.yml` of twemproxy 0.5.0.
const SAMPLE: &str = "\
alpha:
  listen: 127.0.0.1:22121
  hash: fnv1a_64
  distribution: ketama
  auto_eject_hosts: true
  redis: true
  server_retry_timeout: 2000
  server_failure_limit: 1
  servers:
   - 127.0.0.1:6379:1

beta:
  listen: 127.0.0.1:22122
  hash: fnv1a_64
  hash_tag: \"{}\"
  distribution: ketama
  auto_eject_hosts: false
  timeout: 400
  redis: true
  servers:
   - 127.0.0.1:6380:1 server1
   - 127.0.0.1:6381:1 server2
   - 127.0.0.1:6382:1 server3
   - 127.0.0.1:6383:1 server4
";

const EVERY_KEY: &str = "\
all:
  listen: /tmp/all.sock 0666
  client_connections: 7
  hash: one_at_a_time
  hash_tag: \"$$\"
  distribution: modula
  timeout: 250
  backlog: 1024
  tcpkeepalive: false
  preconnect: true
  redis: true
  redis_auth: 0123 # of four digits
  redis_db: 0
  server_connections: 100
  auto_eject_hosts: true
  server_retry_timeout: 0
  server_failure_limit: 0
  servers:
    - /tmp/one.sock:3
    - cache.local:11211:1
";

fn imported(text: &str) -> Imported {
    import("etc/nutcracker.yml", text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn json(imported: &Imported) -> Json {
    let document = Document::parse("tidegate.yaml", imported.yaml.clone());
    document.unwrap_or_else(|mistakes| panic!("{mistakes:?}")).to_json()
}

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = import("n.yml", text).expect_err("mistakes");
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_sample_of_twemproxy_as_text() {
    let imported = imported(SAMPLE);
    let expected = "\
# Made from nutcracker.yml, a configuration of twemproxy.
listeners:
  alpha:
    protocol: redis
    address: \"127.0.0.1:22121\"
    max_clients: 0
    login: { method: trust }
    routes:
      - cluster: alpha
  beta:
    protocol: redis
    address: \"127.0.0.1:22122\"
    max_clients: 0
    login: { method: trust }
    routes:
      - cluster: beta
clusters:
  alpha:
    protocol: redis
    topology:
      kind: hash
      hash: fnv1a_64
      distribution: ketama
    # twemproxy's auto_eject_hosts: true: Tidegate does not give the keys of a server that is down to others, as the data \
would be split; commands for it fail until it is back. Clients of a cache must take an error for a miss
    health:
      failures: 1
      interval: 2000ms
    endpoints:
      - { address: \"127.0.0.1:6379\", weight: 1, name: \"127.0.0.1:6379\" }
  beta:
    protocol: redis
    topology:
      kind: hash
      hash: fnv1a_64
      distribution: ketama
      hash_tag: \"{}\"
    connect: { timeout: 400ms }
    timeouts: { reply: 400ms }
    endpoints:
      - { address: \"127.0.0.1:6380\", weight: 1, name: server1 }
      - { address: \"127.0.0.1:6381\", weight: 1, name: server2 }
      - { address: \"127.0.0.1:6382\", weight: 1, name: server3 }
      - { address: \"127.0.0.1:6383\", weight: 1, name: server4 }
";
    assert_eq!(imported.yaml, expected);
    assert_eq!(imported.warnings.len(), 1);
    assert_eq!(imported.warnings[0].line, 5);
}

#[test]
fn every_key_is_honoured_or_named() {
    let imported = imported(EVERY_KEY);
    let expected = json!({
        "listeners": { "all": {
            "protocol": "redis",
            "address": "unix:/tmp/all.sock",
            "max_clients": 7,
            "login": { "users": { "default": { "password": "0123" } } },
            "routes": [{ "cluster": "all" }],
        } },
        "clusters": { "all": {
            "protocol": "redis",
            // In a configuration of Tidegate a `$` is written twice.
            "topology": { "kind": "hash", "hash": "one_at_a_time", "distribution": "modula", "hash_tag": "$$$$" },
            "health": { "failures": 1, "interval": "1ms" },
            "connect": { "timeout": "250ms" },
            "timeouts": { "reply": "250ms" },
            "keepalive": { "idle": 0 },
            "pool": { "shared": 64 },
            "credential": { "password": "0123" },
            "endpoints": [
                { "address": "unix:/tmp/one.sock", "weight": 3, "name": "/tmp/one.sock:" },
                { "address": "cache.local:11211", "weight": 1, "name": "cache.local" },
            ],
        } },
    });
    assert_eq!(json(&imported), expected);
    let lines: Vec<_> = imported.warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [2, 3, 8, 10, 14, 15], "{:?}", imported.warnings);
    for warning in &imported.warnings {
        assert!(imported.yaml.contains(&format!("# {}\n", warning.text)), "{warning:?}");
    }
    for key in KEYS {
        assert!(EVERY_KEY.contains(&format!("  {}:", key.name)), "{}", key.name);
    }
}

#[test]
fn what_is_absent_is_as_in_twemproxy() {
    let imported = imported("p:\n  listen: ::1:1\n  redis: true\n  servers:\n    - a:1:1\n");
    let read = json(&imported);
    assert_eq!(read["listeners"]["p"]["address"], "[::1]:1");
    assert_eq!(read["listeners"]["p"]["max_clients"], 0);
    let topology = json!({ "kind": "hash", "hash": "fnv1a_64", "distribution": "ketama" });
    assert_eq!(read["clusters"]["p"]["topology"], topology);
    assert!(imported.warnings.is_empty());
}

#[test]
fn limits_without_ejection_are_named() {
    let text = "p:\n  listen: a:1\n  redis: true\n  server_retry_timeout: 5\n  servers:\n    - a:1:1\n";
    let imported = imported(text);
    assert_eq!(imported.warnings.len(), 1);
    assert!(imported.warnings[0].text.contains("no effect"));
    assert!(json(&imported)["clusters"]["p"].get("health").is_none());
}

#[test]
fn large_weights_keep_their_ring_or_are_refused() {
    let text = |distribution: &str, weights: [u32; 2]| {
        let [one, two] = weights;
        let pool = format!("p:\n  listen: a:1\n  redis: true\n  distribution: {distribution}\n");
        format!("{pool}  servers:\n    - a:1:{one}\n    - b:1:{two}\n")
    };
    let read = json(&imported(&text("ketama", [200_000, 100_000])));
    assert_eq!(read["clusters"]["p"]["endpoints"][0]["weight"], 2);
    assert_eq!(read["clusters"]["p"]["endpoints"][1]["weight"], 1);
    for (distribution, weights) in [("ketama", [100_000, 1]), ("modula", [200_000, 100_000])] {
        let told = mistakes(&text(distribution, weights));
        assert!(
            told.len() == 1 && told[0].starts_with("n.yml:5:3: weights above 1000"),
            "{told:?}"
        );
    }
}

#[test]
fn mistakes_are_all_told_with_their_lines() {
    let told = mistakes(
        "\
one:
  listen: 127.0.0.1:70000
  hash: fnv1a64
  distribution: chord
  hash_tag: \"{\"
  timeout: -1
  backlgo: 5
  preconnect: True
  redis: false
  redis_db: 3
  redis_auth:
  server_connections: 0
  servers:
    - 127.0.0.1:6379
    - a:1:1 x
    - b:1:1 x
two:
  listen: a:1
  servers:
    - a:1:1
three:
  listen: a:1
  redis: true
four: x
",
    );
    let expected = [
        "n.yml:2:3: `127.0.0.1:70000` is no `host:port`",
        "n.yml:3:3: `fnv1a64` is no hash; did you mean `fnv1a_64`?",
        "n.yml:4:3: `chord` is no distribution; expected one of: ketama, modula, random",
        "n.yml:5:3: is not two characters",
        "n.yml:6:3: `-1` is not a number",
        "n.yml:7:3: `backlgo` is no key of twemproxy; did you mean `backlog`?",
        "n.yml:8:3: `True` is not `true` or `false`",
        "n.yml:9:3: this is a pool of memcached, which Tidegate does not speak; pools of Redis have `redis: true`",
        "n.yml:10:3: a cluster of Tidegate has no database of its own, and clients would see the data of database 0: take \
         the key out, and let clients send `SELECT`",
        "n.yml:11:3: has no value",
        "n.yml:12:3: cannot be 0",
        "n.yml:14:7: `127.0.0.1:6379` is no server: write `host:port:weight`, or `/path:weight`, and a name behind it if \
         it has one",
        "n.yml:16:7: another server of this pool is called `x` too",
        "n.yml:17:1: this is a pool of memcached, which Tidegate does not speak; pools of Redis have `redis: true`",
        "n.yml:21:1: `servers` is missing: which servers it has",
        "n.yml:24:1: a pool is a map of keys",
        "n.yml:22:3: pool `two` listens there already",
    ];
    assert_eq!(told, expected);
    assert_eq!(mistakes(""), ["n.yml:1:1: there are no pools"]);
}

#[test]
fn the_guide_has_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/twemproxy.md");
    let page = fs::read_to_string(path).expect("the page");
    assert!(page.contains(&table()), "the table of the page is to be:\n{}", table());
}
