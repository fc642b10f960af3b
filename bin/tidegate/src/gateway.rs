mod console;
mod ending;
mod metrics;

use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tidegate_admin::{Reloaded, Source, Version};
use tidegate_config::{Document, Mistake, diff, effective};
use tidegate_engine::{Answer, Asker, Engine, EngineError, ListenerView, RoomView, VirtualDatabase};
use tidegate_pgbouncer::console::Sums;
use tidegate_postgres::Postgres;
use tidegate_telemetry::{LogHandle, Registry};
use tokio::sync::Mutex;

pub(crate) use ending::Endings;

use metrics::ReloadMetrics;

use crate::builder::{Kept, Purpose};
use crate::discoveries::Discoveries;
use crate::files::Seen;
use crate::load::{Loaded, schema};
use crate::origin::{Origin, Set};
use crate::registry::{POSTGRES, Plan, Protocols};
use crate::version::VERSION;

/// Paths that a running process does not change.
const AT_START_ONLY: [&str; 7] = [
    "runtime.data_threads",
    "runtime.login_threads",
    "runtime.pid_file",
    "admin",
    "node",
    "log.format",
    "log.output",
];

/// The running gateway: the engine with its protocols, and the configuration that is in force.
pub(crate) struct Gateway {
    engine: Engine,
    protocols: Protocols,
    registry: Arc<Registry>,
    origin: Origin,
    log: Option<LogHandle>,
    force: Mutex<InForce>,
    /// The files' state at the last look, whether they were good or not.
    seen: std::sync::Mutex<Seen>,
    metrics: ReloadMetrics,
    /// What its console answers by, also where no listener has one.
    console: Arc<dyn VirtualDatabase>,
    endings: Endings,
}

/// The configuration that is in force. Locked while it is exchanged, so reloads follow one another.
struct InForce {
    loaded: Loaded,
    /// What was set at the console.
    sets: Vec<Set>,
    kept: Kept,
    discoveries: Discoveries,
}

impl Gateway {
    /// Starts the threads and puts the configuration in force; listens last.
    pub(crate) async fn start(
        origin: &Origin,
        (loaded, plan): (Loaded, Plan),
        registry: &Arc<Registry>,
        log: Option<LogHandle>,
    ) -> Result<Arc<Self>, EngineError> {
        let protocols = Protocols::new(registry, loaded.config.node);
        let engine = Engine::start(&loaded.config.runtime, protocols.all(), Arc::clone(registry))?;
        let Plan { listeners, plans, kept } = plan;
        let mut discoveries = Discoveries::default();
        discoveries.follow(&kept.clusters);
        protocols.install(plans);
        if let Err(error) = engine.apply(listeners).await {
            engine.stop().await;
            return Err(error);
        }
        let mut seen = Seen::default();
        seen.follow(&loaded.files);
        let metrics = ReloadMetrics::new(registry);
        metrics.note(true);
        let force = InForce {
            loaded,
            sets: Vec::new(),
            kept,
            discoveries,
        };
        Ok(Arc::new_cyclic(|this| {
            let console = console::open(this.clone());
            protocols.postgres().answer_by(Arc::clone(&console));
            Self {
                engine,
                protocols,
                registry: Arc::clone(registry),
                origin: origin.clone(),
                log,
                force: Mutex::new(force),
                seen: std::sync::Mutex::new(seen),
                metrics,
                console,
                endings: Endings::default(),
            }
        }))
    }

    /// Who asks for the end of the process asks here.
    pub(crate) fn endings(&self) -> &Endings {
        &self.endings
    }

    /// What clients of PostgreSQL have come to since the process began.
    pub(crate) fn sums(&self) -> Sums {
        Sums::all(&console::totals(&self.protocols))
    }

    /// How often that is to be logged.
    pub(crate) async fn stats_period(&self) -> Option<Duration> {
        self.force.lock().await.loaded.config.log.stats.limit()
    }

    /// Whether sessions stand still.
    pub(crate) fn is_suspended(&self) -> bool {
        self.protocols.postgres().orders().is_suspended
    }

    /// Does what a command of the console does, for somebody who is not there, and logs what comes of it.
    pub(crate) fn command(&self, who: &'static str, statement: &'static str) {
        let console = Arc::clone(&self.console);
        tokio::spawn(async move {
            let asker = Asker {
                user: who.to_owned(),
                is_admin: true,
            };
            tracing::info!(who, command = statement, "ordered");
            match console.answer(statement, &asker).await {
                Ok(_) => tracing::info!(who, command = statement, "done"),
                Err(refusal) => tracing::warn!(who, command = statement, error = %refusal.text, "refused"),
            }
        });
    }

    /// Follows the servers' health for as long as it is polled.
    pub(crate) fn watch_health(&self) -> impl Future<Output = ()> + Send + 'static {
        self.protocols.watch_health()
    }

    /// Reads the file again and puts it in force, whole or not at all, and logs either way. What was set at the console
    /// stays, but for `PgBouncer`'s files, which take it back as they do there.
    pub(crate) async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        self.renew(None).await
    }

    /// Gives one value another until the process ends.
    pub(crate) async fn set(&self, key: String, value: String) -> Result<Vec<String>, Vec<String>> {
        let said = match &self.origin {
            Origin::Own(_) => None,
            Origin::PgBouncer(_) => tidegate_pgbouncer::settable(&key, &value).map_err(|wrong| vec![wrong])?,
        };
        // Not its value, which may be a secret.
        tracing::info!(key, "set at the console");
        self.renew(Some((key, value))).await?;
        Ok(said.into_iter().collect())
    }

    async fn renew(&self, set: Option<Set>) -> Result<Reloaded, Vec<String>> {
        let outcome = self.exchange(set).await;
        for error in self.look_at_certificates().await {
            tracing::error!(%error, "the old certificate stays in use");
        }
        self.metrics.note(outcome.is_ok());
        match &outcome {
            Ok(done) if done.changed.is_empty() => tracing::info!("configuration read again; nothing changed"),
            Ok(done) => {
                tracing::info!(changed = %done.changed.join(", "), "configuration in force");
                if !done.needs_restart.is_empty() {
                    let paths = done.needs_restart.join(", ");
                    tracing::warn!(%paths, "these changes need a restart; until then the old values hold");
                }
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    tracing::error!(%mistake, "configuration not taken");
                }
                tracing::error!(mistakes = mistakes.len(), "the old configuration stays in force");
            }
        }
        outcome
    }

    async fn exchange(&self, set: Option<Set>) -> Result<Reloaded, Vec<String>> {
        let mut force = self.force.lock().await;
        let before = set.is_some().then(|| self.seen().clone());
        let outcome = self.exchange_in(&mut force, set).await;
        // What the file says by then is not taken either, and is found at the next look.
        if let (Some(before), Err(_)) = (before, &outcome) {
            *self.seen() = before;
        }
        outcome
    }

    async fn exchange_in(&self, force: &mut InForce, set: Option<Set>) -> Result<Reloaded, Vec<String>> {
        let newest = set.as_ref().map(|(path, _)| path.clone());
        let mut sets: Vec<Set> = match (&self.origin, set) {
            (Origin::PgBouncer(_), None) => Vec::new(),
            (_, set) => {
                let is_other = |known: &&Set| set.as_ref().is_none_or(|set| set.0 != known.0);
                force.sets.iter().filter(is_other).cloned().chain(set.clone()).collect()
            }
        };
        // Taken before the file is read: a change in between is found at the next look.
        self.look();
        let opened = Loaded::open_with(&self.origin, &sets, Purpose::Run, &force.kept, &self.registry);
        self.follow(match &opened {
            Ok((loaded, _)) => &loaded.files,
            Err(mistakes) => &mistakes.files,
        });
        let (loaded, plan) = opened.map_err(|mistakes| mistakes.all.into_iter().map(told).collect::<Vec<_>>())?;
        if let Some((_, wrong)) = loaded.lost.iter().find(|(path, _)| Some(path) == newest.as_ref()) {
            return Err(vec![told(wrong.clone())]);
        }
        let reloaded = compare(&force.loaded.document, &loaded.document);
        if newest.is_some() && !reloaded.needs_restart.is_empty() {
            let paths = reloaded.needs_restart.join(", ");
            return Err(vec![format!(
                "{paths} can be changed at the next start only: write it into the file, and restart"
            )]);
        }
        // New listeners are bound first, and that is the one step that can still fail.
        let applied = self.engine.apply(plan.listeners).await;
        applied.map_err(|error| vec![error.to_string()])?;
        self.protocols.install(plan.plans);
        self.engine.tell(POSTGRES, Postgres::look()).await;
        force.discoveries.follow(&plan.kept.clusters);
        if let Some(log) = &self.log
            && let Err(error) = log.set_level(&loaded.config.log.level)
        {
            tracing::warn!(%error, "cannot change the log level");
        }
        for warning in &loaded.warnings {
            if !force.loaded.warnings.contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        for (path, _) in &loaded.lost {
            tracing::warn!("`{path}` is no more in the file: what was set at the console is forgotten");
        }
        force.kept = plan.kept;
        let is_lost = |set: &Set| loaded.lost.iter().any(|(path, _)| *path == set.0);
        let is_taken_back = sets.len() < force.sets.len();
        sets.retain(|set| !is_lost(set));
        force.loaded = loaded;
        if is_taken_back {
            tracing::info!("what was set at the console is taken back");
        }
        force.sets = sets;
        Ok(reloaded)
    }

    /// Looks at the files, and tells whether one is another than at the last look.
    pub(crate) fn look(&self) -> bool {
        self.seen().look()
    }

    /// Looks at these files from now on.
    fn follow(&self, files: &[PathBuf]) {
        self.seen().follow(files);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the listeners' certificates again; returns what is wrong with them.
    pub(crate) async fn look_at_certificates(&self) -> Vec<String> {
        let (changed, wrong) = self.engine.reload_certificates().await;
        for listener in changed {
            tracing::info!(%listener, "new certificate in use");
        }
        wrong
    }

    /// Goes down gently. Returns whether everybody was gone in time.
    pub(crate) async fn drain(&self) -> bool {
        let limit = self.force.lock().await.loaded.config.runtime.drain_timeout.duration();
        self.engine.drain(limit).await
    }

    /// Ends every thread, once nobody else holds the gateway.
    pub(crate) async fn stop(self: Arc<Self>) {
        if let Some(gateway) = Arc::into_inner(self) {
            gateway.engine.stop().await;
        }
    }
}

impl Source for Gateway {
    fn listeners(&self) -> BoxFuture<'_, Vec<ListenerView>> {
        self.engine.listeners().boxed()
    }

    fn rooms(&self) -> BoxFuture<'_, Vec<RoomView>> {
        self.engine.rooms().boxed()
    }

    fn unready(&self) -> BoxFuture<'_, Vec<String>> {
        async {
            let mut reasons = Vec::new();
            if self.engine.is_leaving() {
                reasons.push("the gateway is shutting down".to_owned());
            }
            if self.engine.listeners().await.is_empty() {
                reasons.push("there is no listener".to_owned());
            }
            reasons.extend(self.protocols.unready());
            reasons
        }
        .boxed()
    }

    fn console<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<Answer, Vec<&'static str>>> {
        async move {
            let names = tidegate_pgbouncer::console::tables();
            let asker = Asker {
                user: "the admin API".to_owned(),
                is_admin: true,
            };
            let answering = names.contains(&table).then(|| format!("SHOW {table}"));
            let Some(statement) = answering else { return Err(names) };
            self.console.answer(&statement, &asker).await.map_err(|_| names)
        }
        .boxed()
    }

    fn config(&self) -> BoxFuture<'_, Json> {
        async {
            let text = effective(&self.force.lock().await.loaded.document, &schema());
            Document::parse("effective.yaml", text).map_or(Json::Null, |document| document.to_json())
        }
        .boxed()
    }

    fn version(&self) -> Version {
        VERSION
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Vec<String>>> {
        Self::reload(self).boxed()
    }
}

/// A mistake in words. A value that was set at the console stands on no line.
fn told(mistake: Mistake) -> String {
    let span = mistake.span.filter(|_| !mistake.origin.starts_with("SET "));
    Mistake { span, ..mistake }.to_string()
}

/// What is different, and what of it has to wait for the next start.
fn compare(old: &Document, new: &Document) -> Reloaded {
    let differences = diff(&old.to_json(), &new.to_json());
    let changed: Vec<String> = differences.iter().map(|change| change.path.to_string()).collect();
    Reloaded {
        needs_restart: changed.iter().filter(|path| needs_restart(path)).cloned().collect(),
        changed,
    }
}

/// Whether a change there has to wait for the next start.
fn needs_restart(path: &str) -> bool {
    let below = |start: &str| {
        path.strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let is_of_socket = path.starts_with("listeners.") && path.ends_with(".reuse_port");
    // A whole section that came or went holds such a value, or may.
    is_of_socket || AT_START_ONLY.iter().any(|start| below(start)) || ["runtime", "log"].contains(&path)
}
