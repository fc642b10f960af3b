use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tidegate_base::{Classify, Kind};
use tidegate_net::{Buffers, READ_BUFFER};
use tidegate_telemetry::Registry;
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::cores::Mail;
use crate::metrics::CoreMetrics;
use crate::phase::Phase;
use crate::timers::TICK;
use crate::{ClientPermit, Cores, EngineError, Protocol, Room, SessionContext, Timers};

/// How many unused buffers a core keeps.
const KEPT_BUFFERS: usize = 256;
/// How often rooms are asked to do what is due.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// What a room is given of its core.
#[derive(Clone)]
pub struct CoreContext {
    /// The core's number, counted from 0.
    pub index: usize,
    /// Its sessions and their deadlines.
    pub timers: Rc<Timers>,
    /// Its stock of buffers.
    pub buffers: Rc<Buffers>,
    /// The one buffer that everything on this core is read into; whoever uses it does so within one wake-up.
    pub scratch: Rc<RefCell<Box<[u8]>>>,
    /// Where slow work goes: TLS handshakes, password hashing, opening connections.
    pub login: Handle,
    /// Where metrics are registered.
    pub registry: Arc<Registry>,
    /// The cores, for messages to the rooms of others.
    pub cores: Cores,
    /// The number of the protocol that the room is of, for such messages.
    pub protocol: usize,
    clock: Rc<Cell<Instant>>,
    phase: Phase,
}

impl CoreContext {
    /// Whether the process is going down: sessions end at the next exchange boundary.
    pub fn is_draining(&self) -> bool {
        self.phase.is_draining()
    }

    /// Whether the time for that is over: sessions end now, and cancel what servers do for them.
    pub fn is_closing(&self) -> bool {
        self.phase.is_closing()
    }

    /// When the session that is being polled was woken: sessions read the clock once per wake-up, here. Elsewhere it is
    /// late.
    pub fn now(&self) -> Instant {
        self.clock.get()
    }
}

impl fmt::Debug for CoreContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CoreContext")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// What is needed to start a core.
pub(crate) struct CoreSeed {
    pub(crate) index: usize,
    pub(crate) mailbox: mpsc::Receiver<Mail>,
    pub(crate) cores: Cores,
    pub(crate) protocols: Vec<Arc<dyn Protocol>>,
    pub(crate) login: Handle,
    pub(crate) registry: Arc<Registry>,
    pub(crate) phase: Phase,
}

impl CoreSeed {
    pub(crate) fn start(self) -> Result<JoinHandle<()>, EngineError> {
        std::thread::Builder::new()
            .name(format!("data-{}", self.index))
            .spawn(move || self.run())
            .map_err(EngineError::Thread)
    }

    fn run(self) {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => runtime.block_on(self.serve()),
            Err(error) => tracing::error!(%error, core = self.index, "cannot start a data thread"),
        }
    }

    async fn serve(mut self) {
        let timers = Timers::new(Instant::now());
        let clock = Rc::new(Cell::new(Instant::now()));
        let context = CoreContext {
            index: self.index,
            timers: Rc::clone(&timers),
            buffers: Rc::new(Buffers::new(KEPT_BUFFERS)),
            scratch: Rc::new(RefCell::new(vec![0; READ_BUFFER].into_boxed_slice())),
            login: self.login,
            registry: Arc::clone(&self.registry),
            cores: self.cores,
            protocol: 0,
            clock: Rc::clone(&clock),
            phase: self.phase,
        };
        let rooms: Vec<_> = self
            .protocols
            .iter()
            .enumerate()
            .map(|(protocol, p)| {
                let context = context.clone();
                (p.name(), p.room(CoreContext { protocol, ..context }))
            })
            .collect();
        let core = Core {
            timers,
            clock,
            rooms,
            metrics: Rc::new(CoreMetrics::new(&self.registry)),
            maintained: Cell::new(Instant::now()),
        };
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                mail = self.mailbox.recv() => match mail {
                    Some(Mail::Stop) | None => return,
                    Some(mail) => core.open(mail),
                },
                _ = ticks.tick() => core.tick(),
            }
        }
    }
}

struct Core {
    timers: Rc<Timers>,
    clock: Rc<Cell<Instant>>,
    rooms: Vec<(&'static str, Rc<dyn Room>)>,
    metrics: Rc<CoreMetrics>,
    maintained: Cell<Instant>,
}

impl Core {
    fn open(&self, mail: Mail) {
        match mail {
            Mail::Client {
                protocol,
                client,
                permit,
            } => self.seat(protocol, client, permit),
            Mail::Room { protocol, message } => {
                if let Some((name, room)) = self.rooms.get(protocol) {
                    self.survive(name, "taking a message", || Rc::clone(room).deliver(message));
                }
            }
            Mail::View(answer) => {
                let now = Instant::now();
                let view = |(name, room): &(&'static str, Rc<dyn Room>)| {
                    self.survive(name, "showing what it holds", || room.view(now))
                };
                let _ = answer.send(self.rooms.iter().filter_map(view).collect());
            }
            Mail::Wake => self.timers.wake_all(),
            Mail::Sessions(answer) => drop(answer.send(self.timers.sessions())),
            Mail::Stop => {}
        }
    }

    /// Gives a client a session of its own. A panic in it ends this one session, and is counted.
    fn seat(&self, protocol: usize, client: Box<dyn std::any::Any + Send>, permit: ClientPermit) {
        let Some((name, room)) = self.rooms.get(protocol) else {
            return;
        };
        let context = SessionContext {
            slot: self.timers.register(),
        };
        let metrics = Rc::clone(&self.metrics);
        let clock = Rc::clone(&self.clock);
        clock.set(Instant::now());
        let Some(mut session) = self.survive(name, "seating a client", || Rc::clone(room).serve(client, context))
        else {
            return;
        };
        let session = poll_fn(move |cx| {
            clock.set(Instant::now());
            session.as_mut().poll(cx)
        });
        let name = *name;
        metrics.sessions.add(1);
        tokio::task::spawn_local(async move {
            let outcome = AssertUnwindSafe(session).catch_unwind().await;
            metrics.sessions.add(-1);
            drop(permit);
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(error)) if error.kind() == Kind::Closed => {
                    tracing::debug!(protocol = name, origin = error.origin().label(), %error, "session ended");
                }
                Ok(Err(error)) => {
                    let (origin, kind) = (error.origin().label(), error.kind().label());
                    metrics.errors.of(origin, kind).inc();
                    tracing::info!(protocol = name, origin, kind, %error, "session ended");
                }
                Err(_) => {
                    metrics.panics.inc();
                    tracing::error!(
                        protocol = name,
                        "a session panicked; its client was closed, others go on"
                    );
                }
            }
        });
    }

    fn tick(&self) {
        let now = Instant::now();
        self.timers.tick(now);
        if now.duration_since(self.maintained.get()) >= MAINTENANCE {
            self.maintained.set(now);
            for (name, room) in &self.rooms {
                self.survive(name, "doing what is due", || Rc::clone(room).maintain(now));
            }
        }
    }

    /// Does some of a room's work on the core's own task: a panic in it ends this piece of work, and not the thread that
    /// all clients of the core live on.
    fn survive<T>(&self, protocol: &'static str, what: &str, work: impl FnOnce() -> T) -> Option<T> {
        let done = std::panic::catch_unwind(AssertUnwindSafe(work));
        if done.is_err() {
            self.metrics.panics.inc();
            tracing::error!(protocol, "a room panicked while {what}; its clients go on");
        }
        done.ok()
    }
}
