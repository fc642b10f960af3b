use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tidegate_postgres_wire::login::Stored;
use tidegate_postgres_wire::user_list;

/// A file of users, in the form of PgBouncer's `auth_file`: lines of `"user" "secret"`. It is read again when it changes.
#[derive(Debug)]
pub(crate) struct UserFile {
    path: PathBuf,
    current: ArcSwap<Users>,
}

#[derive(Debug)]
struct Users {
    modified: Option<SystemTime>,
    stored: HashMap<String, Stored>,
}

/// A user file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserFileError {
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },
    #[error("{file}:{line}: expected a line of the form \"user\" \"secret\"")]
    Line { file: String, line: usize },
}

impl UserFile {
    /// Reads the file; a line that is none is an error here, so that a typo is found at start.
    pub(crate) fn open(path: &Path) -> Result<Self, UserFileError> {
        Ok(Self {
            path: path.to_owned(),
            current: ArcSwap::from_pointee(read(path)?),
        })
    }

    /// What is stored for a user.
    pub(crate) fn stored(&self, user: &str) -> Option<Stored> {
        self.refresh();
        self.current.load().stored.get(user).cloned()
    }

    /// Looks at the file's time, and reads it again if that is another. A broken file keeps the old users.
    fn refresh(&self) {
        let modified = std::fs::metadata(&self.path).and_then(|meta| meta.modified()).ok();
        if modified == self.current.load().modified {
            return;
        }
        match read(&self.path) {
            Ok(users) => self.current.store(Arc::new(users)),
            Err(error) => tracing::warn!(%error, "keeping the users that are known"),
        }
    }
}

fn read(path: &Path) -> Result<Users, UserFileError> {
    let file = || path.display().to_string();
    let wrong = |source| UserFileError::Read { file: file(), source };
    // The time is taken first: a change in between is found at the next look.
    let modified = std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .map_err(wrong)?;
    let text = std::fs::read_to_string(path).map_err(wrong)?;
    let mut stored = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(';') || line.starts_with('#') {
            continue;
        }
        let named = user_list::pair(line).filter(|(user, _)| !user.is_empty());
        let (user, secret) = named.ok_or_else(|| UserFileError::Line {
            file: file(),
            line: number + 1,
        })?;
        stored.insert(user, Stored::parse(&secret));
    }
    Ok(Users {
        modified: Some(modified),
        stored,
    })
}
