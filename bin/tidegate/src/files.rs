use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one state of a file from the next; follows symbolic links, so a swapped one is seen too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The file as it is now; none while it cannot be seen, for example between two steps of an editor.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}
