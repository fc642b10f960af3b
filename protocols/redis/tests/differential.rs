//! The same commands, direct and through the gateway, are answered by the same bytes.

mod common;
#[path = "differential/subscriptions.rs"]
mod subscriptions;

use common::Both;
use common::random::Random;
use serde_json::json;
use tidegate_kit::{Flavour, Redis as Server, RedisCluster, Resp, RespClient};

/// A random command that one connection can send at any time, and that has one answer which time does not change.
fn command(random: &mut Random) -> Vec<String> {
    const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let key = random.pick(&KEYS);
    let other = random.pick(&KEYS);
    let number = random.next(10).to_string();
    let text = "x".repeat([0, 1, 10, 500, 70_000][random.next(5)]);
    let words: Vec<&str> = match random.next(46) {
        0..=3 => vec!["SET", key, &text],
        4..=7 => vec!["GET", key],
        8 => vec!["INCR", key],
        9 => vec!["DEL", key, other],
        10 => vec!["RPUSH", key, &number, &text],
        11 => vec!["LRANGE", key, "0", "-1"],
        12 => vec!["LPOP", key],
        13 => vec!["HSET", key, other, &number],
        14 => vec!["HGETALL", key],
        15 => vec!["ZADD", key, &number, other],
        16 => vec!["ZRANGE", key, "0", "-1", "WITHSCORES"],
        17 => vec!["ZSCORE", key, other],
        18 => vec!["EXISTS", key, other, key],
        19 => vec!["MGET", key, other, "none"],
        20 => vec!["MSET", key, &number, other, &text],
        21 => vec!["TYPE", key],
        22 => vec!["STRLEN", key],
        23 => vec!["APPEND", key, &number],
        24 => vec!["SADD", key, &number],
        25 => vec!["SISMEMBER", key, &number],
        26 | 27 => vec!["MULTI"],
        28 | 29 => vec!["EXEC"],
        30 => vec!["DISCARD"],
        31 => vec!["WATCH", key, other],
        32 => vec!["UNWATCH"],
        33 => vec!["SELECT", random.pick(&["0", "0", "1", "2", "99", "-1", "x", ""])],
        34 => vec!["BLPOP", key, other, "0.01"],
        35 => vec![
            "EVAL",
            "return {1, redis.call('GET', KEYS[1]), ARGV[1]}",
            "1",
            key,
            &number,
        ],
        36 => vec!["EVAL", "return redis.error_reply('MY error')", "0"],
        37 => vec!["NOSUCH", key, &number],
        38 => vec!["GET"],
        39 => vec!["CLIENT", "NOSUCH"],
        40 => vec!["PING", &number],
        41 => vec!["ECHO", &text],
        42 => vec!["CLIENT", "GETNAME"],
        43 => vec!["CLIENT", "SETNAME", random.pick(&["me", "you", "a b", ""])],
        44 => vec!["OBJECT", "ENCODING", key],
        _ => vec!["UNSUBSCRIBE"],
    };
    words.into_iter().map(str::to_owned).collect()
}

/// Sends the commands in pipelines of random length; every answer as it came.
fn answers(client: &mut RespClient, commands: &[Vec<String>], mut random: Random) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = commands;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(1 + random.next(12)));
        let sent: Vec<u8> = now.iter().flat_map(|command| RespClient::encode(command)).collect();
        client.send(&sent);
        found.extend(now.iter().map(|_| client.raw().1));
        rest = later;
    }
    found
}

fn check(flavour: Flavour, seed: u64, hello: Option<&str>) {
    let direct = Server::start(flavour);
    let both = Both::start(flavour);
    let mut random = Random(seed);
    let mut commands: Vec<_> = (0..1500).map(|_| command(&mut random)).collect();
    let mut is_within = false;
    // Names are the gateway's business, and it lets no transaction ask about them. One that ends subscriptions makes
    // the connection one that streams, on which the server answers for itself.
    commands.retain(|words| {
        is_within = (is_within || words[0] == "MULTI") && !["EXEC", "DISCARD"].contains(&words[0].as_str());
        // Valkey 8.0 has an error for who ends subscriptions without any; the gateway answers as Redis does.
        let is_other = flavour == Flavour::Valkey && words[0] == "UNSUBSCRIBE";
        !is_other && (!is_within || !["CLIENT", "UNSUBSCRIBE"].contains(&words[0].as_str()))
    });
    let mut found = Vec::new();
    for mut client in [direct.client(), both.client()] {
        if let Some(version) = hello {
            assert_eq!(
                client.ask(&["HELLO", version]).get("proto").map(Resp::text),
                Some(version.into())
            );
        }
        found.push(answers(&mut client, &commands, Random(seed ^ 7)));
    }
    for (at, command) in commands.iter().enumerate() {
        let [direct, through] = [&found[0][at], &found[1][at]].map(|bytes| String::from_utf8_lossy(bytes));
        let before: Vec<_> = commands[at.saturating_sub(8)..at]
            .iter()
            .map(|words| words[0].clone())
            .collect();
        assert_eq!(
            direct, through,
            "{flavour:?}, seed {seed}: number {at}, {command:?} behind {before:?}"
        );
    }
}

#[test]
fn the_same_bytes() {
    for flavour in Flavour::ALL {
        for (seed, hello) in [(1, None), (2, Some("2")), (3, Some("3")), (4, Some("3")), (5, None)] {
            check(flavour, 0x9E37_79B9_7F4A_7C15 ^ seed, hello);
        }
    }
}

/// As a client may also write it, where no word needs quotes.
fn encode(random: &mut Random, words: &[String]) -> Vec<u8> {
    let is_simple =
        |word: &String| !word.is_empty() && word.len() < 1000 && word.bytes().all(|b| b.is_ascii_alphanumeric());
    match random.next(4) {
        0 if words.iter().all(is_simple) => format!("{}\r\n", words.join(" ")).into_bytes(),
        1 if words.iter().all(is_simple) => format!("  {}\n", words.join("  ")).into_bytes(),
        2 if words.iter().all(|word| word.len() < 1000 && word.is_ascii()) => {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            format!("{}\r\n", quoted.join(" ")).into_bytes()
        }
        _ => RespClient::encode(words),
    }
}

/// A command of one of two clients that take turns; what one sees depends on what the other did.
fn turn(random: &mut Random) -> Vec<String> {
    const TYPES: [&str; 10] = [
        "string", "integer", "double", "null", "array", "set", "map", "bignum", "true", "verbatim",
    ];
    let key = random.pick(&["a", "b", "c"]);
    let long = "y".repeat([65_536, 300_000][random.next(2)]);
    let number = random.next(3).to_string();
    let words: Vec<&str> = match random.next(36) {
        0..=4 => vec!["WATCH", key],
        5..=8 => vec!["MULTI"],
        9..=13 => vec!["EXEC"],
        14 => vec!["DISCARD"],
        15 => vec!["UNWATCH"],
        16..=18 => vec!["SET", key, &number],
        19 | 20 => vec!["SET", key, &long],
        21..=23 => vec!["GET", key],
        24 => vec!["RESET"],
        25 => vec!["SELECT", &number],
        26 => vec!["SWAPDB", "0", "1"],
        27..=29 => vec!["DEBUG", "PROTOCOL", random.pick(&TYPES)],
        30 => vec!["CLIENT", "GETNAME"],
        31 => vec!["CLIENT", "SETNAME", "me"],
        32 => vec!["CLIENT", "TRACKINGINFO"],
        33 => vec!["SET", key],
        34 => vec!["NOSUCH", key],
        _ => vec!["APPEND", key, "z"],
    };
    words.into_iter().map(str::to_owned).collect()
}

fn take_turns(flavour: Flavour, seed: u64, versions: [&str; 2]) {
    let direct = Server::start(flavour);
    let both = Both::start(flavour);
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ seed);
    let mut clients = [[direct.client(), direct.client()], [both.client(), both.client()]];
    for side in &mut clients {
        for (client, version) in side.iter_mut().zip(versions) {
            client.ask(&["HELLO", version]);
        }
    }
    let mut within = [false; 2];
    let mut before = Vec::new();
    for number in 0..1500 {
        let who = random.next(2);
        let words = turn(&mut random);
        // The gateway answers about a client's name itself, and lets no transaction ask.
        if within[who] && words[0] == "CLIENT" {
            continue;
        }
        let bytes = encode(&mut random, &words);
        let [direct, through] = clients.each_mut().map(|side| {
            side[who].send(&bytes);
            String::from_utf8_lossy(&side[who].raw().1).into_owned()
        });
        before.push(format!(
            "{who} {}: {}",
            words[0],
            direct.chars().take(20).collect::<String>()
        ));
        let tail = &before[before.len().saturating_sub(12)..];
        assert!(
            direct == through,
            "{flavour:?}, seed {seed}, number {number}: {through:.200?} behind {tail:?}"
        );
        match words[0].as_str() {
            "MULTI" => within[who] = true,
            "EXEC" | "DISCARD" | "RESET" => within[who] = false,
            _ => {}
        }
    }
}

#[test]
fn the_same_bytes_to_two_that_take_turns() {
    for flavour in Flavour::ALL {
        for (seed, versions) in [
            (1, ["2", "2"]),
            (2, ["3", "3"]),
            (3, ["2", "3"]),
            (4, ["3", "2"]),
            (5, ["2", "2"]),
        ] {
            take_turns(flavour, seed, versions);
        }
    }
}

/// Commands on single keys, which a cluster answers as one server would.
fn single(random: &mut Random) -> Vec<String> {
    loop {
        let mut words = command(random);
        let is_single = matches!(
            words[0].as_str(),
            "SET"
                | "GET"
                | "INCR"
                | "RPUSH"
                | "LRANGE"
                | "LPOP"
                | "HSET"
                | "HGETALL"
                | "ZADD"
                | "ZRANGE"
                | "ZSCORE"
                | "TYPE"
                | "STRLEN"
                | "APPEND"
                | "SADD"
                | "SISMEMBER"
                | "NOSUCH"
                | "PING"
                | "ECHO"
                | "EVAL"
                | "OBJECT"
                | "DEL"
                | "EXISTS"
                | "MGET"
                | "MSET"
        );
        if is_single {
            if words.len() > 1 && words[0] != "PING" && words[0] != "ECHO" && words[0] != "EVAL" && words[0] != "OBJECT"
            {
                // Many keys, over all servers.
                words[1] = format!("{}{}", words[1], random.next(20));
            }
            return words;
        }
    }
}

#[test]
fn the_same_bytes_from_a_cluster() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::of(flavour, 3, 0);
        let kind = json!({ "topology": { "kind": "cluster" } });
        let trust = json!({ "login": { "method": "trust" } });
        let house = common::gateway(&cluster.addresses()[..1], &trust, &kind, Vec::new());
        for seed in 1..=5_u64 {
            let direct = Server::start(flavour);
            for node in cluster.nodes() {
                node.ask(&["FLUSHALL"]);
            }
            let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ seed);
            let commands: Vec<_> = (0..1500).map(|_| single(&mut random)).collect();
            let [expected, found] = [direct.address(), house.address()].map(|address| {
                let mut client = RespClient::connect(address);
                if seed % 2 == 0 {
                    client.ask(&["HELLO", "3"]);
                }
                answers(&mut client, &commands, Random(seed ^ 7))
            });
            for (at, command) in commands.iter().enumerate() {
                let [expected, found] = [&expected[at], &found[at]].map(|bytes| String::from_utf8_lossy(bytes));
                assert!(
                    expected == found,
                    "{flavour:?}, seed {seed}, number {at}, {command:.99?}: {found:.200?}, not {expected:.200?}"
                );
            }
        }
    }
}
