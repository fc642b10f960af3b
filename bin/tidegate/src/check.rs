use tidegate_telemetry::Registry;

use crate::builder::{Kept, Purpose};
use crate::exit::Exit;
use crate::load::{Loaded, schema};
use crate::origin::Origin;
use crate::write;

/// Tells every mistake, or that there is none.
pub(crate) fn check(origin: &Origin) -> Exit {
    match open(origin) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("{warning}");
            }
            write::out(&format!("{}: ok\n", origin.path().display()))
        }
        Err(exit) => exit,
    }
}

/// Prints the effective configuration.
pub(crate) fn show(origin: &Origin) -> Exit {
    match open(origin) {
        Ok(loaded) => write::out(&tidegate_config::effective(&loaded.document, &schema())),
        Err(exit) => exit,
    }
}

fn open(origin: &Origin) -> Result<Loaded, Exit> {
    match Loaded::open(origin, Purpose::Check, &Kept::default(), &Registry::new()) {
        Ok((loaded, _)) => Ok(loaded),
        Err(mistakes) => {
            let count = mistakes.all.len();
            let word = if count == 1 { "mistake" } else { "mistakes" };
            eprint!("{mistakes}");
            eprintln!("{}: {count} {word}", origin.path().display());
            Err(Exit::Mistakes)
        }
    }
}
