use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

use super::{Document, Source};

/// The crates of the repository.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// Its members.
    pub packages: Vec<Package>,
    /// Its pages of documentation.
    pub documents: Vec<Document>,
    /// All files and folders, relative to the root; none that is hidden or built.
    pub files: BTreeSet<String>,
}

/// A crate.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the root.
    pub folder: String,
    /// Everything it declares, by whatever name and from wherever.
    pub dependencies: Vec<Dependency>,
    /// Its `Cargo.toml`.
    pub manifest: String,
    /// Its Rust files, tests and benches included.
    pub sources: Vec<Source>,
}

/// A declared dependency.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// Features asked for at this place.
    pub features: Vec<String>,
    /// Only for tests, examples and benches.
    pub development: bool,
}

impl Workspace {
    /// Reads the workspace at `root`.
    pub fn load(root: &Path) -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .other_options(["--offline".to_owned()])
            .exec()?;
        let mut packages = Vec::new();
        for package in metadata.workspace_packages() {
            let manifest = package.manifest_path.as_std_path();
            let folder = manifest.parent().unwrap_or(root);
            let dependencies = package.dependencies.iter().map(|dependency| Dependency {
                name: dependency.name.clone(),
                features: dependency.features.clone(),
                development: dependency.kind == DependencyKind::Development,
            });
            packages.push(Package {
                name: package.name.to_string(),
                folder: relative(root, folder),
                dependencies: dependencies.collect(),
                manifest: fs::read_to_string(manifest)?,
                sources: sources(root, folder)?,
            });
        }
        let mut workspace = Self {
            packages,
            ..Self::default()
        };
        workspace.read_tree(root, root)?;
        workspace.documents.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(workspace)
    }

    fn read_tree(&mut self, root: &Path, folder: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || matches!(name.as_str(), "target" | "node_modules") {
                continue;
            }
            let (path, place) = (entry.path(), relative(root, &entry.path()));
            if entry.file_type()?.is_dir() {
                self.read_tree(root, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "md") {
                self.documents.push(Document::new(&place, &fs::read_to_string(&path)?));
            }
            self.files.insert(place);
        }
        Ok(())
    }

    /// A member by name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// A workspace of empty crates, named by their folders.
    #[cfg(test)]
    pub(super) fn made_up(packages: &[(&str, &[&str])]) -> Self {
        let packages = packages.iter().map(|(folder, uses)| {
            let mut package = Package {
                name: (*folder).to_owned(),
                folder: (*folder).to_owned(),
                dependencies: Vec::new(),
                manifest: "[lints]\nworkspace = true\n".to_owned(),
                sources: Vec::new(),
            };
            for other in *uses {
                package.use_with(other, &[]);
            }
            package
        });
        Self {
            packages: packages.collect(),
            ..Self::default()
        }
    }

    /// A workspace of one crate with one file.
    #[cfg(test)]
    pub(super) fn with_source(folder: &str, file: &str, text: &str) -> Self {
        let mut workspace = Self::made_up(&[(folder, &[])]);
        let source = Source::new(&format!("{folder}/{file}"), text);
        workspace.packages[0].sources.push(source);
        workspace
    }
}

#[cfg(test)]
impl Package {
    pub(super) fn use_with(&mut self, name: &str, features: &[&str]) {
        self.dependencies.push(Dependency {
            name: name.to_owned(),
            features: features.iter().map(|f| (*f).to_owned()).collect(),
            development: false,
        });
    }

    pub(super) fn test_with(&mut self, name: &str) {
        self.use_with(name, &[]);
        if let Some(dependency) = self.dependencies.last_mut() {
            dependency.development = true;
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().into_owned()
}

/// All Rust files of a crate, without those of crates in folders below it.
fn sources(root: &Path, folder: &Path) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() {
            let other = path.join("Cargo.toml").exists() || entry.file_name() == "target";
            if !other && !hidden {
                found.extend(sources(root, &path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(Source::new(&relative(root, &path), &fs::read_to_string(&path)?));
        }
    }
    Ok(found)
}
