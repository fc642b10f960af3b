//! Anything may arrive: no reader panics or reads past its input, and what is accepted can be said again.
//! Each target runs as a property test on stable Rust, and under `cargo bolero test -p tidegate-redis-wire NAME`.
//! Seeds stand in `__fuzz__/NAME/corpus`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use tidegate_redis_wire::hash::Hash;
use tidegate_redis_wire::reply::{Cursor, Failure, Value};
use tidegate_redis_wire::request::{self, Command, Limits, Splitter, Step};
use tidegate_redis_wire::slot::Slot;
use tidegate_redis_wire::table;

#[test]
fn requests() {
    bolero::check!().for_each(read_requests);
}

fn read_requests(bytes: &[u8]) {
    for stranger in [false, true] {
        let mut splitter = Splitter::new(Limits::default(), stranger);
        let mut rest = bytes;
        while let Ok(step) = splitter.next(rest) {
            let total = match step {
                Step::Command(command) => {
                    say_again(&command);
                    look_up(&command);
                    command.bytes().len()
                }
                Step::Inline(line) => {
                    let _ = line.rewrite(&mut Vec::new());
                    line.total()
                }
                Step::Skip(total) => total,
                Step::More(more) => {
                    if let Some(command) = more.command {
                        look_up(&command);
                        flow(splitter, rest);
                    }
                    break;
                }
            };
            assert!(total > 0);
            rest = &rest[total..];
        }
    }
}

fn say_again(command: &Command<'_>) {
    let arguments: Vec<&[u8]> = command.arguments().collect();
    assert_eq!(arguments.len(), command.count());
    let mut again = Vec::new();
    request::command(&mut again, &arguments);
    // A length may be said with a leading minus only when it is nothing, so there is one way to say a command.
    assert_eq!(again, command.bytes());
}

fn look_up(command: &Command<'_>) {
    let Ok(row) = table::resolve(command) else {
        return;
    };
    row.effect(command);
    for keys in [row.keys(command), row.slot_keys(command)].into_iter().flatten() {
        let found = keys.of(command).count();
        assert!(found <= keys.count() && keys.count() < command.count());
        assert!(found == keys.count() || !command.is_whole());
        let _ = keys.slot(command);
    }
}

fn flow(mut splitter: Splitter, rest: &[u8]) {
    if let Ok(passed) = splitter.flow(rest) {
        assert!(passed.run <= rest.len() && !passed.ended);
        let _ = splitter.pass(&rest[passed.run..]);
    }
}

#[test]
fn inline() {
    bolero::check!().for_each(|text: &[u8]| {
        let line = [text, b"\r\n"].concat();
        let Ok(Step::Inline(line)) = Splitter::new(Limits::default(), false).next(&line) else {
            return;
        };
        let mut out = Vec::new();
        let Ok(count) = line.rewrite(&mut out) else {
            assert!(out.is_empty());
            return;
        };
        match Splitter::new(Limits::default(), false).next(&out) {
            Ok(Step::Command(command)) => assert_eq!((command.count(), command.bytes()), (count, out.as_slice())),
            Ok(Step::More(_)) => assert!(count == 0 && out.is_empty()),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn replies() {
    bolero::check!().for_each(read_replies);
}

fn read_replies(bytes: &[u8]) {
    let (mut cursor, mut rest) = (Cursor::new(), bytes);
    while let Ok(walk) = cursor.walk(rest) {
        assert!(walk.run <= rest.len());
        if !walk.ended {
            break;
        }
        let (reply, later) = rest.split_at(walk.run);
        if let Ok((value, used)) = Value::read(reply) {
            assert_eq!(used, reply.len());
            look(&value, 0);
        }
        rest = later;
    }
    let failure = Failure::new(bytes);
    let _ = (failure.code(), failure.redirect());
}

fn look(value: &Value<'_>, depth: usize) {
    let _ = (value.text(), value.integer());
    if let Value::Streamed(chunks) = value {
        chunks.clone().for_each(drop);
    }
    for item in value.items().into_iter().flatten().filter(|_| depth < 8).flatten() {
        look(&item, depth + 1);
    }
}

/// Recorded bytes with some changed and a cut: closer to the edges than noise comes.
#[test]
fn damaged_streams() {
    const RECORDED: [&[u8]; 3] = [
        include_bytes!("golden/session.client"),
        include_bytes!("golden/resp2.server"),
        include_bytes!("golden/resp3.server"),
    ];
    bolero::check!()
        .with_type::<(u8, u16, u16, Vec<(u8, u8)>)>()
        .for_each(|(which, start, length, changes)| {
            let recorded = RECORDED[usize::from(*which) % RECORDED.len()];
            let recorded = &recorded[usize::from(*start) % recorded.len()..];
            let mut bytes = recorded[..usize::from(*length).min(recorded.len())].to_vec();
            if !bytes.is_empty() {
                for (at, byte) in changes {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *byte;
                }
            }
            read_requests(&bytes);
            read_replies(&bytes);
        });
}

#[test]
fn hashes() {
    bolero::check!().for_each(|key: &[u8]| {
        assert!(Slot::of(key).number() < 16_384);
        for hash in Hash::ALL {
            hash.of(key);
        }
    });
}
