//! Where programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The path, if there is a file; `Err` says where it was looked for.
pub(crate) fn existing(path: Option<PathBuf>, looked: &str) -> Result<PathBuf, String> {
    let path = path.filter(|path| path.is_file());
    // Peers run in folders of their own.
    path.map(|path| path.canonicalize().unwrap_or(path))
        .ok_or_else(|| format!("not found: looked at {looked}"))
}

/// The Tidegate that was named, or else that of the same build.
pub(crate) fn tidegate(named: Option<&PathBuf>) -> Result<PathBuf, String> {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("tidegate"));
    existing(
        named.cloned().or_else(beside),
        "`tidegate` beside this program, or --tidegate",
    )
}

/// Debian keeps servers where an ordinary user's `PATH` does not look.
pub(crate) fn installed(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    existing(found, "PATH and /usr/sbin")
}

/// The first line that a program says of its version.
pub(crate) fn version(program: &Path, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    // Twemproxy says it on standard error.
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
