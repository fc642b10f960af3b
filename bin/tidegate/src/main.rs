//! Tidegate: one binary between applications and all their data.
//!
//! This crate is the roof: it reads the command line and the configuration, puts the parts together and runs them. The
//! only file that names every part is `registry.rs`.

mod builder;
mod check;
mod cli;
mod demo;
mod discoveries;
mod exit;
mod files;
mod finding;
mod gateway;
mod import;
mod load;
mod origin;
mod pid_file;
mod registry;
mod run;
mod signals;
mod version;
mod write;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main().into()
}
