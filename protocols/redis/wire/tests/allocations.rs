//! What passes allocates nothing: commands are split, looked up and classified, keys and slots found, replies walked
//! and read, all over the buffer they came in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tidegate_redis_wire::reply::{Cursor, Value};
use tidegate_redis_wire::request::{self, Limits, Splitter, Step};
use tidegate_redis_wire::table;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn commands(stream: &[u8]) -> usize {
    let (mut splitter, mut rest, mut slots) = (Splitter::new(Limits::default(), false), stream, 0);
    while let Ok(Step::Command(command)) = splitter.next(rest) {
        let row = table::resolve(&command).unwrap();
        let keys = row.keys(&command).unwrap();
        slots += usize::from(keys.slot(&command) == Ok(None)) + keys.count();
        assert!(row.effect(&command) == table::Effect::Plain || row.effect(&command) == table::Effect::Blocks);
        rest = &rest[command.bytes().len()..];
    }
    assert!(rest.is_empty());
    slots
}

fn replies(stream: &[u8]) -> usize {
    let (mut cursor, mut rest, mut count) = (Cursor::new(), stream, 0);
    while !rest.is_empty() {
        let walk = cursor.walk(rest).unwrap();
        let (value, _) = Value::read(&rest[..walk.run]).unwrap();
        count += value.items().into_iter().flatten().flatten().count();
        rest = &rest[walk.run..];
    }
    count
}

/// One test, since the count is that of the whole process.
#[test]
fn what_passes_allocates_nothing() {
    let mut stream = Vec::new();
    for line in [
        "GET k",
        "set k v EX 10",
        "MGET a a a a a a a a a a a a",
        "XREAD COUNT 2 BLOCK 0 STREAMS a 0",
        "SORT a BY b STORE a",
        "EVAL x 1 a",
        "CLUSTER KEYSLOT a",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        request::command(&mut stream, &words);
    }
    let answers = b"+OK\r\n-MOVED 1 a:1\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n%1\r\n+k\r\n,1.5\r\n";
    let measure = || {
        let region = Region::new(ALLOCATOR);
        let (keys, values) = (commands(&stream), replies(answers));
        let change = region.change();
        assert_eq!((keys, values), (19, 4));
        change.allocations + change.reallocations
    };
    // The harness has a thread of its own, which may allocate meanwhile; what is measured does the same every time.
    assert_eq!((0..10).map(|_| measure()).min(), Some(0));
}
