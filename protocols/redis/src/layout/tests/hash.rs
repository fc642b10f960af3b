use serde_json::json;
use tidegate_redis_wire::hash::{Distribution, Hash, Member, Ring};

use super::*;

fn hashed(more: &Json) -> Json {
    let mut topology = json!({ "kind": "hash" });
    topology
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "topology": topology })
}

fn ring() -> Vec<Json> {
    vec![
        json!({ "address": "10.0.0.10:6379", "weight": 3, "name": "server-four" }),
        json!({ "address": "10.0.0.2:6379", "weight": 2, "name": "bb" }),
        json!({ "address": "10.0.0.3:6379", "name": "cc" }),
        json!({ "address": "10.0.0.1:6379", "name": "a" }),
    ]
}

#[test]
fn keys_are_where_twemproxy_puts_them() {
    let members = [("a", 1), ("bb", 2), ("cc", 1), ("server-four", 3)].map(|(name, weight)| Member {
        name: name.to_owned(),
        weight,
    });
    for hash in Hash::ALL {
        for distribution in [Distribution::Ketama, Distribution::Modula] {
            let more = json!({ "hash": hash.name(), "distribution": distribution.name(), "hash_tag": "<>" });
            let followed = Followed::start(&ring(), &hashed(&more));
            let layout = followed.layout();
            let reference = Ring::new(distribution, &members);
            for number in 0..200 {
                let (tag, key) = (format!("tag{number}"), format!("key:<tag{number}>"));
                let shard = layout.shard(layout.bucket(key.as_bytes())).unwrap();
                assert_eq!(layout.bucket(key.as_bytes()), layout.bucket(tag.as_bytes()));
                let expected = reference.pick(hash.of(tag.as_bytes())).unwrap();
                assert_eq!(
                    layout.shards[shard].primary.as_ref().unwrap().id,
                    members[expected].name
                );
            }
        }
    }
}

#[test]
fn the_default_is_fnv1a_64_over_ketama_without_tags() {
    let layout = Followed::start(&ring(), &hashed(&json!({}))).layout();
    let more = json!({ "hash": "fnv1a_64", "distribution": "ketama" });
    let same = Followed::start(&ring(), &hashed(&more)).layout();
    let tagged = Followed::start(&ring(), &hashed(&json!({ "hash_tag": "{}" }))).layout();
    let keys: Vec<String> = (0..100).map(|number| format!("{{user}}:{number}")).collect();
    assert!(
        keys.iter()
            .all(|key| layout.bucket(key.as_bytes()) == same.bucket(key.as_bytes()))
    );
    assert!(
        keys.iter()
            .any(|key| layout.bucket(key.as_bytes()) != layout.bucket(b"user"))
    );
    assert!(
        keys.iter()
            .all(|key| tagged.bucket(key.as_bytes()) == tagged.bucket(b"user"))
    );
}

#[test]
fn random_spreads_by_weight_whatever_the_key() {
    let followed = Followed::start(&ring(), &hashed(&json!({ "distribution": "random" })));
    let layout = followed.layout();
    let mut counts = HashMap::new();
    for _ in 0..700 {
        let shard = layout.shard(layout.bucket(b"k")).unwrap();
        *counts
            .entry(layout.shards[shard].primary.as_ref().unwrap().id.clone())
            .or_insert(0) += 1;
    }
    assert_eq!(counts["a"], 100);
    assert_eq!(counts["server-four"], 300);
}

#[test]
fn a_reload_takes_new_members_and_keeps_the_others() {
    let followed = Followed::start(&ring(), &hashed(&json!({})));
    let before = followed.layout();
    followed.reload(&ring()[..3], &hashed(&json!({})));
    let after = followed.layout();
    assert_eq!((before.shards.len(), after.shards.len()), (4, 3));
    for node in after.nodes() {
        assert!(before.nodes().any(|known| Arc::ptr_eq(&known.endpoint, &node.endpoint)));
    }
    let generation = followed.atlas().generation();
    followed.reload(&ring()[..3], &hashed(&json!({})));
    assert_eq!(followed.atlas().generation(), generation, "nothing changed");
}
