//! Who may do what: the gateway's rules are answered as a server's own, and a server's own rules hold behind it.

mod common;

use common::random::Random;
use common::{Both, gateway};
use serde_json::json;
use tidegate_kit::{Flavour, Redis as Server, Resp, RespClient, eventually};

const ALICE: &str = "~app:* %R~shared:* &news.* +@read +@write +@transaction +@connection +publish +subscribe \
                     +unsubscribe +config|get +eval -@dangerous +sort";
const BOB: &str = "~* &* +@all -set -multi -eval";

const WRONG: &str = "WRONGPASS invalid username-password pair or user is disabled.";

fn error(text: &str) -> Resp {
    Resp::Error(text.to_owned())
}

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

/// A server that holds its users to these rules, and a gateway that does so for one that trusts everybody.
fn scene(flavour: Flavour) -> (Server, Both) {
    let rules = [("alice", ALICE), ("bob", BOB)];
    let builder = rules.iter().fold(Server::builder(flavour), |builder, (name, rules)| {
        builder.user(&format!("{name} on >secret {rules}"))
    });
    let mut users = json!({ "default": { "nopass": true } });
    for (name, rules) in rules {
        users[name] = json!({ "password": "secret", "rules": rules });
    }
    let listener = json!({ "login": { "users": users } });
    (
        builder.start(),
        Both::with(Server::start(flavour), &listener, &json!({})),
    )
}

/// A command that is allowed to some of them, on some keys.
fn command(random: &mut Random) -> Vec<String> {
    const KEYS: [&str; 6] = ["app:1", "app:2", "shared:1", "shared:2", "other", "other:app:1"];
    let (key, other) = (random.pick(&KEYS), random.pick(&KEYS));
    let large = "x".repeat(100_000);
    let channel = random.pick(&["news.1", "weather"]);
    let words: Vec<&str> = match random.next(30) {
        0..=2 => vec!["GET", key],
        3 | 4 => vec!["SET", key, "1"],
        5 | 6 => vec!["SET", key, &large],
        7 => vec!["SET", key, "2", "GET"],
        8 => vec!["MGET", key, other],
        9 => vec!["MSET", key, "3", other, "4"],
        10 => vec!["COPY", key, other, "REPLACE"],
        11 => vec!["DEL", key, other],
        12 => vec!["APPEND", key, "5"],
        13 => vec!["STRLEN", key],
        14 => vec!["SORT", key, "BY", "x_*"],
        15 => vec!["EVAL", "return 1", "1", key],
        16 => vec!["CONFIG", "GET", "maxmemory-policy"],
        17 => vec!["CONFIG", "SET", "maxmemory-policy", "noeviction"],
        18 => vec!["KEYS", "none:*"],
        19 => vec!["FLUSHDB"],
        20 => vec!["PUBLISH", channel, "text"],
        21..=23 => vec!["MULTI"],
        24..=26 => vec!["EXEC"],
        27 => vec!["DISCARD"],
        28 => vec!["TYPE", key],
        _ => vec!["GET"],
    };
    words.into_iter().map(str::to_owned).collect()
}

/// Changes who the client is, which the gateway does not allow within a transaction.
fn login(random: &mut Random) -> Vec<String> {
    let text = random.pick(&[
        "AUTH alice secret",
        "AUTH alice secret",
        "AUTH bob secret",
        "AUTH bob secret",
        "AUTH alice wrong",
        "AUTH nobody secret",
        "RESET",
        "ACL WHOAMI",
    ]);
    text.split(' ').map(str::to_owned).collect()
}

fn check(flavour: Flavour, seed: u64) {
    let (direct, both) = scene(flavour);
    let mut random = Random(seed);
    let (mut one, mut two) = (direct.client(), both.client());
    let mut is_within = false;
    let mut denied = 0;
    for number in 0..800 {
        let words = if !is_within && random.next(4) == 0 {
            login(&mut random)
        } else {
            command(&mut random)
        };
        if is_within && words[0] == "SORT" {
            // The gateway denies it at once, the server only at EXEC.
            continue;
        }
        let answers = [&mut one, &mut two].map(|client| {
            client.command(&words);
            String::from_utf8_lossy(&client.raw().1).into_owned()
        });
        if words[0] == "MULTI" && answers[0] == "+OK\r\n" {
            is_within = true;
        }
        is_within &= words[0] != "EXEC" && words[0] != "DISCARD";
        denied += usize::from(answers[0].starts_with("-NOPERM"));
        if flavour == Flavour::Valkey && answers.iter().all(|answer| answer.starts_with("-NOPERM")) {
            // It names the user; the gateway speaks as Redis 7.0 does.
            continue;
        }
        let short = |text: &String| text.chars().take(200).collect::<String>();
        let [direct, through] = [&answers[0], &answers[1]].map(short);
        let words: Vec<String> = words.iter().map(short).collect();
        assert_eq!(direct, through, "{flavour:?}, seed {seed}: number {number}, {words:?}");
    }
    assert!(denied > 50, "only {denied} were denied");
}

#[test]
fn rules_are_answered_as_by_the_server() {
    for flavour in Flavour::ALL {
        for seed in 1..=5 {
            check(flavour, 0x9E37_79B9_7F4A_7C15 ^ seed);
        }
    }
}

/// A result goes to the last place that is named for it, and that is looked at too.
#[test]
fn a_result_goes_to_no_other_key() {
    let rules = "~ok:* ~get +geoadd +georadius +georadiusbymember +rpush +sort +exists";
    let users = json!({ "default": { "nopass": true }, "app": { "password": "secret", "rules": rules } });
    let both = Both::with(
        Server::start(Flavour::Redis),
        &json!({ "login": { "users": users } }),
        &json!({}),
    );
    let mut client = both.client();
    assert_eq!(client.ask(&["AUTH", "app", "secret"]), simple("OK"));
    assert_eq!(client.ask(&["GEOADD", "ok:g", "1", "1", "here"]), Resp::Integer(1));
    assert_eq!(client.ask(&["RPUSH", "ok:l", "2", "1"]), Resp::Integer(2));
    for line in [
        "GEORADIUS ok:g 1 1 9 km STORE ok:x STORE secret",
        "GEORADIUS ok:g 1 1 9 km STORE ok:x STOREDIST ok:x STORE secret",
        "GEORADIUS ok:g 1 1 9 km STORE secret STORE ok:x",
        "GEORADIUS ok:g 1 1 9 km STOREDIST ok:x ASC STOREDIST secret",
        "GEORADIUS ok:g 1 1 9 km STORE 1 STORE 2 STORE 3 STORE 4 STORE secret",
        "GEORADIUSBYMEMBER ok:g here 9 km STORE ok:x STORE secret",
        "GEORADIUSBYMEMBER ok:g here 9 km STOREDIST ok:x STOREDIST secret",
        "SORT ok:l STORE get STORE secret",
        "SORT ok:l STORE ok:x STORE secret",
    ] {
        let answer = client.ask(&line.split(' ').collect::<Vec<_>>());
        assert!(answer.text().starts_with("NOPERM"), "{line}: {answer:?}");
    }
    assert_eq!(both.server.ask(&["EXISTS", "secret", "ok:x", "get"]), Resp::Integer(0));
    for line in [
        "GEORADIUS ok:g 1 1 9 km STORE ok:x STOREDIST ok:y",
        "GEORADIUSBYMEMBER ok:g here 9 km STORE get ASC",
        "SORT ok:l STORE get STORE ok:y",
    ] {
        let answer = client.ask(&line.split(' ').collect::<Vec<_>>());
        assert!(matches!(answer, Resp::Integer(1 | 2)), "{line}: {answer:?}");
    }
}

/// A value that is longer than what the gateway holds flows by, but not to where it must not go.
#[test]
fn a_long_command_is_checked_like_a_short_one() {
    let (_direct, both) = scene(Flavour::Redis);
    let mut client = both.client();
    let long = "x".repeat(3 << 20);
    assert_eq!(client.ask(&["AUTH", "alice", "secret"]), simple("OK"));
    assert_eq!(client.ask(&["SET", "app:1", &long]), simple("OK"));
    for (key, other) in [("shared:1", "app:1"), ("app:1", "other")] {
        let answer = client.ask(&["MSET", key, &long, other, "1"]);
        assert!(answer.text().starts_with("NOPERM"), "{key}, {other}: {answer:?}");
    }
    assert!(client.ask(&["SET", "other", &long]).text().starts_with("NOPERM"));
    assert_eq!(client.ask(&["AUTH", "bob", "secret"]), simple("OK"));
    assert!(client.ask(&["SET", "app:1", &long]).text().starts_with("NOPERM"));
    assert_eq!(client.ask(&["EXISTS", "other", "shared:1"]), Resp::Integer(0));
    assert_eq!(client.ask(&["STRLEN", "app:1"]), Resp::Integer(3 << 20));
}

/// Who listens in RESP2 may do little else, however long it is.
#[test]
fn a_listener_sends_no_long_command() {
    let both = Both::start(Flavour::Redis);
    let mut client = both.client();
    assert_eq!(client.ask(&["SUBSCRIBE", "a"]).items().len(), 3);
    let answer = client.ask(&["SET", "a", &"x".repeat(1 << 20)]).text();
    assert!(answer.contains("only (P|S)SUBSCRIBE"), "{answer}");
    assert_eq!(both.server.ask(&["EXISTS", "a"]), Resp::Integer(0));
}

#[test]
fn channels_have_rules_too() {
    for flavour in Flavour::ALL {
        let (direct, both) = scene(flavour);
        for mut client in [direct.client(), both.client()] {
            assert_eq!(client.ask(&["AUTH", "alice", "secret"]), simple("OK"));
            for words in [
                &["SUBSCRIBE", "weather"][..],
                &["SUBSCRIBE", "news.1", "weather"],
                &["PSUBSCRIBE", "*"],
            ] {
                let answer = client.ask(words);
                assert!(answer.text().starts_with("NOPERM"), "{words:?}: {answer:?}");
            }
            assert_eq!(client.ask(&["SUBSCRIBE", "news.1"]).items().len(), 3);
            let answer = client.ask(&["SUBSCRIBE", "weather"]);
            assert!(answer.text().starts_with("NOPERM"), "{answer:?}");
        }
    }
}

/// The server's own users, each on connections of its own.
struct PassThrough {
    server: Server,
    house: tidegate_conformance::House,
}

impl PassThrough {
    fn start(flavour: Flavour) -> Self {
        let server = Server::builder(flavour)
            .user("alice on >secret ~a:* &* +@all")
            .user("bob on >secret ~b:* &* +@all -eval")
            .start();
        let listener = json!({ "login": { "method": "server" } });
        let pool = json!({ "pool": { "shared": 1, "size": 2 } });
        let house = gateway(&[server.address()], &listener, &pool, Vec::new());
        Self { server, house }
    }

    fn client(&self, user: &str) -> RespClient {
        let mut client = RespClient::connect(self.house.address());
        assert_eq!(client.ask(&["AUTH", user, "secret"]), simple("OK"));
        client
    }
}

fn is_denied(answer: &Resp) -> bool {
    matches!(answer, Resp::Error(text) if text.starts_with("NOPERM"))
}

/// On shared connections and on those of one's own; whoever comes first.
#[test]
fn clients_of_two_server_users_share_nothing() {
    for flavour in Flavour::ALL {
        let scene = PassThrough::start(flavour);
        let mut clients: Vec<_> = ["alice", "bob", "alice", "bob"]
            .map(|user| (user, scene.client(user)))
            .into();
        for number in 0..300 {
            let (user, client) = &mut clients[number % 4];
            let (own, other) = if *user == "alice" {
                ("a:1", "b:1")
            } else {
                ("b:1", "a:1")
            };
            if number % 3 == 0 {
                assert_eq!(client.ask(&["MULTI"]), simple("OK"));
                assert_eq!(client.ask(&["SET", own, "1"]), simple("QUEUED"));
                assert!(is_denied(&client.ask(&["SET", other, "1"])), "{user}");
                assert!(client.ask(&["EXEC"]).text().starts_with("EXECABORT"), "{user}");
            }
            assert_eq!(client.ask(&["SET", own, *user]), simple("OK"));
            assert!(is_denied(&client.ask(&["GET", other])), "{user}");
            let may = !is_denied(&client.ask(&["EVAL", "return 1", "0"]));
            assert_eq!(
                (may, client.ask(&["ACL", "WHOAMI"]).text().as_str()),
                (*user == "alice", *user)
            );
        }
        let list = scene.server.ask(&["CLIENT", "LIST"]).text();
        for user in ["alice", "bob"] {
            let count = list.matches(&format!(" user={user} ")).count();
            assert!((1..=4).contains(&count), "{count} connections of {user}:\n{list}");
        }
        eventually("every connection is back", || scene.house.lent() == 0);
    }
}

#[test]
fn a_server_user_may_become_another() {
    for flavour in Flavour::ALL {
        let scene = PassThrough::start(flavour);
        let mut client = RespClient::connect(scene.house.address());
        assert_eq!(client.ask(&["GET", "a:1"]), error("NOAUTH Authentication required."));
        assert_eq!(client.ask(&["AUTH", "alice", "wrong"]), error(WRONG));
        assert_eq!(client.ask(&["AUTH", "nobody", "secret"]), error(WRONG));
        assert_eq!(client.ask(&["GET", "a:1"]), error("NOAUTH Authentication required."));
        for (user, own, other) in [("alice", "a:1", "b:1"), ("bob", "b:1", "a:1"), ("alice", "a:1", "b:1")] {
            assert_eq!(client.ask(&["AUTH", user, "secret"]), simple("OK"));
            assert_eq!(
                client.ask(&["AUTH", "bob", "wrong"]),
                error(WRONG),
                "{user} stays who it is"
            );
            assert_eq!(client.ask(&["SET", own, "1"]), simple("OK"));
            assert!(is_denied(&client.ask(&["SET", other, "1"])));
            let mut pipeline = RespClient::encode(&["SET", own, "2"]);
            pipeline.extend(RespClient::encode(&["AUTH", "bob", "secret"]));
            pipeline.extend(RespClient::encode(&["SET", "b:2", "3"]));
            pipeline.extend(RespClient::encode(&["GET", "a:1"]));
            client.send(&pipeline);
            assert_eq!(
                [client.reply(), client.reply(), client.reply()],
                [(); 3].map(|()| simple("OK"))
            );
            assert!(is_denied(&client.reply()));
        }
        assert_eq!(client.ask(&["RESET"]), simple("RESET"));
        assert_eq!(client.ask(&["GET", "b:1"]), error("NOAUTH Authentication required."));
    }
}
