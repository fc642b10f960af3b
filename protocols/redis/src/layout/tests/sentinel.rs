use serde_json::json;
use tidegate_kit::{Flavour, RedisSentinels, eventually};

use super::*;

fn sentinel() -> Json {
    json!({
        "topology": { "kind": "sentinel", "master": RedisSentinels::NAME },
        "health": { "interval": "500ms", "timeout": "500ms" },
    })
}

fn others(set: &RedisSentinels, but: &[usize]) -> Vec<u16> {
    let others = set.servers().iter().enumerate().filter(|(at, _)| !but.contains(at));
    sorted(others.map(|(_, server)| server.port()).collect())
}

#[test]
fn failovers_are_followed() {
    for flavour in Flavour::ALL {
        let mut set = RedisSentinels::start(flavour);
        let followed = Followed::start(&endpoints(set.sentinels()), &sentinel());
        soon("the layout is known", || {
            followed.primary() == set.servers()[0].port() && followed.replicas() == others(&set, &[0])
        });
        soon("it is ready", || followed.redis.unready().is_empty());

        set.fail_over();
        let second = set.primary().unwrap();
        soon("the failover is followed", || {
            followed.primary() == set.servers()[second].port()
        });
        eventually("the old primary is a replica", || {
            followed.replicas() == others(&set, &[second])
        });
        set.wait_ok();

        set.server(second).kill();
        eventually("another takes over", || set.primary().is_some_and(|now| now != second));
        let third = set.primary().unwrap();
        soon("the loss is followed", || {
            followed.primary() == set.servers()[third].port()
        });
        eventually("the dead one is no replica", || {
            followed.replicas() == others(&set, &[second, third])
        });
    }
}

#[test]
fn who_was_cut_off_is_not_believed() {
    for flavour in Flavour::ALL {
        let mut set = RedisSentinels::start(flavour);
        let followed = Followed::start(&endpoints(set.sentinels()), &sentinel());
        let old = set.servers()[0].port();
        soon("the layout is known", || {
            followed.primary() == old && followed.replicas().len() == 2
        });
        // The primary and one sentinel are cut off; the others agree on another primary.
        set.sentinel(0).kill();
        set.servers()[0].pause();
        eventually("the others agree", || set.primary().is_some_and(|now| now != 0));
        soon("they are followed", || followed.primary() != old);
        // Only those who were cut off are left, and still say what they said.
        set.sentinel(1).kill();
        set.sentinel(2).kill();
        set.servers()[0].resume();
        set.sentinel(0).run();
        let told = || {
            let place = set.sentinels()[0].ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", RedisSentinels::NAME]);
            place.items()[1].text().parse::<u16>().unwrap()
        };
        let mut seen = Vec::new();
        let until = std::time::Instant::now() + Duration::from_secs(6);
        while std::time::Instant::now() < until {
            followed.atlas().refresh();
            seen.push(followed.primary());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(told(), old, "the sentinel was told nothing");
        assert_eq!(set.servers()[0].info("role"), "master");
        assert!(seen.iter().all(|port| *port != old), "it was believed");
        assert!(
            followed
                .atlas()
                .trouble()
                .is_some_and(|why| why.contains("which is over"))
        );
        set.sentinel(1).run();
        set.sentinel(2).run();
        eventually("all agree again", || {
            followed.atlas().trouble().is_none() && followed.replicas().len() == 2
        });
        assert_ne!(followed.primary(), old);
    }
}

#[test]
fn without_sentinels_it_is_said_why() {
    let mut set = RedisSentinels::start(Flavour::Redis);
    let mut more = sentinel();
    more["topology"]["master"] = json!("other");
    let followed = Followed::start(&endpoints(set.sentinels()), &more);
    soon("the name is not known", || {
        followed
            .redis
            .unready()
            .iter()
            .any(|why| why.contains("knows of no `other`"))
    });
    let all = endpoints(set.sentinels());
    let followed = Followed::start(&all, &sentinel());
    soon("the layout is known", || followed.primary() == set.servers()[0].port());
    for at in 0..3 {
        set.sentinel(at).kill();
    }
    followed.atlas().refresh();
    soon("nobody answers", || {
        followed
            .atlas()
            .trouble()
            .is_some_and(|why| why.contains("no sentinel answers"))
    });
    assert_eq!(followed.primary(), set.servers()[0].port(), "the old layout holds");
}
