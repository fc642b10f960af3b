//! A small executor sends the pieces to a real cluster's nodes; what comes of it is what one server says.

use std::collections::BTreeSet;

use tidegate_kit::{Flavour, Redis, RedisCluster, Resp, RespClient};
use tidegate_redis_wire::reply::Version;

use super::*;
use crate::scatter::{Asker, ScanStep, Which};

const KEYS: usize = 2000;

/// The primaries and replicas of a cluster of six.
struct Gateway {
    clients: Vec<RespClient>,
    /// Which of them has a slot.
    owners: Vec<(u16, usize)>,
    asker: Asker,
}

impl Gateway {
    fn new(cluster: &RedisCluster, version: Version) -> Self {
        let mut clients: Vec<_> = cluster.nodes().iter().map(Redis::client).collect();
        for client in &mut clients {
            client.ask(&["HELLO", &version.number().to_string()]);
        }
        // The kit's primaries come first, each with a third of the slots.
        let owners = (0..3)
            .map(|node| (u16::try_from(16_384 * (node + 1) / 3 - 1).unwrap(), node))
            .collect();
        let asker = Asker {
            version,
            dice: 1,
            sees_cluster: false,
        };
        Self { clients, owners, asker }
    }

    fn owner(&self, bucket: u16) -> usize {
        self.owners.iter().find(|(last, _)| bucket <= *last).unwrap().1
    }

    fn send(&mut self, node: usize, bytes: &[u8]) -> Vec<u8> {
        self.clients[node].send(bytes);
        self.clients[node].raw().1
    }

    fn ask(&mut self, words: &[impl AsRef<[u8]>]) -> Resp {
        let reply = self.raw(words);
        let (read, used) = Resp::parse(&reply).unwrap();
        assert_eq!(used, reply.len());
        read
    }

    fn raw(&mut self, words: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let bytes = encode(words);
        let mut out = Vec::new();
        match way_of(words, &Slots) {
            Way::Bucket(bucket) => return self.send(self.owner(bucket), &bytes),
            Way::Any => return self.send(1, &bytes),
            Way::Parts(scatter) => {
                let pieces: Vec<_> = scatter.pieces().collect();
                let replies: Vec<_> = pieces
                    .into_iter()
                    .map(|(bucket, bytes)| self.send(self.owner(bucket), bytes))
                    .collect();
                scatter.merge(&self.asker, &slices(&replies), &mut out);
            }
            Way::All(which, scatter) => {
                let count = if which == Which::Nodes { 6 } else { 3 };
                let replies: Vec<_> = (0..count).map(|node| self.send(node, scatter.bytes())).collect();
                scatter.merge(&self.asker, &slices(&replies), &mut out);
            }
            Way::Scan(step) if step.server() >= 3 => ScanStep::end(self.asker.version, &mut out),
            Way::Scan(step) => {
                let reply = self.send(step.server(), step.bytes());
                step.finish(self.asker.version, 3, &reply, &mut out);
            }
            Way::Error(text) => return format!("-{text}\r\n").into_bytes(),
        }
        out
    }
}

fn slices(replies: &[Vec<u8>]) -> Vec<&[u8]> {
    replies.iter().map(Vec::as_slice).collect()
}

fn key(number: usize) -> String {
    if number.is_multiple_of(7) {
        format!("{{tag{}}}:{number}", number % 3)
    } else {
        format!("key:{number}")
    }
}

/// Asks both for the same.
#[track_caller]
fn same(gateway: &mut Gateway, one: &mut RespClient, words: &[impl AsRef<[u8]>]) {
    let name = String::from_utf8_lossy(words[0].as_ref()).into_owned();
    assert_eq!(gateway.ask(words), one.ask(words), "{name} of {} words", words.len());
}

fn texts(reply: &Resp) -> BTreeSet<String> {
    let texts: BTreeSet<_> = reply.items().iter().map(Resp::text).collect();
    assert_eq!(texts.len(), reply.items().len());
    texts
}

fn scan(gateway: &mut Gateway, more: &[&str]) -> BTreeSet<String> {
    let (mut cursor, mut found, mut steps) = ("0".to_owned(), BTreeSet::new(), 0);
    loop {
        let mut words = vec!["SCAN", &cursor];
        words.extend(more);
        let reply = gateway.ask(&words);
        let [next, keys] = reply.items() else {
            panic!("{reply:?}")
        };
        found.extend(keys.items().iter().map(Resp::text));
        cursor = next.text();
        // Others come and go, which may move what is there within its table.
        for number in 0..20 {
            gateway.ask(&["SET", &format!("churn:{}", steps * 20 + number), ""]);
            gateway.ask(&["DEL", &format!("churn:{}", steps * 10 + number)]);
        }
        assert!(cursor.parse::<i64>().is_ok());
        steps += 1;
        if cursor == "0" {
            assert!(steps > 3);
            for number in 0..=steps * 20 {
                gateway.ask(&["DEL", &format!("churn:{number}")]);
            }
            found.retain(|key| !key.starts_with("churn:"));
            return found;
        }
    }
}

fn like_one_server(flavour: Flavour, version: Version) {
    let (cluster, single) = (RedisCluster::start(flavour), Redis::start(flavour));
    let mut gateway = Gateway::new(&cluster, version);
    let mut one = single.client();
    one.ask(&["HELLO", &version.number().to_string()]);
    let gate = &mut gateway;

    let keys: Vec<String> = (0..KEYS).map(key).collect();
    for chunk in keys.chunks(500) {
        let mut words = vec!["MSET".to_owned()];
        words.extend(chunk.iter().flat_map(|key| [key.clone(), format!("value of {key}")]));
        same(gate, &mut one, &words);
    }
    let with = |name: &str, keys: &[String]| [&[name.to_owned()], keys].concat();
    let mut asked: Vec<String> = (0..KEYS).map(|number| key(number * 37 % (KEYS + 300))).collect();
    asked.extend_from_within(..50);
    for name in ["MGET", "EXISTS", "TOUCH"] {
        same(gate, &mut one, &with(name, &asked));
    }
    same(gate, &mut one, &["DBSIZE"]);
    let pattern = ["KEYS", "key:1*"];
    assert_eq!(texts(&gate.ask(&pattern)), texts(&one.ask(&pattern)));
    assert_eq!(scan(gate, &["COUNT", "100"]), keys.iter().cloned().collect());
    assert_eq!(scan(gate, &["MATCH", "key:1*"]), texts(&one.ask(&pattern)));
    assert!(keys.contains(&gate.ask(&["RANDOMKEY"]).text()));
    let keyspace = |text: String| text.lines().find(|line| line.starts_with("db0:")).unwrap().to_owned();
    let info = gate.ask(&["INFO", "keyspace"]).text();
    assert_eq!(keyspace(info), keyspace(one.ask(&["INFO", "keyspace"]).text()));
    // A type that does not fit is nothing to MGET, and an error to others.
    same(gate, &mut one, &["LPUSH", "list", "a"]);
    same(gate, &mut one, &["MGET", "list", "key:1"]);
    same(gate, &mut one, &with("DEL", &asked[..700]));
    same(gate, &mut one, &with("UNLINK", &asked[600..1500]));
    same(gate, &mut one, &["DBSIZE"]);
    scripts(gate, &mut one);
    aggregates(gate, &mut one, version);
    same(gate, &mut one, &["FLUSHALL"]);
    same(gate, &mut one, &["DBSIZE"]);
    same(gate, &mut one, &["RANDOMKEY"]);
    same(gate, &mut one, &["KEYS", "*"]);
}

fn scripts(gate: &mut Gateway, one: &mut RespClient) {
    same(gate, one, &["SCRIPT", "LOAD", "return KEYS[1]"]);
    let digest = one.ask(&["SCRIPT", "LOAD", "return KEYS[1]"]).text();
    let nothing = "0".repeat(40);
    same(gate, one, &["SCRIPT", "EXISTS", &digest, &nothing]);
    for key in ["a", "b", "c", "d"] {
        same(gate, one, &["EVALSHA", &digest, "1", key]);
    }
    same(gate, one, &["SCRIPT", "KILL"]);
    same(gate, one, &["SCRIPT", "FLUSH"]);
    same(gate, one, &["SCRIPT", "EXISTS", &digest]);
    let library = "#!lua name=lib\nredis.register_function('one', function() return 1 end)";
    same(gate, one, &["FUNCTION", "FLUSH"]);
    same(gate, one, &["FUNCTION", "LOAD", "REPLACE", library]);
    same(gate, one, &["FCALL", "one", "1", "foo"]);
    same(gate, one, &["FUNCTION", "STATS"]);
    same(gate, one, &["FUNCTION", "DELETE", "lib"]);
    same(gate, one, &["FUNCTION", "DELETE", "lib"]);
}

/// What differs from one server's in its numbers has its shape.
fn aggregates(gate: &mut Gateway, one: &mut RespClient, version: Version) {
    same(gate, one, &["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    same(gate, one, &["CONFIG", "SET", "slowlog-log-slower-than", "nonsense"]);
    same(gate, one, &["ACL", "SETUSER", "alice", "on", "nopass"]);
    same(gate, one, &["ACL", "DELUSER", "alice"]);
    same(gate, one, &["ACL", "LOG"]);
    same(gate, one, &["ACL", "LOG", "RESET"]);
    same(gate, one, &["PUBSUB", "CHANNELS"]);
    same(gate, one, &["PUBSUB", "NUMSUB", "a", "b"]);
    same(gate, one, &["PUBSUB", "NUMPAT"]);
    same(gate, one, &["LATENCY", "LATEST"]);
    same(gate, one, &["LATENCY", "RESET"]);
    same(gate, one, &["MEMORY", "PURGE"]);
    same(gate, one, &["SLOWLOG", "RESET"]);
    assert!(
        gate.ask(&["SLOWLOG", "LEN"])
            .text()
            .parse::<u32>()
            .is_ok_and(|count| count >= 3)
    );
    assert!(gate.ask(&["SLOWLOG", "GET"]).items().len() >= 3);
    assert!(
        gate.ask(&["LASTSAVE"])
            .text()
            .parse::<u64>()
            .is_ok_and(|time| time > 1_000_000)
    );
    assert!(gate.ask(&["WAIT", "0", "1"]).text().parse::<u32>().is_ok());
    for words in [
        &["MEMORY", "STATS"],
        &["MEMORY", "DOCTOR"],
        &["LATENCY", "DOCTOR"],
        &["INFO", "everything"],
    ] {
        let (merged, single) = (gate.raw(words), RespClient::encode(words));
        one.send(&single);
        assert_eq!(merged[0], one.raw().1[0], "{words:?}");
    }
    let stats = gate.ask(&["MEMORY", "STATS"]);
    assert_eq!(matches!(stats, Resp::Map(_)), version == Version::Resp3);
    let single = one.ask(&["MEMORY", "STATS"]);
    for pair in single.items().chunks_exact(2) {
        assert!(stats.get(&pair[0].text()).is_some(), "{pair:?}");
    }
    let info = gate.ask(&["INFO", "everything"]).text();
    let line = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::to_owned)
    };
    let mode = line("redis_mode").or_else(|| line("server_mode"));
    assert_eq!(mode.as_deref(), Some("standalone"));
    assert_eq!(line("cluster_enabled").as_deref(), Some("0"));
    assert_eq!(line("role").as_deref(), Some("master"));
    assert_eq!(line("connected_slaves").as_deref(), Some("3"));
    assert_eq!(line("slave0"), None);
    let used: u64 = line("used_memory").unwrap().parse().unwrap();
    let parts = single.get("total.allocated").unwrap().text().parse::<u64>().unwrap();
    assert!(used > 2 * parts, "{used} of three, {parts} of one");
    // Every line that a server of the cluster has, but for those that tell of replicas.
    gate.clients[0].command(&["INFO", "everything"]);
    for text in gate.clients[0]
        .reply()
        .text()
        .lines()
        .filter(|line| !line.starts_with("slave"))
    {
        let name = text.split(':').next().unwrap();
        assert!(
            info.lines()
                .any(|line| line == name || line.starts_with(&format!("{name}:"))),
            "{text}"
        );
    }
}

#[test]
fn redis_over_resp2() {
    like_one_server(Flavour::Redis, Version::Resp2);
}

#[test]
fn valkey_over_resp3() {
    like_one_server(Flavour::Valkey, Version::Resp3);
}
