//! Time limits, queues, and ends in the midst of something.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::Both;
use serde_json::{Value as Json, json};
use tidegate_kit::{Flavour, Redis as Server, Resp, RespClient, eventually};

const PATIENCE: Duration = Duration::from_secs(10);

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn start(flavour: Flavour, cluster: &Json) -> Both {
    let trust = json!({ "login": { "method": "trust" } });
    Both::with(Server::start(flavour), &trust, cluster)
}

fn subscribe(client: &mut RespClient) {
    assert_eq!(client.ask(&["SUBSCRIBE", "news"]).items().len(), 3);
}

/// Who waits for something, or listens, may be silent for as long as it likes.
#[test]
fn idle_is_who_says_nothing_and_waits_for_nothing() {
    for flavour in Flavour::ALL {
        let both = start(flavour, &json!({ "timeouts": { "client_idle": "700ms" } }));
        let (mut idle, mut fresh, mut busy) = (both.client(), both.client(), both.client());
        let (mut blocked, mut subscribed) = (both.client(), both.client());
        assert_eq!(idle.ask(&["PING"]), simple("PONG"));
        blocked.command(&["BLPOP", "queue", "0"]);
        subscribe(&mut subscribed);
        let stop = Arc::new(AtomicBool::new(false));
        let worker = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(busy.ask(&["PING"]), simple("PONG"));
                    thread::sleep(Duration::from_millis(20));
                }
                busy
            }
        });
        assert!(idle.closed_within(PATIENCE), "who asked once is idle");
        assert!(fresh.closed_within(PATIENCE), "who never asked is idle");
        thread::sleep(Duration::from_millis(1000));
        stop.store(true, Ordering::Relaxed);
        let mut busy = worker.join().expect("a client that is busy is not closed");
        assert_eq!(busy.ask(&["PUBLISH", "news", "text"]), Resp::Integer(1));
        assert_eq!(subscribed.reply().items().len(), 3);
        assert_eq!(busy.ask(&["RPUSH", "queue", "x"]), Resp::Integer(1));
        assert_eq!(blocked.reply().items().len(), 2);
        // Now it waits for nothing any more, from the answer on.
        assert_eq!(blocked.ask(&["PING"]), simple("PONG"));
        assert!(blocked.closed_within(PATIENCE), "who waited is idle now");
        assert!(busy.closed_within(PATIENCE));
    }
}

#[test]
fn who_waits_too_long_for_a_connection_is_told_so() {
    let pool = json!({ "pool": { "size": 1, "queue_size": 1, "queue_timeout": "600ms" } });
    for flavour in Flavour::ALL {
        let both = start(flavour, &pool);
        let (mut holder, mut waiter, mut third) = (both.client(), both.client(), both.client());
        assert_eq!(holder.ask(&["MULTI"]), simple("OK"));
        waiter.command(&["BLPOP", "queue", "0"]);
        waiter.command(&["PING"]);
        eventually("somebody waits", || {
            both.house.clients().iter().any(|client| client.state == "waiting")
        });
        let told = third.ask(&["WATCH", "a"]).text();
        assert!(told.contains("queue_size"), "{told}");
        // What needs no connection of one's own goes on.
        assert_eq!(third.ask(&["SET", "a", "1"]), simple("OK"));
        let told = waiter.reply().text();
        assert!(told.contains("queue_timeout"), "{told}");
        assert_eq!(waiter.reply(), simple("PONG"));
        assert_eq!(holder.ask(&["EXEC"]), Resp::Array(Vec::new()));
        assert_eq!(waiter.ask(&["MULTI"]), simple("OK"));
        assert_eq!(waiter.ask(&["EXEC"]), Resp::Array(Vec::new()));
        // Who leaves the queue harms nobody behind it.
        assert_eq!(holder.ask(&["MULTI"]), simple("OK"));
        waiter.command(&["MULTI"]);
        eventually("it waits", || {
            both.house.clients().iter().any(|client| client.state == "waiting")
        });
        drop(waiter);
        eventually("it is gone", || both.house.clients().len() == 2);
        third.command(&["MULTI"]);
        eventually("the next waits", || {
            both.house.clients().iter().any(|client| client.state == "waiting")
        });
        assert_eq!(holder.ask(&["DISCARD"]), simple("OK"));
        assert_eq!(third.reply(), simple("OK"));
        drop(third);
        eventually("its connection is back", || both.house.lent() == 0);
    }
}

/// The same for a connection that is too old, on which a client waits for its answers.
#[test]
fn an_old_connection_that_says_nothing_is_given_up() {
    let limits = json!({
        "timeouts": { "reply": "3s", "failover": "0" },
        "connect": { "retries": 0, "timeout": "500ms" },
        "pool": { "shared": 1, "max_lifetime": "1s" },
    });
    for flavour in Flavour::ALL {
        let both = start(flavour, &limits);
        let mut client = both.client();
        assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
        both.server.pause();
        let begin = Instant::now();
        for _ in 0..5 {
            client.command(&["GET", "a"]);
        }
        for _ in 0..5 {
            assert!(matches!(client.reply(), Resp::Error(_)));
        }
        let took = begin.elapsed();
        assert!(took > Duration::from_millis(2500) && took < PATIENCE, "{took:?}");
        both.server.resume();
        eventually("it is asked again", || {
            client.ask(&["GET", "a"]) == Resp::Bulk(b"1".to_vec())
        });
    }
}

/// Who always has something under way leaves an old connection all the same.
#[test]
fn who_never_stops_asking_leaves_an_old_connection() {
    let both = start(
        Flavour::Redis,
        &json!({ "pool": { "shared": 1, "max_lifetime": "1s" } }),
    );
    let mut client = both.client();
    let mut connections = BTreeSet::new();
    client.command(&["GET", "a"]);
    let begin = Instant::now();
    while connections.len() < 3 {
        assert!(begin.elapsed() < PATIENCE, "it stays on {connections:?}");
        for _ in 0..100 {
            client.command(&["GET", "a"]);
            assert_eq!(client.reply(), Resp::Null);
        }
        let list = both.server.ask(&["CLIENT", "LIST"]).text();
        let asking = list.lines().filter(|line| line.contains(" cmd=get "));
        connections.extend(asking.filter_map(|line| line.split(' ').next().map(str::to_owned)));
    }
    assert_eq!(client.reply(), Resp::Null);
}

/// A server that stands still is given up, and what was asked of it is answered once.
#[test]
fn a_server_that_says_nothing_is_given_up() {
    let limits = json!({
        "timeouts": { "reply": "500ms", "failover": "0" },
        "connect": { "retries": 0, "timeout": "500ms" },
    });
    for flavour in Flavour::ALL {
        let both = start(flavour, &limits);
        let (mut one, mut two) = (both.client(), both.client());
        assert_eq!(one.ask(&["SET", "a", "1"]), simple("OK"));
        both.server.pause();
        for _ in 0..5 {
            one.command(&["GET", "a"]);
        }
        two.command(&["SET", "b", "1"]);
        for _ in 0..5 {
            assert!(matches!(one.reply(), Resp::Error(_)));
        }
        assert!(matches!(two.reply(), Resp::Error(_)));
        both.server.resume();
        eventually("it is asked again", || {
            one.ask(&["GET", "a"]) == Resp::Bulk(b"1".to_vec())
        });
        eventually("and by everybody", || two.ask(&["SET", "b", "2"]) == simple("OK"));
        // Who waits on purpose is not cut off.
        one.command(&["BLPOP", "queue", "1.5"]);
        assert_eq!(one.reply(), Resp::Null);
    }
}

/// A command that takes too long is an error, and its answer is for nobody when it comes; whoever shares the connection
/// has its own limit.
#[test]
fn a_command_that_takes_too_long_is_an_error() {
    for flavour in Flavour::ALL {
        let limits = json!({ "timeouts": { "request": "400ms" }, "pool": { "shared": 1 } });
        let both = start(flavour, &limits);
        let mut one = both.client();
        assert_eq!(one.ask(&["SET", "a", "1"]), simple("OK"));
        // On shared connections, on one of its own, and in a transaction.
        for begin in ["", "WATCH", "MULTI"] {
            if !begin.is_empty() {
                let words: &[&str] = if begin == "WATCH" { &["WATCH", "b"] } else { &["MULTI"] };
                assert_eq!(one.ask(words), simple("OK"));
            }
            both.server.pause();
            one.command(&["INCR", "a"]);
            one.command(&["INCR", "a"]);
            for _ in 0..2 {
                let told = one.reply().text();
                assert!(
                    told.starts_with("ERR the server did not answer in time"),
                    "{begin}: {told}"
                );
            }
            both.server.resume();
            let expected = if begin == "MULTI" {
                simple("QUEUED")
            } else {
                Resp::Bulk(b"v".to_vec())
            };
            assert_eq!(one.ask(&["ECHO", "v"]), expected, "{begin}");
            if begin == "MULTI" {
                assert_eq!(one.ask(&["EXEC"]).items().len(), 3);
            }
            assert_eq!(one.ask(&["UNWATCH"]), simple("OK"));
        }
        assert_eq!(one.ask(&["GET", "a"]), Resp::Bulk(b"7".to_vec()));
        // Who waits on purpose is not meant, nor who waits behind that.
        one.command(&["BLPOP", "queue", "1"]);
        one.command(&["GET", "none"]);
        assert_eq!((one.reply(), one.reply()), (Resp::Null, Resp::Null));
        eventually("its connection is back", || both.house.lent() == 0);
    }
}

/// Who says no more still hears everything that it asked.
#[test]
fn a_half_close_is_an_end_of_questions_only() {
    for flavour in Flavour::ALL {
        let both = start(flavour, &json!({}));
        let large = "x".repeat(3 << 20);
        for turn in 0..10 {
            let mut client = both.client();
            let mut bytes = Vec::new();
            for number in 0..500 {
                bytes.extend(RespClient::encode(&["SET", "n", &number.to_string()]));
                bytes.extend(RespClient::encode(&["GET", "n"]));
            }
            bytes.extend(RespClient::encode(&["MULTI"]));
            bytes.extend(RespClient::encode(&["SET", "large", &large]));
            bytes.extend(RespClient::encode(&["EXEC"]));
            bytes.extend(RespClient::encode(&["STRLEN", "large"]));
            client.send(&bytes);
            client.half_close();
            for number in 0..500 {
                assert_eq!(client.reply(), simple("OK"), "{turn}");
                assert_eq!(client.reply().text(), number.to_string(), "{turn}");
            }
            assert_eq!([client.reply(), client.reply()], [simple("OK"), simple("QUEUED")]);
            assert_eq!(client.reply(), Resp::Array(vec![simple("OK")]));
            assert_eq!(client.reply(), Resp::Integer(3 << 20));
            assert!(client.closed_within(PATIENCE));
        }
        eventually("everything is given back", || {
            both.house.lent() == 0 && both.house.clients().is_empty()
        });
    }
}

/// A client that is gone before its turn in the queue comes takes nothing when it does, and its connection is not kept.
#[test]
fn who_left_before_its_turn_takes_nothing() {
    for flavour in Flavour::ALL {
        let both = start(flavour, &json!({ "pool": { "size": 1 } }));
        let mut holder = both.client();
        let half = b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$9000000\r\nxxx".to_vec();
        for bytes in [RespClient::encode(&["BLPOP", "queue", "0"]), half] {
            assert_eq!(holder.ask(&["MULTI"]), simple("OK"));
            let mut gone = both.client();
            gone.send(&bytes);
            eventually("it waits", || {
                both.house.clients().iter().any(|client| client.state == "waiting")
            });
            gone.half_close();
            thread::sleep(Duration::from_millis(50));
            assert_eq!(holder.ask(&["EXEC"]), Resp::Array(Vec::new()));
            eventually("nothing is kept for it", || {
                both.house.lent() == 0 && both.house.clients().len() == 1
            });
        }
        assert_eq!(holder.ask(&["RPUSH", "queue", "x"]), Resp::Integer(1));
        assert_eq!(holder.ask(&["LLEN", "queue"]), Resp::Integer(1));
        assert_eq!(holder.ask(&["EXISTS", "large"]), Resp::Integer(0));
    }
}

/// What one client has heard of its pipeline.
fn count(mut client: RespClient, name: usize) -> (usize, usize) {
    let incr = RespClient::encode(&["INCR", &format!("n{name}")]);
    let mut heard = (0, 0);
    loop {
        client.send(&incr.repeat(200));
        for _ in 0..200 {
            match client.try_reply() {
                Ok(Resp::Integer(number)) if heard.1 == 0 => {
                    heard.0 += 1;
                    assert_eq!(
                        usize::try_from(number),
                        Ok(heard.0),
                        "an answer is another's, or twice there"
                    );
                }
                Ok(Resp::Error(_)) => heard.1 += 1,
                Ok(other) => panic!("{other:?} behind {heard:?}"),
                Err(error) => panic!("{error}: a client on shared connections is not closed"),
            }
        }
        if heard.1 > 0 {
            let last = client.ask(&["ECHO", "still in step"]);
            assert!(
                matches!(&last, Resp::Error(_)) || last.text() == "still in step",
                "{last:?}"
            );
            return heard;
        }
    }
}

/// Every command of a pipeline is answered once, in order: done, or not known to be done.
#[test]
fn a_killed_server_leaves_nobody_out_of_step() {
    for flavour in Flavour::ALL {
        let mut both = start(
            flavour,
            &json!({ "pool": { "shared": 1 }, "timeouts": { "failover": "0" } }),
        );
        let clients: Vec<_> = (0..6)
            .map(|name| {
                let client = both.client();
                thread::spawn(move || count(client, name))
            })
            .collect();
        let mut pinned = both.client();
        assert_eq!(pinned.ask(&["MULTI"]), simple("OK"));
        eventually("commands are done", || {
            both.server.ask(&["EXISTS", "n0", "n5"]) == Resp::Integer(2)
        });
        thread::sleep(Duration::from_millis(100));
        both.server.kill();
        for client in clients {
            let (done, failed) = client.join().expect("a client that is in step");
            assert!(done > 0 && failed > 0, "{done} were done and {failed} were not");
        }
        assert!(pinned.closed_within(PATIENCE), "a transaction is lost with its server");
        both.server.run();
        let mut client = both.client();
        eventually("it is back", || client.ask(&["SET", "a", "1"]) == simple("OK"));
        eventually("nothing is lent", || both.house.lent() == 0);
    }
}

/// A drain waits for the end of a transaction, also of one whose server no key has told yet.
#[test]
fn a_transaction_is_not_cut_by_a_drain() {
    let servers = [Server::start(Flavour::Redis), Server::start(Flavour::Redis)];
    let addresses = [servers[0].address(), servers[1].address()];
    let trust = json!({ "login": { "method": "trust" } });
    let hash = json!({ "topology": { "kind": "hash" } });
    let house = common::gateway(&addresses, &trust, &hash, Vec::new());
    let mut client = RespClient::connect(house.address());
    let mut idle = RespClient::connect(house.address());
    assert_eq!(idle.ask(&["PING"]), simple("PONG"));
    assert_eq!(client.ask(&["MULTI"]), simple("OK"));
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| house.drain(Duration::from_secs(10)));
        // Who has nothing under way is gone first.
        assert!(idle.try_reply().is_err(), "an idle client is told nothing");
        assert_eq!(client.ask(&["SET", "a", "1"]), simple("QUEUED"));
        assert_eq!(client.ask(&["EXEC"]).items(), [simple("OK")]);
        assert!(client.try_reply().is_err(), "nothing comes behind it");
        assert!(drained.join().expect("the drain ends"), "somebody was cut off");
    });
}
