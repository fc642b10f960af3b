//! Requests as the server reads them: its errors, and its rules for the words of a line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

mod common;

use std::time::Duration;

use common::Dice;
use tidegate_kit::{Flavour, Redis, Resp};
use tidegate_redis_wire::RequestError;
use tidegate_redis_wire::request::{Limits, Splitter, Step};

fn own_error(bytes: &[u8], stranger: bool) -> Option<RequestError> {
    let (mut splitter, mut rest) = (Splitter::new(Limits::default(), stranger), bytes);
    loop {
        rest = match splitter.next(rest) {
            Ok(Step::Command(command)) => &rest[command.bytes().len()..],
            Ok(Step::Inline(line)) => {
                if let Err(error) = line.rewrite(&mut Vec::new()) {
                    return Some(error);
                }
                &rest[line.total()..]
            }
            Ok(Step::Skip(total)) => &rest[total..],
            Ok(Step::More(_)) => return None,
            Err(error) => return Some(error),
        };
    }
}

/// What the gateway says of a bad request is what the server says, and both hang up.
#[test]
fn errors_are_those_of_the_server() {
    let digits = "1".repeat((64 << 10) + 10);
    let streams = [
        "*a\r\n".to_owned(),
        "*01\r\n".to_owned(),
        "*99999999999\r\n".to_owned(),
        "*1\r\n+PING\r\n".to_owned(),
        "*1\r\n$-1\r\n".to_owned(),
        "*1\r\n$536870913\r\n".to_owned(),
        "*2\r\n$4\r\nECHO\r\n$x\r\n".to_owned(),
        "ECHO \"a\r\n".to_owned(),
        "ECHO 'a'b\r\n".to_owned(),
        format!("*{digits}"),
        format!("*1\r\n${digits}"),
        format!("ECHO {digits}"),
    ];
    for flavour in Flavour::ALL {
        let redis = Redis::start(flavour);
        for stream in &streams {
            let mut client = redis.client();
            client.send(stream.as_bytes());
            let error = own_error(stream.as_bytes(), false).map(|error| Resp::Error(format!("ERR {error}")));
            assert_eq!(
                Some(client.reply()),
                error,
                "{:.40} on {flavour:?}",
                stream.escape_debug()
            );
            assert!(client.closed_within(Duration::from_secs(5)));
        }
        let locked = Redis::builder(flavour).password("secret").start();
        for stream in ["*11\r\n", "*1\r\n$16385\r\n"] {
            let mut client = tidegate_kit::RespClient::connect(locked.address());
            client.send(stream.as_bytes());
            let error = own_error(stream.as_bytes(), true).map(|error| Resp::Error(format!("ERR {error}")));
            assert_eq!(Some(client.reply()), error, "{stream:?} on {flavour:?}");
        }
    }
}

/// A line says what the server takes it to say.
#[test]
fn lines_are_split_as_the_server_splits_them() {
    let redis = Redis::start(Flavour::Redis);
    let mut dice = Dice::new(5);
    let mut client = redis.client();
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..1500 {
        let length = dice.below(14);
        let text: Vec<u8> = (0..length).map(|_| *dice.pick(b"\"\"'\\\\ \tabnx4\x0b\xff")).collect();
        let line = [b"RPUSH words ".as_slice(), &text, b"\r\n"].concat();
        client.send(&line);
        let answer = client.reply();
        let mut own = Vec::new();
        let Ok(Step::Inline(view)) = Splitter::new(Limits::default(), false).next(&line) else {
            panic!("no line");
        };
        match view.rewrite(&mut own) {
            Err(error) => {
                assert_eq!(answer.text(), format!("ERR {error}"), "{}", text.escape_ascii());
                client = redis.client();
                refused += 1;
            }
            // A name alone, which is a mistake of another sort.
            Ok(2) => assert!(answer.text().starts_with("ERR wrong number"), "{}", text.escape_ascii()),
            Ok(count) => {
                assert_eq!(
                    answer,
                    Resp::Integer(i64::try_from(count).unwrap() - 2),
                    "{}",
                    text.escape_ascii()
                );
                let words = client.ask(&["LRANGE", "words", "0", "-1"]);
                let said: Vec<Resp> = view_words(&own).into_iter().map(Resp::Bulk).collect();
                assert_eq!(words.items(), &said[2..], "{}", text.escape_ascii());
                client.ask(&["DEL", "words"]);
                taken += 1;
            }
        }
    }
    assert!(refused > 200 && taken > 200, "{refused} refused, {taken} taken");
}

fn view_words(command: &[u8]) -> Vec<Vec<u8>> {
    let Ok(Step::Command(command)) = Splitter::new(Limits::default(), false).next(command) else {
        panic!("no command");
    };
    command.arguments().map(<[u8]>::to_vec).collect()
}
