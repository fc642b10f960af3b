use proptest::prelude::*;
use tidegate_redis_wire::reply::{Cursor, Version};

use super::*;
use crate::scatter::merge::Merge;
use crate::scatter::{Asker, ScanStep};

#[track_caller]
fn check(merge: &Merge, replies: &[&str], expected: &str) {
    assert_eq!(
        merged(merge, Version::Resp3, replies),
        expected,
        "{merge:?} of {replies:?}"
    );
}

fn merged(merge: &Merge, version: Version, replies: &[&str]) -> String {
    let asker = Asker {
        version,
        dice: 3,
        ..Asker::default()
    };
    let replies: Vec<&[u8]> = replies.iter().map(|reply| reply.as_bytes()).collect();
    let mut out = b"before".to_vec();
    merge.run(&asker, &replies, &mut out);
    String::from_utf8(out)
        .unwrap()
        .strip_prefix("before")
        .unwrap()
        .to_owned()
}

const NO_FIT: &str = "-ERR the servers' answers do not fit together\r\n";

#[test]
fn numbers() {
    check(&Merge::Sum, &[":1\r\n", ":2\r\n"], ":3\r\n");
    check(
        &Merge::Sum,
        &[":9223372036854775807\r\n", ":2\r\n"],
        ":9223372036854775807\r\n",
    );
    check(&Merge::Min, &[":5\r\n", ":-2\r\n"], ":-2\r\n");
    check(
        &Merge::MinEach,
        &["*2\r\n:1\r\n:5\r\n", "*2\r\n:0\r\n:7\r\n"],
        "*2\r\n:0\r\n:5\r\n",
    );
    check(
        &Merge::AndEach,
        &["*2\r\n:1\r\n:1\r\n", "*2\r\n:0\r\n:1\r\n"],
        "*2\r\n:0\r\n:1\r\n",
    );
    check(&Merge::AndEach, &["*2\r\n:1\r\n:1\r\n", "*1\r\n:0\r\n"], NO_FIT);
    for strange in ["+OK\r\n", "$1\r\n1\r\n", "_\r\n", "*0\r\n"] {
        check(&Merge::Sum, &[":1\r\n", strange], NO_FIT);
        check(&Merge::Min, &[strange, ":1\r\n"], NO_FIT);
    }
    for merge in merges() {
        check(&merge, &[], NO_FIT);
    }
}

/// The first in order, whatever the others say.
#[test]
fn an_error_is_the_reply() {
    for merge in [
        Merge::First,
        Merge::Sum,
        Merge::Joined,
        Merge::Placed(vec![0, 1]),
        Merge::Pick,
        Merge::Info,
    ] {
        check(&merge, &[":1\r\n", "-ERR one\r\n", "-ERR two\r\n"], "-ERR one\r\n");
        check(&merge, &["!7\r\nERR one\r\n", ":1\r\n"], "!7\r\nERR one\r\n");
    }
    check(&Merge::First, &["+OK\r\n", "+OK\r\n"], "+OK\r\n");
    check(&Merge::OneSucceeded, &["-NOTBUSY x\r\n", "+OK\r\n"], "+OK\r\n");
    check(
        &Merge::OneSucceeded,
        &["-NOTBUSY x\r\n", "-UNKILLABLE y\r\n"],
        "-UNKILLABLE y\r\n",
    );
    check(
        &Merge::OneSucceeded,
        &["-NOTBUSY x\r\n", "-NOTBUSY y\r\n"],
        "-NOTBUSY x\r\n",
    );
}

#[test]
fn arrays() {
    check(
        &Merge::Joined,
        &["*1\r\n$1\r\na\r\n", "*0\r\n", "*1\r\n:2\r\n"],
        "*2\r\n$1\r\na\r\n:2\r\n",
    );
    check(&Merge::Joined, &["~1\r\n:1\r\n", "~1\r\n:2\r\n"], "~2\r\n:1\r\n:2\r\n");
    check(
        &Merge::Joined,
        &["%1\r\n:1\r\n:2\r\n", "%1\r\n:3\r\n:4\r\n"],
        "%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n",
    );
    check(
        &Merge::Joined,
        &["|1\r\n+a\r\n*0\r\n*1\r\n:1\r\n", "*0\r\n"],
        "*1\r\n:1\r\n",
    );
    check(&Merge::Joined, &["*0\r\n", "~0\r\n"], NO_FIT);
    check(&Merge::Joined, &["*0\r\n", "_\r\n"], NO_FIT);
    check(&Merge::Joined, &["*?\r\n.\r\n", "*0\r\n"], NO_FIT);
    check(&Merge::Joined, &["+OK\r\n", "+OK\r\n"], "+OK\r\n");
    check(
        &Merge::Union,
        &["*2\r\n+a\r\n+b\r\n", "*2\r\n+b\r\n+c\r\n"],
        "*3\r\n+a\r\n+b\r\n+c\r\n",
    );
    check(
        &Merge::SumPairs,
        &["*4\r\n+a\r\n:1\r\n+b\r\n:0\r\n", "*4\r\n+a\r\n:2\r\n+b\r\n:5\r\n"],
        "*4\r\n+a\r\n:3\r\n+b\r\n:5\r\n",
    );
    check(
        &Merge::SumPairs,
        &["%1\r\n+a\r\n:1\r\n", "%1\r\n+a\r\n:2\r\n"],
        "%1\r\n+a\r\n:3\r\n",
    );
    check(&Merge::SumPairs, &["*2\r\n+a\r\n:1\r\n", "*2\r\n+b\r\n:2\r\n"], NO_FIT);
    check(&Merge::SumPairs, &["*0\r\n", "*0\r\n"], "*0\r\n");
    let order = Merge::Placed(vec![1, 3, 0, 2]);
    check(
        &order,
        &["*2\r\n+b\r\n_\r\n", "*2\r\n+a\r\n+c\r\n"],
        "*4\r\n+a\r\n+b\r\n+c\r\n_\r\n",
    );
    check(&order, &["*2\r\n+b\r\n_\r\n", "*1\r\n+a\r\n"], NO_FIT);
    check(&order, &["*2\r\n+b\r\n_\r\n", "*3\r\n+a\r\n+c\r\n+d\r\n"], NO_FIT);
}

#[test]
fn one_of_several() {
    check(
        &Merge::Pick,
        &["_\r\n", "$1\r\na\r\n", "_\r\n", "$1\r\nb\r\n"],
        "$1\r\nb\r\n",
    );
    check(&Merge::Pick, &["$-1\r\n", "$-1\r\n"], "$-1\r\n");
    let idle = "*4\r\n$14\r\nrunning_script\r\n$-1\r\n$7\r\nengines\r\n*0\r\n";
    let busy = "*4\r\n$14\r\nrunning_script\r\n*0\r\n$7\r\nengines\r\n*0\r\n";
    check(&Merge::Busy, &[idle, busy], busy);
    check(&Merge::Busy, &[idle, idle], idle);
    let role = "*3\r\n$6\r\nmaster\r\n:7\r\n*1\r\n*3\r\n$8\r\n10.0.0.1\r\n$4\r\n6379\r\n$1\r\n7\r\n";
    check(&Merge::Role, &[role, role], "*3\r\n$6\r\nmaster\r\n:7\r\n*0\r\n");
    check(&Merge::Role, &["*5\r\n$5\r\nslave\r\n+a\r\n:1\r\n+b\r\n:1\r\n"], NO_FIT);
    let text = merged(&Merge::Texts, Version::Resp2, &["$1\r\na\r\n", "$1\r\nb\r\n"]);
    assert_eq!(text, "$36\r\n# server 1 of 2\na\n# server 2 of 2\nb\n\r\n");
}

#[test]
fn numbers_by_name() {
    let one = "*6\r\n$14\r\npeak.allocated\r\n:10\r\n$4\r\ndb.0\r\n*2\r\n$1\r\na\r\n:1\r\n$15\r\npeak.percentage\r\n$4\r\n50.5\r\n";
    let two = "*6\r\n$14\r\npeak.allocated\r\n:5\r\n$4\r\ndb.1\r\n*2\r\n$1\r\na\r\n:7\r\n$15\r\npeak.percentage\r\n$4\r\n60.5\r\n";
    let both = "*8\r\n$14\r\npeak.allocated\r\n:15\r\n$4\r\ndb.0\r\n*2\r\n$1\r\na\r\n:1\r\n$15\r\npeak.percentage\r\n$4\r\n55.5\r\n$4\r\ndb.1\r\n*2\r\n$1\r\na\r\n:7\r\n";
    assert_eq!(merged(&Merge::Stats, Version::Resp2, &[one, two]), both);
    let (one, two) = ("%2\r\n+n\r\n:1\r\n+d\r\n,1.5\r\n", "%2\r\n+n\r\n:2\r\n+d\r\n,2.5\r\n");
    check(&Merge::Stats, &[one, two], "%2\r\n+n\r\n:3\r\n+d\r\n,2\r\n");
    let average = "%1\r\n$18\r\nkeys.bytes-per-key\r\n:";
    check(
        &Merge::Stats,
        &[&format!("{average}10\r\n"), &format!("{average}20\r\n")],
        &format!("{average}15\r\n"),
    );
}

fn step(cursor: &str) -> ScanStep {
    match way_of(&["SCAN", cursor, "MATCH", "a*"], &Slots) {
        Way::Scan(step) => step,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn scanned(cursor: &str, servers: usize, reply: &str, expected: &str) {
    let mut out = Vec::new();
    step(cursor).finish(Version::Resp2, servers, reply.as_bytes(), &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_scan_goes_from_server_to_server() {
    let first = step("0");
    assert_eq!(
        (first.server(), first.bytes()),
        (0, encode(&["SCAN", "0", "MATCH", "a*"]).as_slice())
    );
    scanned(
        "0",
        3,
        "*2\r\n$1\r\n7\r\n*1\r\n$1\r\na\r\n",
        "*2\r\n$5\r\n28672\r\n*1\r\n$1\r\na\r\n",
    );
    let second = step("28673");
    assert_eq!(
        (second.server(), second.bytes()),
        (1, encode(&["SCAN", "7", "MATCH", "a*"]).as_slice())
    );
    scanned("28672", 3, "*2\r\n$1\r\n0\r\n*0\r\n", "*2\r\n$1\r\n1\r\n*0\r\n");
    scanned("1", 3, "*2\r\n$1\r\n0\r\n*0\r\n", "*2\r\n$1\r\n2\r\n*0\r\n");
    scanned("2", 3, "*2\r\n$1\r\n0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
    // Fewer servers than before.
    scanned("5", 3, "*2\r\n$1\r\n0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
    let mut out = Vec::new();
    ScanStep::end(Version::Resp3, &mut out);
    assert_eq!(out, b"*2\r\n$1\r\n0\r\n*0\r\n");
}

#[test]
fn scans_say_what_is_wrong() {
    scanned("0", 1, "-ERR syntax error\r\n", "-ERR syntax error\r\n");
    scanned("0", 1, "+OK\r\n", "-ERR the server's answer is none to SCAN\r\n");
    let largest = (1_u64 << 51) - 1;
    let reply = |cursor: u64| format!("*2\r\n${}\r\n{cursor}\r\n*0\r\n", cursor.to_string().len());
    let cursor = (largest << 12).to_string();
    assert!(cursor.parse::<i64>().is_ok());
    scanned("0", 1, &reply(largest), &format!("*2\r\n$19\r\n{cursor}\r\n*0\r\n"));
    let mut out = Vec::new();
    step("0").finish(Version::Resp2, 1, reply(largest + 1).as_bytes(), &mut out);
    assert!(out.starts_with(b"-ERR the server's cursor is too large"));
    for cursor in ["x", "-1", "+1", "18446744073709551616", ""] {
        assert_eq!(
            way_of(&["SCAN", cursor], &Slots),
            Way::Error("ERR invalid cursor".into())
        );
    }
}

/// Any well-formed reply. Pushes stand for themselves.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| format!(":{number}\r\n")),
        "[a-z]{0,6}".prop_map(|text| format!("+{text}\r\n")),
        "ERR [a-z]{0,6}".prop_map(|text| format!("-{text}\r\n")),
        "[ -~]{0,12}".prop_map(|text| format!("${}\r\n{text}\r\n", text.len())),
        "[0-9]{1,6}".prop_map(|text| format!("${}\r\n{text}\r\n", text.len())),
        "(# [A-Z][a-z]{1,8}\r\n)?([a-z_]{1,8}:[0-9a-z=,]{0,9}\r\n){0,4}"
            .prop_map(|text| format!("={}\r\ntxt:{text}\r\n", text.len() + 4)),
        "[ -~]{0,12}".prop_map(|text| format!("!{}\r\n{text}\r\n", text.len())),
        "[ -~]{1,4}".prop_map(|text| format!("$?\r\n;{}\r\n{text}\r\n;0\r\n", text.len())),
        prop::sample::select(vec![
            "_\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "#t\r\n",
            ",1.5\r\n",
            ",inf\r\n",
            ",nan\r\n",
            "(12\r\n",
            "*?\r\n.\r\n"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = leaf.prop_map(String::into_bytes);
    leaf.prop_recursive(3, 24, 5, |inner| {
        let many = prop::collection::vec(inner.clone(), 0..5);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(|pairs| {
            pairs
                .into_iter()
                .flat_map(|(key, value)| [key, value])
                .collect::<Vec<_>>()
        });
        prop_oneof![
            (many.clone(), prop::sample::select(vec!['*', '~'])).prop_map(|(items, kind)| aggregate(
                kind,
                items.len(),
                &items
            )),
            pairs.clone().prop_map(|items| aggregate('%', items.len() / 2, &items)),
            (pairs, inner).prop_map(|(items, about)| {
                let mut bytes = aggregate('|', items.len() / 2, &items);
                bytes.extend(about);
                bytes
            }),
            many.prop_map(|items| [b"*?\r\n".to_vec(), items.concat(), b".\r\n".to_vec()].concat()),
        ]
    })
}

fn aggregate(kind: char, count: usize, items: &[Vec<u8>]) -> Vec<u8> {
    [format!("{kind}{count}\r\n").into_bytes(), items.concat()].concat()
}

fn merges() -> Vec<Merge> {
    vec![
        Merge::First,
        Merge::OneSucceeded,
        Merge::Sum,
        Merge::Min,
        Merge::MinEach,
        Merge::AndEach,
        Merge::Joined,
        Merge::Union,
        Merge::SumPairs,
        Merge::Placed(vec![1, 0]),
        Merge::Placed(vec![0, 7]),
        Merge::Pick,
        Merge::Info,
        Merge::Stats,
        Merge::Busy,
        Merge::Role,
        Merge::Texts,
    ]
}

#[track_caller]
fn is_one_reply(out: &[u8], of: &str) {
    let walk = Cursor::new()
        .walk(out)
        .unwrap_or_else(|error| panic!("{of}: {error} in {}", String::from_utf8_lossy(out)));
    assert!(
        walk.ended && walk.run == out.len(),
        "{of}: {}",
        String::from_utf8_lossy(out)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever servers answer, the client gets one reply.
    #[test]
    fn strange_replies_make_one(replies in prop::collection::vec(reply(), 0..4), dice: u64, resp3: bool) {
        let version = if resp3 { Version::Resp3 } else { Version::Resp2 };
        let asker = Asker { version, dice, sees_cluster: resp3 };
        let views: Vec<&[u8]> = replies.iter().map(Vec::as_slice).collect();
        for merge in merges() {
            let mut out = Vec::new();
            merge.run(&asker, &views, &mut out);
            is_one_reply(&out, &format!("{merge:?}"));
        }
        for view in views {
            let mut out = Vec::new();
            step("4096").finish(version, 3, view, &mut out);
            is_one_reply(&out, "SCAN");
        }
    }

    /// The same replies from each, as real servers give them, so that merges go further than to the first mismatch.
    #[test]
    fn equal_replies_make_one(reply in reply(), count in 1..4_usize) {
        let asker = Asker { version: Version::Resp3, ..Asker::default() };
        let views = vec![reply.as_slice(); count];
        for merge in merges() {
            let mut out = Vec::new();
            merge.run(&asker, &views, &mut out);
            is_one_reply(&out, &format!("{merge:?}"));
        }
    }
}
