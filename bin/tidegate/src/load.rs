use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;
use tidegate_config::{
    Document, Environment, Mistake, Overrides, Path as ConfigPath, ProcessEnvironment, Step, report_with_source,
};
use tidegate_pgbouncer::console::Setting;
use tidegate_telemetry::Registry;

use crate::builder::{Kept, Purpose};
use crate::finding::Finding;
use crate::origin::{self, Origin, Set};
use crate::registry::{Config, Plan};

/// Variables that set values.
const OVERRIDES: Overrides<'_> = Overrides {
    prefix: "TIDEGATE_",
    reserved: &[
        "TIDEGATE_CONFIG",
        "TIDEGATE_COMMIT",
        "TIDEGATE_ADMIN_TOKEN",
        "TIDEGATE_DRIVERS",
        "TIDEGATE_SKIP_DRIVERS",
    ],
};

/// A configuration that can be put in force.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) document: Document,
    /// What is otherwise than the file's own program would do it.
    pub(crate) warnings: Vec<String>,
    /// Paths that were set and are no more in the file, and what is wrong with them.
    pub(crate) lost: Vec<(String, Mistake)>,
    /// Every file that was read.
    pub(crate) files: Vec<PathBuf>,
    /// The keys of the file, where it is `PgBouncer`'s.
    pub(crate) settings: Option<Vec<Setting>>,
}

/// Every mistake of a configuration.
#[derive(Debug)]
pub(crate) struct Mistakes {
    pub(crate) all: Vec<Mistake>,
    /// Every file that was read, or was to be.
    pub(crate) files: Vec<PathBuf>,
    document: Option<Box<Document>>,
}

/// The schema of the whole configuration.
pub(crate) fn schema() -> Json {
    schemars::schema_for!(Config).to_value()
}

impl Loaded {
    /// Reads a file and puts its Plan together on top of what was `before`. `Err` holds the mistakes of all steps.
    pub(crate) fn open(
        origin: &Origin,
        purpose: Purpose,
        before: &Kept,
        registry: &Registry,
    ) -> Result<(Self, Plan), Mistakes> {
        Self::open_with(origin, &[], purpose, before, registry)
    }

    /// The same, with values set on top.
    pub(crate) fn open_with(
        origin: &Origin,
        sets: &[Set],
        purpose: Purpose,
        before: &Kept,
        registry: &Registry,
    ) -> Result<(Self, Plan), Mistakes> {
        let opened = origin.open(sets).map_err(|unread| Mistakes {
            all: unread.mistakes,
            files: unread.files,
            document: None,
        })?;
        let files = opened.files(origin);
        let of_document = match origin {
            Origin::Own(_) => sets,
            Origin::PgBouncer(_) => &[],
        };
        match Self::build(opened.document, of_document, purpose, before, registry) {
            Ok((mut loaded, plan)) => {
                if let Some(imported) = opened.imported {
                    loaded.warnings = imported.warnings.iter().map(ToString::to_string).collect();
                    loaded.settings = Some(imported.settings);
                }
                loaded.files = files;
                Ok((loaded, plan))
            }
            Err(mut mistakes) => {
                if let Some(imported) = &opened.imported {
                    origin::place(&mut mistakes.all, imported);
                }
                Err(Mistakes { files, ..mistakes })
            }
        }
    }

    fn build(
        mut document: Document,
        sets: &[Set],
        purpose: Purpose,
        before: &Kept,
        registry: &Registry,
    ) -> Result<(Self, Plan), Mistakes> {
        let schema = schema();
        let mut mistakes = document.resolve(&schema, &Surroundings, OVERRIDES);
        let set = |(path, text): &Set| {
            let wrong = document.set(&schema, &format!("SET {path}"), path, text).err()?;
            Some((path.clone(), wrong))
        };
        let lost = sets.iter().filter_map(set).collect();
        // A value whose reference failed is reported once, not again for what it looks like.
        let failed: Vec<_> = mistakes.iter().filter_map(|mistake| mistake.path.clone()).collect();
        let found = tidegate_config::check(&document, &schema).into_iter();
        mistakes.extend(found.filter(|mistake| mistake.path.as_ref().is_none_or(|path| !failed.contains(path))));
        if !mistakes.is_empty() {
            mistakes.extend(beyond(&document, &mistakes));
            return Err(Mistakes::new(mistakes, document));
        }
        let config = match tidegate_config::decode::<Config>(&document) {
            Ok(config) => config,
            Err(mut mistakes) => {
                mistakes.extend(beyond(&document, &mistakes));
                return Err(Mistakes::new(mistakes, document));
            }
        };
        match Plan::build(&config, purpose, before, registry) {
            Ok(plan) => {
                let loaded = Self {
                    config,
                    document,
                    warnings: Vec::new(),
                    lost,
                    files: Vec::new(),
                    settings: None,
                };
                Ok((loaded, plan))
            }
            Err(findings) => {
                let mistakes = findings.iter().map(|finding| finding.in_document(&document)).collect();
                Err(Mistakes::new(mistakes, document))
            }
        }
    }
}

/// What else would be wrong once these mistakes are put right, so that one run finds all: the values that they are about
/// are left out, and what concerns those is not told twice.
fn beyond(document: &Document, known: &[Mistake]) -> Vec<Mistake> {
    let mut pruned = document.to_json();
    let paths: Vec<&ConfigPath> = known.iter().filter_map(|mistake| mistake.path.as_ref()).collect();
    // Without a whole cluster, or all of them, its name would be missed elsewhere.
    let is_name = |path: &&&ConfigPath| path.steps().len() <= 2 && path.steps().first() == Some(&clusters());
    if paths.iter().any(|path| is_name(&path)) {
        return Vec::new();
    }
    for path in &paths {
        prune(&mut pruned, path.steps());
    }
    let Ok(config) = Config::deserialize(pruned) else {
        return Vec::new();
    };
    let Err(findings) = Plan::build(&config, Purpose::Check, &Kept::default(), &Registry::new()) else {
        return Vec::new();
    };
    let mistakes = findings.iter().map(|finding: &Finding| finding.in_document(document));
    let concerns = |one: &ConfigPath, other: &ConfigPath| {
        let (one, other) = (one.steps(), other.steps());
        one.starts_with(other) || other.starts_with(one)
    };
    mistakes
        .filter(|mistake| {
            !mistake
                .path
                .iter()
                .any(|found| paths.iter().any(|path| concerns(path, found)))
        })
        .collect()
}

fn clusters() -> Step {
    Step::Key("clusters".to_owned())
}

/// Takes out the map entry that a path names. Elements stay: their order is their meaning.
fn prune(json: &mut Json, steps: &[Step]) {
    match (steps, json) {
        ([Step::Key(key)], Json::Object(map)) => drop(map.shift_remove(key)),
        ([Step::Key(key), rest @ ..], Json::Object(map)) => {
            if let Some(inner) = map.get_mut(key) {
                prune(inner, rest);
            }
        }
        ([Step::Index(index), rest @ ..], Json::Array(list)) => {
            if let Some(inner) = list.get_mut(*index) {
                prune(inner, rest);
            }
        }
        _ => {}
    }
}

impl Mistakes {
    fn new(mut all: Vec<Mistake>, document: Document) -> Self {
        all.sort_by(|one, other| (&one.span, &one.origin).cmp(&(&other.span, &other.origin)));
        all.dedup();
        Self {
            all,
            files: Vec::new(),
            document: Some(Box::new(document)),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.document {
            Some(document) => out.write_str(&report_with_source(&self.all, document)),
            None => out.write_str(&tidegate_config::report(&self.all)),
        }
    }
}

/// The process's environment, without what Kubernetes puts there for a Service that is called `tidegate`.
struct Surroundings;

impl Environment for Surroundings {
    fn variable(&self, name: &str) -> Option<String> {
        ProcessEnvironment.variable(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names = ProcessEnvironment.names();
        names.retain(|name| !is_service_link(name));
        names
    }

    fn file(&self, path: &Path) -> std::io::Result<String> {
        ProcessEnvironment.file(path)
    }
}

/// `TIDEGATE_SERVICE_HOST`, `TIDEGATE_PORT_6432_TCP_ADDR` and the like. No key of the configuration looks so: a level is
/// `__`.
fn is_service_link(name: &str) -> bool {
    let words = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    !name.contains("__") && words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_are_no_overrides() {
        for name in [
            "TIDEGATE_SERVICE_HOST",
            "TIDEGATE_PORT",
            "TIDEGATE_PORT_6432_TCP_ADDR",
            "TIDEGATE_SERVICE_PORT_PG",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in [
            "TIDEGATE_LISTENERS__PORT__ADDRESS",
            "TIDEGATE_NODE",
            "TIDEGATE_ADMIN__ADDRESS",
        ] {
            assert!(!is_service_link(name), "{name}");
        }
    }
}
