use super::*;

fn plan(listeners: &[(&str, &str)]) -> PostgresPlan {
    let listener = |(name, address): &(&str, &str)| {
        let config = serde_json::json!({
            "address": address,
            "login": { "method": "trust" },
            "routes": [{ "cluster": "app" }],
        });
        ((*name).to_owned(), serde_json::from_value(config).unwrap())
    };
    let cluster = serde_json::json!({ "endpoints": [{ "address": "127.0.0.1:1" }] });
    let clusters = BTreeMap::from([("app".to_owned(), serde_json::from_value(cluster).unwrap())]);
    let listeners = listeners.iter().map(listener).collect();
    PostgresPlan::build(&listeners, &clusters, &HashMap::new(), HashMap::new()).unwrap()
}

/// Whoever came in at one address is not judged by the rules of another, whatever its listener is called by then.
#[test]
fn rules_are_those_of_an_address() {
    let (socket, port) = ("unix:/run/pg", "127.0.0.1:6432");
    let before = plan(&[("inside", socket), ("outside", port)]);
    let after = plan(&[("inside", port), ("outside", socket)]);
    let at = |plan: &PostgresPlan, name: &str, address: &str| plan.rules_at(name, &address.parse().unwrap()).is_some();
    for (name, address) in [("inside", socket), ("outside", port)] {
        assert!(at(&before, name, address) && !at(&after, name, address), "{name}");
    }
    assert!(at(&after, "inside", port) && !at(&before, "inside", port));
    assert!(!at(&after, "other", port));
}
