//! SH-14: whatever one client does, another is answered as if it were alone.
//!
//! One client draws its lots among everything that makes state, blocks, fails or ends badly; two others hold to scripts of
//! which every answer is known to the byte. The order in which the three come is drawn too, from a seed that a failure
//! names; `TIDEGATE_SEED` sets another one.

mod common;
#[path = "apart/unruly.rs"]
mod unruly;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::random::Random;
use serde_json::json;
use tidegate_conformance::House;
use tidegate_kit::{Flavour, Redis as Server, RedisCluster, RespClient, eventually};
use unruly::Unruly;

/// Nobody else's key is touched by who disturbs.
const CHANNEL: &str = "{b}news";

/// A client of which every answer is known.
struct Steady {
    client: RespClient,
    /// The beginning of its keys: those of one lie in one slot.
    tag: &'static str,
    is_resp3: bool,
    user: &'static str,
    count: u64,
    /// What is yet to come from its subscription.
    news: VecDeque<String>,
    heard: VecDeque<String>,
    slow: Vec<Duration>,
}

impl Steady {
    fn new(address: SocketAddr, tag: &'static str, user: &'static str, is_resp3: bool, database: &str) -> Self {
        let (client, count) = (RespClient::connect(address), 0);
        let (news, heard, slow) = (VecDeque::new(), VecDeque::new(), Vec::new());
        let mut steady = Self {
            client,
            tag,
            is_resp3,
            user,
            count,
            news,
            heard,
            slow,
        };
        if user != "default" {
            steady.check(&["AUTH", user, "secret"], "+OK\r\n");
        }
        if is_resp3 {
            steady.client.ask(&["HELLO", "3"]);
            steady.check(&["SUBSCRIBE", CHANNEL], "");
        }
        steady.check(&["CLIENT", "SETNAME", tag], "+OK\r\n");
        if database != "0" {
            steady.check(&["SELECT", database], "+OK\r\n");
        }
        let mark = steady.key("mark");
        steady.check(&["SET", &mark, &format!("of {tag}")], "+OK\r\n");
        steady
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }

    fn null(&self) -> &'static str {
        if self.is_resp3 { "_\r\n" } else { "$-1\r\n" }
    }

    /// Asks, and takes the answer; what was published comes between. Where the answer is a push nothing is expected.
    #[track_caller]
    fn check(&mut self, words: &[&str], expected: &str) {
        self.check_all(&[words], &[expected]);
    }

    #[track_caller]
    fn check_all(&mut self, commands: &[&[&str]], expected: &[&str]) {
        let begin = Instant::now();
        let bytes: Vec<u8> = commands.iter().flat_map(|words| RespClient::encode(words)).collect();
        self.client.send(&bytes);
        for (words, expected) in commands.iter().zip(expected) {
            let got = self.answer(expected.is_empty());
            assert!(
                expected.is_empty() || got == *expected,
                "{words:?}: {got:?} and not {expected:?}"
            );
        }
        self.slow.push(begin.elapsed());
    }

    #[track_caller]
    fn answer(&mut self, is_push: bool) -> String {
        loop {
            let bytes = String::from_utf8_lossy(&self.client.raw().1).into_owned();
            if is_push || !bytes.starts_with('>') {
                return bytes;
            }
            self.heard.push_back(bytes);
        }
    }

    /// One step of its script.
    fn step(&mut self, random: &mut Random) {
        let (n, list, mark) = (self.key("n"), self.key("list"), self.key("mark"));
        self.count += 1;
        let (count, next) = (self.count.to_string(), (self.count + 1).to_string());
        match random.next(10) {
            0 => self.check_all(
                &[&["SET", &n, &count], &["GET", &n], &["INCR", &n]],
                &["+OK\r\n", &bulk(&count), &format!(":{next}\r\n")],
            ),
            1 => {
                let null = self.null();
                self.check(
                    &["MGET", &mark, &self.key("none")],
                    &format!("*2\r\n{}{null}", bulk(&self.mark())),
                );
            }
            2 => self.transaction(),
            3 => {
                // Somebody else's transaction or watch must not be felt here, nor its own change fail.
                self.check_all(
                    &[
                        &["WATCH", &n],
                        &["GET", &mark],
                        &["MULTI"],
                        &["SET", &n, "1"],
                        &["EXEC"],
                    ],
                    &[
                        "+OK\r\n",
                        &bulk(&self.mark()),
                        "+OK\r\n",
                        "+QUEUED\r\n",
                        "*1\r\n+OK\r\n",
                    ],
                );
            }
            4 => self.check(&["CLIENT", "GETNAME"], &bulk(self.tag)),
            5 => self.check(&["ACL", "WHOAMI"], &bulk(self.user)),
            6 => self.check(
                &[
                    "EVAL",
                    "return {ARGV[1], redis.call('GET', KEYS[1])}",
                    "1",
                    &mark,
                    &count,
                ],
                &format!("*2\r\n{}{}", bulk(&count), bulk(&self.mark())),
            ),
            7 => self.check_all(
                &[&["RPUSH", &list, &count], &["BLPOP", &list, "0"]],
                &[":1\r\n", &format!("*2\r\n{}{}", bulk(&list), bulk(&count))],
            ),
            8 => self.check_all(
                &[&["EXEC"], &["DISCARD"], &["GET"]],
                &[
                    "-ERR EXEC without MULTI\r\n",
                    "-ERR DISCARD without MULTI\r\n",
                    "-ERR wrong number of arguments for 'get' command\r\n",
                ],
            ),
            _ => self.check(&["ECHO", &count], &bulk(&count)),
        }
    }

    fn mark(&self) -> String {
        format!("of {}", self.tag)
    }

    /// On a connection that somebody else had before, as likely as not: its database, version and watches would show.
    fn transaction(&mut self) {
        let (mark, none) = (self.key("mark"), self.key("none"));
        self.check_all(
            &[&["MULTI"], &["GET", &mark], &["GET", &none], &["PING"], &["EXEC"]],
            &[
                "+OK\r\n",
                "+QUEUED\r\n",
                "+QUEUED\r\n",
                "+QUEUED\r\n",
                &format!("*3\r\n{}{}+PONG\r\n", bulk(&self.mark()), self.null()),
            ],
        );
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The two that hold to their scripts, and who looks behind the gateway.
struct Scene<'t> {
    house: &'t House,
    servers: Vec<&'t Server>,
    watchers: Vec<RespClient>,
    publisher: Steady,
    listener: Steady,
    random: Random,
}

impl<'t> Scene<'t> {
    fn new(house: &'t House, servers: Vec<&'t Server>, seed: u64, database: &str) -> Self {
        let address = house.address();
        Self {
            house,
            watchers: servers.iter().map(|server| server.client()).collect(),
            servers,
            publisher: Steady::new(address, "{b}", "default", false, "0"),
            listener: Steady::new(address, "{c}", "c", true, database),
            random: Random(seed),
        }
    }

    /// One interleaving of the three.
    fn run(&mut self, seed: u64, number: usize) {
        let mut unruly = Unruly::connect(self.house.address());
        for _ in 0..12 {
            match self.random.next(10) {
                0..=4 => unruly.step(&mut self.random),
                5 | 6 => self.publisher.step(&mut self.random),
                7 | 8 => self.listener.step(&mut self.random),
                _ => self.publish(number),
            }
        }
        let told = unruly.told.join(", ");
        unruly.leave(&mut self.random);
        let what = format!("seed {seed:#x}, number {number}: nothing is left of [{told}]");
        let mut found = String::new();
        let is_clean = tidegate_kit::wait_until(Duration::from_secs(10), || {
            found = self.left();
            found.is_empty()
        });
        assert!(is_clean, "{what}: {found}");
        // What it watched changes, and those who have its connections now do not feel it.
        let (publisher, listener) = (&mut self.publisher, &mut self.listener);
        for key in ["a1", "a2", "{a}3", "{a}4"] {
            publisher.check(&["SET", key, "changed"], "+OK\r\n");
        }
        publisher.transaction();
        listener.transaction();
        publisher.check(&["DEL", "{b}list"], ":0\r\n");
        while listener.heard.len() < listener.news.len() {
            listener.check(&["PING", "anything?"], &bulk("anything?"));
        }
        assert_eq!(listener.heard, listener.news, "{what}");
        listener.heard.clear();
        listener.news.clear();
    }

    fn publish(&mut self, number: usize) {
        let text = format!("{number} {}", self.listener.news.len());
        let (publish, count) = (["PUBLISH", CHANNEL, &text], self.servers.len());
        // In a cluster a server counts its own connections only.
        let expected = if count == 1 { ":1\r\n" } else { "" };
        self.publisher.check(&publish, expected);
        let push = format!(">3\r\n{}{}{}", bulk("message"), bulk(CHANNEL), bulk(&text));
        self.listener.news.push_back(push);
    }

    /// What of a client's state is still on a connection, as the gateway and the servers tell.
    fn left(&mut self) -> String {
        let clients = self.house.clients();
        if self.house.lent() > 0 || clients.len() > 2 {
            return format!("{} are lent, to some of {clients:?}", self.house.lent());
        }
        let (mut left, mut listening) = (String::new(), 0);
        for watcher in &mut self.watchers {
            for line in watcher.ask(&["CLIENT", "LIST"]).text().lines() {
                let field = |name: &str| {
                    let found = line
                        .split(' ')
                        .find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
                    found.unwrap_or("0").to_owned()
                };
                let is_a_node = line.contains("cmd=replconf") || line.contains("cmd=psync");
                let flags = field("flags");
                listening += usize::from(field("sub") != "0");
                // The hub listens for everybody; only what the steady one asked for may be left.
                let listens = flags == "P" && field("sub") == "1" && field("psub") == "0" && field("ssub") == "0";
                let is_plain = flags == "N" && field("sub") == "0" && field("psub") == "0";
                let is_idle = field("multi") == "-1" && field("watch") == "0";
                if !is_a_node && !(is_idle && (is_plain || listens)) {
                    left.push_str(line);
                    left.push('\n');
                }
            }
        }
        if listening > 1 {
            left.push_str("several connections listen");
        }
        left
    }
}

fn check(house: &House, servers: Vec<&Server>, count: usize, database: &str) {
    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(0x9E37_79B9_7F4A_7C15);
    let mut scene = Scene::new(house, servers, seed, database);
    println!("seed {seed}");
    for number in 0..count {
        scene.run(seed, number);
    }
    for steady in [&mut scene.publisher, &mut scene.listener] {
        let slow = steady
            .slow
            .iter()
            .filter(|time| **time > Duration::from_millis(250))
            .count();
        steady.slow.sort_unstable();
        let at = |part: usize| steady.slow[(steady.slow.len() - 1) * part / 1000];
        println!(
            "{} steps: median {:?}, p99 {:?}, worst {:?}",
            steady.slow.len(),
            at(500),
            at(990),
            at(1000)
        );
        assert!(
            slow * 100 <= steady.slow.len(),
            "{slow} of {} were slow",
            steady.slow.len()
        );
    }
    drop(scene.publisher);
    drop(scene.listener);
    eventually("everybody is gone", || house.clients().is_empty());
    for server in scene.servers {
        // Of each of five databases and two versions one is shared and three are lent; two belong to the test.
        eventually("few connections are kept", || {
            let count = server.info("connected_clients").parse();
            count.is_ok_and(|count: usize| count <= 5 * 2 * (1 + 3) + 2)
        });
    }
}

fn listener() -> serde_json::Value {
    let users = json!({ "default": { "nopass": true }, "a": { "password": "secret" }, "c": { "password": "secret" } });
    json!({ "login": { "users": users } })
}

fn alone(flavour: Flavour) {
    let server = Server::start(flavour);
    // Everybody shares one connection for each database, and those of one's own go from hand to hand.
    let pool = json!({ "pool": { "shared": 1, "size": 3 } });
    let house = common::gateway(&[server.address()], &listener(), &pool, Vec::new());
    check(&house, vec![&server], 1000, "2");
}

#[test]
fn at_one_redis() {
    alone(Flavour::Redis);
}

#[test]
fn at_one_valkey() {
    alone(Flavour::Valkey);
}

#[test]
fn over_a_cluster() {
    let cluster = RedisCluster::of(Flavour::Valkey, 3, 0);
    let more = json!({ "topology": { "kind": "cluster" }, "pool": { "shared": 1, "size": 3 } });
    let house = common::gateway(&cluster.addresses()[..1], &listener(), &more, Vec::new());
    check(&house, cluster.nodes().iter().collect(), 1000, "0");
}
