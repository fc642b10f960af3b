//! The rules of the house, as checks over the workspace: which crate may use which, and what is
//! deliberately absent. Each check is a pure function with a bad example it must catch.

mod absence;
mod arrows;
mod document;
mod hygiene;
mod links;
mod room;
mod source;
mod workspace;

use std::fmt;
use std::path::Path;

use anyhow::Context as _;

pub use self::document::Document;
pub use self::room::Room;
pub use self::source::Source;
pub use self::workspace::{Dependency, Package, Workspace};

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file or crate, relative to the root.
    pub place: String,
    /// What is wrong, and what to do instead.
    pub text: String,
}

impl Finding {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Runs every check over the workspace at `root`.
pub fn run(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let workspace = Workspace::load(root).context("cannot read the workspace")?;
    Ok(check(&workspace))
}

/// Every check over a workspace.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let checks = [
        arrows::directions,
        arrows::depth,
        absence::wires_are_pure,
        absence::transforms_have_no_socket,
        absence::engine_names_no_protocol,
        absence::only_the_registry_matches_protocols,
        absence::no_global_state,
        hygiene::nothing_unfinished,
        hygiene::files_are_short,
        hygiene::lints_are_inherited,
        links::links_lead_somewhere,
    ];
    checks.iter().flat_map(|check| check(workspace)).collect()
}
