//! What a group keeps, and for how long.

use std::collections::BTreeMap;

use serde_json::json;
use tidegate_cluster::Cluster;
use tidegate_telemetry::Registry;

use super::*;
use crate::config::RedisCluster;
use crate::metrics::Families;
use crate::plan::{RedisPlan, targets};

fn group() -> Rc<Group> {
    let config = json!({ "endpoints": [{ "address": "127.0.0.1:1" }] });
    let config: RedisCluster = serde_json::from_value(config).unwrap();
    let members = Cluster::new("app".to_owned(), config.balance.unwrap_or_default(), config.health);
    members.apply(&targets(&config));
    let clusters = BTreeMap::from([("app".to_owned(), config)]);
    let members = HashMap::from([("app".to_owned(), Arc::new(members))]);
    let plan = RedisPlan::build(&BTreeMap::new(), &clusters, &members, HashMap::new()).unwrap();
    let rules = plan.clusters.get("app").unwrap();
    rules.adopt();
    let metrics = Families::new(&Registry::new()).group("app");
    Group::new("app".into(), Arc::clone(rules), metrics)
}

/// A client may select as many databases as it likes, whether they exist or not.
#[test]
fn places_that_nobody_uses_are_forgotten() {
    let group = group();
    let endpoint = Arc::clone(&group.layout().nodes().next().unwrap().endpoint);
    let key = |database| Key {
        database,
        ..Key::default()
    };
    for database in 0..500 {
        group.trunk(&endpoint, key(database), 0);
        group.pool(&endpoint, key(database));
    }
    let (trunk, pool) = (group.trunk(&endpoint, key(3), 0), group.pool(&endpoint, key(4)));
    *group.trunk(&endpoint, key(5), 0).state.borrow_mut() = State::Opening;
    assert_eq!((group.trunks.borrow().len(), group.pools.borrow().len()), (500, 500));
    group.maintain(Instant::now());
    assert_eq!((group.trunks.borrow().len(), group.pools.borrow().len()), (2, 1));
    assert!(Rc::ptr_eq(&trunk, &group.trunk(&endpoint, key(3), 0)));
    assert!(Rc::ptr_eq(&pool, &group.pool(&endpoint, key(4))));
}
