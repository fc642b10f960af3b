//! Folders of the kit: temporary ones per server, and a few shared by all test binaries of a user.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.parent().unwrap_or(kit).to_path_buf()
}

/// A folder shared by every test binary of this user; locks and the database template live there.
pub(crate) fn shared(name: &str) -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let root = std::env::temp_dir().join(format!("tidegate-kit-{user}"));
    make(&root);
    let owner = fs::metadata(&root).map_or(user, |m| m.uid());
    assert_eq!(owner, user, "{} belongs to another user; remove it", root.display());
    let folder = root.join(name);
    make(&folder);
    folder
}

/// A fresh folder that is removed when it is dropped.
pub(crate) fn temporary(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("tidegate-{name}-"))
        .tempdir()
        .unwrap_or_else(|e| panic!("cannot make a temporary folder: {e}"))
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

fn make(folder: &Path) {
    // Readable by the account that PostgreSQL runs under when the tests run as root.
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.unwrap_or_else(|e| panic!("cannot make {}: {e}", folder.display()));
}
