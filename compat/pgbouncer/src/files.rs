use std::io;
use std::path::Path;
use std::sync::Arc;

use tidegate_config::Mistake;

use crate::place::{Notes, Place};

/// Reads a file by its name.
pub type Read<'r> = dyn Fn(&str) -> io::Result<String> + 'r;

/// The files that are read, so that somebody may watch them.
pub(crate) struct Files<'r> {
    read: &'r Read<'r>,
    pub(crate) names: Vec<String>,
}

impl<'r> Files<'r> {
    pub(crate) fn new(read: &'r Read<'r>) -> Self {
        Self {
            read,
            names: Vec::new(),
        }
    }

    /// The first file, which nobody names.
    pub(crate) fn first(&mut self, name: &str, notes: &mut Notes) -> Option<(Arc<str>, String)> {
        self.open(name)
            .map_err(|message| {
                notes.mistakes.push(Mistake {
                    origin: name.to_owned(),
                    span: None,
                    path: None,
                    message,
                });
            })
            .ok()
    }

    /// A file that is named at a place.
    pub(crate) fn named(&mut self, name: &str, at: &Place, notes: &mut Notes) -> Option<(Arc<str>, String)> {
        self.open(name)
            .map_err(|message| notes.wrong(at, format!("`{name}`: {message}")))
            .ok()
    }

    fn open(&mut self, name: &str) -> Result<(Arc<str>, String), String> {
        // Also one that cannot be read: it may be there soon.
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        let text = (self.read)(name).map_err(|error| format!("cannot read the file: {error}"))?;
        if text.contains('\0') {
            return Err("the file holds a NUL byte".to_owned());
        }
        Ok((Arc::from(name), text))
    }
}

/// A name in a file, seen from that file's folder (`hba.c`, `path_join_dirname`).
pub(crate) fn beside(file: &str, name: &str) -> String {
    match Path::new(file).parent() {
        Some(folder) if !name.starts_with('/') => folder.join(name).display().to_string(),
        _ => name.to_owned(),
    }
}
