use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Address, Period};
use tidegate_net::tls::Connector;
use tidegate_net::{Keepalive, NetError, TlsClient};
use tidegate_postgres_wire::CancelAddress;
use tokio::sync::Semaphore;

use crate::dial::{DialError, Way, send_cancel};
use crate::plan::PlanMistake;

/// Another gateway behind the same address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresPeer {
    /// Where it listens for PostgreSQL clients, itself and not through what stands before the gateways: `host:port`,
    /// `[ipv6]:port` or `unix:/path`.
    pub address: Address,
    /// TLS towards it.
    #[serde(default)]
    pub tls: TlsClient,
    /// How long a cancel may take, from its coming to its end.
    #[serde(default = "five_seconds")]
    pub timeout: Period,
    /// The most cancels that are on their way to it at once; others wait for their turn.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1))]
    pub max_cancels: usize,
}

/// The other gateways behind the same address, by number.
#[derive(Debug, Default)]
pub struct Peers(BTreeMap<u8, Arc<Peer>>);

/// Another gateway, and the cancels that are to go there.
#[derive(Debug)]
pub(crate) struct Peer {
    config: PostgresPeer,
    tls: Connector,
    turns: Semaphore,
    /// Cancels that wait or are on their way.
    cancels: AtomicUsize,
}

/// Another gateway as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Its number.
    pub node: u8,
    /// Where it is.
    pub address: Address,
    /// The most cancels on their way to it.
    pub max_cancels: usize,
    /// Cancels on their way to it.
    pub active: usize,
    /// Cancels that wait for their turn.
    pub waiting: usize,
}

/// Counts a cancel for as long as it lives.
struct Counted<'p>(&'p AtomicUsize);

impl Peers {
    /// Reads them; reports every mistake. The gateway's own number is left out, so that all can have the same file.
    pub fn build(peers: &BTreeMap<String, PostgresPeer>, node: u8) -> Result<Self, Vec<PlanMistake>> {
        let mut built = BTreeMap::new();
        let mut mistakes = Vec::new();
        for (name, config) in peers {
            let wrong = |path: String, message: String| PlanMistake {
                path,
                message,
                candidates: Vec::new(),
            };
            let Some(number) = number(name) else {
                let message = format!(
                    "the `node` of a gateway is expected, from 0 to {}",
                    CancelAddress::NODES - 1
                );
                mistakes.push(wrong(format!("peers.{name}"), message));
                continue;
            };
            match Peer::build(config) {
                Ok(_) if number == node => {}
                Ok(peer) => drop(built.insert(number, Arc::new(peer))),
                Err(error) => mistakes.push(wrong(format!("peers.{name}.tls"), error.to_string())),
            }
        }
        if mistakes.is_empty() {
            Ok(Self(built))
        } else {
            Err(mistakes)
        }
    }

    /// Those that stay as they were stay what they were: what is under way to them still counts.
    pub(crate) fn keep(&mut self, before: &Self) {
        for (node, peer) in &mut self.0 {
            if let Some(known) = before.0.get(node).filter(|known| known.config == peer.config) {
                *peer = Arc::clone(known);
            }
        }
    }

    pub(crate) fn get(&self, node: u8) -> Option<Arc<Peer>> {
        self.0.get(&node).map(Arc::clone)
    }

    pub(crate) fn views(&self) -> Vec<PeerView> {
        self.0.iter().map(|(node, peer)| peer.view(*node)).collect()
    }
}

/// A number as it is written, and no other way: two keys would mean one gateway.
fn number(name: &str) -> Option<u8> {
    let number: u8 = name.parse().ok()?;
    (number < CancelAddress::NODES && number.to_string() == name).then_some(number)
}

impl Peer {
    fn build(config: &PostgresPeer) -> Result<Self, NetError> {
        Ok(Self {
            tls: Connector::build(&config.tls, &[])?,
            turns: Semaphore::new(config.max_cancels.clamp(1, Semaphore::MAX_PERMITS)),
            cancels: AtomicUsize::new(0),
            config: config.clone(),
        })
    }

    /// Sends a cancel on. Returns when the peer has closed the connection, as it does when it is done with it.
    pub(crate) async fn send(&self, process: i32, secret: &[u8]) -> Result<(), DialError> {
        let limit = self.config.timeout.duration();
        let address = &self.config.address;
        let way = Way {
            address,
            name: address.host().unwrap_or("localhost"),
            tls: &self.tls,
            keepalive: Keepalive::default(),
        };
        let _counted = Counted::new(&self.cancels);
        let sending = async {
            let _turn = self.turns.acquire().await;
            send_cancel(&way, limit, CancelAddress::sent_on(process), secret).await
        };
        match tokio::time::timeout(limit, sending).await {
            Ok(result) => result,
            Err(_) => Err(DialError::Net(NetError::TimedOut {
                what: format!("sending a cancel on to {address}"),
                limit,
            })),
        }
    }

    fn view(&self, node: u8) -> PeerView {
        let most = self.config.max_cancels;
        let all = self.cancels.load(Ordering::Relaxed);
        let active = most.saturating_sub(self.turns.available_permits());
        PeerView {
            node,
            address: self.config.address.clone(),
            max_cancels: most,
            active,
            waiting: all.saturating_sub(active),
        }
    }
}

impl<'p> Counted<'p> {
    fn new(count: &'p AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn five_seconds() -> Period {
    Period::seconds(5)
}

fn twenty() -> usize {
    20
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> PostgresPeer {
        PostgresPeer {
            address: address.parse().unwrap(),
            tls: TlsClient::default(),
            timeout: five_seconds(),
            max_cancels: 2,
        }
    }

    fn build(peers: &[(&str, &str)]) -> Result<Peers, Vec<PlanMistake>> {
        let peers = peers.iter().map(|(name, address)| ((*name).to_owned(), peer(address)));
        Peers::build(&peers.collect(), 1)
    }

    #[test]
    fn names_are_numbers_of_gateways() {
        let built = build(&[("0", "a:1"), ("1", "b:1"), ("63", "unix:/c")]).unwrap();
        let nodes: Vec<u8> = built.views().iter().map(|view| view.node).collect();
        assert_eq!(nodes, [0, 63], "its own is left out");
        for name in ["64", "256", "-1", "one", "01", "+1", ""] {
            let mistakes = build(&[(name, "a:1")]).unwrap_err();
            assert_eq!(mistakes[0].path, format!("peers.{name}"));
        }
    }

    #[test]
    fn who_stays_as_it_was_stays_what_it_was() {
        let before = build(&[("2", "a:1"), ("3", "b:1")]).unwrap();
        let mut after = build(&[("2", "a:1"), ("3", "b:2"), ("4", "c:1")]).unwrap();
        after.keep(&before);
        let same = |node: u8| Arc::ptr_eq(&before.get(node).unwrap(), &after.get(node).unwrap());
        assert!(same(2) && !same(3));
        assert!(after.get(4).is_some() && after.get(5).is_none());
    }
}
