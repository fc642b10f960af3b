//! What a reload changes for clients that listen.

use std::time::Duration;

use serde_json::json;
use tidegate_kit::{Flavour, Redis, RedisSentinels, Resp, RespClient, eventually};

use super::{bulk, common};

/// What clients listen to is heard from the servers that a reload has named since.
#[test]
fn listeners_follow_a_reload_to_other_servers() {
    let trust = json!({ "login": { "method": "trust" } });
    let kind = |kind: &str| json!({ "topology": { "kind": kind } });
    let sentinels = json!({ "topology": { "kind": "sentinel", "master": RedisSentinels::NAME } });
    for flavour in Flavour::ALL {
        let set = RedisSentinels::start(flavour);
        let (one, two) = (Redis::start(flavour), Redis::start(flavour));
        let (one, both) = ([one.address()], [one.address(), two.address()]);
        let (house, protocol) = common::unready(&one, &trust, &kind("single"), Vec::new());
        eventually("the gateway is ready", || protocol.unready().is_empty());
        let (mut ear, mut mouth) = (
            RespClient::connect(house.address()),
            RespClient::connect(house.address()),
        );
        let names: Vec<String> = (0..6).map(|number| format!("c{number}")).collect();
        for name in &names {
            assert_eq!(ear.ask(&["SUBSCRIBE", name]).items().len(), 3);
            assert_eq!(ear.ask(&["SSUBSCRIBE", name]).items().len(), 3);
        }
        let mut everything_is_heard = |text: &str| {
            for name in &names {
                for (publish, word) in [("PUBLISH", "message"), ("SPUBLISH", "smessage")] {
                    eventually("somebody listens where it is published", || {
                        mouth.ask(&[publish, name, text]) == Resp::Integer(1)
                    });
                    assert_eq!(
                        ear.reply(),
                        Resp::Array(vec![bulk(word), bulk(name), bulk(text)]),
                        "{text}"
                    );
                }
            }
        };
        everything_is_heard("one server");
        common::reload(&protocol, &both[1..], &kind("single"));
        everything_is_heard("another server");
        common::reload(&protocol, &set.addresses(), &sentinels);
        everything_is_heard("who is told by sentinels");
        common::reload(&protocol, &both, &kind("hash"));
        everything_is_heard("several that know nothing of one another");
        common::reload(&protocol, &one, &kind("single"));
        everything_is_heard("one server again");
    }
}

/// A slow client, and the bound that a reload has set since it came.
#[test]
fn a_reload_sets_another_bound_for_who_does_not_read() {
    let trust = json!({ "login": { "method": "trust" } });
    let bound = |bound: &str| json!({ "pool": { "pubsub_buffer": bound } });
    let server = Redis::start(Flavour::Valkey);
    let (house, protocol) = common::unready(&[server.address()], &trust, &bound("256MiB"), Vec::new());
    eventually("the gateway is ready", || protocol.unready().is_empty());
    let (mut slow, mut publisher) = (
        RespClient::connect(house.address()),
        RespClient::connect(house.address()),
    );
    assert_eq!(slow.ask(&["SUBSCRIBE", "c"]).items().len(), 3);
    let message = "m".repeat(256 << 10);
    // More than sockets hold.
    for _ in 0..100 {
        assert_eq!(publisher.ask(&["PUBLISH", "c", &message]), Resp::Integer(1));
    }
    assert_eq!(house.clients().len(), 2, "this much may wait");
    common::reload(&protocol, &[server.address()], &bound("1MiB"));
    eventually("it is closed at the next message", || {
        publisher.ask(&["PUBLISH", "c", "x"]);
        house.clients().len() == 1
    });
    assert!(slow.closed_within(Duration::from_secs(10)));
}
