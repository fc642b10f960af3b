use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use tidegate_kit::{Flavour, Redis, RedisCluster, RespClient};
use tidegate_redis_wire::reply::Version;
use tidegate_redis_wire::slot::Slot;

use super::harness::{Dialler, Ear, confirmed, hub, message, on_core, rules, until};
use crate::hub::{Hub, Spot};

/// How many connections at all nodes listen to a shard channel, and to an ordinary one.
fn subscribers(cluster: &RedisCluster, word: &str, channel: &str) -> usize {
    let nodes = cluster.nodes().iter().filter(|node| node.process().is_some());
    let counts = nodes.map(|node| node.ask(&["PUBSUB", word, channel]).items()[1].text());
    counts.map(|count| count.parse::<usize>().unwrap()).sum()
}

fn slot(channel: &str) -> u16 {
    Slot::of(channel.as_bytes()).number()
}

/// Publishes at the owner of a shard channel, which is not known to all nodes at once.
fn publish(cluster: &RedisCluster, channel: &str, text: &str) -> bool {
    let owner = cluster.owner(slot(channel));
    let told = cluster.nodes()[owner].ask(&["SPUBLISH", channel, text]).text();
    told == "1"
}

#[test]
fn ordinary_channels_of_a_cluster() {
    for flavour in Flavour::ALL {
        let mut cluster = RedisCluster::start(flavour);
        on_core(async {
            let hub = hub(rules(), &Dialler::new(cluster.addresses(), true));
            let mut ears: Vec<Ear> = (0..10).map(|_| Ear::new(&hub, Version::Resp2)).collect();
            for ear in &mut ears {
                ear.say("SUBSCRIBE a b").await;
                ear.say("PSUBSCRIBE a*").await;
            }
            assert_eq!(hub.links(), [(Spot::Any, true)]);
            assert_eq!(subscribers(&cluster, "NUMSUB", "a"), 1);
            for number in 0..6 {
                let text = format!("from {number}");
                cluster.nodes()[number].ask(&["PUBLISH", "a", &text]);
                for ear in &mut ears {
                    let expected = [
                        message(&["message", "a", &text]),
                        message(&["pmessage", "a*", "a", &text]),
                    ];
                    assert_eq!(ear.hear(&text, 2).await, expected.concat());
                }
            }
            // The node that it listens at dies: another one will do.
            cluster.node(0).kill();
            until("all is subscribed elsewhere", || {
                subscribers(&cluster, "NUMSUB", "a") == 1
            })
            .await;
            until("as well the other", || subscribers(&cluster, "NUMSUB", "b") == 1).await;
            cluster.nodes()[4].ask(&["PUBLISH", "b", "again"]);
            for ear in &mut ears {
                assert_eq!(ear.hear("again", 1).await, message(&["message", "b", "again"]));
            }
            assert_eq!(hub.tally().losses.get(), 1);
        });
    }
}

#[test]
fn shard_channels_follow_their_slots() {
    for flavour in Flavour::ALL {
        let mut cluster = RedisCluster::start(flavour);
        on_core(async {
            let dialler = Dialler::new(cluster.addresses(), true);
            let hub = hub(rules(), &dialler);
            let mut ears: Vec<Ear> = (0..5).map(|_| Ear::new(&hub, Version::Resp2)).collect();
            let channels = ["foo", "bar", "hello", "x"];
            for ear in &mut ears {
                let mut all = String::new();
                for channel in channels {
                    all += &ear.say(&format!("SSUBSCRIBE {channel}")).await;
                }
                let expected: String = (1..)
                    .zip(channels)
                    .map(|(count, name)| confirmed("ssubscribe", name, count))
                    .collect();
                assert_eq!(all, expected);
            }
            assert!(hub.links().len() > 1, "slots of several nodes");
            everyone_hears(&cluster, &mut ears, "foo", "before").await;
            // The slot moves, over and over; the hub is not told by the layout.
            for to in [0, 1, 2, 0, 2] {
                cluster.move_slot(slot("foo"), to);
                until("it is subscribed at the new owner", || {
                    let new = cluster.nodes()[to].ask(&["PUBSUB", "SHARDNUMSUB", "foo"]).items()[1].text();
                    new == "1" && subscribers(&cluster, "SHARDNUMSUB", "foo") == 1
                })
                .await;
                everyone_hears(&cluster, &mut ears, "foo", &format!("at {to}")).await;
            }
            assert!(dialler.moves.get() > 0, "nobody was redirected");
            assert_eq!(hub.tally().losses.get(), 0);
            // A slot that moves before anybody subscribes: the layout is old, and the client is not told.
            let mut late = Ear::new(&hub, Version::Resp2);
            let other = (0..3).find(|node| *node != cluster.owner(slot("late"))).unwrap();
            cluster.move_slot(slot("late"), other);
            assert_eq!(late.say("SSUBSCRIBE late").await, confirmed("ssubscribe", "late", 1));
            failed_over(&mut cluster, &hub, &dialler, &mut ears).await;
        });
    }
}

/// Somebody publishes all the time while a slot goes round and a primary hands over to its replica: what a server says
/// that it gave to a subscriber has come, and nothing comes twice.
#[test]
fn what_is_said_while_slots_move_comes_once() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        on_core(async {
            let dialler = Dialler::new(cluster.addresses(), true);
            let hub = hub(rules(), &dialler);
            let mut ears: Vec<Ear> = (0..3).map(|_| Ear::new(&hub, Version::Resp2)).collect();
            for ear in &mut ears {
                ear.say("SSUBSCRIBE foo").await;
            }
            let mut publishers: Vec<RespClient> = cluster.nodes().iter().map(Redis::client).collect();
            let (mut number, mut expected) = (0, Vec::new());
            let mut publish = |times: usize, expected: &mut Vec<String>| {
                let mut text = String::new();
                for _ in 0..times {
                    number += 1;
                    text = format!("n{number:05}");
                    // A replica takes it too, and hands it on; so the owner is looked for, and MOVED followed.
                    let mut at = cluster.owner(slot("foo"));
                    loop {
                        let said = publishers[at].ask(&["SPUBLISH", "foo", &text]).text();
                        let Some((_, port)) = said.rsplit_once(':') else {
                            expected.extend((said == "1").then(|| text.clone()));
                            break;
                        };
                        let is_there = |node: &Redis| node.port().to_string() == port;
                        at = cluster.nodes().iter().position(is_there).unwrap();
                    }
                }
                text
            };
            for round in 0..6 {
                publish(20, &mut expected);
                if round == 5 {
                    let owner = cluster.owner(slot("foo"));
                    cluster.fail_over(owner + 3);
                } else {
                    cluster.move_slot(slot("foo"), (round + 1) % 3);
                }
                publish(5, &mut expected);
                dialler.look();
                hub.relocate();
                for _ in 0..20 {
                    publish(2, &mut expected);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                // Where a primary has handed over, the node stays subscribed that is its replica now.
                let mut since = Vec::new();
                until("messages arrive again", || {
                    since.push(publish(1, &mut expected));
                    let heard = String::from_utf8_lossy(ears[0].drain()).into_owned();
                    since.iter().any(|text| heard.contains(text))
                })
                .await;
            }
            for ear in &mut ears {
                until("all has come", || {
                    let got = String::from_utf8_lossy(ear.drain()).into_owned();
                    expected.iter().all(|text| got.contains(text))
                })
                .await;
            }
            // What is under way between nodes may take a while.
            tokio::time::sleep(Duration::from_millis(300)).await;
            for ear in &mut ears {
                let got = String::from_utf8(ear.news()).unwrap();
                let got: Vec<&str> = got.split("\r\n").filter(|word| word.starts_with('n')).collect();
                let once: BTreeSet<&str> = got.iter().copied().collect();
                assert_eq!(got.len(), once.len(), "something came twice: {got:?}");
            }
            assert!(expected.len() > 200, "{} of {number} were heard", expected.len());
            assert_eq!(hub.tally().losses.get(), 0);
        });
    }
}

/// The owner of a shard channel dies, and its replica takes over.
async fn failed_over(cluster: &mut RedisCluster, hub: &Rc<Hub>, dialler: &Dialler, ears: &mut [Ear]) {
    let owner = cluster.owner(slot("x"));
    cluster.node(owner).kill();
    until("there is another owner, and it is found", || {
        dialler.look();
        hub.relocate();
        subscribers(cluster, "SHARDNUMSUB", "x") == 1
    })
    .await;
    until("messages reach everybody", || publish(cluster, "x", "probe")).await;
    for ear in ears.iter_mut() {
        assert_eq!(ear.hear("probe", 1).await, message(&["smessage", "x", "probe"]));
    }
    assert!(hub.tally().losses.get() > 0);
    everyone_hears(cluster, ears, "bar", "after all").await;
}

async fn everyone_hears(cluster: &RedisCluster, ears: &mut [Ear], channel: &str, text: &str) {
    until("somebody listens at its owner", || publish(cluster, channel, text)).await;
    for ear in ears.iter_mut() {
        assert_eq!(ear.hear(text, 1).await, message(&["smessage", channel, text]));
    }
    // Nothing comes twice.
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(ears.iter_mut().all(|ear| ear.news().is_empty()));
}

#[test]
fn every_primary_tells_of_its_keys_once() {
    for flavour in Flavour::ALL {
        let cluster = RedisCluster::start(flavour);
        for node in cluster.nodes() {
            node.ask(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
        }
        on_core(async {
            let hub = hub(rules(), &Dialler::new(cluster.addresses(), true));
            let mut ears: Vec<Ear> = (0..3).map(|_| Ear::new(&hub, Version::Resp2)).collect();
            for ear in &mut ears {
                let all = ear.say("PSUBSCRIBE __key*__:*").await;
                assert_eq!(all, confirmed("psubscribe", "__key*__:*", 1));
                ear.say("SUBSCRIBE __keyspace@0__:key:7 __keyevent@0__:del").await;
            }
            assert_eq!(hub.links().len(), 3);
            let keys: Vec<String> = (0..60).map(|number| format!("key:{number}")).collect();
            let owners: BTreeSet<usize> = keys.iter().map(|key| cluster.owner(slot(key))).collect();
            assert_eq!(owners.len(), 3);
            for key in &keys {
                cluster.nodes()[cluster.owner(slot(key))].ask(&["SET", key, "1"]);
            }
            // What somebody publishes is carried to all nodes by the bus, and heard once all the same.
            cluster.nodes()[1].ask(&["PUBLISH", "__keynote__:x", "published"]);
            cluster.nodes()[2].ask(&["PUBLISH", "__keynote__:x", "end of it"]);
            for ear in &mut ears {
                let mut got = ear.hear("end of it", 1).await;
                until("all events are there", || {
                    got += &String::from_utf8(ear.news()).unwrap();
                    got.matches("pmessage").count() >= 122
                })
                .await;
                tokio::time::sleep(Duration::from_millis(30)).await;
                got += &String::from_utf8(ear.news()).unwrap();
                for key in &keys {
                    let name = format!("__keyspace@0__:{key}");
                    let event = message(&["pmessage", "__key*__:*", &name, "set"]);
                    assert_eq!(got.matches(&event).count(), 1, "{key}");
                    let event = message(&["pmessage", "__key*__:*", "__keyevent@0__:set", key]);
                    assert_eq!(got.matches(&event).count(), 1, "{key}");
                }
                assert_eq!(got.matches("pmessage").count(), 122);
                assert_eq!(
                    got.matches(&message(&["message", "__keyspace@0__:key:7", "set"]))
                        .count(),
                    1
                );
                assert_eq!(got.matches("$7\r\nmessage\r\n").count(), 1);
            }
        });
    }
}
