use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Package, Room, Workspace};

/// The longest path of the house: bin, postgres, engine, cluster, limit, base.
const DEPTH: usize = 6;

/// A crate uses only what its room may know. Tests may use anything but the roof.
pub(super) fn directions(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let room = Room::of(&package.folder);
        if room == Room::Unknown {
            let text = "this folder is not on the floor plan: see ARCHITECTURE.md";
            findings.push(Finding::new(&package.folder, text));
        }
        for other in used(workspace, package, false) {
            if !room.may_use(&Room::of(&other.folder)) {
                let text = format!("must not depend on {}", other.folder);
                findings.push(Finding::new(&package.folder, text));
            }
        }
        for other in used(workspace, package, true) {
            if Room::of(&other.folder) == Room::Bin {
                let text = format!("must not depend on {}, even in tests", other.folder);
                findings.push(Finding::new(&package.folder, text));
            }
        }
    }
    findings
}

/// No path from the roof is longer than [`DEPTH`] crates.
pub(super) fn depth(workspace: &Workspace) -> Vec<Finding> {
    let mut known = BTreeMap::new();
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let path = longest(workspace, package, &mut known, &mut BTreeSet::new());
        if path.len() > DEPTH {
            let text = format!("a path of {} crates, at most {DEPTH}: {}", path.len(), path.join(" > "));
            findings.push(Finding::new(&package.folder, text));
        }
    }
    findings
}

fn longest(
    workspace: &Workspace,
    package: &Package,
    known: &mut BTreeMap<String, Vec<String>>,
    above: &mut BTreeSet<String>,
) -> Vec<String> {
    if let Some(path) = known.get(&package.name) {
        return path.clone();
    }
    // Cargo refuses cycles; a made-up workspace must not hang the check.
    if !above.insert(package.name.clone()) {
        return Vec::new();
    }
    let below = used(workspace, package, false)
        .map(|other| longest(workspace, other, known, above))
        .max_by_key(Vec::len);
    let mut path = vec![package.name.clone()];
    path.extend(below.unwrap_or_default());
    above.remove(&package.name);
    known.insert(package.name.clone(), path.clone());
    path
}

fn used<'a>(workspace: &'a Workspace, package: &'a Package, development: bool) -> impl Iterator<Item = &'a Package> {
    let dependencies = package.dependencies.iter();
    dependencies
        .filter(move |dependency| dependency.development == development)
        .filter_map(|dependency| workspace.package(&dependency.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_upwards_is_found() {
        let workspace = Workspace::made_up(&[
            ("core/base", &[]),
            ("core/net", &["core/base"]),
            ("core/pool", &["core/base", "core/net"]),
        ]);
        let findings = directions(&workspace);
        assert_eq!(findings, [Finding::new("core/pool", "must not depend on core/net")]);
    }

    #[test]
    fn a_room_outside_the_plan_is_found() {
        let findings = directions(&Workspace::made_up(&[("core/misc", &[])]));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].text.contains("floor plan"));
    }

    #[test]
    fn a_test_may_use_the_kit_but_not_the_roof() {
        let mut workspace = Workspace::made_up(&[("core/net", &[]), ("kit", &[]), ("bin/tidegate", &[])]);
        workspace.packages[0].test_with("kit");
        assert_eq!(directions(&workspace), []);
        workspace.packages[0].test_with("bin/tidegate");
        assert_eq!(directions(&workspace).len(), 1);
    }

    #[test]
    fn a_path_of_seven_is_found() {
        let six: &[(&str, &[&str])] = &[
            ("bin/tidegate", &["protocols/postgres"]),
            ("protocols/postgres", &["core/engine"]),
            ("core/engine", &["core/cluster"]),
            ("core/cluster", &["core/limit"]),
            ("core/limit", &["core/base"]),
            ("core/base", &[]),
        ];
        assert_eq!(depth(&Workspace::made_up(six)), []);
        let mut seven = six.to_vec();
        seven[4] = ("core/limit", &["core/net"]);
        seven.push(("core/net", &["core/base"]));
        let findings = depth(&Workspace::made_up(&seven));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].place, "bin/tidegate");
    }
}
