use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path as FilePath;

/// Largest file that `${file:…}` and `…_FILE` read.
const MAX_FILE: u64 = 1 << 20;

/// What a configuration may ask of its surroundings: environment variables, and files that hold secrets.
pub trait Environment {
    /// The variable of this name.
    fn variable(&self, name: &str) -> Option<String>;
    /// The names of all variables.
    fn names(&self) -> Vec<String>;
    /// The text of a file.
    fn file(&self, path: &FilePath) -> io::Result<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn names(&self) -> Vec<String> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        names.collect()
    }

    fn file(&self, path: &FilePath) -> io::Result<String> {
        read_small(path)
    }
}

/// Variables from a map, files from the file system: for tests, and for tools that bring their own.
impl Environment for BTreeMap<String, String> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn file(&self, path: &FilePath) -> io::Result<String> {
        read_small(path)
    }
}

fn read_small(path: &FilePath) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(text.len()).map_or(true, |length| length > MAX_FILE) {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// The content of a secret's file: without the line end that editors put there.
pub(crate) fn secret_file(environment: &dyn Environment, path: &str) -> Result<String, String> {
    let mut text = environment
        .file(FilePath::new(path))
        .map_err(|error| format!("cannot read the file `{path}`: {error}"))?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}
