use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tidegate_base::Address;
use tidegate_limit::Concurrency;
use tidegate_net::Bound;
use tidegate_telemetry::Registry;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, mpsc};

use crate::core_thread::CoreSeed;
use crate::cores::{MAILBOX, Mail};
use crate::listener::{Host, Running};
use crate::metrics::ListenerMetrics;
use crate::phase::Phase;
use crate::{Cores, EngineError, ListenerPlan, ListenerView, Protocol, RoomView, RuntimeConfig};

/// How often a drain looks whether the last session is gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// How long sessions that are closed have for their last words, and cancels for their way.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much less urgent login threads are than data threads: a storm of logins must not delay running queries.
const LOGIN_NICENESS: i32 = 10;

/// The running process: its threads and its listeners.
pub struct Engine {
    cores: Cores,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
    login: Option<Runtime>,
    protocols: Vec<Arc<dyn Protocol>>,
    listeners: Mutex<BTreeMap<String, Running>>,
    /// How many clients the listeners have together.
    clients: Arc<AtomicUsize>,
    registry: Arc<Registry>,
    phase: Phase,
}

impl Engine {
    /// Starts the threads; nothing listens yet.
    pub fn start(
        config: &RuntimeConfig,
        protocols: Vec<Arc<dyn Protocol>>,
        registry: Arc<Registry>,
    ) -> Result<Self, EngineError> {
        let login = Builder::new_multi_thread()
            .worker_threads(config.login_threads.max(1))
            .thread_name("login")
            .on_thread_start(|| {
                // Best effort: without the right to do so, logins are as urgent as queries.
                let _ = rustix::process::nice(LOGIN_NICENESS);
            })
            .enable_all()
            .build()
            .map_err(EngineError::Thread)?;
        let phase = Phase::default();
        let channels = (0..config.data_threads.count()).map(|_| mpsc::channel(MAILBOX));
        let (senders, mailboxes): (Vec<_>, Vec<_>) = channels.unzip();
        let cores = Cores::new(senders);
        let mut threads = Vec::new();
        for (index, mailbox) in mailboxes.into_iter().enumerate() {
            let seed = CoreSeed {
                index,
                mailbox,
                cores: cores.clone(),
                protocols: protocols.clone(),
                login: login.handle().clone(),
                registry: Arc::clone(&registry),
                phase: phase.clone(),
            };
            threads.push(seed.start()?);
        }
        Ok(Self {
            cores,
            threads: std::sync::Mutex::new(threads),
            login: Some(login),
            protocols,
            listeners: Mutex::default(),
            clients: Arc::default(),
            registry,
            phase,
        })
    }

    /// Makes the listeners what the Plan wants, whole or not at all: new addresses are bound first, and only when all
    /// are bound does anything change. A listener that stays at its address keeps its socket and its clients.
    pub async fn apply(&self, plans: Vec<ListenerPlan>) -> Result<(), EngineError> {
        let mut listeners = self.listeners.lock().await;
        let kept = |plan: &ListenerPlan| {
            listeners.get(plan.name.as_ref()).is_some_and(|running| {
                let current = running.plan();
                current.address == plan.address && current.protocol == plan.protocol
            })
        };
        // A listener that was renamed, or that changes places with another, takes over the socket at its address.
        let mut free: Vec<(Address, Arc<Bound>)> = listeners
            .values()
            .filter(|running| !plans.iter().any(|plan| plan.name == running.plan().name && kept(plan)))
            .map(|running| (running.plan().address.clone(), running.bound()))
            .collect();
        let (mut bound, mut taken) = (BTreeMap::new(), Vec::new());
        for plan in plans.iter().filter(|plan| !kept(plan)) {
            let at = free.iter().position(|(address, _)| *address == plan.address);
            let socket = match at {
                Some(at) => {
                    let socket = free.swap_remove(at).1;
                    taken.push((Arc::clone(&socket), plan));
                    socket
                }
                None => Arc::new(self.bind(plan).await?),
            };
            bound.insert(plan.name.to_string(), socket);
        }
        for plan in plans.iter().filter(|plan| kept(plan)) {
            let running = listeners.get(plan.name.as_ref());
            if let Some(running) = running.filter(|running| running.plan().listening != plan.listening) {
                adjust(&running.bound(), plan)?;
            }
        }
        for (socket, plan) in taken {
            adjust(&socket, plan)?;
        }
        let wanted: Vec<_> = plans.iter().map(|plan| plan.name.to_string()).collect();
        let gone: Vec<_> = listeners
            .keys()
            .filter(|name| !wanted.contains(name) || bound.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(running) = listeners.remove(&name) {
                running.stop();
            }
        }
        for plan in plans {
            let name = plan.name.to_string();
            match bound.remove(&name) {
                Some(socket) => {
                    tracing::info!(listener = %name, address = %socket.address(), "listening");
                    if let Some(running) = self.listen(plan, socket) {
                        listeners.insert(name, running);
                    }
                }
                None => {
                    if let Some(running) = listeners.get(&name) {
                        running.update(Arc::new(plan));
                    }
                }
            }
        }
        drop(listeners);
        self.cores.send_all(|| Mail::Wake).await;
        Ok(())
    }

    /// Binds on the login threads, whose runtime then watches the socket.
    async fn bind(&self, plan: &ListenerPlan) -> Result<Bound, EngineError> {
        let wrong = |source| EngineError::Listen {
            listener: plan.name.to_string(),
            source,
        };
        let (address, listening) = (plan.address.clone(), plan.listening);
        let Some(login) = &self.login else {
            return Err(EngineError::Thread(std::io::ErrorKind::NotConnected.into()));
        };
        match login
            .spawn(async move { Bound::listen(&address, &listening).await })
            .await
        {
            Ok(bound) => bound.map_err(wrong),
            Err(error) => Err(EngineError::Thread(std::io::Error::other(error))),
        }
    }

    fn listen(&self, plan: ListenerPlan, socket: Arc<Bound>) -> Option<Running> {
        let login = self.login.as_ref()?;
        let protocol = Arc::clone(self.protocols.get(plan.protocol)?);
        let host = Host {
            metrics: ListenerMetrics::new(&self.registry, &plan.name),
            plan: Arc::new(ArcSwap::from_pointee(plan)),
            protocol,
            cores: self.cores.clone(),
            clients: Arc::default(),
            total: Arc::clone(&self.clients),
            refused: Arc::default(),
            addresses: Concurrency::default(),
            phase: self.phase.clone(),
        };
        Some(Running::start(host, socket, login.handle()))
    }

    /// Reads the listeners' certificate files again. Returns the names of those whose certificate changed, and what is
    /// wrong with those that cannot be read; their old certificate stays.
    pub async fn reload_certificates(&self) -> (Vec<String>, Vec<String>) {
        let (mut changed, mut wrong) = (Vec::new(), Vec::new());
        for (name, running) in self.listeners.lock().await.iter() {
            match running.plan().tls.as_ref().map(|tls| tls.reload()) {
                Some(Ok(true)) => changed.push(name.clone()),
                Some(Err(error)) => wrong.push(format!("listener {name}: {error}")),
                Some(Ok(false)) | None => {}
            }
        }
        (changed, wrong)
    }

    /// The listeners as they are now.
    pub async fn listeners(&self) -> Vec<ListenerView> {
        let listeners = self.listeners.lock().await;
        listeners.values().map(Running::view).collect()
    }

    /// What every room on every core holds now.
    pub async fn rooms(&self) -> Vec<RoomView> {
        self.cores.ask_all(Mail::View).await.into_iter().flatten().collect()
    }

    /// Sends a message to protocol number `protocol`'s room on every core.
    pub async fn tell(&self, protocol: usize, message: impl Fn() -> Box<dyn Any + Send>) {
        let mail = || Mail::Room {
            protocol,
            message: message(),
        };
        self.cores.send_all(mail).await;
    }

    /// Whether the process is going down: nobody new comes in.
    pub fn is_leaving(&self) -> bool {
        self.phase.is_refusing()
    }

    /// Whether its sessions are to end.
    pub fn is_draining(&self) -> bool {
        self.phase.is_draining()
    }

    /// How many sessions live on no core.
    pub fn aside(&self) -> usize {
        self.phase.aside()
    }

    /// Lets nobody new in, and waits until the clients have left by themselves, those aside of the cores not counted, or
    /// until they are to.
    pub async fn wait_for_clients(&self) {
        self.phase.refuse();
        loop {
            let listeners = self.listeners.lock().await;
            let clients: usize = listeners.values().map(Running::clients).sum();
            drop(listeners);
            let have_left = clients <= self.phase.aside() && self.sessions().await == 0;
            if have_left || self.phase.is_draining() {
                return;
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }

    /// Goes down gently: new clients are refused, sessions end at their next exchange boundary. Those that are left after
    /// `limit` are told, and what servers do for them is cancelled. Returns whether there were none.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.phase.drain();
        let left = self.sessions_within(limit).await;
        if left > 0 {
            tracing::warn!(
                sessions = left,
                "closing the sessions that are left after drain_timeout"
            );
            self.phase.close();
            self.sessions_within(LAST_WORDS).await;
        }
        left == 0
    }

    /// Wakes all sessions, and waits until they are gone; returns how many are left after `limit`.
    async fn sessions_within(&self, limit: Duration) -> usize {
        self.cores.send_all(|| Mail::Wake).await;
        let deadline = Instant::now() + limit;
        loop {
            let left = self.sessions().await + self.phase.aside();
            if left == 0 || Instant::now() >= deadline {
                return left;
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }

    /// How many sessions the cores have.
    async fn sessions(&self) -> usize {
        self.cores.ask_all(Mail::Sessions).await.into_iter().sum()
    }

    /// Ends every thread. Sessions that are left are closed where they stand.
    pub async fn stop(mut self) {
        for (_, running) in std::mem::take(&mut *self.listeners.lock().await) {
            running.stop();
        }
        self.cores.send_all(|| Mail::Stop).await;
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        if let Some(login) = self.login.take() {
            login.shutdown_background();
        }
    }
}

/// A socket that stays at its address listens as the Plan wants it from now on.
fn adjust(socket: &Bound, plan: &ListenerPlan) -> Result<(), EngineError> {
    socket.adjust(&plan.listening).map_err(|source| EngineError::Listen {
        listener: plan.name.to_string(),
        source: source.into(),
    })
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The cores know each other, so that none of them ends by itself.
        self.cores.stop();
        // A runtime must not be dropped where another one runs; whoever forgot `stop` gets it done here.
        if let Some(login) = self.login.take() {
            login.shutdown_background();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine")
            .field("cores", &self.cores.count())
            .finish_non_exhaustive()
    }
}
