use std::path::{Path, PathBuf};

use anyhow::bail;

const HOW_TO_INSTALL: &str = "\
there is no PostgreSQL server on this machine (looked for `initdb` and `postgres` in $PG_BIN, in \
/usr/lib/postgresql/*/bin and in $PATH).
Install one, for example:
  Debian, Ubuntu:  apt-get install postgresql postgresql-client
  Fedora, RHEL:    dnf install postgresql-server postgresql
  Alpine:          apk add postgresql postgresql-client
  macOS:           brew install postgresql
or set PG_BIN to the folder that holds them, and run `tidegate demo` again.";

/// PostgreSQL's programs on this machine.
#[derive(Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// In `PG_BIN`, in Debian's folders (newest version first) or in `PATH`.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let named = std::env::var_os("PG_BIN").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::among(named.into_iter().chain(debian()).chain(std::env::split_paths(&path)))
    }

    /// In the first of these folders that has them all.
    fn among(folders: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<Self> {
        let is_complete = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
        match folders.into_iter().find(is_complete) {
            Some(folder) => Ok(Self(folder)),
            None => bail!(HOW_TO_INSTALL),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn debian() -> Vec<PathBuf> {
    let Ok(versions) = Path::new("/usr/lib/postgresql").read_dir() else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complete_folder_is_taken_and_none_is_explained() {
        let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let paths = || folders.iter().map(|folder| folder.path().to_owned());
        let error = Programs::among(paths()).unwrap_err().to_string();
        assert!(
            error.contains("apt-get install postgresql") && error.contains("PG_BIN"),
            "{error}"
        );
        std::fs::write(folders[0].path().join("initdb"), "").unwrap();
        for name in ["initdb", "postgres"] {
            std::fs::write(folders[2].path().join(name), "").unwrap();
        }
        assert_eq!(Programs::among(paths()).unwrap().folder(), folders[2].path());
    }
}
