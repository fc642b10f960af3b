//! The same commands, direct and through the gateway, are answered by the same bytes.

mod common;

use common::Both;
use common::random::Random;
use tidegate_kit::{Flavour, Redis as Server, RespClient};

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
                client
                    .ask(&["HELLO", version])
                    .get("proto")
                    .map(tidegate_kit::Resp::text),
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
        for (seed, hello) in [(1, None), (2, Some("2")), (3, Some("3")), (4, Some("3"))] {
            check(flavour, 0x9E37_79B9_7F4A_7C15 ^ seed, hello);
        }
    }
}
