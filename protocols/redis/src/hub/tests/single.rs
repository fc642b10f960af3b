use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tidegate_kit::{Flavour, Redis, Resp, RespClient};
use tidegate_redis_wire::reply::Version;
use tidegate_redis_wire::table::Channels;

use super::harness::{Dialler, Ear, confirmed, hub, message, on_core, rules, until};
use crate::hub::{HubRules, Spot};

fn dialler(server: &Redis) -> Dialler {
    Dialler::new(vec![server.address()], false)
}

/// How many connections listen to a channel at the server.
fn subscribers(server: &Redis, channel: &str) -> String {
    server.ask(&["PUBSUB", "NUMSUB", channel]).items()[1].text()
}

/// What a client does in its life; the last command stays.
fn script(number: usize) -> Vec<Vec<String>> {
    let channel = |at: usize| format!("channel:{}", at % 50);
    let mut subscribe = vec!["SUBSCRIBE".to_owned()];
    subscribe.extend((0..5).map(|at| channel(number * 7 + at * at)));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        subscribe,
        words(&[
            "PSUBSCRIBE",
            &format!("channel:{}*", number % 5),
            "channel:*",
            "nothing?",
        ]),
        words(&["UNSUBSCRIBE", &channel(number * 7), "unknown", &channel(number * 7)]),
        words(&["SSUBSCRIBE", &format!("shard:{}", number % 3)]),
        words(&["PUNSUBSCRIBE", "channel:*", "nothing?"]),
        words(&["SUBSCRIBE", "channel:1", "channel:1", "end"]),
    ]
}

fn publish(publisher: &mut RespClient) {
    for number in 0..400 {
        let (channel, payload) = (format!("channel:{}", number % 50), format!("message {number}\r\n"));
        publisher.command(&["PUBLISH", &channel, &payload]);
        publisher.command(&["SPUBLISH", &format!("shard:{}", number % 4), &payload]);
    }
    publisher.command(&["PUBLISH", "end", "end of it"]);
    (0..801).for_each(|_| assert!(matches!(publisher.reply(), Resp::Integer(_))));
}

/// Everything that a direct client is sent up to the last message.
fn directly(client: &mut RespClient) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let (reply, bytes) = client.raw();
        all.extend(bytes);
        if reply.items().last().is_some_and(|last| last.text() == "end of it") {
            return all;
        }
    }
}

#[test]
fn many_clients_hear_what_direct_ones_hear() {
    for flavour in Flavour::ALL {
        let server = Redis::start(flavour);
        on_core(async {
            let hub = hub(rules(), &dialler(&server));
            let version = |number: usize| {
                if number.is_multiple_of(2) {
                    Version::Resp2
                } else {
                    Version::Resp3
                }
            };
            let mut ears: Vec<Ear> = (0..200).map(|number| Ear::new(&hub, version(number))).collect();
            let mut expected = Vec::new();
            let mut direct: Vec<RespClient> = (0..200).map(|_| server.client()).collect();
            for (number, (ear, client)) in ears.iter_mut().zip(&mut direct).enumerate() {
                if number % 2 == 1 {
                    client.ask(&["HELLO", "3"]);
                }
                let mut all = Vec::new();
                for words in script(number) {
                    all.extend(ear.ask(&words).await);
                }
                expected.push(all);
            }
            for channel in (0..50).map(|number| format!("channel:{number}")) {
                assert_eq!(subscribers(&server, &channel), "1", "{channel}");
            }
            until("ended patterns are gone", || {
                server.ask(&["PUBSUB", "NUMPAT"]).text() == "5"
            })
            .await;
            assert_eq!(hub.topics(), 50 + 5 + 3 + 1);
            for (number, client) in direct.iter_mut().enumerate() {
                for words in script(number) {
                    client.command(&words);
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            publish(&mut server.client());
            for (number, (ear, client)) in ears.iter_mut().zip(&mut direct).enumerate() {
                let wanted = directly(client);
                let mut got = std::mem::take(&mut expected[number]);
                got.extend(ear.hear("end of it", 1).await.as_bytes());
                let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                assert!(
                    got == wanted,
                    "client {number}:\n{}\nin place of\n{}",
                    show(&got),
                    show(&wanted)
                );
                // The last confirmation told the number of channels and patterns; there is a shard channel too.
                let told = show(&wanted);
                let told = told.split("$3\r\nend\r\n:").nth(1).and_then(|rest| rest.get(..1));
                assert_eq!(told, Some(&*(ear.seat.count() - 1).to_string()));
            }
        });
    }
}

#[test]
fn what_nobody_listens_to_is_given_back() {
    for flavour in Flavour::ALL {
        let server = Redis::start(flavour);
        on_core(async {
            let hub = hub(rules(), &dialler(&server));
            let (mut one, mut two) = (Ear::new(&hub, Version::Resp2), Ear::new(&hub, Version::Resp2));
            assert_eq!(
                one.say("UNSUBSCRIBE").await,
                "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
            );
            assert_eq!(one.say("PUNSUBSCRIBE a").await, confirmed("punsubscribe", "a", 0));
            for _ in 0..20 {
                assert_eq!(one.say("SUBSCRIBE a").await, confirmed("subscribe", "a", 1));
                assert_eq!(two.say("SUBSCRIBE a").await, confirmed("subscribe", "a", 1));
                assert_eq!(two.say("UNSUBSCRIBE a").await, confirmed("unsubscribe", "a", 0));
                assert_eq!(server.ask(&["PUBLISH", "a", "x"]).text(), "1");
                assert_eq!(one.hear("x", 1).await, message(&["message", "a", "x"]));
                assert_eq!(one.say("UNSUBSCRIBE").await, confirmed("unsubscribe", "a", 0));
            }
            one.say("SSUBSCRIBE s").await;
            one.say("PSUBSCRIBE p* q*").await;
            assert_eq!((one.seat.count(), hub.topics()), (3, 3));
            drop(one);
            until("nothing is subscribed", || {
                server.ask(&["PUBSUB", "NUMPAT"]).text() == "0"
            })
            .await;
            until("its place is free", || hub.topics() == 0).await;
            until("the connection is closed", || hub.links().is_empty()).await;
            assert_eq!(two.news(), b"");
            assert_eq!(two.say("SUBSCRIBE a").await, confirmed("subscribe", "a", 1));
            assert_eq!(hub.tally().losses.get(), 0);
        });
    }
}

#[test]
fn a_lost_connection_is_restored() {
    for flavour in Flavour::ALL {
        let mut server = Redis::start(flavour);
        on_core(async {
            let hub = hub(rules(), &dialler(&server));
            let mut ears: Vec<Ear> = (0..10).map(|_| Ear::new(&hub, Version::Resp2)).collect();
            for ear in &mut ears {
                ear.say("SUBSCRIBE a b").await;
                ear.say("PSUBSCRIBE a*").await;
                ear.say("SSUBSCRIBE s").await;
            }
            let is_restored = |server: &Redis| {
                let shard = server.ask(&["PUBSUB", "SHARDNUMSUB", "s"]).items()[1].text();
                let patterns = server.ask(&["PUBSUB", "NUMPAT"]).text();
                (subscribers(server, "a"), subscribers(server, "b"), shard, patterns) == one_each()
            };
            for round in 1..4 {
                if round < 3 {
                    assert_eq!(server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]), Resp::Integer(1));
                } else {
                    server.restart();
                }
                until("all is subscribed again", || is_restored(&server)).await;
                assert_eq!(hub.tally().losses.get(), round);
                server.ask(&["SPUBLISH", "s", "y"]);
                server.ask(&["PUBLISH", "a", "x"]);
                for ear in &mut ears {
                    let expected = [
                        message(&["smessage", "s", "y"]),
                        message(&["message", "a", "x"]),
                        message(&["pmessage", "a*", "a", "x"]),
                    ];
                    assert_eq!(ear.hear("pmessage", 1).await, expected.concat());
                }
            }
        });
    }
}

fn one_each() -> (String, String, String, String) {
    let one = || "1".to_owned();
    (one(), one(), one(), one())
}

#[test]
fn a_server_that_is_silent_or_gone() {
    let mut server = Redis::start(Flavour::Redis);
    on_core(async {
        let hub = hub(rules(), &dialler(&server));
        let mut ear = Ear::new(&hub, Version::Resp2);
        ear.say("SUBSCRIBE a").await;
        // It is there for long, and says nothing: it answers PING.
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(hub.tally().losses.get(), 0);
        server.pause();
        until("its silence is noticed", || hub.tally().losses.get() == 1).await;
        server.resume();
        until("it listens again", || subscribers(&server, "a") == "1").await;
        server.kill();
        let refused = ear.say("SUBSCRIBE b").await;
        assert_eq!(refused, "-ERR nobody is there\r\n");
        assert_eq!(ear.seat.count(), 1);
        server.run();
        assert_eq!(ear.say("SUBSCRIBE b").await, confirmed("subscribe", "b", 2));
        until("it listens again", || subscribers(&server, "a") == "1").await;
        server.ask(&["PUBLISH", "a", "x"]);
        assert_eq!(ear.hear("x", 1).await, message(&["message", "a", "x"]));
    });
}

/// A core that stands still for a while (its machine was paused, something was slow) finds its servers as they were.
#[test]
fn who_stood_still_blames_nobody() {
    for flavour in Flavour::ALL {
        let server = Redis::start(flavour);
        on_core(async {
            let hub = hub(rules(), &dialler(&server));
            let mut ear = Ear::new(&hub, Version::Resp2);
            ear.say("SUBSCRIBE a").await;
            for round in 0..5 {
                server.ask(&["PUBLISH", "a", &format!("before {round}")]);
                std::thread::sleep(2 * rules().patience);
                server.ask(&["PUBLISH", "a", &format!("after {round}")]);
                ear.hear(&format!("after {round}"), 1).await;
                tokio::time::sleep(2 * rules().beat).await;
            }
            assert_eq!(hub.tally().losses.get(), 0);
        });
    }
}

#[test]
fn one_who_does_not_read_is_given_up_alone() {
    let server = Redis::start(Flavour::Valkey);
    let rules = HubRules {
        buffer: 64 << 10,
        ..rules()
    };
    on_core(async {
        let hub = hub(rules, &dialler(&server));
        let [mut slow, mut quick, mut other] =
            [Version::Resp2, Version::Resp3, Version::Resp2].map(|v| Ear::new(&hub, v));
        slow.say("SUBSCRIBE a").await;
        quick.say("PSUBSCRIBE a*").await;
        other.say("SUBSCRIBE b").await;
        let mut publisher = server.client();
        let payload = "x".repeat(1000);
        for number in 0..200_u64 {
            publisher.ask(&["PUBLISH", "a", &payload]);
            until("it has come", || hub.tally().messages.get() == 2 * (number + 1)).await;
            quick.drain();
        }
        assert_eq!(
            String::from_utf8(quick.news()).unwrap().matches("pmessage").count(),
            200
        );
        assert!(slow.seat.is_overrun() && !slow.seat.has_mail());
        assert!(!quick.seat.is_overrun() && !other.seat.is_overrun());
        assert_eq!(hub.tally().overruns.get(), 1);
        // What is too long for anybody is held by nobody, and what comes behind it arrives.
        publisher.ask(&["PUBLISH", "a", &"y".repeat(10 << 20)]);
        publisher.ask(&["PUBLISH", "b", "z"]);
        assert_eq!(other.hear("z", 1).await, message(&["message", "b", "z"]));
        assert!(quick.seat.is_overrun() && !other.seat.is_overrun());
        assert_eq!((hub.tally().overruns.get(), hub.tally().losses.get()), (2, 0));
        drop(slow);
        drop(quick);
        until("they are gone", || hub.topics() == 1).await;
    });
}

#[test]
fn what_the_server_refuses_is_told_to_who_asked() {
    for flavour in Flavour::ALL {
        let builder = Redis::builder(flavour).user("gate on >secret ~* &ok* +@all");
        let server = builder.start();
        let mut direct = server.client();
        assert_eq!(direct.ask(&["AUTH", "gate", "secret"]), Resp::Simple("OK".to_owned()));
        direct.command(&["SUBSCRIBE", "ok1", "other"]);
        let refused = String::from_utf8(direct.raw().1).unwrap();
        assert!(refused.starts_with("-NOPERM"), "{refused}");
        on_core(async {
            let mut dialler = dialler(&server);
            dialler.user = Some(("gate", "secret"));
            let hub = hub(rules(), &dialler);
            let (mut one, mut two) = (Ear::new(&hub, Version::Resp2), Ear::new(&hub, Version::Resp3));
            assert_eq!(one.say("SUBSCRIBE ok1").await, confirmed("subscribe", "ok1", 1));
            assert_eq!(two.say("SUBSCRIBE ok2 other ok1 ok3").await, refused);
            assert_eq!((two.seat.count(), one.seat.count()), (0, 1));
            until("nothing is kept", || hub.topics() == 1).await;
            until("nothing is subscribed", || subscribers(&server, "ok2") == "0").await;
            let third = two.say("SUBSCRIBE ok1 ok3").await;
            assert_eq!(
                third,
                [confirmed("subscribe", "ok1", 1), confirmed("subscribe", "ok3", 2)]
                    .concat()
                    .replace('*', ">")
            );
            assert_eq!(one.news(), b"");
            // Rights that are taken away while somebody listens, and given again (`ACL SETUSER` kills the connection).
            server.ask(&["ACL", "SETUSER", "gate", "resetchannels", "&ok3"]);
            until("it is asked for again", || {
                hub.tally().losses.get() > 0 && subscribers(&server, "ok3") == "1"
            })
            .await;
            assert_eq!(subscribers(&server, "ok1"), "0");
            server.ask(&["ACL", "SETUSER", "gate", "&ok*"]);
            until("all is back", || subscribers(&server, "ok1") == "1").await;
            server.ask(&["PUBLISH", "ok1", "x"]);
            assert_eq!(one.hear("x", 1).await, message(&["message", "ok1", "x"]));
        });
    }
}

/// PING is no right of who may listen, and a gateway that may not say it knows all the same when a subscription is over.
#[test]
fn a_login_that_may_not_ping_listens_again() {
    for flavour in Flavour::ALL {
        let server = Redis::builder(flavour)
            .user("gate on >secret ~* &* +@pubsub -ping")
            .start();
        on_core(async {
            let mut dialler = dialler(&server);
            dialler.user = Some(("gate", "secret"));
            let hub = hub(rules(), &dialler);
            let mut ear = Ear::new(&hub, Version::Resp2);
            for _ in 0..3 {
                assert_eq!(ear.say("SSUBSCRIBE s").await, confirmed("ssubscribe", "s", 1));
                server.ask(&["SPUBLISH", "s", "x"]);
                assert_eq!(ear.hear("x", 1).await, message(&["smessage", "s", "x"]));
                assert_eq!(ear.say("SUNSUBSCRIBE s").await, confirmed("sunsubscribe", "s", 0));
            }
            until("nothing is kept", || hub.topics() == 0).await;
            assert_eq!(hub.tally().losses.get(), 0);
            // Rights that are taken away without the connection (`ACL SETUSER` closes it for those of channels only).
            ear.say("SSUBSCRIBE s").await;
            server.ask(&["ACL", "SETUSER", "gate", "-sunsubscribe"]);
            ear.say("SUNSUBSCRIBE s").await;
            assert_eq!(ear.say("SSUBSCRIBE s").await, confirmed("ssubscribe", "s", 1));
            server.ask(&["SPUBLISH", "s", "x"]);
            assert_eq!(ear.hear("x", 1).await, message(&["smessage", "s", "x"]));
        });
    }
}

/// Many come and go at once, with the answers to others under way; what is left at the end is right at the server too.
#[test]
fn coming_and_going() {
    for flavour in Flavour::ALL {
        let server = Redis::start(flavour);
        on_core(async {
            let hub = hub(rules(), &dialler(&server));
            let mut ears: Vec<Option<Ear>> = (0..30).map(|_| Some(Ear::new(&hub, Version::Resp2))).collect();
            let mut random = 7_usize;
            let mut next = |below: usize| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            for round in 0..6000 {
                let (at, kind) = (next(30), [Channels::Named, Channels::Pattern, Channels::Shard][next(3)]);
                let names = [format!("c{}", next(4)), format!("c{}", next(4))];
                let names = names.iter().map(String::as_bytes);
                let ear = ears[at].get_or_insert_with(|| Ear::new(&hub, Version::Resp2));
                match next(8) {
                    0 => ears[at] = None,
                    _ if ear.seat.owes() => {}
                    1..5 => ear.seat.listen(kind, names),
                    5 => ear.seat.leave(kind, []),
                    _ => ear.seat.leave(kind, names),
                }
                if round % 50 == 0 || next(10) == 0 {
                    tokio::task::yield_now().await;
                }
            }
            for ear in ears.iter_mut().flatten() {
                until("nothing is owed", || !ear.seat.owes()).await;
                ear.news();
            }
            let is_right = |name: &str| {
                let wanted = |kind| u8::from(hub.board.borrow().knows(kind, name.as_bytes())).to_string();
                let shards = server.ask(&["PUBSUB", "SHARDNUMSUB", name]).items()[1].text();
                subscribers(&server, name) == wanted(Channels::Named) && shards == wanted(Channels::Shard)
            };
            until("all is right at the server", || {
                (0..4).all(|number| is_right(&format!("c{number}")))
            })
            .await;
            server.ask(&["PUBLISH", "c1", "x"]);
            server.ask(&["SPUBLISH", "c1", "x"]);
            server.ask(&["PUBLISH", "c2", "x"]);
            let count: usize = ears.iter().flatten().map(|ear| ear.seat.count()).sum();
            assert!(count > 0);
            tokio::time::sleep(Duration::from_millis(50)).await;
            let tally = hub.tally();
            let messages = ears.iter_mut().flatten().map(|ear| {
                let news = String::from_utf8(ear.news()).unwrap();
                news.matches("message\r\n").count() as u64
            });
            assert_eq!(messages.sum::<u64>(), tally.deliveries.get());
            assert_eq!(tally.losses.get(), 0, "an answer was not what was asked for");
            ears.clear();
            until("nothing is left", || {
                hub.topics() == 0 && subscribers(&server, "c1") == "0"
            })
            .await;
        });
    }
}

#[test]
fn a_session_is_woken() {
    let server = Redis::start(Flavour::Valkey);
    on_core(async {
        let hub = hub(rules(), &dialler(&server));
        let seat = hub.join(Version::Resp3);
        seat.listen(Channels::Named, [&b"a"[..]]);
        let mail = async || {
            poll_fn(|cx| {
                seat.set_waker(cx);
                if seat.has_mail() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            String::from_utf8(seat.take(Vec::new())).unwrap()
        };
        let within = |mail| tokio::time::timeout(Duration::from_secs(5), mail);
        assert_eq!(
            within(mail()).await.unwrap(),
            confirmed("subscribe", "a", 1).replace('*', ">")
        );
        for round in 0..3 {
            server.ask(&["PUBLISH", "a", &round.to_string()]);
            let expected = message(&["message", "a", &round.to_string()]);
            assert_eq!(within(mail()).await.unwrap(), expected.replace('*', ">"));
        }
        // The client has asked for another version.
        seat.set_version(Version::Resp2);
        server.ask(&["PUBLISH", "a", "x"]);
        assert_eq!(within(mail()).await.unwrap(), message(&["message", "a", "x"]));
        hub.hang_up(&Spot::Any);
        until("it has another connection", || {
            hub.tally().losses.get() == 1 && hub.links() == [(Spot::Any, true)]
        })
        .await;
        until("it listens again", || subscribers(&server, "a") == "1").await;
        server.ask(&["PUBLISH", "a", "y"]);
        assert_eq!(within(mail()).await.unwrap(), message(&["message", "a", "y"]));
    });
}
