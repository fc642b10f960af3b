//! The same user at a real server: what `ACL DRYRUN` says is what the gateway says.

use tidegate_kit::{Flavour, Redis as Server, Resp, RespClient};
use tidegate_redis_wire::table::{Begin, Categories, Find, Flags, Servers};

use super::*;

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const PATTERNS: [&str; 10] = [
    "app:*",
    "*:1",
    "app:[0-4]",
    "?pp:*",
    "[^a]*",
    "\\*",
    "*",
    "shared:?",
    "app:1",
    "a*:*:*",
];
const NAMES: [&str; 12] = [
    "app:1", "app:7", "app:", "shared:1", "b", "*", "", "app:1:x", "other:1", "app:*", "STREAMS", "GET",
];

/// All rows that a server has, subcommands included.
fn rows(server: Servers) -> Vec<&'static Row> {
    let all = table::commands().iter().flat_map(|row| match row.subcommands {
        [] => vec![row],
        subcommands => subcommands.iter().collect(),
    });
    all.filter(|row| row.servers.has(server)).collect()
}

fn rule(dice: &mut Dice, rows: &[&'static Row]) -> String {
    let sign = dice.pick(&["+", "+", "-"]);
    match dice.below(12) {
        0 => dice
            .pick(&["allkeys", "resetkeys", "allchannels", "resetchannels"])
            .to_owned(),
        1 => dice.pick(&["allcommands", "nocommands", "+@ALL"]).to_owned(),
        2..=4 => format!("{}~{}", dice.pick(&["", "%R", "%W", "%rw"]), dice.pick(&PATTERNS)),
        5 | 6 => format!("&{}", dice.pick(&PATTERNS)),
        7..=9 => format!("{sign}{}", dice.pick(Categories::WORDS).0),
        10 => format!("{sign}{}", dice.pick(rows).name),
        _ => format!("+select|{}", dice.below(2)),
    }
}

/// Rules that are sound: a pattern after all patterns is a mistake, here as there.
fn rules(dice: &mut Dice, rows: &[&'static Row]) -> Vec<String> {
    let mut out = Vec::new();
    for selector in 0..=dice.pick(&[0, 0, 0, 1, 2]) {
        let mut inner: Vec<String> = Vec::new();
        for _ in 0..=dice.below(7) {
            let rule = rule(dice, rows);
            let mut tried = inner.clone();
            tried.push(rule.clone());
            if Acl::parse(&tried).is_ok() {
                inner.push(rule);
            }
        }
        if selector > 0 {
            inner = vec![format!("({})", inner.join(" "))];
        }
        out.extend(inner);
    }
    out
}

/// A command of this kind with keys where they belong, and words that make others of them.
fn command(dice: &mut Dice, row: &Row) -> Vec<String> {
    let mut words: Vec<String> = row.name.split('|').map(str::to_ascii_uppercase).collect();
    let least = usize::from(row.arity.unsigned_abs());
    let more = if row.arity < 0 { dice.below(6) } else { 0 };
    while words.len() < least + more {
        words.push(match dice.below(10) {
            0 => dice.below(3).to_string(),
            1 => dice
                .pick(&["GET", "STORE", "BY", "SET", "u8", "LIMIT", "KEYS", "STREAMS"])
                .to_owned(),
            _ => dice.pick(&NAMES).to_owned(),
        });
    }
    for spec in row.keys {
        if let (Begin::Index(from), Find::Count { at, .. }) = (spec.begin, spec.find) {
            let at = usize::from(from + at);
            if at < words.len() && dice.below(8) > 0 {
                words[at] = (1 + dice.below((words.len() - at).max(2) - 1)).to_string();
            }
        }
        if let Begin::Keyword(word, from) = spec.begin
            && from > 0
            && usize::from(from.unsigned_abs()) < words.len()
        {
            words[usize::from(from.unsigned_abs())] = word.to_owned();
        }
    }
    if row.name == "xreadgroup" && words.len() > 3 {
        words[1] = "GROUP".to_owned();
    }
    words
}

fn ask(server: &mut RespClient, words: &[&str], more: &[String]) -> Resp {
    let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    all.extend_from_slice(more);
    server.ask(&all)
}

/// What `ACL DRYRUN` would say in our place, in the words of either server.
fn ours(acl: &Acl, words: &[String], flavour: Flavour) -> String {
    see(words, |row, command| match acl.check_names(row, command) {
        Ok(()) => "OK".to_owned(),
        Err(denial) => {
            let user = match flavour {
                Flavour::Redis => "This user",
                Flavour::Valkey => "User alice",
            };
            match denial {
                Denial::Command(name) => format!("{user} has no permissions to run the '{name}' command"),
                Denial::Key(at) => format!("{user} has no permissions to access the '{}' key", words[at]),
                Denial::Channel(at) => format!("{user} has no permissions to access the '{}' channel", words[at]),
                Denial::Sort(_) => unreachable!("no name is wrong"),
            }
        }
    })
}

/// Whether nobody can tell the keys of a command, which then takes permission for all.
fn is_odd(words: &[String]) -> bool {
    see(words, |row, command| row.is_some_and(|row| row.keys(command).is_err()))
}

/// Whether several words ask for a place for the result, of which the servers' own check sees one.
fn stores_twice(words: &[String]) -> bool {
    let has_store = ["SORT", "GEORADIUS", "GEORADIUSBYMEMBER"].contains(&words[0].as_str());
    has_store && words.iter().filter(|word| word.starts_with("STORE")).count() > 1
}

#[test]
fn says_what_dryrun_says() {
    for flavour in Flavour::ALL {
        let real = Server::start(flavour);
        let mut server = RespClient::connect(real.address());
        let rows = rows(match flavour {
            Flavour::Redis => Servers::REDIS,
            Flavour::Valkey => Servers::VALKEY,
        });
        let mut dice = Dice(7);
        let (mut denied, mut allowed, mut odd) = (0, 0, 0);
        for _ in 0..400 {
            let rules = rules(&mut dice, &rows);
            let acl = Acl::parse(&rules).unwrap();
            let set = ask(&mut server, &["ACL", "SETUSER", "alice", "reset"], &rules);
            assert_eq!(set, Resp::Simple("OK".to_owned()), "{flavour:?} {rules:?}");
            for _ in 0..25 {
                let row = dice.pick(&rows);
                let words = command(&mut dice, row);
                let theirs = ask(&mut server, &["ACL", "DRYRUN", "alice"], &words).text();
                if theirs.contains("wrong number of arguments") || stores_twice(&words) {
                    // The table holds what either server takes.
                    continue;
                }
                let ours = ours(&acl, &words, flavour);
                if is_odd(&words) && theirs != ours {
                    odd += 1;
                    assert!(
                        ours.ends_with("key"),
                        "{flavour:?} {rules:?} {words:?}: {ours}, {theirs}"
                    );
                    continue;
                }
                assert_eq!(ours, theirs, "{flavour:?} {rules:?} {words:?}");
                *if theirs == "OK" { &mut allowed } else { &mut denied } += 1;
            }
        }
        println!("{flavour:?}: {allowed} allowed, {denied} denied, {odd} with keys that nobody can tell");
        assert!(allowed > 1500 && denied > 1500 && odd < 100, "{allowed} {denied} {odd}");
    }
}

/// Commands whose other arguments say what becomes of a key.
#[test]
fn arguments_decide_what_is_done_to_a_key() {
    let commands = [
        "SET k v",
        "SET k v GET",
        "SET k v NX get EX 10",
        "SET GET GET",
        "BITFIELD k GET u8 0",
        "BITFIELD k OVERFLOW SAT GET u8 0",
        "BITFIELD k GET u8 0 SET u8 0 1",
        "BITFIELD k OVERFLOW",
        "BITFIELD k GET u8",
        "SORT k",
        "SORT k STORE d",
        "SORT k GET STORE STORE d",
        "GEORADIUS k 0 0 1 m STORE d",
        "GEORADIUS k 0 0 1 m STOREDIST d",
        "GEORADIUSBYMEMBER k m 1 m STORE d",
        "COPY k d",
        "RENAME k d",
        "EXISTS k d",
        "TOUCH k",
        "GETDEL k",
        "XREAD COUNT 1 STREAMS k d 0 0",
        "ZUNIONSTORE d 2 k l",
        "EVAL x 2 k d",
        "EVAL x 0",
        "MIGRATE h 1 k 0 1",
        "OBJECT ENCODING k",
        "MEMORY USAGE k",
        "XGROUP CREATE k g 0",
        "BLMPOP 0 2 k d LEFT",
        "LMPOP 2 k d LEFT",
    ];
    for flavour in Flavour::ALL {
        let real = Server::start(flavour);
        let mut server = RespClient::connect(real.address());
        let mut allowed = 0;
        for rules in [
            "%R~k +@all",
            "%W~k +@all",
            "~k +@all",
            "%R~k %W~d +@all",
            "%R~? %W~k +@all",
            "~d +@all (~k +@all)",
        ] {
            let rules: Vec<String> = rules.split(' ').map(str::to_owned).collect();
            let acl = Acl::parse(&[rules.join(" ")]).unwrap();
            ask(&mut server, &["ACL", "SETUSER", "alice", "reset"], &rules);
            for command in commands {
                let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
                let theirs = ask(&mut server, &["ACL", "DRYRUN", "alice"], &words).text();
                assert_eq!(ours(&acl, &words, flavour), theirs, "{flavour:?} {rules:?} {command}");
                allowed += usize::from(theirs == "OK");
            }
        }
        assert!((20..150).contains(&allowed), "{allowed}");
    }
}

/// The errors that clients see, in the words of Redis 7.0.
#[test]
fn denies_in_the_words_of_the_server() {
    let real = Server::start(Flavour::Redis);
    let mut admin = RespClient::connect(real.address());
    let rows = rows(Servers::REDIS);
    let mut dice = Dice(11);
    let mut compared = 0;
    for _ in 0..150 {
        let rules = rules(&mut dice, &rows);
        let acl = Acl::parse(&rules).unwrap();
        ask(
            &mut admin,
            &["ACL", "SETUSER", "alice", "reset", "on", "nopass"],
            &rules,
        );
        let mut alice = RespClient::connect(real.address());
        assert_eq!(alice.ask(&["AUTH", "alice", "x"]), Resp::Simple("OK".to_owned()));
        for _ in 0..20 {
            let row = dice.pick(&rows);
            let words = command(&mut dice, row);
            let verdict = see(&words, |row, command| acl.check(row, command));
            // What is allowed is not asked of a server that would do it.
            if let Err(denial) = verdict
                && !is_odd(&words)
                && !stores_twice(&words)
                && !row.flags.has(Flags::NO_AUTH)
            {
                let theirs = alice.ask(&words);
                // Both come before the rules: the table holds what either server takes, and MODULE is off.
                let is_before = ["wrong number of arguments", "command not allowed"];
                if is_before.iter().any(|text| theirs.text().contains(text)) {
                    continue;
                }
                assert_eq!(theirs, Resp::Error(denial.to_string()), "{rules:?} {words:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

/// A class, a star and an escape of every kind, as the server's own matcher sees them.
#[test]
fn patterns_are_those_of_the_server() {
    for flavour in Flavour::ALL {
        let real = Server::start(flavour);
        let mut server = RespClient::connect(real.address());
        let mut dice = Dice(3);
        let mut matched = 0;
        for _ in 0..3000 {
            let mut draw =
                |from: &[u8], most: usize| -> Vec<u8> { (0..dice.below(most)).map(|_| dice.pick(from)).collect() };
            let pattern = draw(b"**??[]^-\\abc", 9);
            let key = draw(b"aabbc-]\\", 7);
            let rule = [b"%RW~".as_slice(), &pattern].concat();
            let words: [&[u8]; 5] = [b"ACL", b"SETUSER", b"alice", b"reset", &rule];
            assert_eq!(server.ask(&words), Resp::Simple("OK".to_owned()));
            server.ask(&["ACL", "SETUSER", "alice", "+get"]);
            let words: [&[u8]; 5] = [b"ACL", b"DRYRUN", b"alice", b"GET", &key];
            let theirs = server.ask(&words) == Resp::Simple("OK".to_owned());
            assert_eq!(glob::matches(&pattern, &key), theirs, "{flavour:?} {pattern:?} {key:?}");
            matched += usize::from(theirs);
        }
        assert!(matched > 100, "{matched}");
    }
}
