use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

/// The files that the configuration is read from, the first one first, and how they were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Vec<(PathBuf, Option<Stamp>)>);

impl Seen {
    /// Looks, and tells whether one is another than at the last look. A first file that cannot be seen, between two steps of an editor, is not another one.
    pub(crate) fn look(&mut self) -> bool {
        let now: Vec<Option<Stamp>> = self.0.iter().map(|(file, _)| Stamp::of(file)).collect();
        if now.first().is_none_or(Option::is_none) {
            return false;
        }
        let is_other = now.iter().zip(&self.0).any(|(now, (_, before))| now != before);
        for ((_, before), now) in self.0.iter_mut().zip(now) {
            *before = now;
        }
        is_other
    }

    /// Looks at these files from now on. Those that were known keep the state that they were seen in.
    pub(crate) fn follow(&mut self, files: &[PathBuf]) {
        let before = std::mem::take(&mut self.0);
        let state = |file: &PathBuf| {
            let known = before.iter().find(|(known, _)| known == file);
            known.map_or_else(|| Stamp::of(file), |(_, stamp)| *stamp)
        };
        self.0 = files.iter().map(|file| (file.clone(), state(file))).collect();
    }
}
