//! A real server, and the gateway in front of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate_cluster::Cluster;
use tidegate_conformance::House;
use tidegate_kit::{Flavour, Redis as Server, RespClient};
use tidegate_redis::{Redis, RedisCluster, RedisListener, RedisPlan, targets};
use tidegate_telemetry::Registry;

pub(crate) struct Both {
    #[allow(dead_code, reason = "not every test binary looks at it")]
    pub(crate) server: Server,
    pub(crate) house: House,
}

impl Both {
    /// A server without a password, and a gateway that trusts everyone.
    pub(crate) fn start(flavour: Flavour) -> Self {
        let trust = json!({ "login": { "method": "trust" } });
        Self::with(Server::start(flavour), &trust, &json!({}))
    }

    /// With more to say of the listener and of the cluster.
    pub(crate) fn with(server: Server, listener: &Json, cluster: &Json) -> Self {
        let protocol = Redis::new();
        protocol.install(plan(&server, listener, cluster));
        let house = House::start(Arc::clone(&protocol) as _, Arc::new(Registry::new()));
        house.control().spawn(protocol.watch_health());
        Self { server, house }
    }

    /// A client of the gateway.
    pub(crate) fn client(&self) -> RespClient {
        RespClient::connect(self.house.address())
    }
}

fn plan(server: &Server, listener: &Json, cluster: &Json) -> RedisPlan {
    let mut wanted = json!({ "address": "127.0.0.1:0", "routes": [{ "cluster": "app" }] });
    extend(&mut wanted, listener);
    let listener: RedisListener = serde_json::from_value(wanted).expect("a listener");
    let mut wanted = json!({
        "endpoints": [{ "address": server.address().to_string() }],
        "health": { "interval": "200ms" },
        "connect": { "retries": 0 },
    });
    extend(&mut wanted, cluster);
    let cluster: RedisCluster = serde_json::from_value(wanted).expect("a cluster");
    let members = Arc::new(Cluster::new(
        "app".to_owned(),
        cluster.balance.unwrap_or_default(),
        cluster.health,
    ));
    members.apply(&targets(&cluster));
    RedisPlan::build(
        &BTreeMap::from([("main".to_owned(), listener)]),
        &BTreeMap::from([("app".to_owned(), cluster)]),
        &HashMap::from([("app".to_owned(), members)]),
    )
    .expect("a plan")
}

fn extend(base: &mut Json, more: &Json) {
    if let (Some(base), Some(more)) = (base.as_object_mut(), more.as_object()) {
        base.extend(more.clone());
    }
}
