//! Gateways that clients are shown as the nodes of a cluster: no client ever hears of a real node, or goes to one.

mod common;

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate_conformance::House;
use tidegate_kit::{Drivers, Flavour, RedisCluster, Resp, RespClient, eventually, wait_until};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

fn before(cluster: &RedisCluster) -> [House; 2] {
    let wanted = json!({ "topology": { "kind": "cluster", "refresh": "1s" } });
    common::advertised(&cluster.addresses()[..1], &wanted)
}

fn ports(houses: &[House; 2]) -> Vec<u16> {
    let mut ports: Vec<u16> = houses.iter().map(|house| house.address().port()).collect();
    ports.sort_unstable();
    ports
}

/// A reply that names none of the real nodes, by their ports or their ids.
#[track_caller]
fn ask(client: &mut RespClient, words: &[&str], real: &[String]) -> Resp {
    client.command(words);
    let (reply, bytes) = client.raw();
    let text = String::from_utf8_lossy(&bytes);
    for secret in real {
        assert!(!text.contains(secret), "{words:?} tells of a real node: {text}");
    }
    reply
}

/// What only real nodes have.
fn secrets(cluster: &RedisCluster) -> Vec<String> {
    let ids = (0..cluster.nodes().len()).map(|at| cluster.id(at));
    cluster
        .nodes()
        .iter()
        .map(|node| node.port().to_string())
        .chain(ids)
        .collect()
}

/// Slots from and to with the ports of their nodes.
fn slots(reply: &Resp) -> Vec<(u16, u16, u16)> {
    let number = |value: &Resp| value.text().parse().expect("a number");
    let range = |range: &Resp| {
        let items = range.items();
        (number(&items[0]), number(&items[1]), number(&items[2].items()[1]))
    };
    reply.items().iter().map(range).collect()
}

#[test]
fn what_is_shown_names_gateways_only() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let houses = before(&cluster);
        let real = secrets(&cluster);
        let mut shown = Vec::new();
        for house in &houses {
            let mut client = RespClient::connect(house.address());
            let told = slots(&ask(&mut client, &["CLUSTER", "SLOTS"], &real));
            let served: u32 = told.iter().map(|(first, last, _)| u32::from(last - first) + 1).sum();
            assert_eq!(served, 16_384);
            assert!(told.iter().all(|(.., port)| ports(&houses).contains(port)), "{told:?}");
            shown.push(told);
            let nodes = ask(&mut client, &["CLUSTER", "NODES"], &real).text();
            assert_eq!(nodes.lines().count(), 2, "{nodes}");
            let myself = nodes.lines().find(|line| line.contains("myself")).expect("itself");
            let id = ask(&mut client, &["CLUSTER", "MYID"], &real).text();
            assert!(myself.starts_with(&id), "{myself}");
            assert!(myself.contains(&house.address().to_string()), "{myself}");
            let shards = ask(&mut client, &["CLUSTER", "SHARDS"], &real);
            let of = |shard: &Resp| shard.get("nodes").expect("nodes").items().len();
            assert_eq!(shards.items().iter().map(of).sum::<usize>(), 2);
            let info = ask(&mut client, &["CLUSTER", "INFO"], &real).text();
            assert!(
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2"),
                "{info}"
            );
            ask(&mut client, &["CLUSTER", "REPLICAS", &id], &real);
            ask(&mut client, &["CLUSTER", "LINKS"], &real);
            assert_eq!(
                ask(&mut client, &["HELLO", "3"], &real).get("mode"),
                Some(&bulk("cluster"))
            );
            assert!(matches!(ask(&mut client, &["CLUSTER", "SLOTS"], &real), Resp::Array(_)));
            ask(&mut client, &["CLUSTER", "SHARDS"], &real);
            while_it_makes_state(&mut client, &real);
        }
        assert_eq!(shown[0], shown[1], "both tell the same");
    }
}

/// The same on a connection of its own, and in transactions, which end in an error then.
fn while_it_makes_state(client: &mut RespClient, real: &[String]) {
    for begin in ["", "WATCH {a}k", "WATCH {a}k;MULTI", "MULTI", "MULTI;SET {a}k 1"] {
        for line in begin.split(';').filter(|line| !line.is_empty()) {
            ask(client, &line.split(' ').collect::<Vec<_>>(), real);
        }
        let told = ask(client, &["CLUSTER", "SLOTS"], real);
        if begin.contains("MULTI") {
            assert!(told.text().contains("within a transaction"), "{begin:?}: {told:?}");
            let told = ask(client, &["EXEC"], real).text();
            assert!(told.starts_with("EXECABORT"), "{begin:?}: {told}");
        } else {
            assert!(!told.items().is_empty(), "{begin:?}: {told:?}");
        }
        assert_eq!(ask(client, &["UNWATCH"], real), simple("OK"));
    }
}

/// Slots move, keys are at either end, a primary is followed by its replica: a client hears of none of it.
#[test]
fn no_reply_names_a_real_node_while_slots_move() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let houses = before(&cluster);
        let real = secrets(&cluster);
        let mut clients: Vec<RespClient> = houses
            .iter()
            .map(|house| RespClient::connect(house.address()))
            .collect();
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let moves = scope.spawn(|| {
                let mut turn = 0_u16;
                while begin.elapsed() < Duration::from_secs(4) {
                    for slot in [turn, 6000 + turn, 12_000 + turn] {
                        cluster.move_slot(slot, usize::from(turn) % 3);
                    }
                    turn += 1;
                }
                cluster.fail_over(3);
            });
            let mut turn = 0_u32;
            while !moves.is_finished() {
                for (at, client) in clients.iter_mut().enumerate() {
                    let (key, value) = (format!("k:{}", turn % 400), format!("v{at}"));
                    assert_eq!(ask(client, &["SET", &key, &value], &real), simple("OK"));
                    assert_eq!(ask(client, &["GET", &key], &real), bulk(&value));
                    let keys = ["MGET", "{a}1", "{a}2", "{a}3"];
                    assert_eq!(ask(client, &keys, &real).items().len(), 3);
                    assert_eq!(ask(client, &["MULTI"], &real), simple("OK"));
                    ask(client, &["SET", &key, &value], &real);
                    // A slot that moves away ends the transaction; the client is not told where to.
                    ask(client, &["EXEC"], &real);
                    ask(client, &["CLUSTER", "SLOTS"], &real);
                }
                turn += 1;
            }
            moves.join().expect("slots move");
            assert!(turn > 50, "{turn} turns");
        });
    }
}

/// Transactions and blocking commands find out over a connection of their own that a slot has moved.
#[test]
fn what_is_a_clients_own_is_not_sent_to_real_nodes() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        let wanted = json!({ "topology": { "kind": "cluster", "refresh": "60s" } });
        let [house, _other] = common::advertised(&cluster.addresses()[..1], &wanted);
        let real = secrets(&cluster);
        let mut client = RespClient::connect(house.address());
        let slot = ask(&mut client, &["CLUSTER", "KEYSLOT", "t"], &real).text();
        let slot: u16 = slot.parse().expect("a slot");
        for turn in 0..6 {
            let owner = cluster.owner(slot);
            assert_eq!(ask(&mut client, &["SET", "t", "1"], &real), simple("OK"));
            cluster.move_slot(slot, (owner + 1) % 3);
            if turn % 2 == 0 {
                assert_eq!(ask(&mut client, &["MULTI"], &real), simple("OK"));
                let told = ask(&mut client, &["INCR", "t"], &real).text();
                // The gateway may have heard of the move already; then the transaction begins at the right node.
                if told.starts_with("TRYAGAIN") {
                    let told = ask(&mut client, &["EXEC"], &real).text();
                    assert!(told.starts_with("EXECABORT"), "{told}");
                } else {
                    assert_eq!(told, "QUEUED");
                    assert_eq!(ask(&mut client, &["DISCARD"], &real), simple("OK"));
                }
                assert_eq!(ask(&mut client, &["MULTI"], &real), simple("OK"));
                assert_eq!(ask(&mut client, &["INCR", "t"], &real), simple("QUEUED"));
                assert_eq!(ask(&mut client, &["EXEC"], &real), Resp::Array(vec![Resp::Integer(2)]));
            } else {
                // It blocks at the new owner, and is served there.
                client.command(&["BLPOP", "{t}queue", "0"]);
                let mut other = RespClient::connect(house.address());
                assert_eq!(ask(&mut other, &["RPUSH", "{t}queue", "x"], &real), Resp::Integer(1));
                let (told, _) = client.raw();
                assert_eq!(told, Resp::Array(vec![bulk("{t}queue"), bulk("x")]));
            }
        }
        assert_eq!(ask(&mut client, &["DEL", "t"], &real), Resp::Integer(1));
    }
}

/// A program that runs for as long as its standard input is open.
fn start(mut command: Command, gateway: SocketAddr) -> Child {
    command.env("GATEWAY", gateway.to_string());
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// Ends it: what it said, once it has ended well.
fn end(mut child: Child) -> String {
    drop(child.stdin.take());
    let mut status = None;
    wait_until(Duration::from_secs(60), || {
        status = child.try_wait().expect("a status");
        status.is_some()
    });
    let _gone = child.kill();
    let (mut text, mut errors) = (String::new(), String::new());
    let _read = child.stdout.take().map(|mut out| out.read_to_string(&mut text));
    let _read = child.stderr.take().map(|mut out| out.read_to_string(&mut errors));
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}\n{text}\n{errors}"
    );
    text
}

/// The driver names its connections wherever it goes: servers that were never told that name were never connected to.
fn runs_beside_real_nodes(flavour: Flavour, command: Command) {
    let cluster = RedisCluster::start(flavour);
    let houses = before(&cluster);
    let child = start(command, houses[0].address());
    let goes_to = |house: &House| !house.clients().is_empty();
    eventually("it goes to both gateways", || houses.iter().all(goes_to));
    let begin = Instant::now();
    let mut turn = 0_u16;
    while begin.elapsed() < Duration::from_secs(4) {
        for slot in [turn, 6000 + turn, 12_000 + turn] {
            cluster.move_slot(slot, usize::from(turn) % 3);
        }
        turn += 1;
    }
    // Between two connections it may be at one of them only.
    let both_used = wait_until(Duration::from_secs(30), || houses.iter().all(goes_to));
    let text = end(child);
    let nodes: Vec<String> = ports(&houses).iter().map(u16::to_string).collect();
    assert!(text.contains(&format!("nodes {}", nodes.join(" "))), "{text}");
    assert!(both_used, "it still goes to both gateways");
    for node in cluster.nodes() {
        let list = node.ask(&["CLIENT", "LIST"]).text();
        assert!(!list.contains("name=driver"), "{list}");
        let stats = node.ask(&["INFO", "commandstats"]).text();
        assert!(
            !stats.contains("cmdstat_client|setname"),
            "somebody named its connection:\n{stats}"
        );
    }
    // It would be seen.
    let node = &cluster.nodes()[0];
    assert_eq!(node.ask(&["CLIENT", "SETNAME", "driver"]), simple("OK"));
    assert!(
        node.ask(&["INFO", "commandstats"])
            .text()
            .contains("cmdstat_client|setname")
    );
}

/// SH-19
#[test]
fn redis_py_never_meets_a_real_node() {
    if Drivers::skipped() {
        return;
    }
    for (flavour, protocol) in Flavour::ALL.into_iter().zip(["2", "3"]) {
        let suite = Drivers::find().python("redis_suite.py");
        let mut command = Command::new(suite.get_program());
        command.args(["-c", include_str!("advertise/client.py")]);
        command.env("PROTOCOL", protocol);
        runs_beside_real_nodes(flavour, command);
    }
}

#[test]
fn ioredis_never_meets_a_real_node() {
    if Drivers::skipped() {
        return;
    }
    for flavour in Flavour::ALL {
        let suite = Drivers::find().node("redis_suite.cjs");
        let mut command = Command::new(suite.get_program());
        command.args(["-e", include_str!("advertise/client.cjs")]);
        let modules = suite.get_envs().find(|(name, _)| *name == "NODE_PATH");
        let modules = modules.and_then(|(_, value)| value).expect("where modules are");
        command.env("NODE_PATH", modules);
        runs_beside_real_nodes(flavour, command);
    }
}

/// SH-19
#[test]
fn lettuce_never_meets_a_real_node() {
    if Drivers::skipped() {
        return;
    }
    for (flavour, protocol) in Flavour::ALL.into_iter().zip(["2", "3"]) {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/advertise/Client.java");
        let mut command = Drivers::find().java_redis(program);
        command.env("PROTOCOL", protocol);
        runs_beside_real_nodes(flavour, command);
    }
}
