//! Beside real servers: the bytes that they say, but for ids and times.

use tidegate_kit::{Flavour, Redis, RedisCluster, Resp, RespClient, eventually};

use super::*;

fn servers(flavour: Flavour) -> Servers {
    match flavour {
        Flavour::Redis => Servers::REDIS,
        Flavour::Valkey => Servers::VALKEY,
    }
}

fn client(server: &Redis, version: Version) -> RespClient {
    let mut client = server.client();
    client.ask(&["HELLO", &version.number().to_string()]);
    client
}

fn raw(client: &mut RespClient, words: &[&str]) -> String {
    client.command(words);
    String::from_utf8(client.raw().1).unwrap()
}

/// A node that is alone says byte for byte what one gateway says, once ids and epochs are told apart.
#[test]
fn one_gateway_is_as_one_node() {
    for flavour in Flavour::ALL {
        let node = Redis::builder(flavour)
            .cluster()
            .setting("cluster-announce-ip", "127.0.0.1")
            .start();
        node.ask(&[
            "CLUSTER",
            "ADDSLOTSRANGE",
            "0",
            "16000",
            "16005",
            "16005",
            "16100",
            "16383",
        ]);
        node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", "1"]);
        eventually("the node counts itself", || {
            node.ask(&["CLUSTER", "INFO"]).text().contains("cluster_size:1")
        });
        let served = [vec![(0, 16000), (16005, 16005), (16100, 16383)]];
        let gateway = Gateway::new("127.0.0.1", node.port());
        let shown = Shown::new(&gateway, &[], &served);
        let id = node.ask(&["CLUSTER", "MYID"]).text();
        let bus = node.ask(&["CLUSTER", "NODES"]).text();
        let bus = bus.split(['@', ' ']).nth(2).unwrap().to_owned();
        for version in [Version::Resp2, Version::Resp3] {
            let mut client = client(&node, version);
            let (known, unknown) = (gateway.id.as_str(), "x".repeat(40));
            for words in [
                &["CLUSTER", "SLOTS"][..],
                &["cluster", "shards"],
                &["CLUSTER", "NODES"],
                &["CLUSTER", "INFO"],
                &["CLUSTER", "MYID"],
                &["CLUSTER", "LINKS"],
                &["CLUSTER", "REPLICAS", known],
                &["CLUSTER", "SLAVES", known],
                &["CLUSTER", "REPLICAS", &unknown],
                &["CLUSTER", "COUNT-FAILURE-REPORTS", known],
                &["CLUSTER", "COUNT-FAILURE-REPORTS", "x"],
                &["CLUSTER", "KEYSLOT", "foo{bar}"],
                &["CLUSTER", "KEYSLOT"],
                &["CLUSTER", "SLOTS", "more"],
                &["CLUSTER", "MEET"],
                &["CLUSTER", "Bogus"],
                &["CLUSTER"],
            ] {
                let asked: Vec<_> = words
                    .iter()
                    .map(|word| if *word == known { &id } else { *word })
                    .collect();
                let real = raw(&mut client, &asked)
                    .replace(&id, known)
                    .replace(&format!("@{bus}"), "@BUS");
                let own = ask(Seen::Gateways(&shown), servers(flavour), version, words).unwrap();
                let port = node.port().checked_add(10_000).unwrap_or(0);
                let own = own.replace(&format!("@{port}"), "@BUS");
                assert_eq!(told(&own), told(&real), "{flavour:?} {version:?} {words:?}");
            }
            let shard = ask(
                Seen::Gateways(&shown),
                servers(flavour),
                version,
                &["CLUSTER", "MYSHARDID"],
            )
            .unwrap();
            let real = raw(&mut client, &["CLUSTER", "MYSHARDID"]);
            if flavour == Flavour::Redis {
                assert_eq!(shard, real);
            } else {
                assert_eq!((shard.len(), &shard[..5]), (real.len(), &real[..5]));
            }
        }
    }
}

/// Without the length of a text that the port of the bus changes.
fn told(reply: &str) -> String {
    match reply.split_once("\r\n") {
        Some((length, text)) if reply.contains("@BUS") => format!("{}{text}", &length[..1]),
        _ => reply.to_owned(),
    }
}

/// The same nesting and the same names as a cluster of three says, with replicas and without.
#[test]
fn gateways_have_the_shape_of_nodes() {
    let shards = [vec![(0, 5460)], vec![(5461, 10921)], vec![(10922, 16383)]];
    for (flavour, replicas) in [(Flavour::Redis, 1), (Flavour::Valkey, 1), (Flavour::Valkey, 0)] {
        let cluster = RedisCluster::of(flavour, 3, replicas);
        eventually("the first node has heard of all replicas", || {
            let ranges = cluster.nodes()[0].ask(&["CLUSTER", "SLOTS"]);
            ranges.items().iter().all(|range| range.items().len() == 3 + replicas)
        });
        let gateways: Vec<_> = cluster
            .addresses()
            .iter()
            .map(|address| Gateway::new(&address.ip().to_string(), address.port()))
            .collect();
        let shown = Shown::new(&gateways[0], &gateways, &shards);
        let own = |version, words: &[&str]| ask(Seen::Gateways(&shown), servers(flavour), version, words).unwrap();
        for version in [Version::Resp2, Version::Resp3] {
            let mut client = client(&cluster.nodes()[0], version);
            for words in [&["CLUSTER", "SLOTS"], &["CLUSTER", "SHARDS"]] {
                let (own, _) = Resp::parse(own(version, words).as_bytes()).unwrap();
                assert_eq!(shape(&own), shape(&client.ask(words)), "{flavour:?} {words:?}");
            }
            let info = own(version, &["CLUSTER", "INFO"]).replace("txt:", "");
            let real = client.ask(&["CLUSTER", "INFO"]).text().replace("txt:", "");
            for name in [
                "cluster_state",
                "cluster_slots_ok",
                "cluster_known_nodes",
                "cluster_size",
            ] {
                let line = real.lines().find(|line| line.starts_with(name)).unwrap();
                assert!(info.lines().any(|own| own == line), "{line} in {info}");
            }
            let (nodes, _) = Resp::parse(own(version, &["CLUSTER", "NODES"]).as_bytes()).unwrap();
            assert_eq!(lines(&nodes.text()), lines(&client.ask(&["CLUSTER", "NODES"]).text()));
            let primary = shown.primary().unwrap().id.clone();
            let (own, _) = Resp::parse(own(version, &["CLUSTER", "REPLICAS", &primary]).as_bytes()).unwrap();
            let real = client.ask(&["CLUSTER", "REPLICAS", &cluster.id(0)]);
            let of = |reply: &Resp| {
                reply
                    .items()
                    .iter()
                    .flat_map(|line| lines(&line.text()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(of(&own), of(&real));
        }
    }
}

/// Lines of CLUSTER NODES but for ids, ports, times and which slots, in any order.
fn lines(text: &str) -> Vec<String> {
    // Whether the gateway that is asked is a primary depends on its port.
    let line = |line: &str| {
        let words = line.split(' ').enumerate().map(|(at, word)| match at {
            0 | 1 | 3..=6 => {
                if word == "-" {
                    "-"
                } else {
                    "…"
                }
            }
            8.. => "slots",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ").replace("myself,", "")
    };
    let mut lines: Vec<_> = text.trim_start_matches("txt:").lines().map(line).collect();
    lines.sort();
    lines
}

/// Values but for their contents; of names, which stand before values, the names too.
fn shape(reply: &Resp) -> String {
    let inner = |items: &[Resp]| items.iter().map(shape).collect::<Vec<_>>().join(" ");
    match reply {
        Resp::Array(items) => format!("[{}]", inner(items)),
        Resp::Map(items) => format!("{{{}}}", inner(items)),
        Resp::Bulk(text) if text.len() < 40 && text.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-') => {
            reply.text()
        }
        Resp::Bulk(_) => "text".to_owned(),
        Resp::Integer(_) => "number".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A client that sees one server is told what one server says.
#[test]
fn hidden_is_as_without_cluster_support() {
    for flavour in Flavour::ALL {
        let server = Redis::start(flavour);
        let mut client = client(&server, Version::Resp2);
        for words in [
            &["CLUSTER", "SLOTS"][..],
            &["CLUSTER", "shards"],
            &["CLUSTER", "NODES"],
            &["CLUSTER", "INFO"],
            &["CLUSTER", "MYID"],
            &["CLUSTER", "MYSHARDID"],
            &["CLUSTER", "SLOT-STATS", "SLOTSRANGE", "0", "1"],
            &["CLUSTER", "KEYSLOT", "foo"],
            &["CLUSTER", "COUNTKEYSINSLOT", "5"],
            &["CLUSTER", "MEET", "127.0.0.1", "1"],
            &["CLUSTER", "RESET"],
            &["CLUSTER", "HELP"],
            &["CLUSTER", "bogus"],
            &["CLUSTER", "KEYSLOT"],
            &["CLUSTER"],
        ] {
            let own = ask(Seen::Nothing, servers(flavour), Version::Resp2, words);
            assert_eq!(own, Some(raw(&mut client, words)), "{flavour:?} {words:?}");
        }
    }
}
