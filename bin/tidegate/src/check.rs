use std::path::Path;

use tidegate_telemetry::Registry;

use crate::builder::{Kept, Purpose};
use crate::exit::Exit;
use crate::load::{Loaded, schema};
use crate::write;

/// Tells every mistake, or that there is none.
pub(crate) fn check(path: &Path) -> Exit {
    match open(path) {
        Ok(_) => write::out(&format!("{}: ok\n", path.display())),
        Err(exit) => exit,
    }
}

/// Prints the effective configuration.
pub(crate) fn show(path: &Path) -> Exit {
    match open(path) {
        Ok(loaded) => write::out(&tidegate_config::effective(&loaded.document, &schema())),
        Err(exit) => exit,
    }
}

fn open(path: &Path) -> Result<Loaded, Exit> {
    match Loaded::open(path, Purpose::Check, &Kept::default(), &Registry::new()) {
        Ok((loaded, _)) => Ok(loaded),
        Err(mistakes) => {
            let count = mistakes.all.len();
            let word = if count == 1 { "mistake" } else { "mistakes" };
            eprint!("{mistakes}");
            eprintln!("{}: {count} {word}", path.display());
            Err(Exit::Mistakes)
        }
    }
}
