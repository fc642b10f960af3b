//! Tasks of the repository, as a library so that they can be tested.

use std::path::{Path, PathBuf};

pub mod redis_commands;
pub mod tidy;

/// The root of the repository.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}
