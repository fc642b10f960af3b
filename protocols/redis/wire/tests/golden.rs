//! Bytes of Redis 7.0: `golden/session.client` was sent to it in RESP2 and in RESP3, and what it answered is in
//! `golden/resp2.server` and `golden/resp3.server`. `RECORD=1 cargo test --test golden record` records them again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use std::fs;

use tidegate_kit::{Flavour, Redis, Resp};
use tidegate_redis_wire::reply::{self, Cursor, Hello, Value, Version, Writer};
use tidegate_redis_wire::request::{Limits, Splitter, Step};

const CLIENT: &[u8] = include_bytes!("golden/session.client");
const RESP2: &[u8] = include_bytes!("golden/resp2.server");
const RESP3: &[u8] = include_bytes!("golden/resp3.server");

/// What the client says, line by line. Every type that Redis 7.0 answers with is among the answers.
const SESSION: &[&str] = &[
    "SET k v",
    "GET k",
    "GET none",
    "INCR n",
    "LPUSH l a b c",
    "LRANGE l 0 -1",
    "LPOP none 1",
    "HSET h f 1 g 2",
    "HGETALL h",
    "SADD s a",
    "SMEMBERS s",
    "ZADD z 1.5 m inf x -inf y",
    "ZSCORE z m",
    "ZRANGE z 0 -1 WITHSCORES",
    "XADD x 1-1 f v",
    "XREAD STREAMS x 0",
    "GEOADD g 13.361389 38.115556 p",
    "GEOPOS g p none",
    "INCR k",
    "NONSENSE a",
    "LPUSH k a",
    "MULTI",
    "SET q 1",
    "GET q",
    "EXEC",
    "SUBSCRIBE c",
    "UNSUBSCRIBE c",
    "DEBUG PROTOCOL BIGNUM",
    "DEBUG PROTOCOL VERBATIM",
    "DEBUG PROTOCOL TRUE",
    "DEBUG PROTOCOL DOUBLE",
    "DEBUG PROTOCOL NULL",
    "DEBUG PROTOCOL ATTRIB",
    "DEBUG PROTOCOL MAP",
    "DEBUG PROTOCOL SET",
    "DEBUG PROTOCOL ARRAY",
    "COMMAND INFO get none",
    "SCAN 0 COUNT 100 MATCH k",
    "CLIENT TRACKINGINFO",
];

fn client() -> Vec<u8> {
    let lines = SESSION.iter().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        tidegate_kit::RespClient::encode(&words)
    });
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn record() {
    assert_eq!(client(), CLIENT, "record the session again");
    if std::env::var_os("RECORD").is_none() {
        return;
    }
    for (version, file) in [("2", "resp2"), ("3", "resp3")] {
        let redis = Redis::start(Flavour::Redis);
        let mut server = redis.client();
        server.ask(&["HELLO", version]);
        server.send(&client());
        let answers: Vec<Vec<u8>> = SESSION.iter().map(|_| server.raw().1).collect();
        let path = format!("{}/tests/golden/{file}.server", env!("CARGO_MANIFEST_DIR"));
        fs::write(path, answers.concat()).unwrap();
    }
}

#[test]
fn commands_are_found() {
    let (mut splitter, mut rest) = (Splitter::new(Limits::default(), false), CLIENT);
    for line in SESSION {
        let Ok(Step::Command(command)) = splitter.next(rest) else {
            panic!("{line}");
        };
        let words: Vec<_> = command.arguments().map(String::from_utf8_lossy).collect();
        assert_eq!(words.join(" "), *line);
        rest = &rest[command.bytes().len()..];
    }
    assert!(rest.is_empty());
}

fn replies(stream: &[u8]) -> Vec<&[u8]> {
    let (mut cursor, mut rest, mut found) = (Cursor::new(), stream, Vec::new());
    while !rest.is_empty() {
        let walk = cursor.walk(rest).unwrap();
        assert!(walk.ended);
        let (reply, later) = rest.split_at(walk.run);
        found.push(reply);
        rest = later;
    }
    found
}

/// What we read is what another reader reads.
fn same(own: &Value<'_>, other: &Resp) -> bool {
    match (own, other) {
        (Value::Null, Resp::Null) => true,
        (Value::Simple(text), Resp::Simple(other)) => *text == other.as_bytes(),
        (Value::Error(failure), Resp::Error(other)) => failure.text() == other.as_bytes(),
        (Value::Integer(number), Resp::Integer(other)) => number == other,
        (Value::Bulk(text), Resp::Bulk(other)) => text == other,
        (Value::Verbatim(format, text), Resp::Bulk(other)) => [format.as_slice(), b":", text].concat() == *other,
        (Value::Double(number), Resp::Number(other)) => other.parse() == Ok(*number),
        (Value::BigNumber(digits), Resp::Number(other)) => *digits == other.as_bytes(),
        (Value::Boolean(yes), Resp::Boolean(other)) => yes == other,
        (Value::Array(items), Resp::Array(others))
        | (Value::Set(items), Resp::Set(others))
        | (Value::Map(items), Resp::Map(others))
        | (Value::Push(items), Resp::Push(others)) => {
            let own: Vec<_> = items.clone().map(Result::unwrap).collect();
            own.len() == others.len() && own.iter().zip(others).all(|(own, other)| same(own, other))
        }
        _ => false,
    }
}

#[test]
fn replies_are_read() {
    for (stream, version) in [(RESP2, 2), (RESP3, 3)] {
        let replies = replies(stream);
        assert_eq!(replies.len(), SESSION.len());
        for (reply, line) in replies.iter().zip(SESSION) {
            let (own, used) = Value::read(reply).unwrap();
            let (other, _) = Resp::parse(reply).unwrap();
            assert!(
                used == reply.len() && same(&own, &other),
                "{line} in RESP{version}: {other:?}"
            );
        }
    }
}

/// Says a value again as the gateway would, in the version it was said in.
fn say(writer: &mut Writer<'_>, value: &Value<'_>) {
    let values = match value {
        Value::Null => return writer.null(),
        Value::Simple(text) => return writer.simple(std::str::from_utf8(text).unwrap()),
        Value::Error(failure) => return writer.error(std::str::from_utf8(failure.text()).unwrap()),
        Value::Integer(number) => return writer.integer(*number),
        Value::Bulk(text) => return writer.bulk(text),
        Value::Verbatim(format, text) => return writer.verbatim(*format, std::str::from_utf8(text).unwrap()),
        Value::Double(number) => return writer.double(*number),
        Value::BigNumber(digits) => return writer.raw(&[b"(", *digits, b"\r\n"].concat()),
        Value::Boolean(yes) => return writer.boolean(*yes),
        Value::Streamed(_) => panic!("Redis streams nothing"),
        Value::Array(items) | Value::Set(items) | Value::Map(items) | Value::Push(items) => {
            items.clone().map(Result::unwrap).collect::<Vec<_>>()
        }
    };
    match value {
        Value::Map(_) => writer.map(values.len() / 2),
        Value::Set(_) => writer.set(values.len()),
        Value::Push(_) => writer.push(values.len()),
        _ => writer.array(values.len()),
    }
    for value in &values {
        say(writer, value);
    }
}

#[test]
fn replies_are_said_again() {
    for (stream, version) in [(RESP2, Version::Resp2), (RESP3, Version::Resp3)] {
        let mut again = 0;
        for (reply, line) in replies(stream).into_iter().zip(SESSION) {
            // Redis 7.0 writes doubles with seventeen digits and a null array of its own, and we do not repeat
            // attributes.
            if reply.starts_with(b"*-1") || reply.starts_with(b"|") || *line == "GEOPOS g p none" {
                continue;
            }
            if *line == "DEBUG PROTOCOL DOUBLE" {
                continue;
            }
            let mut out = Vec::new();
            say(&mut Writer::new(&mut out, version), &Value::read(reply).unwrap().0);
            assert_eq!(
                out.escape_ascii().to_string(),
                reply.escape_ascii().to_string(),
                "{line} in {version:?}"
            );
            again += 1;
        }
        assert!(again > SESSION.len() - 6);
    }
}

#[test]
fn hello_is_that_of_the_server() {
    let redis = Redis::start(Flavour::Redis);
    for (version, number) in [(Version::Resp2, "2"), (Version::Resp3, "3")] {
        let mut client = redis.client();
        client.command(&["HELLO", number]);
        let (reply, bytes) = client.raw();
        let hello = Hello {
            server: "redis",
            version: &reply.get("version").unwrap().text(),
            id: reply.get("id").unwrap().text().parse().unwrap(),
            mode: "standalone",
            role: "master",
        };
        let mut own = Vec::new();
        reply::hello(&mut Writer::new(&mut own, version), &hello);
        assert_eq!(own.escape_ascii().to_string(), bytes.escape_ascii().to_string());
    }
}
