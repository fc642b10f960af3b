//! `cargo xtask tidy`: the rules of the house, checked over the tree.
//! `cargo xtask redis-commands HOST:PORT...`: the command table, from running servers, the oldest first.

use std::process::ExitCode;

use anyhow::bail;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("tidy") => {
            let findings = xtask::tidy::run(&xtask::root())?;
            for finding in &findings {
                eprintln!("{finding}");
            }
            let code = u8::from(!findings.is_empty());
            Ok(ExitCode::from(code))
        }
        Some("redis-commands") => {
            let addresses: Vec<String> = arguments.collect();
            xtask::redis_commands::run(&xtask::root(), &addresses)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!(
            "tasks: tidy (the arrows and rules of absence of ARCHITECTURE.md), \
             redis-commands (the command table of the Redis wire)"
        ),
    }
}
