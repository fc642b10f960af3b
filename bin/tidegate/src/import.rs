use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::exit::Exit;
use crate::write;

/// The largest foreign configuration that is read.
const MOST: u64 = 4 << 20;

/// Prints twemproxy's configuration as Tidegate's; what is otherwise than it was goes to standard error.
pub(crate) fn twemproxy(path: &Path) -> Exit {
    let name = path.display();
    let text = match read(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("tidegate: cannot read {name}: {error}");
            return Exit::Mistakes;
        }
    };
    match tidegate_twemproxy::import(&name.to_string(), &text) {
        Ok(imported) => {
            for warning in &imported.warnings {
                eprintln!("{name}:{}: {}", warning.line, warning.text);
            }
            write::out(&imported.yaml)
        }
        Err(mistakes) => {
            eprint!("{}", tidegate_config::report(&mistakes));
            Exit::Mistakes
        }
    }
}

/// Writes PgBouncer's configuration as Tidegate's; what is otherwise than it was goes to standard error.
pub(crate) fn pgbouncer(path: &Path, output: Option<&Path>) -> Exit {
    let name = path.display().to_string();
    let imported = match tidegate_pgbouncer::import(&name, &|file: &str| read(Path::new(file))) {
        Ok(imported) => imported,
        Err(refused) => {
            eprint!("{}", tidegate_config::report(&refused.mistakes));
            return Exit::Mistakes;
        }
    };
    for warning in &imported.warnings {
        eprintln!("{warning}");
    }
    let Some(output) = output else {
        return write::out(&imported.yaml);
    };
    match write_private(output, &imported.yaml) {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("tidegate: cannot write {}: {error}", output.display());
            Exit::Mistakes
        }
    }
}

/// A new file is for its owner only, as there are passwords in it.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Reads a file that is not too large.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if length as u64 > MOST {
        let message = format!("it is larger than {} MiB", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}
