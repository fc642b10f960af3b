//! Subscriptions through the gateway: one at the server for all clients, and to each client as if it were alone.

mod common;
#[path = "pubsub/reload.rs"]
mod reload;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use common::Both;
use serde_json::{Value as Json, json};
use tidegate_conformance::House;
use tidegate_kit::{Flavour, Redis, RedisCluster, Resp, RespClient, eventually};

/// How many messages each channel carries.
const ROUNDS: usize = 40;

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

fn with(cluster: &Json) -> Both {
    let trust = json!({ "login": { "method": "trust" } });
    Both::with(Redis::start(Flavour::Valkey), &trust, cluster)
}

/// A client that listens, and what it must hear.
struct Ear {
    client: RespClient,
    channel: String,
    pattern: String,
    shard: String,
    is_resp3: bool,
}

impl Ear {
    fn new(address: SocketAddr, number: usize) -> Self {
        let mut ear = Self {
            client: RespClient::connect(address),
            channel: format!("c{}", number % 5),
            pattern: format!("p{}*", number % 3),
            shard: format!("s{}", number % 4),
            is_resp3: number % 2 == 1,
        };
        if ear.is_resp3 {
            assert_eq!(ear.client.ask(&["HELLO", "3"]).get("proto"), Some(&Resp::Integer(3)));
        }
        for (word, name, count) in [
            ("subscribe", ear.channel.clone(), 1),
            ("psubscribe", ear.pattern.clone(), 2),
            ("ssubscribe", ear.shard.clone(), 1),
        ] {
            ear.client.command(&[word, &name]);
            ear.hears(&[bulk(word), bulk(&name), Resp::Integer(count)]);
        }
        ear
    }

    fn next(&mut self) -> Vec<Resp> {
        match (self.client.reply(), self.is_resp3) {
            (Resp::Push(items), true) | (Resp::Array(items), false) => items,
            (other, _) => panic!("no message in this version of the protocol: {other:?}"),
        }
    }

    #[track_caller]
    fn hears(&mut self, expected: &[Resp]) {
        assert_eq!(self.next(), expected);
    }

    /// Every message once, those of a channel in their order, and nothing else.
    fn hears_all(&mut self) {
        let mut heard: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for _ in 0..3 * ROUNDS {
            let words: Vec<String> = self.next().iter().map(Resp::text).collect();
            let of = match words[0].as_str() {
                "message" | "smessage" => words[1].clone(),
                "pmessage" => {
                    assert_eq!(words[2], words[1].replace('*', "x"));
                    words[1].clone()
                }
                other => panic!("{other}"),
            };
            heard.entry(of).or_default().push(words[words.len() - 1].clone());
        }
        let all: Vec<String> = (0..ROUNDS).map(|round| round.to_string()).collect();
        let names = [&self.channel, &self.pattern, &self.shard];
        let expected = names.into_iter().map(|name| (name.clone(), all.clone())).collect();
        assert_eq!(heard, expected);
        self.is_at_ease();
    }

    /// Nothing more has come.
    fn is_at_ease(&mut self) {
        let pong = if self.is_resp3 {
            bulk("at ease")
        } else {
            Resp::Array(vec![bulk("pong"), bulk("at ease")])
        };
        assert_eq!(self.client.ask(&["PING", "at ease"]), pong);
    }
}

/// What all servers count together.
fn count(servers: &[Redis], words: &[&str]) -> i64 {
    let of = |server: &Redis| match server.ask(words) {
        Resp::Integer(number) => number,
        reply => reply
            .items()
            .get(1)
            .and_then(|count| count.text().parse().ok())
            .unwrap_or(0),
    };
    servers.iter().map(of).sum()
}

fn topics_are_shared(servers: &[Redis], primaries: i64) {
    for channel in 0..5 {
        let words = ["PUBSUB", "NUMSUB", &format!("c{channel}")];
        assert_eq!(count(servers, &words), 1, "{words:?}");
    }
    for shard in 0..4 {
        let words = ["PUBSUB", "SHARDNUMSUB", &format!("s{shard}")];
        assert_eq!(count(servers, &words), 1, "{words:?}");
    }
    let patterns = count(servers, &["PUBSUB", "NUMPAT"]);
    assert!(patterns == 3 || patterns == 3 * primaries, "{patterns}");
}

fn publish_all(address: SocketAddr) {
    let mut client = RespClient::connect(address);
    let mut asked = 0;
    for round in 0..ROUNDS {
        let round = round.to_string();
        let channels = (0..5).map(|at| format!("c{at}"));
        let matching = (0..3).map(|at| format!("p{at}x"));
        for channel in channels.chain(matching) {
            client.command(&["PUBLISH", &channel, &round]);
            asked += 1;
        }
        for shard in 0..4 {
            client.command(&["SPUBLISH", &format!("s{shard}"), &round]);
            asked += 1;
        }
    }
    for _ in 0..asked {
        let told = client.reply();
        assert!(matches!(told, Resp::Integer(_)), "{told:?}");
    }
}

/// Twenty clients, and again after every connection that carries messages was killed at the servers.
fn many_listen(house: &House, servers: &[Redis], primaries: i64) {
    let mut ears: Vec<Ear> = (0..20).map(|number| Ear::new(house.address(), number)).collect();
    topics_are_shared(servers, primaries);
    publish_all(house.address());
    for ear in &mut ears {
        ear.hears_all();
    }
    let mut killed = 0;
    for server in servers {
        match server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]) {
            Resp::Integer(number) => killed += number,
            told => panic!("{told:?}"),
        }
    }
    assert!(killed > 0);
    let is_restored = || {
        let channels = (0..5).all(|at| count(servers, &["PUBSUB", "NUMSUB", &format!("c{at}")]) == 1);
        let shards = (0..4).all(|at| count(servers, &["PUBSUB", "SHARDNUMSUB", &format!("s{at}")]) == 1);
        channels
            && shards
            && count(servers, &["PUBSUB", "NUMPAT"]) % 3 == 0
            && count(servers, &["PUBSUB", "NUMPAT"]) > 0
    };
    eventually("all is subscribed to again", is_restored);
    publish_all(house.address());
    for ear in &mut ears {
        ear.hears_all();
    }
    drop(ears);
    eventually("nobody listens any more", || {
        let channels = (0..5).all(|at| count(servers, &["PUBSUB", "NUMSUB", &format!("c{at}")]) == 0);
        channels && count(servers, &["PUBSUB", "NUMPAT"]) == 0
    });
}

#[test]
fn many_listen_to_one_server() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        many_listen(&both.house, std::slice::from_ref(&both.server), 1);
    }
}

#[test]
fn many_listen_to_a_cluster() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let wanted = json!({ "topology": { "kind": "cluster" } });
        let trust = json!({ "login": { "method": "trust" } });
        let house = common::gateway(&cluster.addresses()[..1], &trust, &wanted, Vec::new());
        many_listen(&house, cluster.nodes(), 3);
    }
}

/// The same bytes from the gateway as from the server, to the end of the connection.
#[track_caller]
fn same_stream(both: &Both, commands: &[&[&str]]) {
    let stream = |mut client: RespClient| {
        let bytes: Vec<u8> = commands.iter().flat_map(|words| RespClient::encode(words)).collect();
        client.send(&bytes);
        let mut seen = Vec::new();
        while let Ok(reply) = client.try_raw() {
            seen.extend(reply);
        }
        String::from_utf8_lossy(&seen).into_owned()
    };
    let direct = stream(both.server.client());
    let through = stream(both.client());
    assert_eq!(through, direct, "{commands:?}");
}

/// Commands before, between and behind subscriptions, all in one write.
#[test]
fn pipelines_with_subscriptions_keep_their_order() {
    let tail: [&[&str]; 15] = [
        &["SET", "a", "1"],
        &["SUBSCRIBE", "c1", "c2"],
        &["PING"],
        &["PING", "text"],
        &["PSUBSCRIBE", "p*"],
        &["GET", "a"],
        &["SSUBSCRIBE", "s1"],
        &["UNSUBSCRIBE", "c1", "never"],
        &["UNSUBSCRIBE"],
        &["UNSUBSCRIBE"],
        &["PUNSUBSCRIBE", "p*"],
        &["SUNSUBSCRIBE"],
        &["GET", "a"],
        &["PING"],
        &["QUIT"],
    ];
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        same_stream(&both, &tail);
        let many: Vec<&[&str]> = [&["GET", "a"][..]; 50].into_iter().chain(tail).collect();
        same_stream(&both, &many);
        same_stream(
            &both,
            &[
                &["SUBSCRIBE", "c"],
                &["RESET"],
                &["GET", "a"],
                &["SUBSCRIBE", "c"],
                &["QUIT"],
            ],
        );
        same_stream(
            &both,
            &[
                &["SUBSCRIBE", "c"],
                &["SUBSCRIBE", "c"],
                &["UNSUBSCRIBE", "c"],
                &["QUIT"],
            ],
        );
        // In the new version the greeting tells of ids, so it is left out.
        let mut streams = [both.server.client(), both.client()].map(|mut client| {
            assert_eq!(client.ask(&["HELLO", "3"]).get("proto"), Some(&Resp::Integer(3)));
            let bytes: Vec<u8> = tail.iter().flat_map(|words| RespClient::encode(words)).collect();
            client.send(&bytes);
            let mut seen = Vec::new();
            while let Ok(reply) = client.try_raw() {
                seen.extend(reply);
            }
            String::from_utf8_lossy(&seen).into_owned()
        });
        let through = std::mem::take(&mut streams[1]);
        assert_eq!(through, streams[0]);
    }
}

/// What a client of RESP2 that listens may not do, in the server's own words.
#[test]
fn who_listens_in_the_old_version_can_do_little_else() {
    let tried: [&[&str]; 19] = [
        &["GET", "a"],
        &["get", "a"],
        &["SET", "a", "1"],
        &["MULTI"],
        &["EXEC"],
        &["WATCH", "a"],
        &["BLPOP", "a", "0"],
        &["SELECT", "1"],
        &["HELLO", "3"],
        &["AUTH", "x"],
        &["CLIENT", "ID"],
        &["CONFIG", "GET", "port"],
        &["PUBLISH", "c", "x"],
        &["PUBSUB", "CHANNELS"],
        &["MONITOR"],
        &["EVAL", "return 1", "0"],
        &["GET"],
        &["NOSUCH", "a"],
        &["PING", "too", "many"],
    ];
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let (mut direct, mut through) = (both.server.client(), both.client());
        for client in [&mut direct, &mut through] {
            assert_eq!(client.ask(&["SUBSCRIBE", "c"]).items().len(), 3);
        }
        for words in tried {
            assert_eq!(through.ask(words), direct.ask(words), "{words:?} at {flavour:?}");
        }
        for client in [&mut direct, &mut through] {
            assert_eq!(client.ask(&["UNSUBSCRIBE"]).items()[2], Resp::Integer(0));
            assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
            assert_eq!(client.ask(&["PING"]), simple("PONG"));
            assert_eq!(client.ask(&["MULTI"]), simple("OK"));
            assert_eq!(client.ask(&["EXEC"]), Resp::Array(Vec::new()));
        }
    }
}

#[test]
fn who_does_not_read_is_closed_alone() {
    let both = with(&json!({ "pool": { "pubsub_buffer": "1MiB" } }));
    let (mut slow, mut fast, mut publisher) = (both.client(), both.client(), both.client());
    for client in [&mut slow, &mut fast] {
        assert_eq!(client.ask(&["SUBSCRIBE", "c"]).items().len(), 3);
    }
    let reader = std::thread::spawn(move || {
        for number in 0..600 {
            let text = fast.reply().items()[2].text();
            assert!(
                text.starts_with(&format!("{number} ")),
                "message {number} is {}",
                &text[..10]
            );
        }
        fast
    });
    for number in 0..600 {
        let message = format!("{number} {}", "m".repeat(64 << 10));
        assert_eq!(publisher.ask(&["PUBLISH", "c", &message]), Resp::Integer(1));
        if number % 8 == 0 {
            // The one who reads may have to be waited for; it would be given up too.
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let mut fast = reader.join().expect("every message once");
    assert!(
        slow.closed_within(Duration::from_secs(10)),
        "who does not read is closed"
    );
    eventually("two are left", || both.house.clients().len() == 2);
    assert_eq!(fast.ask(&["PING"]), Resp::Array(vec![bulk("pong"), bulk("")]));
    assert_eq!(publisher.ask(&["PUBLISH", "c", "last"]), Resp::Integer(1));
    assert_eq!(
        fast.reply(),
        Resp::Array(vec![bulk("message"), bulk("c"), bulk("last")])
    );
}
