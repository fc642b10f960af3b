//! DNS names that are resolved again and again: every address of a name is an endpoint.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_base::{Address, Period};
use tidegate_cluster::{Discover, Target};

/// The most endpoints that one name brings; addresses past it are left out.
const MOST_PER_NAME: usize = 64;

/// Resolve the names in `endpoints` again and again, and make an endpoint of each address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DnsConfig {
    /// Time between two look-ups.
    pub interval: Period,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            interval: Period::seconds(30),
        }
    }
}

/// Resolves names through the system's resolver, so that hosts files and search domains hold.
#[derive(Debug, Clone)]
pub struct Dns {
    targets: Vec<Target>,
    interval: Duration,
}

impl Dns {
    /// These names, looked up at this interval (at least a second).
    pub fn new(targets: Vec<Target>, config: DnsConfig) -> Self {
        Self {
            targets,
            interval: config.interval.duration().max(Duration::from_secs(1)),
        }
    }
}

impl Discover for Dns {
    fn watch(&self) -> BoxStream<'static, Vec<Target>> {
        let watch = Watch {
            dns: self.clone(),
            last: None,
        };
        stream::unfold(watch, |mut watch| async move {
            let targets = watch.next().await;
            Some((targets, watch))
        })
        .boxed()
    }
}

struct Watch {
    dns: Dns,
    last: Option<Vec<Target>>,
}

impl Watch {
    /// Looks up until something is different. A name that cannot be resolved keeps the addresses that it had.
    async fn next(&mut self) -> Vec<Target> {
        loop {
            if self.last.is_some() {
                tokio::time::sleep(self.dns.interval).await;
            }
            let mut found = Vec::new();
            for target in &self.dns.targets {
                found.extend(self.resolve(target).await);
            }
            if self.last.as_ref() != Some(&found) {
                self.last = Some(found.clone());
                return found;
            }
        }
    }

    async fn resolve(&self, target: &Target) -> Vec<Target> {
        let Address::Tcp { host, port } = &target.address else {
            return vec![target.clone()];
        };
        if host.parse::<IpAddr>().is_ok() {
            return vec![target.clone()];
        }
        match tokio::net::lookup_host((host.as_str(), *port)).await {
            Ok(addresses) => {
                let mut ips: Vec<_> = addresses.map(|address| address.ip()).take(MOST_PER_NAME).collect();
                ips.sort_unstable();
                ips.dedup();
                ips.into_iter().map(|ip| resolved(target, host, ip, *port)).collect()
            }
            Err(error) => {
                tracing::warn!(name = %host, %error, "cannot resolve; keeping the addresses that are known");
                let known = self.last.iter().flatten();
                known
                    .filter(|known| known.server_name.as_ref() == Some(host))
                    .cloned()
                    .collect()
            }
        }
    }
}

fn resolved(target: &Target, host: &str, ip: IpAddr, port: u16) -> Target {
    Target {
        address: Address::Tcp {
            host: ip.to_string(),
            port,
        },
        server_name: Some(host.to_owned()),
        ..target.clone()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_cluster::Role;

    use super::*;

    fn target(address: &str) -> Target {
        Target {
            address: address.parse().unwrap(),
            server_name: None,
            role: Role::Replica,
            weight: 3,
        }
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_an_endpoint_and_literals_stay() {
        let dns = Dns::new(
            vec![target("localhost:5432"), target("127.0.0.9:1")],
            DnsConfig::default(),
        );
        let found = dns.watch().next().await.unwrap();
        assert!(found.len() >= 2);
        assert_eq!(found[0].server_name.as_deref(), Some("localhost"));
        assert_eq!((found[0].role, found[0].weight), (Role::Replica, 3));
        assert!(matches!(&found[0].address, Address::Tcp { host, port: 5432 } if host.parse::<IpAddr>().is_ok()));
        assert_eq!(found.last(), Some(&target("127.0.0.9:1")));
    }

    #[tokio::test]
    async fn a_name_that_is_gone_keeps_its_addresses() {
        let mut known = target("127.0.0.7:5432");
        known.server_name = Some("gone.invalid".to_owned());
        let watch = Watch {
            dns: Dns::new(vec![target("gone.invalid:5432")], DnsConfig::default()),
            last: Some(vec![known.clone()]),
        };
        assert_eq!(watch.resolve(&target("gone.invalid:5432")).await, [known]);
    }
}
