use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_admin::Admin;
use tidegate_pgbouncer::phrases::{self, Event};
use tidegate_telemetry::{Dialect, LogHandle, Registry, Told};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::builder::{Kept, Purpose};
use crate::exit::Exit;
use crate::gateway::Gateway;
use crate::load::Loaded;
use crate::origin::Origin;
use crate::pid_file::PidFile;
use crate::registry::Plan;
use crate::signals::{Meaning, Signals};
use crate::version;

/// Threads for everything that is not a client's bytes.
const CONTROL_THREADS: usize = 2;
/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long a changed file must stay as it is before it is read, so that nobody reads half of it.
const SETTLE: Duration = Duration::from_millis(200);
/// How often it is looked whether the numbers are to be logged.
const STATS_LOOK: Duration = Duration::from_secs(1);
/// How long tasks of the control plane may take to end.
const CONTROL_END: Duration = Duration::from_secs(1);

/// Runs the gateway until a signal ends it.
pub(crate) fn run(origin: &Origin) -> Exit {
    only_small_pages();
    let registry = Arc::new(Registry::new());
    let (loaded, plan) = match Loaded::open(origin, Purpose::Run, &Kept::default(), &registry) {
        Ok(both) => both,
        Err(mistakes) => {
            eprint!("{mistakes}");
            return Exit::Mistakes;
        }
    };
    let log = match tidegate_telemetry::init_as(&loaded.config.log, dialect(origin)) {
        Ok(log) => log,
        Err(error) => return cannot_start(&error),
    };
    tracing::info!(name: "started", config = %origin.path().display(), "{}", version::line());
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    log.register(&registry);
    let pid_file = loaded.config.runtime.pid_file.as_deref().map(PidFile::write);
    let _pid_file = match pid_file.transpose() {
        Ok(pid_file) => pid_file,
        Err(error) => return cannot_start(&error),
    };
    on_control_plane(|| serve(origin, (loaded, plan), registry, Some(log.handle.clone()), || ()))
}

/// With PgBouncer's files the log is in PgBouncer's words.
fn dialect(origin: &Origin) -> Option<Arc<dyn Dialect>> {
    match origin {
        Origin::Own(_) => None,
        Origin::PgBouncer(_) => Some(Arc::new(Phrases(std::process::id()))),
    }
}

/// PgBouncer's log, of the process of this number.
struct Phrases(u32);

impl Dialect for Phrases {
    fn lines(&self, told: &Told<'_>) -> String {
        let event = Event {
            at: told.at,
            level: told.level,
            name: told.name,
            message: told.message,
            fields: &told.fields,
        };
        phrases::lines(&event, self.0)
    }
}

/// With huge pages memory comes 2 MiB at a time, for clients that weigh 2 KiB, and a command costs no less. The allocator
/// does not ask for them (`no_thp`); a kernel that gives them unasked is told not to.
fn only_small_pages() {
    // One that knows none has none to give.
    let _unknown = rustix::thread::disable_transparent_huge_pages(true);
}

/// Runs something on the control plane's threads.
pub(crate) fn on_control_plane<F: Future<Output = Exit>>(work: impl FnOnce() -> F) -> Exit {
    match control_plane() {
        Ok(runtime) => {
            let exit = runtime.block_on(work());
            runtime.shutdown_timeout(CONTROL_END);
            exit
        }
        Err(error) => cannot_start(&error),
    }
}

fn control_plane() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
}

/// Serves until a signal ends it; `started` is called once everything listens.
pub(crate) async fn serve(
    origin: &Origin,
    (loaded, plan): (Loaded, Plan),
    registry: Arc<Registry>,
    log: Option<LogHandle>,
    started: impl FnOnce(),
) -> Exit {
    // Taken over before anything starts, so that no signal finds the process half way.
    let meaning = match origin {
        Origin::Own(_) => Meaning::Own,
        Origin::PgBouncer(_) => Meaning::PgBouncer,
    };
    let mut signals = match Signals::new(meaning) {
        Ok(signals) => signals,
        Err(error) => return cannot_start(&error),
    };
    let admin = loaded.config.admin.clone();
    let gateway = match Gateway::start(origin, (loaded, plan), &registry, log).await {
        Ok(gateway) => gateway,
        Err(error) => return cannot_start(&error),
    };
    let mut tasks = JoinSet::new();
    if admin.enabled {
        let source = Arc::clone(&gateway) as Arc<dyn tidegate_admin::Source>;
        match Admin::bind(&admin, source, registry).await {
            Ok(bound) => {
                let address = bound
                    .address()
                    .map_or_else(|_| String::new(), |address| address.to_string());
                tracing::info!(%address, "admin API");
                tasks.spawn(bound.serve());
            }
            Err(error) => {
                gateway.stop().await;
                return cannot_start(&error);
            }
        }
    }
    tasks.spawn(gateway.watch_health());
    tasks.spawn(tell_stats(Arc::clone(&gateway)));
    tasks.spawn(watch_files(Arc::clone(&gateway)));
    started();
    let exit = signals.follow(&gateway).await;
    if !matches!(exit, Exit::Signal(_)) {
        tasks.shutdown().await;
        gateway.stop().await;
        tracing::info!("stopped");
    }
    exit
}

/// Says why nothing was started; the log may not be there, or go elsewhere.
pub(crate) fn cannot_start(error: &dyn std::fmt::Display) -> Exit {
    tracing::error!(%error, "cannot start");
    eprintln!("tidegate: {error}");
    Exit::CannotStart
}

/// Logs what clients have come to, as often as the configuration wants it.
async fn tell_stats(gateway: Arc<Gateway>) {
    let (mut before, mut since) = (gateway.sums(), Instant::now());
    loop {
        tokio::time::sleep(STATS_LOOK).await;
        let elapsed = since.elapsed();
        if gateway.stats_period().await.is_none_or(|period| elapsed < period) {
            continue;
        }
        let now = gateway.sums();
        let average = now.averages(&before, elapsed);
        (before, since) = (now, Instant::now());
        tracing::info!(name: "stats", target: "tidegate::stats", transactions = average.transactions, queries = average.queries,
            received = average.received, sent = average.sent, transaction_us = average.transaction_us,
            query_us = average.query_us, wait_us = average.wait_us, "in a second, or each");
    }
}

/// Looks at the configuration's files and at the certificates again and again.
async fn watch_files(gateway: Arc<Gateway>) {
    let mut told = Vec::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if gateway.look() {
            tokio::time::sleep(SETTLE).await;
            while gateway.look() {
                tokio::time::sleep(SETTLE).await;
            }
            // It logs what came of it.
            let _ = gateway.reload().await;
        }
        let wrong = gateway.look_at_certificates().await;
        if wrong != told {
            for error in &wrong {
                tracing::error!(%error, "the old certificate stays in use");
            }
            told = wrong;
        }
    }
}
