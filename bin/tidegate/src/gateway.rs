mod console;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tidegate_admin::{Reloaded, Source, Version};
use tidegate_config::{Document, diff, effective};
use tidegate_engine::{Engine, EngineError, ListenerView, RoomView};
use tidegate_telemetry::{LogHandle, ProcessMetrics, Registry, SharedCounter, SharedGauge};
use tokio::sync::Mutex;

use crate::builder::{Kept, Purpose};
use crate::discoveries::Discoveries;
use crate::files::Stamp;
use crate::load::{Loaded, schema};
use crate::origin::Origin;
use crate::registry::{Plan, Protocols};
use crate::version::VERSION;

/// Paths that a running process does not change.
const AT_START_ONLY: [&str; 6] = [
    "runtime.data_threads",
    "runtime.login_threads",
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
}

/// The files that the configuration is read from, the first one first, and how they were.
#[derive(Default)]
struct Seen(Vec<(PathBuf, Option<Stamp>)>);

/// The configuration that is in force. Locked while it is exchanged, so reloads follow one another.
struct InForce {
    loaded: Loaded,
    kept: Kept,
    discoveries: Discoveries,
}

struct ReloadMetrics {
    /// Kept, so that it shows.
    _info: SharedGauge,
    succeeded: SharedGauge,
    at: SharedGauge,
    good: SharedCounter,
    bad: SharedCounter,
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
            kept,
            discoveries,
        };
        Ok(Arc::new_cyclic(|this| {
            protocols.postgres().answer_by(console::open(this.clone()));
            Self {
                engine,
                protocols,
                registry: Arc::clone(registry),
                origin: origin.clone(),
                log,
                force: Mutex::new(force),
                seen: std::sync::Mutex::new(seen),
                metrics,
            }
        }))
    }

    /// Follows the servers' health for as long as it is polled.
    pub(crate) fn watch_health(&self) -> impl Future<Output = ()> + Send + 'static {
        self.protocols.watch_health()
    }

    /// Reads the file again and puts it in force, whole or not at all, and logs either way.
    pub(crate) async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        let outcome = self.exchange().await;
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

    async fn exchange(&self) -> Result<Reloaded, Vec<String>> {
        let mut force = self.force.lock().await;
        // Taken before the file is read: a change in between is found at the next look.
        self.look();
        let opened = Loaded::open(&self.origin, Purpose::Run, &force.kept, &self.registry);
        self.follow(match &opened {
            Ok((loaded, _)) => &loaded.files,
            Err(mistakes) => &mistakes.files,
        });
        let (loaded, plan) =
            opened.map_err(|mistakes| mistakes.all.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        // New listeners are bound first, and that is the one step that can still fail.
        let applied = self.engine.apply(plan.listeners).await;
        applied.map_err(|error| vec![error.to_string()])?;
        self.protocols.install(plan.plans);
        force.discoveries.follow(&plan.kept.clusters);
        if let Some(log) = &self.log
            && let Err(error) = log.set_level(&loaded.config.log.level)
        {
            tracing::warn!(%error, "cannot change the log level");
        }
        let reloaded = compare(&force.loaded.document, &loaded.document);
        for warning in &loaded.warnings {
            if !force.loaded.warnings.contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        force.kept = plan.kept;
        force.loaded = loaded;
        Ok(reloaded)
    }

    /// Looks at the files, and tells whether one is another than at the last look.
    pub(crate) fn look(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).look()
    }

    /// Looks at these files from now on.
    fn follow(&self, files: &[PathBuf]) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).follow(files);
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

impl Seen {
    /// A first file that cannot be seen, between two steps of an editor, is not another one.
    fn look(&mut self) -> bool {
        let now: Vec<Option<Stamp>> = self.0.iter().map(|(file, _)| Stamp::of(file)).collect();
        if now.first().is_none_or(Option::is_none) {
            return false;
        }
        let is_other = now.iter().zip(&self.0).any(|(now, (_, before))| now != before);
        for ((_, before), now) in self.0.iter_mut().zip(now) {
            *before = now;
        }
        is_other
    }

    /// Those that were known keep the state that they were seen in.
    fn follow(&mut self, files: &[PathBuf]) {
        let before = std::mem::take(&mut self.0);
        let state = |file: &PathBuf| {
            let known = before.iter().find(|(known, _)| known == file);
            known.map_or_else(|| Stamp::of(file), |(_, stamp)| *stamp)
        };
        self.0 = files.iter().map(|file| (file.clone(), state(file))).collect();
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
    // A whole section that came or went holds such a value, or may.
    AT_START_ONLY.iter().any(|start| below(start)) || ["runtime", "log"].contains(&path)
}

impl ReloadMetrics {
    fn new(registry: &Registry) -> Self {
        let gauge = |name, help| registry.gauge(name, help, &[]).shared(&[]);
        let reloads = registry.counter(
            "tidegate_config_reloads_total",
            "Times that the configuration was read, the start included",
            &["outcome"],
        );
        registry.collect(ProcessMetrics);
        let info = registry.gauge(
            "tidegate_build_info",
            "What is running; always 1",
            &["version", "commit"],
        );
        let info = info.shared(&[VERSION.version, VERSION.commit.unwrap_or_default()]);
        info.set(1);
        Self {
            _info: info,
            succeeded: gauge(
                "tidegate_config_last_reload_successful",
                "1 when the configuration that was read last is in force",
            ),
            at: gauge(
                "tidegate_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was read, in seconds since 1970",
            ),
            good: reloads.shared(&["taken"]),
            bad: reloads.shared(&["refused"]),
        }
    }

    fn note(&self, is_good: bool) {
        self.succeeded.set(i64::from(is_good));
        if is_good {
            self.good.inc();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            self.at.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        } else {
            self.bad.inc();
        }
    }
}
