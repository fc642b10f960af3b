//! Servers that know nothing of one another, with keys where twemproxy puts them.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::load::LOST;
use serde_json::{Value as Json, json};
use tidegate_conformance::House;
use tidegate_kit::{Flavour, Port, Redis, Resp, RespClient, Watchdog, eventually};

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
const WEIGHTS: [u32; 3] = [1, 2, 1];
/// What clients are told of a server that is gone.
const UNREACHABLE: &str = "ERR the server cannot be reached at the moment";

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

fn servers(flavour: Flavour) -> Vec<Redis> {
    NAMES.iter().map(|_| Redis::start(flavour)).collect()
}

fn cluster(servers: &[Redis], topology: &Json) -> Json {
    let named = servers.iter().zip(NAMES).zip(WEIGHTS);
    let endpoints: Vec<Json> = named
        .map(|((server, name), weight)| json!({ "address": server.address().to_string(), "name": name, "weight": weight }))
        .collect();
    let mut wanted = json!({ "kind": "hash" });
    if let (Some(wanted), Some(more)) = (wanted.as_object_mut(), topology.as_object()) {
        wanted.extend(more.clone());
    }
    json!({ "endpoints": endpoints, "topology": wanted, "timeouts": { "failover": "0s" } })
}

fn before(servers: &[Redis], topology: &Json) -> House {
    let cluster = cluster(servers, topology);
    let trust = json!({ "login": { "method": "trust" } });
    common::gateway(&[], &trust, &cluster, Vec::new())
}

fn keys() -> Vec<String> {
    let plain = (0..300).map(|number| format!("key:{number}"));
    let tagged = (0..60).map(|number| format!("{{user{}}}:{number}", number % 20));
    let odd = ["", "{}", "{}x", "{a", "a}b{c}", "é", " ", "{x}{y}", "a{b}c"].map(str::to_owned);
    plain.chain(tagged).chain(odd).collect()
}

/// Where each key is.
fn places(servers: &[Redis]) -> Vec<(String, Option<usize>)> {
    let mut clients: Vec<RespClient> = servers.iter().map(Redis::client).collect();
    let mut place = |key: &String| {
        let here: Vec<usize> = (0..clients.len())
            .filter(|at| clients[*at].ask(&["EXISTS", key]) == Resp::Integer(1))
            .collect();
        assert!(here.len() <= 1, "{key} is at {here:?}");
        here.first().copied()
    };
    keys().into_iter().map(|key| (key.clone(), place(&key))).collect()
}

fn write_all(address: SocketAddr) {
    let mut client = RespClient::connect(address);
    for key in keys() {
        client.command(&["SET", &key, "1"]);
    }
    for key in keys() {
        assert_eq!(client.reply(), simple("OK"), "{key}");
    }
}

fn clear(servers: &[Redis]) {
    for server in servers {
        assert_eq!(server.ask(&["FLUSHALL"]), simple("OK"));
    }
}

/// Twemproxy itself, in front of the same servers, until it is dropped.
struct Twemproxy {
    port: Port,
    child: std::process::Child,
    folder: PathBuf,
    _watchdog: Watchdog,
}

impl Twemproxy {
    /// `None` where it is not installed.
    fn start(servers: &[Redis], hash: &str, distribution: &str, tag: Option<&str>) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let mut programs = folders.map(|folder| folder.join("nutcracker"));
        let program = programs.find(|program| program.is_file())?;
        let (port, statistics) = (Port::reserve(), Port::reserve());
        let mut text = format!(
            "pool:\n  listen: {}\n  redis: true\n  hash: {hash}\n  distribution: {distribution}\n  auto_eject_hosts: false\n",
            port.address()
        );
        if let Some(tag) = tag {
            writeln!(text, "  hash_tag: \"{tag}\"").expect("written");
        }
        text.push_str("  servers:\n");
        for ((server, name), weight) in servers.iter().zip(NAMES).zip(WEIGHTS) {
            writeln!(text, "   - {}:{weight} {name}", server.address()).expect("written");
        }
        let folder = std::env::temp_dir().join(format!("tidegate-twemproxy-{}", port.number()));
        fs::create_dir_all(&folder).expect("a folder");
        let config = folder.join("nutcracker.yml");
        fs::write(&config, text).expect("written");
        let mut command = Command::new(program);
        command.arg("-c").arg(&config).args(["-a", "127.0.0.1", "-s"]);
        command.arg(statistics.number().to_string());
        command.arg("-o").arg(folder.join("log"));
        command.arg("-p").arg(folder.join("pid"));
        let child = command.stdin(Stdio::null()).spawn().expect("twemproxy starts");
        let watchdog = Watchdog::new(child.id(), &folder);
        eventually("twemproxy listens", || RespClient::try_connect(port.address()).is_ok());
        Some(Self {
            port,
            child,
            folder,
            _watchdog: watchdog,
        })
    }
}

impl Drop for Twemproxy {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn keys_lie_where_twemproxy_puts_them() {
    let servers = servers(Flavour::Redis);
    let mut compared = 0;
    for (hash, distribution, tag) in [
        ("fnv1a_64", "ketama", None),
        ("fnv1a_64", "ketama", Some("{}")),
        ("murmur", "ketama", Some("{}")),
        ("crc32a", "modula", Some("{}")),
        ("md5", "modula", None),
        ("one_at_a_time", "modula", Some("$$")),
    ] {
        let Some(twemproxy) = Twemproxy::start(&servers, hash, distribution, tag) else {
            eprintln!("LEFT OUT: twemproxy is not installed");
            return;
        };
        clear(&servers);
        write_all(twemproxy.port.address());
        let theirs = places(&servers);
        drop(twemproxy);
        let mut topology = json!({ "hash": hash, "distribution": distribution });
        if let Some(tag) = tag {
            topology["hash_tag"] = json!(tag);
        }
        let house = before(&servers, &topology);
        let mut client = RespClient::connect(house.address());
        for key in keys() {
            assert_eq!(
                client.ask(&["GET", &key]),
                bulk("1"),
                "{key:?} with {hash}, {distribution} and {tag:?}"
            );
        }
        clear(&servers);
        write_all(house.address());
        assert_eq!(places(&servers), theirs, "{hash}, {distribution} and {tag:?}");
        let used = |at: usize| theirs.iter().filter(|(_, place)| *place == Some(at)).count();
        assert!((0..3).all(|at| used(at) > 30), "each server has its share");
        compared += 1;
    }
    assert_eq!(compared, 6);
}

/// With `random` a key is anywhere, as at twemproxy: of use only for what needs no key to be found again.
#[test]
fn random_spreads_evenly() {
    let servers = servers(Flavour::Valkey);
    let house = before(&servers, &json!({ "distribution": "random" }));
    let mut client = RespClient::connect(house.address());
    for number in 0..300 {
        assert_eq!(client.ask(&["SET", &format!("k{number}"), "1"]), simple("OK"));
    }
    let counts: Vec<String> = servers.iter().map(|server| server.ask(&["DBSIZE"]).text()).collect();
    let counts: Vec<u32> = counts.iter().filter_map(|count| count.parse().ok()).collect();
    assert_eq!(counts.iter().sum::<u32>(), 300);
    assert!(counts.iter().all(|count| *count >= 50), "{counts:?}");
}

#[test]
fn commands_over_several_servers() {
    for flavour in Flavour::ALL {
        let servers = servers(flavour);
        let house = before(&servers, &json!({ "hash_tag": "{}" }));
        let mut client = RespClient::connect(house.address());
        let keys: Vec<String> = (0..90).map(|number| format!("{}:key", number * 7919)).collect();
        let with = |name: &str| -> Vec<String> { std::iter::once(name.to_owned()).chain(keys.clone()).collect() };
        let pairs = keys.iter().flat_map(|key| [key.clone(), format!("of {key}")]);
        let mset: Vec<String> = std::iter::once("MSET".to_owned()).chain(pairs).collect();
        assert_eq!(client.ask(&mset), simple("OK"));
        let sizes: Vec<Resp> = servers.iter().map(|server| server.ask(&["DBSIZE"])).collect();
        assert!(sizes.iter().all(|size| *size != Resp::Integer(0)), "{sizes:?}");
        let values = keys.iter().map(|key| bulk(&format!("of {key}"))).collect();
        assert_eq!(client.ask(&with("MGET")), Resp::Array(values));
        assert_eq!(client.ask(&["DBSIZE"]), Resp::Integer(90));
        transactions(&mut client);
        assert_eq!(client.ask(&with("EXISTS")), Resp::Integer(90));
        assert_eq!(client.ask(&with("DEL")), Resp::Integer(90));
        assert_eq!(client.ask(&with("UNLINK")), Resp::Integer(0));
        eventually("nothing is held", || house.lent() == 0);
    }
}

fn transactions(client: &mut RespClient) {
    let queued = simple("QUEUED");
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["SET", "{t}a", "1"]), queued);
    assert_eq!(client.ask(&["INCR", "{t}a"]), queued);
    assert_eq!(client.ask(&["SET", "{t}b", "1"]), queued);
    let done = vec![simple("OK"), Resp::Integer(2), simple("OK")];
    assert_eq!(client.ask(&["EXEC"]), Resp::Array(done));
    assert_eq!(client.ask(&["DEL", "{t}a", "{t}b"]), Resp::Integer(2));
    // Across servers none of it is done, and the client is told at the end at the latest.
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    for number in 0..20 {
        client.command(&["SET", &format!("{}:across", number * 7919), "1"]);
    }
    let told: Vec<Resp> = (0..20).map(|_| client.reply()).collect();
    assert!(
        told.iter()
            .all(|told| *told == queued || matches!(told, Resp::Error(_))),
        "{told:?}"
    );
    let end = client.ask(&["EXEC"]);
    assert!(
        matches!(&end, Resp::Error(text) if text.starts_with("EXECABORT") || text.starts_with("CROSS")),
        "{end:?}"
    );
    for number in 0..20 {
        assert_eq!(
            client.ask(&["EXISTS", &format!("{}:across", number * 7919)]),
            Resp::Integer(0)
        );
    }
    assert_eq!(client.ask(&["EXEC"]).text(), "ERR EXEC without MULTI");
}

#[test]
fn a_dead_server_takes_only_its_own_keys() {
    for flavour in Flavour::ALL {
        let mut servers = servers(flavour);
        let house = before(&servers, &json!({}));
        let mut client = RespClient::connect(house.address());
        for number in 0..60 {
            assert_eq!(client.ask(&["SET", &format!("k{number}"), "1"]), simple("OK"));
        }
        let at: Vec<usize> = (0..60)
            .map(|number| {
                let key = format!("k{number}");
                let is_here = |server: &Redis| server.ask(&["EXISTS", &key]) == Resp::Integer(1);
                servers.iter().position(is_here).expect("it is somewhere")
            })
            .collect();
        servers[1].kill();
        let mut told = Vec::new();
        for (number, at) in at.iter().enumerate() {
            let got = client.ask(&["GET", &format!("k{number}")]);
            match got {
                Resp::Error(text) if *at == 1 => told.push(text),
                got => assert_eq!((got, *at == 1), (bulk("1"), false), "k{number}"),
            }
        }
        assert!(told.len() > 5, "{told:?}");
        let is_clear = |text: &String| text.starts_with(UNREACHABLE) || text.starts_with(LOST);
        assert!(told.iter().all(is_clear), "{told:?}");
        // A command with keys at several says so and not half of an answer; one without its keys is answered.
        let of = |wanted: bool| {
            let numbers = (0..60).filter(|number| (at[*number] == 1) == wanted);
            let keys = numbers.map(|number| format!("k{number}"));
            std::iter::once("MGET".to_owned()).chain(keys).collect::<Vec<_>>()
        };
        assert!(client.ask(&of(false)).items().iter().all(|value| *value == bulk("1")));
        let mut all = of(false);
        all.extend(of(true).into_iter().skip(1));
        assert!(matches!(client.ask(&all), Resp::Error(_)));
        servers[1].run();
        let back = format!("k{}", at.iter().position(|at| *at == 1).expect("a key"));
        eventually("it is back", || client.ask(&["SET", &back, "2"]) == simple("OK"));
        assert_eq!(servers[1].ask(&["GET", &back]), bulk("2"), "its keys stay its own");
    }
}

#[test]
fn channels_belong_to_servers_as_keys_do() {
    for flavour in Flavour::ALL {
        let servers = servers(flavour);
        let house = before(&servers, &json!({}));
        let (mut one, mut two) = (
            RespClient::connect(house.address()),
            RespClient::connect(house.address()),
        );
        let channels: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
        for (at, channel) in (1..).zip(&channels) {
            let there = Resp::Array(vec![bulk("subscribe"), bulk(channel), Resp::Integer(at)]);
            assert_eq!(one.ask(&["SUBSCRIBE", channel]), there);
        }
        for channel in &channels {
            assert_eq!(two.ask(&["PUBLISH", channel, "hello"]), Resp::Integer(1));
            assert_eq!(
                one.reply(),
                Resp::Array(vec![bulk("message"), bulk(channel), bulk("hello")])
            );
        }
        let subscribed = |server: &Redis| server.ask(&["PUBSUB", "CHANNELS"]).items().len();
        let spread: Vec<usize> = servers.iter().map(subscribed).collect();
        assert_eq!(
            spread.iter().sum::<usize>(),
            12,
            "each is subscribed to at one server: {spread:?}"
        );
        assert!(spread.iter().filter(|count| **count > 0).count() > 1, "{spread:?}");
    }
}

/// Servers come and go by reloads: what belongs elsewhere then is heard from there.
#[test]
fn channels_follow_a_reload() {
    for flavour in Flavour::ALL {
        let mut servers = servers(flavour);
        let (some, all) = (cluster(&servers[..2], &json!({})), cluster(&servers, &json!({})));
        let trust = json!({ "login": { "method": "trust" } });
        let (house, protocol) = common::unready(&[], &trust, &some, Vec::new());
        eventually("the gateway is ready", || protocol.unready().is_empty());
        let (mut ear, mut mouth) = (
            RespClient::connect(house.address()),
            RespClient::connect(house.address()),
        );
        let channels: Vec<String> = (0..24).map(|number| format!("c{number}")).collect();
        for channel in &channels {
            assert_eq!(ear.ask(&["SUBSCRIBE", channel]).items().len(), 3);
            assert_eq!(ear.ask(&["SSUBSCRIBE", channel]).items().len(), 3);
        }
        let mut everything_is_heard = |text: &str| {
            for channel in &channels {
                for (publish, word) in [("PUBLISH", "message"), ("SPUBLISH", "smessage")] {
                    eventually("somebody listens where it is published", || {
                        mouth.ask(&[publish, channel, text]) == Resp::Integer(1)
                    });
                    let message = Resp::Array(vec![bulk(word), bulk(channel), bulk(text)]);
                    assert_eq!(ear.reply(), message, "{text}");
                }
            }
        };
        let count = |server: &Redis, what: &str| server.ask(&["PUBSUB", what]).items().len();
        everything_is_heard("two servers");
        common::reload(&protocol, &[], &all);
        everything_is_heard("three servers");
        for what in ["CHANNELS", "SHARDCHANNELS"] {
            assert!(count(&servers[2], what) > 0, "{what}");
            eventually("each is subscribed to at one server", || {
                servers.iter().map(|server| count(server, what)).sum::<usize>() == 24
            });
        }
        // Away from one that is there still, and, beside that, from one that is gone.
        common::reload(&protocol, &[], &some);
        everything_is_heard("two servers again");
        assert_eq!(count(&servers[2], "CHANNELS"), 0);
        common::reload(&protocol, &[], &all);
        everything_is_heard("three servers again");
        servers[2].kill();
        common::reload(&protocol, &[], &some);
        everything_is_heard("without the one that is gone");
    }
}
