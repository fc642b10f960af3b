use serde_json::json;
use tidegate_cluster::{Role, Target};
use tidegate_kit::{Flavour, Redis as Server};

use super::*;

#[test]
fn one_server_is_known_at_once_and_followed() {
    for flavour in Flavour::ALL {
        let (first, second) = (Server::start(flavour), Server::start(flavour));
        let followed = Followed::start(&endpoints([&first]), &json!({}));
        assert_eq!(followed.primary(), first.port());
        let layout = followed.layout();
        assert_eq!(layout.shard(layout.bucket(b"a")), Some(0));
        assert_eq!(layout.bucket(b"a"), layout.bucket(b"b"));
        soon("it is ready", || followed.redis.unready().is_empty());
        // Its name now leads to another address.
        let rules = Arc::clone(&followed.redis.plan().clusters["app"]);
        rules.cluster.apply(&[Target {
            address: second.address().to_string().parse().unwrap(),
            server_name: None,
            role: Role::Primary,
            weight: 1,
        }]);
        soon("the other address is followed", || followed.primary() == second.port());
        rules.cluster.apply(&[]);
        soon("nothing is left", || followed.layout().is_unknown());
        assert_eq!(followed.layout().shard(layout.bucket(b"a")), None);
        assert!(followed.redis.unready()[0].contains("is not known"));
    }
}

#[test]
fn a_reload_keeps_what_is_known() {
    let server = Server::start(Flavour::Redis);
    let followed = Followed::start(&endpoints([&server]), &json!({}));
    let before = followed.atlas();
    followed.reload(&endpoints([&server]), &json!({ "timeouts": { "failover": "1s" } }));
    assert!(Arc::ptr_eq(&before, &followed.atlas()));
    let rules = Arc::clone(&followed.redis.plan().clusters["app"]);
    assert_eq!(rules.failover, Duration::from_secs(1));
    followed.reload(&endpoints([&server]), &json!({ "topology": { "kind": "replicated" } }));
    assert!(
        !Arc::ptr_eq(&before, &followed.atlas()),
        "another topology is another matter"
    );
    soon("it is asked what it is", || followed.primary() == server.port());
}

#[test]
fn a_change_wakes_who_waits_for_it() {
    let server = Server::start(Flavour::Redis);
    let followed = Followed::start(&endpoints([&server]), &json!({}));
    let atlas = followed.atlas();
    let generation = atlas.generation();
    let waiting = {
        let atlas = Arc::clone(&atlas);
        followed.runtime.spawn(async move { atlas.changed(generation).await })
    };
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());
    followed.redis.plan().clusters["app"].cluster.apply(&[]);
    soon("the change is told", || waiting.is_finished());
    assert_ne!(atlas.generation(), generation);
    followed.runtime.block_on(atlas.changed(generation));
}
