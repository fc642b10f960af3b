use serde_json::json;

use super::super::mistakes;
use super::*;

#[track_caller]
fn check(endpoints: &[Json], more: &Json, expected: &[(&str, &str)]) {
    let found = mistakes(&config(endpoints, more));
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    let wanted: Vec<&str> = expected.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, wanted, "{found:?}");
    for ((_, message), (_, part)) in found.iter().zip(expected) {
        assert!(message.contains(part), "{message}");
    }
}

fn one() -> Vec<Json> {
    vec![json!({ "address": "a:1" })]
}

fn two() -> Vec<Json> {
    vec![json!({ "address": "a:1" }), json!({ "address": "b:1" })]
}

#[test]
fn what_is_right_is_no_mistake() {
    check(&one(), &json!({}), &[]);
    check(
        &two(),
        &json!({ "topology": { "kind": "replicated", "refresh": "5s" }, "reads": { "from": "nearest", "max_lag": "0" }, "balance": "random" }),
        &[],
    );
    check(
        &two(),
        &json!({ "topology": { "kind": "sentinel", "master": "m", "credential": { "password": "x" } } }),
        &[],
    );
    check(
        &two(),
        &json!({ "topology": { "kind": "cluster" }, "reads": { "from": "prefer_replica" } }),
        &[],
    );
    let named = [
        json!({ "address": "a:1", "name": "x", "weight": 2 }),
        json!({ "address": "unix:/y" }),
    ];
    check(
        &named,
        &json!({ "topology": { "kind": "hash", "hash": "md5", "distribution": "modula", "hash_tag": "$$" } }),
        &[],
    );
}

#[test]
fn what_has_no_meaning_is_a_mistake() {
    let all = json!({
        "kind": "single", "refresh": "1s", "master": "m", "credential": { "password": "x" }, "hash": "md5",
        "distribution": "modula", "hash_tag": "{}",
    });
    let of = |names: &'static str| names;
    check(
        &one(),
        &json!({ "topology": all }),
        &[
            (
                "topology.refresh",
                of("only for `replicated` or `sentinel` or `cluster`"),
            ),
            (
                "topology.master",
                of("no meaning for topology `single`, only for `sentinel`"),
            ),
            ("topology.credential", of("`sentinel`")),
            ("topology.hash", of("`hash`")),
            ("topology.distribution", of("`hash`")),
            ("topology.hash_tag", of("`hash`")),
        ],
    );
    check(&two(), &json!({}), &[("endpoints", "exactly one")]);
    check(
        &[json!({ "address": "unix:/a", "role": "replica", "weight": 2, "name": "n" })],
        &json!({ "topology": { "kind": "cluster" } }),
        &[
            ("endpoints.0.role", "`replicated`"),
            ("endpoints.0.weight", "`hash` or `replicated`"),
            ("endpoints.0.name", "`hash`"),
            ("endpoints.0.address", "host:port"),
        ],
    );
}

#[test]
fn what_is_needed_is_asked_for() {
    check(
        &two(),
        &json!({ "topology": { "kind": "sentinel" } }),
        &[("topology.master", "mymaster")],
    );
    check(
        &two(),
        &json!({ "topology": { "kind": "cluster", "refresh": "0" } }),
        &[("topology.refresh", "longer than 0")],
    );
    check(
        &two(),
        &json!({ "topology": { "kind": "hash", "hash_tag": "{" } }),
        &[("topology.hash_tag", "two ASCII characters")],
    );
    let twins = [
        json!({ "address": "a:1", "name": "x" }),
        json!({ "address": "b:1", "name": "x" }),
    ];
    check(
        &twins,
        &json!({ "topology": { "kind": "hash" } }),
        &[("endpoints.1.name", "one name")],
    );
}

#[test]
fn reads_and_balance_need_replicas() {
    let replicated = |more: Json| {
        let mut config = json!({ "topology": { "kind": "replicated" } });
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        config
    };
    check(
        &one(),
        &json!({ "reads": { "from": "nearest" } }),
        &[("reads.from", "no replicas")],
    );
    check(
        &two(),
        &replicated(json!({ "reads": { "max_lag": "1s" } })),
        &[("reads.max_lag", "no meaning")],
    );
    check(
        &two(),
        &replicated(json!({ "balance": "random" })),
        &[("balance", "reads.from")],
    );
    check(
        &two(),
        &replicated(json!({ "balance": "consistent_hash", "reads": { "from": "nearest" } })),
        &[("balance", "share the connections")],
    );
    check(
        &two(),
        &replicated(json!({ "reads": { "from": "nearest" }, "health": { "interval": "0" } })),
        &[("health.interval", "health checks")],
    );
}
