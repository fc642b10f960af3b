use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// PostgreSQL's programs on this machine.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Finds them in `PG_BIN`, in Debian's folders (newest version first) or in `PATH`.
    pub fn find() -> Self {
        let named = std::env::var_os("PG_BIN").map(PathBuf::from);
        let found = named.into_iter().chain(debian()).chain(path());
        let folder = found.into_iter().find(|f| f.join("initdb").is_file());
        let folder = folder.unwrap_or_else(|| {
            panic!("no PostgreSQL on this machine: run `make setup`, or set PG_BIN to the folder of initdb")
        });
        Self { folder }
    }

    /// The path of one program, such as `psql`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command for one program, free of any `PG*` variable of the caller's environment.
    pub fn command(&self, name: &str) -> Command {
        clean(self.path(name))
    }
}

/// A command whose libpq variables are only those that the kit sets.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(&name);
        }
    }
    command.env("LC_ALL", "C.UTF-8");
    command
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

fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}
