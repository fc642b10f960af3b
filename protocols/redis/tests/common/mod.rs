//! A real server, and the gateway in front of it.

#[allow(dead_code, reason = "not every test binary loads the gateway")]
pub(crate) mod load;
#[allow(dead_code, reason = "not every test binary draws lots")]
pub(crate) mod random;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate_chain::Factory;
use tidegate_cluster::Cluster;
use tidegate_conformance::{Client, House, Subject};
use tidegate_kit::{Flavour, Redis as Server, RespClient, eventually};
use tidegate_redis::{Redis, RedisCluster, RedisListener, RedisPlan, targets};
use tidegate_redis_wire::reply::Cursor;
use tidegate_redis_wire::request;
use tidegate_telemetry::Registry;

pub(crate) struct Both {
    #[allow(dead_code, reason = "not every test binary looks at it")]
    pub(crate) server: Server,
    pub(crate) house: House,
}

#[allow(dead_code, reason = "not every test binary uses all of it")]
impl Both {
    /// A server without a password, and a gateway that trusts everyone.
    #[allow(dead_code, reason = "not every test binary starts so")]
    pub(crate) fn start(flavour: Flavour) -> Self {
        let trust = json!({ "login": { "method": "trust" } });
        Self::with(Server::start(flavour), &trust, &json!({}))
    }

    /// With more to say of the listener and of the cluster.
    pub(crate) fn with(server: Server, listener: &Json, cluster: &Json) -> Self {
        Self::chained(server, listener, cluster, Vec::new())
    }

    /// With steps that look at commands.
    pub(crate) fn chained(server: Server, listener: &Json, cluster: &Json, chain: Vec<Arc<dyn Factory>>) -> Self {
        let house = gateway(&[server.address()], listener, cluster, chain);
        Self { server, house }
    }

    /// A client of the gateway.
    pub(crate) fn client(&self) -> RespClient {
        RespClient::connect(self.house.address())
    }
}

/// A gateway in front of several clusters, `c0` and so on, of one server each.
#[allow(dead_code, reason = "not every test binary uses it")]
pub(crate) fn clusters(servers: &[SocketAddr], listener: &Json, chain: Vec<Arc<dyn Factory>>) -> House {
    let mut wanted = json!({ "address": "127.0.0.1:0" });
    extend(&mut wanted, listener);
    let listener: RedisListener = serde_json::from_value(wanted).expect("a listener");
    let (mut all, mut members) = (BTreeMap::new(), HashMap::new());
    for (number, address) in servers.iter().enumerate() {
        let cluster = json!({ "endpoints": [{ "address": address.to_string() }], "health": { "interval": "200ms" } });
        let cluster: RedisCluster = serde_json::from_value(cluster).expect("a cluster");
        let known = Cluster::new(
            format!("c{number}"),
            cluster.balance.unwrap_or_default(),
            cluster.health,
        );
        known.apply(&targets(&cluster));
        all.insert(format!("c{number}"), cluster);
        members.insert(format!("c{number}"), Arc::new(known));
    }
    let listeners = BTreeMap::from([("main".to_owned(), listener)]);
    let chains = HashMap::from([("main".to_owned(), chain)]);
    ready(RedisPlan::build(&listeners, &all, &members, chains).expect("a plan"))
}

/// A gateway in front of these servers, as soon as it is ready; `listener` and `cluster` say more of its configuration.
pub(crate) fn gateway(servers: &[SocketAddr], listener: &Json, cluster: &Json, chain: Vec<Arc<dyn Factory>>) -> House {
    ready(plan(servers, listener, cluster, chain))
}

/// The same, and it may never be ready.
#[allow(dead_code, reason = "not every test binary uses it")]
pub(crate) fn unready(
    servers: &[SocketAddr],
    listener: &Json,
    cluster: &Json,
    chain: Vec<Arc<dyn Factory>>,
) -> (House, Arc<Redis>) {
    serve(plan(servers, listener, cluster, chain))
}

/// Takes another configuration, as with a reload.
#[allow(dead_code, reason = "not every test binary reloads")]
pub(crate) fn reload(protocol: &Redis, servers: &[SocketAddr], cluster: &Json) {
    let trust = json!({ "login": { "method": "trust" } });
    protocol.install(plan(servers, &trust, cluster, Vec::new()));
}

fn ready(plan: RedisPlan) -> House {
    let (house, protocol) = serve(plan);
    eventually("the gateway is ready", || protocol.unready().is_empty());
    house
}

/// A gateway whose listener can be configured anew.
#[allow(dead_code, reason = "not every test binary reloads")]
pub(crate) fn reloadable(servers: &[SocketAddr], listener: &Json) -> (House, impl Fn(&Json) + use<>) {
    let (house, protocol) = serve(plan(servers, listener, &json!({}), Vec::new()));
    eventually("the gateway is ready", || protocol.unready().is_empty());
    let servers = servers.to_vec();
    let install = move |listener: &Json| protocol.install(plan(&servers, listener, &json!({}), Vec::new()));
    (house, install)
}

fn serve(plan: RedisPlan) -> (House, Arc<Redis>) {
    let registry = Arc::new(Registry::new());
    let protocol = Redis::new(&registry);
    protocol.install(plan);
    let house = House::start(Arc::clone(&protocol) as _, registry);
    house.control().spawn(Arc::clone(&protocol).watch_health());
    (house, protocol)
}

/// Two gateways in front of the same servers, each of which shows itself and the other as the nodes of a cluster.
#[allow(dead_code, reason = "not every test binary advertises")]
pub(crate) fn advertised(servers: &[SocketAddr], cluster: &Json) -> [House; 2] {
    let trust = json!({ "login": { "method": "trust" } });
    let begun = [(); 2].map(|()| {
        let registry = Arc::new(Registry::new());
        let protocol = Redis::new(&registry);
        protocol.install(plan(servers, &trust, cluster, Vec::new()));
        let house = House::start(Arc::clone(&protocol) as _, registry);
        (house, protocol)
    });
    // Where they listen is known only now.
    let addresses = [begun[0].0.address().to_string(), begun[1].0.address().to_string()];
    for ((house, protocol), at) in begun.iter().zip([0, 1]) {
        let advertise = json!({ "address": addresses[at], "peers": [addresses[1 - at]] });
        let listener = json!({ "login": { "method": "trust" }, "advertise": advertise });
        protocol.install(plan(servers, &listener, cluster, Vec::new()));
        house.control().spawn(Arc::clone(protocol).watch_health());
        eventually("the gateway is ready", || protocol.unready().is_empty());
    }
    begun.map(|(house, _)| house)
}

fn plan(servers: &[SocketAddr], listener: &Json, cluster: &Json, chain: Vec<Arc<dyn Factory>>) -> RedisPlan {
    let mut wanted = json!({ "address": "127.0.0.1:0", "routes": [{ "cluster": "app" }] });
    extend(&mut wanted, listener);
    let listener: RedisListener = serde_json::from_value(wanted).expect("a listener");
    let mut wanted = json!({
        "endpoints": servers.iter().map(|server| json!({ "address": server.to_string() })).collect::<Vec<_>>(),
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
        HashMap::from([("main".to_owned(), chain)]),
    )
    .expect("a plan")
}

fn extend(base: &mut Json, more: &Json) {
    if let (Some(base), Some(more)) = (base.as_object_mut(), more.as_object()) {
        base.extend(more.clone());
    }
}

/// A client of the gateway, or of the server itself.
pub(crate) struct ByHand(RespClient);

/// The length of an entry in the stream that long answers come from.
const ENTRY: usize = 64 * 1024;

impl Subject for Both {
    type Client = ByHand;

    fn start(chain: Vec<Arc<dyn Factory>>) -> Self {
        let server = Server::start(Flavour::Redis);
        let fill = format!("for i = 1, 1600 do redis.call('XADD', KEYS[1], '*', 'f', string.rep('y', {ENTRY})) end");
        server.ask(&["EVAL", &fill, "1", "long"]);
        let trust = json!({ "login": { "method": "trust" } });
        Self::chained(server, &trust, &json!({ "pool": { "size": 4 } }), chain)
    }

    fn house(&self) -> &House {
        &self.house
    }

    fn connect(&self) -> ByHand {
        ByHand(self.client())
    }

    fn direct(&self) -> ByHand {
        ByHand(RespClient::connect(self.server.address()))
    }

    fn kill_server(&mut self) {
        self.server.kill();
    }

    fn revive_server(&mut self) {
        self.server.run();
    }

    fn echo(text: &str, least: usize) -> Vec<u8> {
        command(&["ECHO", &format!("{text} {}", "x".repeat(least))])
    }

    fn long(size: usize) -> Vec<u8> {
        let count = (size / ENTRY + 1).to_string();
        command(&["XREAD", "COUNT", &count, "BLOCK", "1000", "STREAMS", "long", "0"])
    }

    fn slow(milliseconds: u32) -> Vec<u8> {
        let seconds = f64::from(milliseconds) / 1000.0;
        command(&["BLPOP", "nothing", &seconds.to_string()])
    }

    fn varying() -> Vec<u8> {
        command(&["TIME"])
    }

    fn is_error(reply: &[u8]) -> bool {
        reply.first() == Some(&b'-')
    }

    fn messages(stream: &[u8]) -> Vec<Range<usize>> {
        let (mut at, mut found) = (0, Vec::new());
        while at < stream.len() {
            let walk = Cursor::new().walk(&stream[at..]).expect("replies");
            let end = if walk.ended { at + walk.run } else { stream.len() };
            found.push(at..end);
            at = end;
        }
        found
    }
}

impl Client for ByHand {
    fn send(&mut self, bytes: &[u8]) {
        // A gateway that has closed shows it in the reply.
        let _gone = self.0.try_send(bytes);
    }

    fn reply(&mut self) -> io::Result<Vec<u8>> {
        self.0.try_raw()
    }

    fn half_close(&mut self) {
        self.0.half_close();
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    request::command(&mut out, words);
    out
}
