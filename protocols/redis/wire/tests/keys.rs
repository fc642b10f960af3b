//! Our keys are those of the server's own `COMMAND GETKEYS`, for every command that has some, over well-formed commands
//! that are made from the server's `COMMAND DOCS`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

mod common;

use std::collections::BTreeMap;

use common::{Dice, with_command};
use tidegate_kit::{Flavour, Redis, Resp, RespClient};
use tidegate_redis_wire::request::{Limits, Splitter, Step};
use tidegate_redis_wire::slot::Slot;
use tidegate_redis_wire::table::{self, KeyError, KeyFlags};

/// Names that are words of the syntax elsewhere.
const NAMES: &[&str] = &[
    "k", "key:{1}", "STREAMS", "store", "KEYS", "by", "2", "", "block", "count", "x",
];

/// One command, made word by word.
struct Maker<'d> {
    dice: &'d mut Dice,
    words: Vec<String>,
    /// How many of each part that may be repeated: one number, so that pairs stay pairs.
    repeated: usize,
}

impl Maker<'_> {
    fn arguments(&mut self, arguments: &[Resp]) {
        for argument in arguments {
            self.argument(argument);
        }
    }

    fn argument(&mut self, argument: &Resp) {
        let flags = argument
            .get("flags")
            .map(|flags| flags.items().iter().map(Resp::text).collect::<Vec<_>>());
        let has = |flag: &str| flags.as_ref().is_some_and(|flags| flags.iter().any(|own| own == flag));
        if has("optional") && self.dice.coin() {
            return;
        }
        let times = if has("multiple") { self.repeated } else { 1 };
        let token = argument.get("token").map(Resp::text);
        for time in 0..times {
            if let Some(token) = &token
                && (time == 0 || has("multiple_token"))
            {
                self.words.push(token.clone());
            }
            self.value(argument);
        }
    }

    fn value(&mut self, argument: &Resp) {
        let name = argument.get("name").map(Resp::text).unwrap();
        let parts = argument.get("arguments").map(Resp::items).unwrap_or_default();
        match argument.get("type").map(Resp::text).unwrap().as_str() {
            "block" => self.arguments(parts),
            "oneof" => {
                let part = self.dice.pick(parts).clone();
                self.argument(&part);
            }
            "pure-token" => (),
            "integer" if name == "numkeys" => self.words.push(self.repeated.to_string()),
            "integer" | "double" | "unix-time" => {
                let number = self.dice.below(5).to_string();
                self.words.push(number);
            }
            _ => {
                let name = (*self.dice.pick(NAMES)).to_owned();
                self.words.push(name);
            }
        }
    }
}

fn getkeys(client: &mut RespClient, words: &[String]) -> Option<Vec<String>> {
    let asked: Vec<&str> = ["COMMAND", "GETKEYS"]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    match client.ask(&asked) {
        Resp::Array(keys) => Some(keys.iter().map(Resp::text).collect()),
        Resp::Error(_) => None,
        other => panic!("{other:?}"),
    }
}

fn own_keys(words: &[String]) -> Option<Vec<String>> {
    with_command(words, |command| {
        let keys = table::resolve(command).unwrap().keys(command).ok()?;
        let found: Vec<_> = keys
            .of(command)
            .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
            .collect();
        assert_eq!(found.len(), keys.count());
        Some(found)
    })
}

/// Commands with keys and what they take, subcommands included.
fn documented(client: &mut RespClient) -> BTreeMap<String, Vec<Resp>> {
    let docs = client.ask(&["COMMAND", "DOCS"]);
    let mut commands = BTreeMap::new();
    let mut add = |name: &Resp, about: &Resp| {
        let arguments = about.get("arguments").map(Resp::items).unwrap_or_default();
        commands.insert(name.text(), arguments.to_vec());
    };
    for pair in docs.items().chunks_exact(2) {
        add(&pair[0], &pair[1]);
        let subcommands = pair[1].get("subcommands").map(Resp::items).unwrap_or_default();
        subcommands.chunks_exact(2).for_each(|pair| add(&pair[0], &pair[1]));
    }
    commands
}

fn check(flavour: Flavour) {
    let redis = Redis::start(flavour);
    let mut client = redis.client();
    let mut dice = Dice::new(17);
    let documented = documented(&mut client);
    let all = table::commands()
        .iter()
        .flat_map(|row| std::iter::once(row).chain(row.subcommands));
    let with_keys = all.filter(|row| row.keys.iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY)));
    let (mut commands, mut compared) = (0, 0);
    for row in with_keys {
        let Some(arguments) = documented.get(row.name) else {
            panic!("{flavour:?} does not document {}", row.name);
        };
        let mut agreed = 0;
        for round in 0..60 {
            let mut maker = Maker {
                repeated: dice.below(3) + 1,
                dice: &mut dice,
                words: row.name.split('|').map(str::to_owned).collect(),
            };
            maker.arguments(arguments);
            if round % 15 == 14 {
                maker.words.pop();
            }
            let words = maker.words;
            let expected = getkeys(&mut client, &words);
            let own = own_keys(&words);
            assert_eq!(own, expected, "{words:?} on {flavour:?}");
            agreed += usize::from(expected.is_some());
        }
        assert!(agreed > 20, "only {agreed} well-formed commands of {}", row.name);
        commands += 1;
        compared += agreed;
    }
    assert!(
        commands > 150 && compared > 6000,
        "{commands} commands, {compared} compared"
    );
}

#[test]
fn keys_are_those_of_redis() {
    check(Flavour::Redis);
}

#[test]
fn keys_are_those_of_valkey() {
    check(Flavour::Valkey);
}

#[test]
fn slots_are_those_of_the_server() {
    let redis = Redis::builder(Flavour::Redis).cluster().start();
    let mut client = redis.client();
    let mut dice = Dice::new(3);
    for _ in 0..500 {
        let length = dice.below(20);
        let key: Vec<u8> = (0..length).map(|_| *dice.pick(b"{}{}ab\0\xff\r\n ")).collect();
        let slot = client.ask(&[b"CLUSTER".as_slice(), b"KEYSLOT", &key]);
        assert_eq!(
            slot,
            Resp::Integer(Slot::of(&key).number().into()),
            "{}",
            key.escape_ascii()
        );
    }
}

#[test]
fn channels_of_shards_decide_the_slot_and_are_no_keys() {
    with_command(&["SSUBSCRIBE", "{a}1", "{a}2"], |command| {
        let row = table::resolve(command).unwrap();
        assert!(row.keys(command).unwrap().is_empty());
        assert_eq!(row.slot_keys(command).unwrap().slot(command), Ok(Some(Slot::of(b"a"))));
    });
    with_command(&["MGET", "a", "b"], |command| {
        let keys = table::resolve(command).unwrap().keys(command).unwrap();
        assert!(keys.slot(command).is_err());
    });
}

/// Servers take the last place that is named for a result, whatever their own key finders say.
#[test]
fn every_place_for_a_result_is_a_key() {
    for (command, expected) in [
        ("GEORADIUS k 0 0 1 m STORE a STORE b", Some("k a b")),
        ("GEORADIUS k 0 0 1 m storedist a ASC StoreDist b", Some("k a b")),
        ("GEORADIUS k 0 0 1 m STOREDIST a STORE b STORE c", Some("k a b c")),
        ("GEORADIUS k 0 0 1 m STORE STORE STORE b", Some("k STORE b")),
        ("GEORADIUS k 0 0 1 m STORE store ASC", Some("k store")),
        ("GEORADIUS k 0 0 1 m COUNT 2 STORE a STORE", Some("k a")),
        ("GEORADIUS k 0 0 1 m STORE", Some("k")),
        ("GEORADIUS k 0 0 1 m STORE 1 STORE 2 STORE 3 STORE 4", None),
        ("GEORADIUSBYMEMBER k STORE 1 m STORE a STORE b", Some("k a b")),
        ("GEORADIUSBYMEMBER k x 1 m STOREDIST a STOREDIST b", Some("k a b")),
        ("GEORADIUSBYMEMBER k x 1 m STOREDIST", Some("k")),
        ("SORT k STORE get STORE b", Some("k get b")),
        ("SORT k STORE BY STORE b", Some("k BY b")),
        ("SORT k store LIMIT ASC STORE b", Some("k LIMIT b")),
        ("SORT k STORE a LIMIT 0 STORE STORE b", Some("k a b")),
        ("SORT k GET STORE STORE b", Some("k b")),
        ("SORT k STORE store ASC", Some("k store")),
        ("SORT k STORE 1 STORE 2 STORE 3 STORE 4", None),
    ] {
        let words: Vec<_> = command.split(' ').map(str::to_owned).collect();
        let keys = own_keys(&words).map(|keys| keys.join(" "));
        assert_eq!(keys.as_deref(), expected, "{command}");
    }
}

/// Keys of a command that is still arriving are told as soon as they can be.
#[test]
fn keys_are_known_early() {
    let check = |words: &[&str], cut: usize, expected: Result<usize, KeyError>| {
        let mut bytes = Vec::new();
        tidegate_redis_wire::request::command(&mut bytes, words);
        let here = words[..cut]
            .iter()
            .map(|word| format!("${}\r\n{word}\r\n", word.len()).len());
        let here = here.sum::<usize>() + 4;
        let mut splitter = Splitter::new(Limits::default(), false);
        let Ok(Step::More(more)) = splitter.next(&bytes[..here]) else {
            panic!("{words:?} is here");
        };
        let command = more.command.unwrap();
        assert_eq!(command.here(), cut);
        let keys = table::resolve(&command).unwrap().keys(&command);
        assert_eq!(keys.map(|keys| keys.of(&command).count()), expected, "{words:?} {cut}");
    };
    check(&["SET", "k", "a large value"], 2, Ok(1));
    check(&["MSET", "a", "1", "b", "2"], 3, Ok(1));
    check(&["XADD", "k", "*", "f", "v"], 2, Ok(1));
    check(&["ZUNION", "2", "a", "b"], 2, Ok(0));
    check(&["ZUNION", "2", "a", "b"], 1, Err(KeyError::Arriving));
    check(
        &["XREAD", "COUNT", "1", "STREAMS", "a", "0"],
        3,
        Err(KeyError::Arriving),
    );
    check(&["SORT", "a", "STORE", "b"], 2, Err(KeyError::Arriving));
    let radius: Vec<_> = "GEORADIUSBYMEMBER a x 1 m STORE b STORE c".split(' ').collect();
    check(&radius, 7, Err(KeyError::Arriving));
}
