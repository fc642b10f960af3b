use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_chain::{Chain, Factory};
use tidegate_cluster::{Balance, Cluster, Health};
use tidegate_engine::{ListenerConfig, ListenerPlan};
use tidegate_net::tls::Acceptor;
use tidegate_net::{FileMode, Listening, NetError, TlsMode, TlsServer, UnixSocket};
use tidegate_telemetry::Registry;

use crate::finding::Finding;
use crate::registry::{Config, Origin, Step};

/// What a Plan is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see whether it can be: nothing is written.
    Check,
    /// To be put in force.
    Run,
}

/// What lives on when the next Plan wants it unchanged: certificates that were made, and endpoints' health.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    acceptors: HashMap<String, (TlsServer, Arc<Acceptor>)>,
    pub(crate) clusters: HashMap<String, Member>,
}

/// A cluster and where its endpoints come from.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) origin: Origin,
}

/// Builds what the listeners and clusters of all protocols have in common, and gathers every mistake.
pub(crate) struct Builder<'b> {
    purpose: Purpose,
    before: &'b Kept,
    registry: &'b Registry,
    pub(crate) kept: Kept,
    pub(crate) listeners: Vec<ListenerPlan>,
    pub(crate) findings: Vec<Finding>,
}

impl<'b> Builder<'b> {
    /// Nothing yet; what stays the same is taken over from `before`.
    pub(crate) fn new(purpose: Purpose, before: &'b Kept, registry: &'b Registry) -> Self {
        Self {
            purpose,
            before,
            registry,
            kept: Kept::default(),
            listeners: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// No two may want one address; port 0 is a new one each time.
    pub(crate) fn addresses(&mut self, config: &Config) {
        let mut taken = HashMap::new();
        let admin = &config.admin;
        if admin.enabled {
            if admin.address.port().is_none() {
                let message = "the admin API speaks HTTP over TCP: write host:port";
                self.findings.push(Finding::new("admin.address", message));
            }
            taken.insert(&admin.address, "the admin API".to_owned());
        }
        for (name, listener) in &config.listeners {
            let address = &listener.common().address;
            let other = taken.insert(address, format!("listener `{name}`"));
            if let Some(other) = other.filter(|_| address.port() != Some(0)) {
                let message = format!("{address} is already the address of {other}");
                self.findings
                    .push(Finding::new(format!("listeners.{name}.address"), message));
            }
        }
    }

    /// The same cluster as before when its endpoints may keep their health.
    pub(crate) fn cluster(&mut self, name: &str, balance: Balance, health: Health, origin: Origin) {
        let before = self.before.clusters.get(name).map(|member| &member.cluster);
        let same = before.filter(|cluster| cluster.balance == balance && cluster.health == health);
        let new = || Arc::new(Cluster::new(name.to_owned(), balance, health));
        let member = Member {
            cluster: same.map_or_else(new, Arc::clone),
            origin,
        };
        self.kept.clusters.insert(name.to_owned(), member);
    }

    /// The steps of a listener.
    pub(crate) fn chain(&mut self, listener: &str, steps: &[Step]) -> Vec<Arc<dyn Factory>> {
        if steps.len() > Chain::MAX_STEPS {
            let message = format!("has {} steps, and the most is {}", steps.len(), Chain::MAX_STEPS);
            self.findings
                .push(Finding::new(format!("listeners.{listener}.chain"), message));
        }
        let registry = self.registry;
        steps.iter().map(|step| step.factory(listener, registry)).collect()
    }

    /// A listener as the engine wants it.
    pub(crate) fn listener(&mut self, name: &str, config: &ListenerConfig, protocol: usize, alpn: &[&[u8]]) {
        let tls = match self.acceptor(name, &config.tls, alpn) {
            Ok(tls) => tls,
            Err(error) => {
                let path = format!("listeners.{name}.tls{}", key_of(&config.tls, &error));
                return self.findings.push(Finding::new(path, error.to_string()));
            }
        };
        let Some(listening) = self.listening(name, config) else {
            return;
        };
        self.listeners.push(ListenerPlan {
            name: Arc::from(name),
            address: config.address.clone(),
            listening,
            protocol,
            max_clients: config.max_clients,
            max_clients_in_all: 0,
            when_full: config.when_full,
            max_clients_per_address: config.max_clients_per_address,
            pre_auth_timeout: config.pre_auth_timeout.duration(),
            keepalive: config.keepalive,
            tls,
        });
    }

    /// How a listener's socket listens.
    fn listening(&mut self, name: &str, config: &ListenerConfig) -> Option<Listening> {
        let is_tcp = config.address.port().is_some();
        let mut wrong = |key: &str, message: String| {
            self.findings
                .push(Finding::new(format!("listeners.{name}.{key}"), message));
        };
        if config.unix != UnixSocket::default() {
            if is_tcp {
                wrong("unix", format!("{} is no Unix socket", config.address));
            } else if config.address.to_string().starts_with("unix:@") {
                let text = "has no file: whoever is on this machine may connect";
                wrong("unix", format!("{} {text}", config.address));
            }
        }
        if !is_tcp && config.reuse_port {
            wrong(
                "reuse_port",
                "processes can share a TCP port, and no Unix socket".to_owned(),
            );
        }
        let group = config
            .unix
            .group_id()
            .map_err(|error| wrong("unix.group", error.to_string()))
            .ok()?;
        Some(Listening {
            backlog: config.backlog,
            reuse_port: config.reuse_port,
            mode: config.unix.mode.map(FileMode::bits),
            group,
        })
    }

    /// A plan, or its mistakes among the findings.
    pub(crate) fn noting<P, M: Into<Finding>>(&mut self, plan: Result<P, Vec<M>>) -> Option<P> {
        plan.map_err(|mistakes| self.findings.extend(mistakes.into_iter().map(Into::into)))
            .ok()
    }

    fn acceptor(
        &mut self,
        name: &str,
        settings: &TlsServer,
        alpn: &[&[u8]],
    ) -> Result<Option<Arc<Acceptor>>, NetError> {
        if settings.mode == TlsMode::Disable {
            return Ok(None);
        }
        let before = self.before.acceptors.get(name).filter(|(known, _)| known == settings);
        let acceptor = match before {
            // A certificate that was made in memory must not change with every reload.
            Some((_, acceptor)) => Arc::clone(acceptor),
            None => Arc::new(Acceptor::build(&self.settings(settings), alpn)?),
        };
        let kept = (settings.clone(), Arc::clone(&acceptor));
        self.kept.acceptors.insert(name.to_owned(), kept);
        Ok(Some(acceptor))
    }
}

impl Builder<'_> {
    /// A check makes no certificate files, which may belong to another user than the one who checks.
    fn settings(&self, settings: &TlsServer) -> TlsServer {
        let mut settings = settings.clone();
        let folder = &mut settings.generate.directory;
        if self.purpose == Purpose::Check
            && folder
                .as_ref()
                .is_some_and(|folder| !folder.join("server.crt").exists())
        {
            *folder = None;
        }
        settings
    }
}

/// The key that names the file that an error is about.
fn key_of(settings: &TlsServer, error: &NetError) -> &'static str {
    let NetError::Certificate { file, .. } = error else {
        return "";
    };
    let files = [
        (".certificate", &settings.certificate),
        (".key", &settings.key),
        (".client_ca", &settings.client_ca),
    ];
    let is_it = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.display().to_string() == *file);
    files
        .into_iter()
        .find(|(_, path)| is_it(path))
        .map_or("", |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use tidegate_config::{Document, decode};

    use super::*;
    use crate::registry::Plan;

    fn plan(balance: &str, names: &str, before: &Kept) -> Plan {
        let yaml = format!(
            "listeners:
  main:
    protocol: postgres
    address: 127.0.0.1:6432
    tls: {{ mode: allow, generate: {{ names: [{names}] }} }}
    login: {{ method: trust }}
    routes: [ {{ cluster: app }} ]
clusters:
  app: {{ protocol: postgres, balance: {balance}, endpoints: [ {{ address: '127.0.0.1:1' }} ] }}
"
        );
        let config: Config = decode(&Document::parse("t.yaml", yaml).unwrap()).unwrap();
        Plan::build(&config, Purpose::Run, before, &Registry::new()).unwrap()
    }

    #[test]
    fn what_the_next_plan_wants_unchanged_lives_on() {
        let cluster = |plan: &Plan| Arc::clone(&plan.kept.clusters["app"].cluster);
        let acceptor = |plan: &Plan| plan.listeners[0].tls.clone().unwrap();
        let first = plan("random", "localhost", &Kept::default());
        let same = plan("random", "localhost", &first.kept);
        assert!(Arc::ptr_eq(&cluster(&first), &cluster(&same)));
        assert!(Arc::ptr_eq(&acceptor(&first), &acceptor(&same)));
        let other = plan("round_robin", "localhost, other", &same.kept);
        assert!(!Arc::ptr_eq(&cluster(&first), &cluster(&other)));
        assert!(!Arc::ptr_eq(&acceptor(&first), &acceptor(&other)));
    }
}
