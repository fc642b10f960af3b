//! PostgreSQL as the suite of behaviours sees it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidegate_chain::Factory;
use tidegate_cluster::Cluster;
use tidegate_conformance::{Client, House, Subject};
use tidegate_kit::{Postgres as Server, RawClient, Stop, Target, message};
use tidegate_postgres::{Postgres, PostgresCluster, PostgresListener, PostgresPlan, targets};
use tidegate_postgres_wire::Head;
use tidegate_telemetry::Registry;

/// A real server, and the gateway in front of it.
pub(crate) struct Subjected {
    server: Server,
    house: House,
}

/// A client of either.
pub(crate) struct ByHand(pub(crate) RawClient);

impl Subjected {
    /// Starts both; `pool` is the cluster's `pool` section.
    pub(crate) fn with_pool(chain: Vec<Arc<dyn Factory>>, pool: &Json) -> Self {
        let server = Server::start();
        let registry = Arc::new(Registry::new());
        let protocol = Postgres::new(&registry, 0);
        protocol.install(plan(&server, chain, pool));
        let house = House::start(Arc::clone(&protocol) as _, registry);
        house.control().spawn(protocol.watch_health());
        Self { server, house }
    }

    /// The server.
    #[allow(dead_code, reason = "not every test binary looks at it")]
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The gateway's address, with the server's credentials.
    pub(crate) fn target(&self) -> Target {
        Target {
            port: self.house.address().port(),
            ..self.server.target()
        }
    }
}

fn plan(server: &Server, chain: Vec<Arc<dyn Factory>>, pool: &Json) -> PostgresPlan {
    let target = server.target();
    let users = json!({ target.user.clone(): { "password": target.password } });
    let listener = json!({
        "address": "127.0.0.1:0",
        "login": { "users": users },
        "routes": [{ "cluster": "app" }],
    });
    let cluster = json!({
        "endpoints": [{ "address": server.address().to_string() }],
        "health": { "interval": "200ms" },
        "pool": pool,
    });
    let listener: PostgresListener = serde_json::from_value(listener).expect("a listener");
    let cluster: PostgresCluster = serde_json::from_value(cluster).expect("a cluster");
    let members = Arc::new(Cluster::new("app".to_owned(), cluster.balance, cluster.health));
    members.apply(&targets(&cluster));
    PostgresPlan::build(
        &BTreeMap::from([("main".to_owned(), listener)]),
        &BTreeMap::from([("app".to_owned(), cluster)]),
        &HashMap::from([("app".to_owned(), members)]),
        HashMap::from([("main".to_owned(), chain)]),
    )
    .expect("a plan")
}

impl Subject for Subjected {
    type Client = ByHand;

    fn start(chain: Vec<Arc<dyn Factory>>) -> Self {
        Self::with_pool(chain, &json!({ "mode": "transaction", "size": 4 }))
    }

    fn house(&self) -> &House {
        &self.house
    }

    fn connect(&self) -> ByHand {
        ByHand(RawClient::connect(&self.target()))
    }

    fn direct(&self) -> ByHand {
        ByHand(RawClient::connect(&self.server.target()))
    }

    fn kill_server(&mut self) {
        self.server.stop(Stop::Immediate);
    }

    fn revive_server(&mut self) {
        self.server.run();
    }

    fn echo(text: &str, least: usize) -> Vec<u8> {
        message::query(&format!("SELECT '{text}' /*{}*/", "x".repeat(least)))
    }

    fn long(size: usize) -> Vec<u8> {
        let rows = size / 1000 + 1;
        message::query(&format!("SELECT repeat('y', 1000) FROM generate_series(1, {rows})"))
    }

    fn slow(milliseconds: u32) -> Vec<u8> {
        message::query(&format!("SELECT pg_sleep({milliseconds} / 1000.0)"))
    }

    fn varying() -> Vec<u8> {
        message::query("SELECT clock_timestamp(), random()")
    }

    fn is_error(reply: &[u8]) -> bool {
        Self::messages(reply).iter().any(|range| reply[range.start] == b'E')
    }

    fn messages(stream: &[u8]) -> Vec<Range<usize>> {
        let (mut at, mut found) = (0, Vec::new());
        while let Some(Ok(Some(head))) = stream.get(at..).map(Head::read) {
            found.push(at..(at + head.total()).min(stream.len()));
            at += head.total();
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
        let mut bytes = Vec::new();
        loop {
            let frame = self.0.try_frame()?;
            bytes.extend(frame.bytes());
            if frame.tag == b'Z' {
                return Ok(bytes);
            }
        }
    }

    fn half_close(&mut self) {
        self.0.half_close();
    }
}
