//! `cargo xtask tidy`: the rules of the house, checked over the tree.

use std::process::ExitCode;

use anyhow::bail;

fn main() -> anyhow::Result<ExitCode> {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => {
            let findings = xtask::tidy::run(&xtask::root())?;
            for finding in &findings {
                eprintln!("{finding}");
            }
            let code = u8::from(!findings.is_empty());
            Ok(ExitCode::from(code))
        }
        _ => bail!("tasks: tidy (the arrows and rules of absence of ARCHITECTURE.md)"),
    }
}
