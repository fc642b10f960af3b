use std::fs::File;
use std::io::{self, Read};
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

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if length as u64 > MOST {
        let message = format!("it is larger than {} MiB", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}
