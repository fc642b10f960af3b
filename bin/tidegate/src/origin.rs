use std::path::{Path, PathBuf};

use tidegate_config::{Document, Mistake};
use tidegate_pgbouncer::{Imported, Refused};

use crate::import;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A file of Tidegate's.
    Own(PathBuf),
    /// PgBouncer's `pgbouncer.ini`, turned into one of Tidegate's each time that it is read.
    PgBouncer(PathBuf),
}

/// A value that was set while the process runs: its key, or its path where the file is Tidegate's, and what it is.
pub(crate) type Set = (String, String);

/// A document, and what it was made of if it was.
pub(crate) struct Opened {
    pub(crate) document: Document,
    pub(crate) imported: Option<Imported>,
}

/// Why there is no document, and the files that were looked at.
pub(crate) struct Unread {
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) files: Vec<PathBuf>,
}

impl Origin {
    /// The file that was named.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Own(path) | Self::PgBouncer(path) => path,
        }
    }

    /// Reads it.
    ///
    /// `sets` are keys of `PgBouncer`'s file that have another value than there.
    pub(crate) fn open(&self, sets: &[Set]) -> Result<Opened, Unread> {
        let path = match self {
            Self::Own(path) => {
                let unread = |mistakes| Unread {
                    mistakes,
                    files: vec![path.clone()],
                };
                let document = Document::open(path).map_err(unread)?;
                return Ok(Opened {
                    document,
                    imported: None,
                });
            }
            Self::PgBouncer(path) => path,
        };
        let name = path.display().to_string();
        let imported = tidegate_pgbouncer::import_with(&name, sets, &|file: &str| import::read(Path::new(file)));
        let imported = imported.map_err(|Refused { mistakes, files }| Unread {
            mistakes,
            files: paths(&files),
        })?;
        // Its ending is not that of TOML, whatever the file is called.
        let made = Document::parse(&format!("{name} as YAML"), imported.yaml.clone());
        let document = made.map_err(|mistakes| Unread {
            mistakes,
            files: paths(&imported.files),
        })?;
        Ok(Opened {
            document,
            imported: Some(imported),
        })
    }
}

impl Opened {
    /// Every file that was read.
    pub(crate) fn files(&self, origin: &Origin) -> Vec<PathBuf> {
        match &self.imported {
            Some(imported) => paths(&imported.files),
            None => vec![origin.path().to_owned()],
        }
    }
}

/// Says of mistakes in what was made where the files ask for it.
pub(crate) fn place(mistakes: &mut [Mistake], imported: &Imported) {
    for mistake in mistakes {
        let found = mistake.span.take().and_then(|span| imported.place(span.line));
        if let Some(place) = found {
            mistake.origin = place.file.to_string();
            mistake.span = Some(place.span);
        }
    }
}

fn paths(names: &[String]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}
