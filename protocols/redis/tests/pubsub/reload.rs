//! What a reload changes for clients that listen.

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
