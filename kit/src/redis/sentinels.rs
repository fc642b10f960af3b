use std::net::SocketAddr;

use super::{Flavour, Redis};
use crate::eventually;

/// How long a server may be silent before a sentinel takes it to be down, in milliseconds.
const PATIENCE: &str = "1000";

/// A primary with replicas, and sentinels that watch over them under the name `mymaster`.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl RedisSentinels {
    /// The name that the sentinels know the primary by.
    pub const NAME: &'static str = "mymaster";

    /// Three servers, the first of which is the primary, and three sentinels of which two must agree; waits until all
    /// of them know one another.
    pub fn start(flavour: Flavour) -> Self {
        let primary = Redis::start(flavour);
        let replicas: Vec<Redis> = (0..2)
            .map(|_| Redis::builder(flavour).replica_of(&primary).start())
            .collect();
        for replica in &replicas {
            replica.wait_synchronised();
        }
        let sentinels = (0..3).map(|_| sentinel(flavour, primary.port())).collect();
        let mut servers = vec![primary];
        servers.extend(replicas);
        let set = Self { servers, sentinels };
        set.wait_ok();
        set
    }

    /// The servers.
    pub fn servers(&self) -> &[Redis] {
        &self.servers
    }

    /// A server, to stop it or to run it again.
    pub fn server(&mut self, index: usize) -> &mut Redis {
        &mut self.servers[index]
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// A sentinel, to stop it or to run it again.
    pub fn sentinel(&mut self, index: usize) -> &mut Redis {
        &mut self.sentinels[index]
    }

    /// The addresses of the sentinels.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(Redis::address).collect()
    }

    /// The server that is the primary now, as the sentinels that run agree; `None` while they do not.
    pub fn primary(&self) -> Option<usize> {
        let running = self.sentinels.iter().filter(|sentinel| sentinel.process().is_some());
        let mut told = running.map(|sentinel| {
            let place = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME]);
            place.items().get(1).map(super::Resp::text)
        });
        let first = told.next()??;
        let agreed = told.all(|port| port.as_ref() == Some(&first));
        let at = self
            .servers
            .iter()
            .position(|server| server.port().to_string() == first);
        at.filter(|_| agreed)
    }

    /// Asks for a failover in order, and waits until all sentinels know its outcome.
    #[track_caller]
    pub fn fail_over(&self) {
        let before = self.primary();
        eventually("a failover begins", || {
            let asked = self.sentinels[0].ask(&["SENTINEL", "FAILOVER", Self::NAME]).text();
            asked == "OK" || self.primary().is_some_and(|now| Some(now) != before)
        });
        eventually("there is another primary", || {
            self.primary().is_some_and(|now| Some(now) != before)
        });
    }

    /// Waits until every sentinel knows all others and all replicas.
    #[track_caller]
    pub fn wait_ok(&self) {
        let others = (self.sentinels.len() - 1).to_string();
        let replicas = (self.servers.len() - 1).to_string();
        eventually("the sentinels know one another", || {
            self.sentinels.iter().all(|sentinel| {
                let master = sentinel.ask(&["SENTINEL", "MASTER", Self::NAME]);
                let field = |name: &str| {
                    let mut pairs = master.items().chunks_exact(2);
                    let pair = pairs.find(|pair| pair[0].text() == name);
                    pair.map(|pair| pair[1].text()).unwrap_or_default()
                };
                field("num-other-sentinels") == others && field("num-slaves") == replicas && field("flags") == "master"
            })
        });
    }
}

fn sentinel(flavour: Flavour, primary: u16) -> Redis {
    let name = RedisSentinels::NAME;
    Redis::builder(flavour)
        .sentinel()
        .setting("sentinel monitor", &format!("{name} 127.0.0.1 {primary} 2"))
        .setting("sentinel down-after-milliseconds", &format!("{name} {PATIENCE}"))
        .setting("sentinel failover-timeout", &format!("{name} 5000"))
        .start()
}
