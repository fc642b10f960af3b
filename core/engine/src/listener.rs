use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use tidegate_base::{Address, Classify, Reason, Refusal};
use tidegate_limit::Concurrency;
use tidegate_net::tls::Acceptor;
use tidegate_net::{Bound, Keepalive, Listening, Peer, Stream, TlsMode};
use tokio::task::JoinHandle;

use crate::cores::Mail;
use crate::metrics::ListenerMetrics;
use crate::phase::Phase;
use crate::{Admitted, ClientPermit, Cores, Downstream, ListenerView, Protocol, WhenFull};

/// How many clients over the limit are told so at once; more than that are closed without a word.
const REFUSED_AT_ONCE: usize = 1024;
/// The pause after the system refused to accept, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is looked whether a client has left a full listener.
const PLACE_PAUSE: Duration = Duration::from_millis(10);

/// A listener as the Plan wants it.
#[derive(Debug)]
pub struct ListenerPlan {
    /// Its name in configuration.
    pub name: Arc<str>,
    /// Where to listen.
    pub address: Address,
    /// How its socket listens.
    pub listening: Listening,
    /// Which protocol to speak: its number among those that the engine was started with.
    pub protocol: usize,
    /// The most clients; 0 means no limit.
    pub max_clients: usize,
    /// The most clients of all listeners together; 0 means no limit.
    pub max_clients_in_all: usize,
    /// What becomes of those beyond.
    pub when_full: WhenFull,
    /// The most clients of one IP address; 0 means no limit.
    pub max_clients_per_address: usize,
    /// How long a client may take until it is logged in.
    pub pre_auth_timeout: Duration,
    /// TCP keep-alive towards clients.
    pub keepalive: Keepalive,
    /// TLS towards clients; none when it is disabled.
    pub tls: Option<Arc<Acceptor>>,
}

/// A listener that listens.
#[derive(Debug)]
pub(crate) struct Running {
    plan: Arc<ArcSwap<ListenerPlan>>,
    bound: Arc<Bound>,
    clients: Arc<AtomicUsize>,
    protocol: &'static str,
    accepting: JoinHandle<()>,
}

/// What accepting needs.
pub(crate) struct Host {
    pub(crate) plan: Arc<ArcSwap<ListenerPlan>>,
    pub(crate) protocol: Arc<dyn Protocol>,
    pub(crate) cores: Cores,
    pub(crate) metrics: ListenerMetrics,
    pub(crate) clients: Arc<AtomicUsize>,
    /// Those of all listeners.
    pub(crate) total: Arc<AtomicUsize>,
    pub(crate) refused: Arc<AtomicUsize>,
    pub(crate) addresses: Concurrency<IpAddr>,
    pub(crate) phase: Phase,
}

/// Why a client cannot come in.
struct Turned {
    refusal: Refusal,
    /// There are as many clients as there may be over all listeners, and nothing else is the matter.
    is_full: bool,
}

impl Turned {
    fn away(reason: Reason, text: &'static str) -> Self {
        Self {
            refusal: Refusal::new(reason, text),
            is_full: false,
        }
    }

    fn full_in_all() -> Self {
        let text = "sorry, too many clients already (limits.max_clients)";
        Self {
            is_full: true,
            ..Self::away(Reason::Overloaded, text)
        }
    }
}

impl Running {
    /// The socket is for who accepts alone: clients that stay do not keep it open.
    pub(crate) fn start(host: Host, bound: Arc<Bound>, login: &tokio::runtime::Handle) -> Self {
        let host = Arc::new(host);
        Self {
            plan: Arc::clone(&host.plan),
            bound: Arc::clone(&bound),
            clients: Arc::clone(&host.clients),
            protocol: host.protocol.name(),
            accepting: login.spawn(accept(host, bound)),
        }
    }

    pub(crate) fn update(&self, plan: Arc<ListenerPlan>) {
        self.plan.store(plan);
    }

    pub(crate) fn plan(&self) -> Arc<ListenerPlan> {
        self.plan.load_full()
    }

    /// How many clients it has, those that are not logged in yet included.
    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Its socket.
    pub(crate) fn bound(&self) -> Arc<Bound> {
        Arc::clone(&self.bound)
    }

    pub(crate) fn stop(self) {
        self.accepting.abort();
    }

    pub(crate) fn view(&self) -> ListenerView {
        let plan = self.plan.load();
        ListenerView {
            name: plan.name.to_string(),
            protocol: self.protocol,
            address: self.bound.address(),
            tls: match plan.tls.as_ref().map(|tls| tls.mode()) {
                None | Some(TlsMode::Disable) => "disable",
                Some(TlsMode::Allow) => "allow",
                Some(TlsMode::Require) => "require",
            },
            clients: self.clients.load(Ordering::Relaxed),
            max_clients: plan.max_clients,
            certificate_expires_in: plan.tls.as_ref().map(|tls| tls.expires_in(SystemTime::now())),
        }
    }
}

async fn accept(host: Arc<Host>, bound: Arc<Bound>) {
    loop {
        host.has_place().await;
        let accepted = tokio::select! {
            // Who has come already is told why it is refused, and need not try again elsewhere without knowing.
            biased;
            accepted = bound.accept() => accepted,
            () = host.leaves_port(&bound) => return bound.give_way(),
        };
        match accepted {
            Ok((stream, peer)) => {
                host.metrics.accepted.inc();
                greet_in_background(&host, stream, peer);
            }
            Err(error) => {
                tracing::warn!(listener = %host.plan.load().name, %error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn greet_in_background(host: &Arc<Host>, stream: Stream, peer: Peer) {
    let plan = host.plan.load_full();
    let (permit, turned) = match host.permit(&plan, peer) {
        Ok(permit) => (Some(permit), None),
        Err(turned) => (None, Some(turned)),
    };
    if turned.is_some() {
        host.metrics.refused.inc();
        if host.refused.load(Ordering::Relaxed) >= REFUSED_AT_ONCE {
            return;
        }
    }
    let host = Arc::clone(host);
    tokio::spawn(async move {
        let is_refused = turned.is_some();
        if is_refused {
            host.refused.fetch_add(1, Ordering::Relaxed);
        }
        host.greet(plan, stream, peer, permit, turned).await;
        if is_refused {
            host.refused.fetch_sub(1, Ordering::Relaxed);
        }
    });
}

fn is_reached(most: usize, clients: &AtomicUsize) -> bool {
    most != 0 && clients.load(Ordering::Relaxed) >= most
}

impl Host {
    /// Ready when the next client may be accepted: at once, unless it is to wait for a place. Nobody waits for one at another
    /// listener: those over the limit of all are told, and the console is open to them.
    async fn has_place(&self) {
        loop {
            let plan = self.plan.load();
            let waits = plan.when_full == WhenFull::Wait && self.has_all(&plan) && !self.phase.is_refusing();
            if !waits {
                return;
            }
            drop(plan);
            tokio::time::sleep(PLACE_PAUSE).await;
        }
    }

    /// Ready when the clients to come are for other processes on the same port.
    async fn leaves_port(&self, bound: &Bound) {
        if !bound.shares_port() {
            std::future::pending::<()>().await;
        }
        self.phase.refusing().await;
    }

    /// Counts the client in, or says why it cannot come in.
    fn permit(&self, plan: &ListenerPlan, peer: Peer) -> Result<ClientPermit, Turned> {
        if self.phase.is_refusing() {
            return Err(Turned::away(Reason::ShuttingDown, "the gateway is shutting down"));
        }
        if let Some(turned) = self.full(plan) {
            return Err(turned);
        }
        let address = match peer.ip() {
            Some(ip) if plan.max_clients_per_address != 0 => {
                let permit = self.addresses.take(ip, plan.max_clients_per_address);
                let text = "too many connections from this address (max_clients_per_address of this listener)";
                Some(permit.ok_or_else(|| Turned::away(Reason::Overloaded, text))?)
            }
            _ => None,
        };
        let total = (Arc::clone(&self.total), plan.max_clients_in_all);
        let permit = ClientPermit::new(Arc::clone(&self.clients), total, address);
        permit.ok_or_else(Turned::full_in_all)
    }

    /// Which limit on the number of clients is reached.
    fn full(&self, plan: &ListenerPlan) -> Option<Turned> {
        if self.has_all(plan) {
            let text = "sorry, too many clients already (max_clients of this listener)";
            return Some(Turned::away(Reason::Overloaded, text));
        }
        is_reached(plan.max_clients_in_all, &self.total).then(Turned::full_in_all)
    }

    /// Whether the listener has as many clients as it may have.
    fn has_all(&self, plan: &ListenerPlan) -> bool {
        is_reached(plan.max_clients, &self.clients)
    }

    async fn greet(
        &self,
        plan: Arc<ListenerPlan>,
        stream: Stream,
        peer: Peer,
        permit: Option<ClientPermit>,
        turned: Option<Turned>,
    ) {
        let accepted = Instant::now();
        let (number, limit) = (plan.protocol, plan.pre_auth_timeout);
        let _ = stream.set_keepalive(&plan.keepalive);
        let downstream = Downstream {
            stream,
            peer,
            listener: Arc::clone(&plan),
            accepted,
            is_full: turned.as_ref().is_some_and(|turned| turned.is_full),
            refusal: turned.map(|turned| turned.refusal),
            cores: self.cores.clone(),
            leaving: self.phase.leaving(),
        };
        // A panic ends this one client, as it does behind the login.
        let admitting = AssertUnwindSafe(async { self.protocol.admit(downstream).await }).catch_unwind();
        match tokio::time::timeout(limit, admitting).await {
            Ok(Ok(Ok(Admitted::Client { home, client }))) => {
                self.metrics.login.record(accepted.elapsed());
                if let Some(permit) = permit {
                    let core = self.cores.home(home);
                    let mail = Mail::Client {
                        protocol: number,
                        client,
                        permit,
                    };
                    self.cores.send(core, mail).await;
                }
            }
            Ok(Ok(Ok(Admitted::Aside(session)))) => {
                self.metrics.login.record(accepted.elapsed());
                let counted = self.phase.count_aside();
                let outcome = AssertUnwindSafe(session).catch_unwind().await;
                drop((permit, counted));
                match outcome {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(listener = %plan.name, %peer, %error, "session ended"),
                    Err(_) => {
                        tracing::error!(listener = %plan.name, %peer, "a session panicked; its client was closed, others go on");
                    }
                }
            }
            Ok(Ok(Ok(Admitted::Finished))) => {}
            Ok(Ok(Err(error))) => {
                self.metrics.failed.of(error.kind().label()).inc();
                tracing::debug!(listener = %plan.name, %peer, kind = error.kind().label(), %error, "login failed");
            }
            Ok(Err(_)) => {
                self.metrics.failed.of("panic").inc();
                tracing::error!(listener = %plan.name, %peer, "a login panicked; its client was closed, others go on");
            }
            Err(_) => {
                self.metrics.failed.of("timeout").inc();
                tracing::debug!(listener = %plan.name, %peer, ?limit, "login took longer than pre_auth_timeout");
            }
        }
    }
}
