//! A client's life through the gateway, in front of real servers.

mod common;

use std::time::{Duration, Instant};

use common::Both;
use serde_json::json;
use tidegate_kit::{Flavour, Redis as Server, Resp, RespClient, eventually};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn bulk(text: &str) -> Resp {
    Resp::Bulk(text.as_bytes().to_vec())
}

fn error(text: &str) -> Resp {
    Resp::Error(text.to_owned())
}

/// Where few commands may be out at a time everybody is served, though some who wait for their turn leave.
#[test]
fn a_full_connection_serves_all() {
    let trust = json!({ "login": { "method": "trust" } });
    let pool = json!({ "pool": { "shared": 1, "commands": 2, "commands_per_client": 1 } });
    let both = Both::with(Server::start(Flavour::Redis), &trust, &pool);
    let mut clients: Vec<_> = (0..40).map(|_| both.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let command = RespClient::encode(&["INCR", &format!("n{number}")]);
        client.send(&command.repeat(50));
    }
    for (number, mut client) in clients.into_iter().enumerate() {
        let wanted = if number % 4 == 0 { 0 } else { 50 };
        for count in 1..=wanted {
            assert_eq!(client.reply(), Resp::Integer(count), "{number}");
        }
    }
}

#[test]
fn commands_and_pipelines() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let mut client = both.client();
        assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
        assert_eq!(client.ask(&["GET", "a"]), bulk("1"));
        for number in 0..5000 {
            client.command(&["SET".to_owned(), format!("k{number}"), number.to_string()]);
            client.command(&["GET".to_owned(), format!("k{number}")]);
        }
        for number in 0..5000 {
            assert_eq!(client.reply(), simple("OK"));
            assert_eq!(client.reply(), bulk(&number.to_string()));
        }
        client.send(b"PING\r\nGET \"a\"\r\n\r\n*0\r\nECHO 'x y'\r\n");
        assert_eq!(client.reply(), simple("PONG"));
        assert_eq!(client.reply(), bulk("1"));
        assert_eq!(client.reply(), bulk("x y"));
        // The gateway needs few connections for many clients.
        let mut many: Vec<RespClient> = (0..50).map(|_| both.client()).collect();
        for client in &mut many {
            assert!(matches!(client.ask(&["INCR", "n"]), Resp::Integer(_)));
        }
        let clients: usize = both.server.info("connected_clients").parse().unwrap();
        assert!(clients <= 6, "{clients} connections at the server");
    }
}

#[test]
fn transactions_of_two_clients_are_apart() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let (mut one, mut two, mut third) = (both.client(), both.client(), both.client());
        for client in [&mut one, &mut two] {
            assert_eq!(client.ask(&["MULTI"]), simple("OK"));
        }
        for number in 0..20 {
            let number = number.to_string();
            assert_eq!(one.ask(&["RPUSH", "one", &number]), simple("QUEUED"));
            assert_eq!(third.ask(&["LLEN", "one"]), Resp::Integer(0));
            assert_eq!(two.ask(&["RPUSH", "two", &number]), simple("QUEUED"));
        }
        assert_eq!(one.ask(&["EXEC"]).items().len(), 20);
        assert_eq!(two.ask(&["DISCARD"]), simple("OK"));
        assert_eq!(third.ask(&["EXISTS", "one", "two"]), Resp::Integer(1));
        eventually("both connections are back", || both.house.lent() == 0);
        // WATCH sees what others change, and only its own client feels it.
        assert_eq!(one.ask(&["WATCH", "w"]), simple("OK"));
        assert_eq!(third.ask(&["SET", "w", "x"]), simple("OK"));
        assert_eq!(one.ask(&["MULTI"]), simple("OK"));
        assert_eq!(one.ask(&["SET", "w", "y"]), simple("QUEUED"));
        assert_eq!(one.ask(&["EXEC"]), Resp::Null);
        assert_eq!(two.ask(&["GET", "w"]), bulk("x"));
        // What the gateway answers itself spoils a transaction as at the server.
        assert_eq!(one.ask(&["MULTI"]), simple("OK"));
        assert_eq!(
            one.ask(&["HELLO", "3"]),
            error("ERR Command not allowed inside a transaction")
        );
        assert!(one.ask(&["EXEC"]).text().starts_with("EXECABORT"));
        // A client that goes away in the midst of one leaves nothing.
        assert_eq!(two.ask(&["MULTI"]), simple("OK"));
        assert_eq!(two.ask(&["SET", "w", "z"]), simple("QUEUED"));
        drop(two);
        eventually("the connection is closed", || both.house.lent() == 0);
        assert_eq!(third.ask(&["GET", "w"]), bulk("x"));
        assert_eq!(one.ask(&["EXEC"]), error("ERR EXEC without MULTI"));
    }
}

#[test]
fn who_blocks_blocks_nobody_else() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let (mut one, mut two) = (both.client(), both.client());
        one.command(&["BLPOP", "queue", "0"]);
        one.command(&["PING"]);
        let begin = Instant::now();
        for number in 0..200 {
            assert_eq!(two.ask(&["SET", "n", &number.to_string()]), simple("OK"));
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(two.ask(&["RPUSH", "queue", "x"]), Resp::Integer(1));
        assert_eq!(one.reply(), Resp::Array(vec![bulk("queue"), bulk("x")]));
        assert_eq!(one.reply(), simple("PONG"));
        eventually("the connection is back", || both.house.lent() == 0);
        // Who is gone takes nothing.
        one.command(&["BLPOP", "queue", "0"]);
        eventually("it blocks", || both.house.lent() == 1);
        drop(one);
        eventually("its connection is closed", || both.house.lent() == 0);
        eventually("and the server knows", || both.server.info("blocked_clients") == "0");
        assert_eq!(two.ask(&["RPUSH", "queue", "y"]), Resp::Integer(1));
        assert_eq!(two.ask(&["LPOP", "queue"]), bulk("y"));
    }
}

#[test]
fn subscriptions() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let (mut one, mut two) = (both.client(), both.client());
        one.command(&["SUBSCRIBE", "a", "b"]);
        assert_eq!(
            one.reply(),
            Resp::Array(vec![bulk("subscribe"), bulk("a"), Resp::Integer(1)])
        );
        assert_eq!(
            one.reply(),
            Resp::Array(vec![bulk("subscribe"), bulk("b"), Resp::Integer(2)])
        );
        assert_eq!(two.ask(&["PUBLISH", "a", "hello"]), Resp::Integer(1));
        assert_eq!(
            one.reply(),
            Resp::Array(vec![bulk("message"), bulk("a"), bulk("hello")])
        );
        assert!(one.ask(&["GET", "x"]).text().contains("only (P|S)SUBSCRIBE"));
        assert_eq!(one.ask(&["RESET"]), simple("RESET"));
        assert_eq!(one.ask(&["GET", "x"]), Resp::Null);
        // The gateway tells the client first, and the server then.
        eventually("nobody listens", || {
            two.ask(&["PUBLISH", "a", "hello"]) == Resp::Integer(0)
        });
        let direct = both.server.ask(&["UNSUBSCRIBE"]);
        assert_eq!(two.ask(&["UNSUBSCRIBE"]), direct, "Valkey refuses it");
        // In RESP3 other commands go on beside.
        assert_eq!(two.ask(&["HELLO", "3"]).get("proto"), Some(&Resp::Integer(3)));
        two.command(&["SUBSCRIBE", "c"]);
        assert_eq!(
            two.reply(),
            Resp::Push(vec![bulk("subscribe"), bulk("c"), Resp::Integer(1)])
        );
        assert_eq!(two.ask(&["SET", "x", "1"]), simple("OK"));
        assert_eq!(one.ask(&["PUBLISH", "c", "hello"]), Resp::Integer(1));
        assert_eq!(two.reply(), Resp::Push(vec![bulk("message"), bulk("c"), bulk("hello")]));
        assert_eq!(two.ask(&["QUIT"]), simple("OK"));
        assert!(two.closed_within(Duration::from_secs(5)));
    }
}

#[test]
fn logins() {
    let server = Server::builder(Flavour::Redis).password("upstream").start();
    let users = json!({ "login": { "users": {
        "default": { "password": "secret" },
        "app": { "password": "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" },
    } } });
    let both = Both::with(server, &users, &json!({ "credential": { "password": "upstream" } }));
    let mut client = both.client();
    assert_eq!(client.ask(&["GET", "a"]), error("NOAUTH Authentication required."));
    let wrong = error("WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(client.ask(&["AUTH", "wrong"]), wrong);
    assert_eq!(client.ask(&["AUTH", "upstream"]), wrong);
    assert!(client.ask(&["HELLO", "3"]).text().starts_with("NOAUTH HELLO"));
    assert_eq!(client.ask(&["HELLO", "3", "AUTH", "app", "no"]), wrong);
    let hello = client.ask(&["HELLO", "3", "AUTH", "app", "secret", "SETNAME", "me"]);
    assert_eq!(hello.get("proto"), Some(&Resp::Integer(3)));
    assert_eq!(
        hello.get("version").map(Resp::text),
        Some(both.server.info("redis_version"))
    );
    assert_eq!(client.ask(&["CLIENT", "GETNAME"]), bulk("me"));
    assert_eq!(client.ask(&["ACL", "WHOAMI"]), bulk("app"));
    assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
    assert_eq!(client.ask(&["GET", "none"]), Resp::Null);
    assert_eq!(client.ask(&["AUTH", "default", "wrong"]), wrong);
    assert_eq!(client.ask(&["GET", "a"]), bulk("1"));
    assert_eq!(client.ask(&["RESET"]), simple("RESET"));
    assert_eq!(client.ask(&["GET", "a"]), error("NOAUTH Authentication required."));
    assert_eq!(client.ask(&["AUTH", "secret"]), simple("OK"));
    assert_eq!(client.ask(&["GET", "a"]), bulk("1"));
    // Strangers may not send much.
    let mut stranger = both.client();
    stranger.send(b"*2\r\n$3\r\nGET\r\n$100000\r\n");
    assert_eq!(
        stranger.reply(),
        error("ERR Protocol error: unauthenticated bulk length")
    );
    assert!(stranger.closed_within(Duration::from_secs(5)));
}

#[test]
fn databases_are_the_clients_own() {
    let both = Both::start(Flavour::Valkey);
    let (mut one, mut two) = (both.client(), both.client());
    assert_eq!(one.ask(&["SELECT", "3"]), simple("OK"));
    assert_eq!(one.ask(&["SET", "a", "three"]), simple("OK"));
    assert_eq!(two.ask(&["GET", "a"]), Resp::Null);
    assert_eq!(one.ask(&["SELECT", "99"]), error("ERR DB index is out of range"));
    assert_eq!(
        one.ask(&["SELECT", "x"]),
        error("ERR value is not an integer or out of range")
    );
    assert_eq!(one.ask(&["GET", "a"]), bulk("three"));
    assert_eq!(one.ask(&["MULTI"]), simple("OK"));
    assert_eq!(one.ask(&["SELECT", "4"]), simple("QUEUED"));
    assert_eq!(one.ask(&["SET", "a", "four"]), simple("QUEUED"));
    assert_eq!(one.ask(&["EXEC"]).items().len(), 2);
    assert_eq!(one.ask(&["GET", "a"]), bulk("four"));
    assert_eq!(two.ask(&["SELECT", "3"]), simple("OK"));
    assert_eq!(two.ask(&["GET", "a"]), bulk("three"));
}

#[test]
fn a_server_that_dies_and_comes_back() {
    let mut both = Both::start(Flavour::Redis);
    let (mut one, mut two) = (both.client(), both.client());
    assert_eq!(one.ask(&["SET", "a", "1"]), simple("OK"));
    assert_eq!(two.ask(&["MULTI"]), simple("OK"));
    both.server.kill();
    assert!(
        two.closed_within(Duration::from_secs(5)),
        "a transaction dies with its server"
    );
    let told = one.ask(&["GET", "a"]).text();
    assert!(told.starts_with("ERR"), "{told}");
    both.server.run();
    eventually("it is back", || one.ask(&["SET", "a", "2"]) == simple("OK"));
    // In the midst of a pipeline every command is answered once, in order.
    both.server.pause();
    for _ in 0..10 {
        one.command(&["GET", "a"]);
    }
    both.server.kill();
    for _ in 0..10 {
        // The first may have been answered before the server stood still.
        let told = one.reply().text();
        assert!(told.starts_with("ERR") || told == "2", "{told}");
    }
    both.server.run();
    eventually("it is back", || one.ask(&["PING"]) == simple("PONG"));
}

#[test]
fn large_values_and_slow_readers() {
    let both = Both::with(
        Server::start(Flavour::Redis),
        &json!({ "login": { "method": "trust" } }),
        &json!({ "pool": { "shared": 1, "reply_buffer": "32MiB" } }),
    );
    let (mut one, mut two) = (both.client(), both.client());
    let value = "v".repeat(20 << 20);
    assert_eq!(one.ask(&["SET", "big", &value]), simple("OK"));
    assert_eq!(one.ask(&["GET", "big"]), bulk(&value));
    let mut slow = both.client();
    for _ in 0..8 {
        slow.command(&["GET", "big"]);
    }
    // Others on the same connection are served, and the one that does not read is closed.
    for _ in 0..100 {
        assert_eq!(two.ask(&["SET", "b", "2"]), simple("OK"));
    }
    eventually("the slow reader is closed", || both.house.clients().len() == 2);
    assert_eq!(two.ask(&["GET", "b"]), bulk("2"));
    // A length that is too long is refused before its bytes come.
    one.send(b"*2\r\n$3\r\nGET\r\n$500000000\r\n");
    assert_eq!(one.reply(), error("ERR Protocol error: invalid bulk length"));
    assert!(one.closed_within(Duration::from_secs(5)));
}

#[test]
fn who_does_not_read_is_closed_in_time() {
    let both = Both::with(
        Server::start(Flavour::Valkey),
        &json!({ "login": { "method": "trust" } }),
        &json!({ "timeouts": { "client_write": "500ms" } }),
    );
    let mut client = both.client();
    assert_eq!(client.ask(&["SET", "big", &"v".repeat(20 << 20)]), simple("OK"));
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    assert_eq!(client.ask(&["GET", "big"]), simple("QUEUED"));
    client.command(&["EXEC"]);
    eventually("it is closed", || both.house.clients().is_empty());
    eventually("its connection too", || both.house.lent() == 0);
}

/// What a newer server may know about its connection to a client is not asked of one that many share.
#[test]
fn subcommands_of_client_that_nobody_knows() {
    for flavour in Flavour::ALL {
        let both = Both::start(flavour);
        let (mut client, mut direct) = (both.client(), both.server.client());
        for words in [&["CLIENT", "MAINT_NOTIFICATIONS", "ON"][..], &["client", "fo\ro"]] {
            assert_eq!(client.ask(words), direct.ask(words));
        }
        for client in [&mut client, &mut direct] {
            assert_eq!(client.ask(&["MULTI"]), simple("OK"));
            assert!(
                client
                    .ask(&["CLIENT", "FOO"])
                    .text()
                    .starts_with("ERR unknown subcommand")
            );
            assert!(client.ask(&["EXEC"]).text().starts_with("EXECABORT"));
        }
        assert!(client.ask(&["HELLO", "3"]).get("server").is_some());
        assert_eq!(both.house.lent(), 0);
    }
}
