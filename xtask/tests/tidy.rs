//! The rules of the house, over the real tree.

#[test]
fn the_tree_is_tidy() {
    let findings = xtask::tidy::run(&xtask::root()).expect("cargo metadata");
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn the_tree_is_really_read() {
    let workspace = xtask::tidy::Workspace::load(&xtask::root()).expect("cargo metadata");
    let base = workspace.package("tidegate-base").expect("core/base");
    assert_eq!(base.folder, "core/base");
    assert!(base.sources.iter().any(|source| source.path == "core/base/src/lib.rs"));
    assert!(
        base.dependencies
            .iter()
            .any(|dependency| dependency.name == "thiserror")
    );
    let guide = workspace
        .documents
        .iter()
        .find(|page| page.path == "docs/guide/README.md");
    assert!(guide.is_some_and(|page| page.anchors().any(|anchor| anchor == "guide")));
}
