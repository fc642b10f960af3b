use super::{Finding, Workspace};

/// A longer file is two.
const LINES: usize = 800;

/// Nothing is left for later in what ships, and no debug print.
pub(super) fn nothing_unfinished(workspace: &Workspace) -> Vec<Finding> {
    // Put together, so that this file does not find itself.
    let words = ["todo", "unimplemented", "dbg"].map(|word| format!("{word}!("));
    let mut findings = Vec::new();
    for source in workspace.packages.iter().flat_map(|package| &package.sources) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| line.contains(word.as_str())) {
                let text = format!("`{word}…)` has no place in the tree");
                findings.push(Finding::new(source.place(number), text));
            }
        }
    }
    findings
}

/// No file is longer than [`LINES`].
pub(super) fn files_are_short(workspace: &Workspace) -> Vec<Finding> {
    let sources = workspace.packages.iter().flat_map(|package| &package.sources);
    sources
        .filter(|source| source.length > LINES)
        .map(|source| {
            let text = format!("{} lines, at most {LINES}: make it two", source.length);
            Finding::new(&source.path, text)
        })
        .collect()
}

/// Every crate takes the lints of the workspace.
pub(super) fn lints_are_inherited(workspace: &Workspace) -> Vec<Finding> {
    let packages = workspace.packages.iter();
    packages
        .filter(|package| !inherits_lints(&package.manifest))
        .map(|package| {
            let text = "its Cargo.toml lacks `[lints]` with `workspace = true`";
            Finding::new(&package.folder, text)
        })
        .collect()
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim);
    let found = lines.by_ref().any(|line| line == "[lints]");
    let mut table = lines.take_while(|line| !line.starts_with('['));
    found && table.any(|line| line.replace(' ', "") == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_for_later_is_found() {
        let text = "fn a() {\n    todo!()\n}\n// todo!() in a comment\n";
        let findings = nothing_unfinished(&Workspace::with_source("core/net", "src/a.rs", text));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "core/net/src/a.rs:2");
    }

    #[test]
    fn a_long_file_is_found() {
        let at_most = "\n".repeat(LINES);
        let fine = Workspace::with_source("core/net", "src/a.rs", &at_most);
        assert_eq!(files_are_short(&fine), []);
        let long = Workspace::with_source("core/net", "src/a.rs", &format!("{at_most}\n"));
        assert_eq!(files_are_short(&long).len(), 1);
    }

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        let mut workspace = Workspace::made_up(&[("core/net", &[])]);
        assert_eq!(lints_are_inherited(&workspace), []);
        "[lints.rust]\nunsafe_code = \"allow\"\n[a]\nworkspace = true\n"
            .clone_into(&mut workspace.packages[0].manifest);
        assert_eq!(lints_are_inherited(&workspace).len(), 1);
    }
}
