use proptest::prelude::*;

use super::*;
use crate::scatter::Which;

#[track_caller]
fn check(text: &str, expected: &Way) {
    let words: Vec<&str> = text.split(' ').collect();
    assert_eq!(&way_of(&words, &Slots), expected, "{text}");
}

#[track_caller]
fn refused(text: &str, buckets: &impl Buckets, start: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    match way_of(&words, buckets) {
        Way::Error(error) => assert!(error.starts_with(start), "{text}: {error}"),
        other => panic!("{text}: {other:?}"),
    }
}

#[track_caller]
fn pieces(text: &str, expected: &[(u16, &str)]) {
    let asked: Vec<&str> = text.split(' ').collect();
    let Way::Parts(scatter) = way_of(&asked, &Slots) else {
        panic!("{text}");
    };
    let found: Vec<_> = scatter
        .pieces()
        .map(|(bucket, bytes)| (bucket, String::from_utf8(words(bytes).join(&b' ')).unwrap()))
        .collect();
    let found: Vec<_> = found.iter().map(|(bucket, text)| (*bucket, text.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

const FOO: u16 = 12182;
const BAR: u16 = 5061;

#[test]
fn keys_say_where() {
    check("GET foo", &Way::Bucket(FOO));
    check("MGET foo {foo}b", &Way::Bucket(FOO));
    check("EVAL x 1 bar foo", &Way::Bucket(BAR));
    check("EVAL x 0 bar foo", &Way::Any);
    check("FCALL f 0", &Way::Any);
    check("XREAD STREAMS bar 0", &Way::Bucket(BAR));
    check("SPUBLISH foo message", &Way::Bucket(FOO));
    check("SSUBSCRIBE foo {foo}b", &Way::Bucket(FOO));
    check("SORT foo BY w_* GET d_*", &Way::Bucket(FOO));
    check("OBJECT ENCODING foo", &Way::Bucket(FOO));
    check("MOVE foo 1", &Way::Bucket(FOO));
}

#[test]
fn several_slots_are_split_or_refused() {
    pieces(
        "MGET foo bar {foo}2 bar",
        &[(BAR, "MGET bar bar"), (FOO, "MGET foo {foo}2")],
    );
    pieces(
        "mset foo 1 bar 2 foo 3",
        &[(BAR, "mset bar 2"), (FOO, "mset foo 1 foo 3")],
    );
    pieces("DEL foo bar", &[(BAR, "DEL bar"), (FOO, "DEL foo")]);
    for text in [
        "MSETNX foo 1 bar 2",
        "RENAME foo bar",
        "XREAD STREAMS foo bar 0 0",
        "EVAL x 2 foo bar",
        "BITOP AND foo bar",
        "SORT foo STORE bar",
        "SSUBSCRIBE foo bar",
        "WATCH foo bar",
        "SINTERCARD 2 foo bar",
        "SMOVE foo bar x",
    ] {
        refused(text, &Slots, "CROSSSLOT Keys in request don't hash to the same slot");
        refused(text, &Servers(1000), "ERR the ");
    }
    refused(
        "MSET foo 1 bar",
        &Slots,
        "ERR wrong number of arguments for 'mset' command",
    );
}

#[test]
fn what_no_server_takes_is_for_any_to_refuse() {
    for text in [
        "GET",
        "GET a b",
        "EVAL x z k",
        "EVAL x 5 k",
        "XREAD STREAMS",
        "DBSIZE 1",
        "CLUSTER COUNTKEYSINSLOT x",
    ] {
        check(text, &Way::Any);
    }
    check("CLUSTER COUNTKEYSINSLOT 16384", &Way::Any);
}

#[test]
fn commands_without_keys() {
    for text in [
        "PING",
        "PING text",
        "TIME",
        "ECHO x",
        "COMMAND COUNT",
        "CONFIG GET x",
        "PUBLISH foo x",
        "CLUSTER SLOTS",
    ] {
        check(text, &Way::Any);
    }
    check("CLUSTER COUNTKEYSINSLOT 5", &Way::Bucket(5));
    for (text, to) in [
        ("DBSIZE", Which::Primaries),
        ("SCRIPT LOAD x", Which::Nodes),
        ("INFO", Which::Primaries),
    ] {
        let words: Vec<&str> = text.split(' ').collect();
        match way_of(&words, &Slots) {
            Way::All(which, scatter) => {
                assert_eq!((which, scatter.bytes()), (to, encode(&words).as_slice()));
                assert_eq!(scatter.pieces().len(), 0);
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "SHUTDOWN",
        "CLUSTER MEET a 1",
        "CLIENT LIST",
        "SWAPDB 0 1",
        "MIGRATE h 1 foo 0 5",
        "MONITOR",
        "DEBUG SLEEP 1",
    ] {
        refused(text, &Slots, "ERR ");
    }
}

#[test]
fn plain_servers_have_channels_of_their_own() {
    let servers = Servers(1000);
    let bucket = servers.bucket(b"news");
    assert_eq!(way_of(&["PUBLISH", "news", "foo"], &servers), Way::Bucket(bucket));
    assert_eq!(way_of(&["SUBSCRIBE", "news"], &servers), Way::Bucket(bucket));
    assert_eq!(way_of(&["SPUBLISH", "news", "foo"], &servers), Way::Bucket(bucket));
    refused("SUBSCRIBE news weather", &servers, "ERR the channels");
    refused("PSUBSCRIBE n*", &servers, "ERR patterns");
    check("PSUBSCRIBE n*", &Way::Any);
    assert_eq!(way_of(&["CLUSTER", "COUNTKEYSINSLOT", "5"], &servers), Way::Any);
}

/// They would find no key, and say nothing of it.
#[test]
fn plain_servers_do_not_sort_by_keys_elsewhere() {
    let servers = Servers(4);
    refused("SORT foo BY w_*", &servers, "ERR BY and GET");
    refused("SORT_RO foo LIMIT 0 BY GET d_*->f", &servers, "ERR BY and GET");
    let bucket = Way::Bucket(servers.bucket(b"foo"));
    for text in ["SORT foo", "SORT foo BY nosort GET #", "SORT foo LIMIT 0 5 ALPHA"] {
        let words: Vec<&str> = text.split(' ').collect();
        assert_eq!(way_of(&words, &servers), bucket);
    }
}

/// Whatever a command looks like, no row is without a way.
#[test]
fn every_row_goes_somewhere() {
    let rows = table::commands().iter();
    for row in rows.flat_map(|row| {
        if row.subcommands.is_empty() {
            std::slice::from_ref(row)
        } else {
            row.subcommands
        }
    }) {
        let name: Vec<&str> = row.name.split('|').collect();
        for count in 0..8_usize {
            let mut words = name.clone();
            words.extend(["1", "k1", "k2", "1", "k3", "k4", "1", "1"].iter().take(count));
            let (slots, servers) = (way_of(&words, &Slots), way_of(&words, &Servers(3)));
            if row.keys.is_empty() {
                assert!(
                    !matches!(slots, Way::Parts(_)) && !matches!(servers, Way::Parts(_)),
                    "{words:?}"
                );
            }
            if let Way::Error(text) = servers {
                assert!(!text.starts_with("CROSSSLOT"), "{words:?}");
            }
        }
    }
}

/// A command of the tables with arguments that may make sense.
fn command() -> impl Strategy<Value = Vec<String>> {
    let names: Vec<&str> = table::commands()
        .iter()
        .flat_map(|row| {
            if row.subcommands.is_empty() {
                std::slice::from_ref(row)
            } else {
                row.subcommands
            }
        })
        .map(|row| row.name)
        .chain(["mget", "mset", "del", "sort", "xread", "scan"].repeat(10))
        .collect();
    let word = prop_oneof![
        "[a-c]{0,2}",
        "[0-9]{1,3}",
        prop::sample::select(vec![
            "{t}a", "{t}b", "STREAMS", "KEYS", "STORE", "BY", "GET", "w_*", "", "LIMIT"
        ])
        .prop_map(str::to_owned),
    ];
    (prop::sample::select(names), prop::collection::vec(word, 0..10))
        .prop_map(|(name, more)| name.split('|').map(str::to_owned).chain(more).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Pieces are whole commands of one bucket each, and together say what was asked; what is not split goes where all
    /// of its keys are.
    #[test]
    fn pieces_are_the_command(asked in command(), shards in 1..5_u16) {
        for (is_slots, way) in [(true, way_of(&asked, &Slots)), (false, way_of(&asked, &Servers(shards)))] {
            let bucket = |key: &[u8]| if is_slots { Slots.bucket(key) } else { Servers(shards).bucket(key) };
            match way {
                Way::Parts(scatter) => {
                    let step = if asked[0] == "mset" { 2 } else { 1 };
                    let mut parts = Vec::new();
                    for (own, bytes) in scatter.pieces() {
                        let piece = words(bytes);
                        prop_assert_eq!(&piece[0], asked[0].as_bytes());
                        for group in piece[1..].chunks(step) {
                            prop_assert_eq!(bucket(&group[0]), own);
                            parts.push(group.to_vec());
                        }
                    }
                    let given: Vec<Vec<u8>> = asked[1..].iter().map(|word| word.clone().into_bytes()).collect();
                    let mut all: Vec<_> = given.chunks(step).map(<[_]>::to_vec).collect();
                    parts.sort();
                    all.sort();
                    prop_assert_eq!(parts, all);
                    prop_assert!(scatter.pieces().len() > 1);
                }
                Way::Bucket(own) => prop_assert!(is_slots || own < shards),
                Way::All(_, scatter) => prop_assert_eq!(words(scatter.bytes()).len(), asked.len()),
                Way::Scan(step) => prop_assert_eq!(words(step.bytes()).len(), asked.len()),
                Way::Error(text) => prop_assert!(text.split(' ').next().is_some_and(|code| code == "ERR" || is_slots && code == "CROSSSLOT")),
                Way::Any => (),
            }
        }
    }
}
