use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::exit::Exit;
use crate::load;

/// Writes a commented configuration to start from.
pub(crate) fn init(path: &Path, force: bool) -> Exit {
    let text = tidegate_config::default_file(&load::schema());
    if path == Path::new("-") {
        return out(&text);
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!force);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            let path = path.display();
            out(&format!("wrote {path}; now edit it, then: tidegate check -c {path}\n"))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            eprintln!("tidegate: {} exists; --force replaces it", path.display());
            Exit::Mistakes
        }
        Err(error) => {
            eprintln!("tidegate: cannot write {}: {error}", path.display());
            Exit::Mistakes
        }
    }
}

/// Prints the JSON Schema.
pub(crate) fn schema() -> Exit {
    out(&format!("{:#}\n", load::schema()))
}

/// Prints the reference in Markdown.
pub(crate) fn reference() -> Exit {
    out(&tidegate_config::reference(&load::schema()))
}

/// Writes to standard output.
pub(crate) fn out(text: &str) -> Exit {
    bytes(&mut io::stdout(), text.as_bytes())
}

/// Writes all of it. A reader that has gone away (`| head`) wanted no more.
pub(crate) fn bytes(to: &mut dyn Write, bytes: &[u8]) -> Exit {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            eprintln!("tidegate: cannot write: {error}");
            Exit::Mistakes
        }
    }
}
