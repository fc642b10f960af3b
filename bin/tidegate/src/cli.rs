use std::io;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::origin::Origin;
use crate::{check, demo, import, run, version, write};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the configuration has mistakes, or a file cannot be read or written
  2  wrong usage
  3  cannot start: an address cannot be listened on, or something needed is missing
  4  sessions were left when runtime.drain_timeout had passed
  130, 131, 143  ended at once by a second SIGINT, SIGQUIT or SIGTERM

Signals of `run`: SIGHUP reads the configuration again; SIGTERM and SIGINT drain; SIGQUIT ends at once. With --pgbouncer they
mean what they mean to PgBouncer.
Every single value can be set by the environment: TIDEGATE_LISTENERS__MAIN__ADDRESS.";

/// One binary between applications and all their data.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version = version::VERSION.version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Run(File),
    /// Find every mistake in a configuration; binds no port.
    Check(File),
    /// Make and show configurations.
    #[command(subcommand)]
    Config(Config),
    /// Turn the configuration of another gateway into one of Tidegate, on standard output.
    #[command(subcommand)]
    Import(Import),
    /// Show what this is.
    Version,
    /// Print the completions for a shell.
    Completion {
        /// Which shell.
        shell: Shell,
    },
    /// Try it: a throw-away PostgreSQL and Redis from this machine with the gateway in front of them, gone after Ctrl-C.
    Demo(demo::Wishes),
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Write a commented configuration to start from.
    Init {
        /// Where to; `-` is standard output.
        #[arg(default_value = "tidegate.yaml")]
        path: PathBuf,
        /// Replace a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Print the JSON Schema, for editors.
    Schema,
    /// Print the effective configuration: defaults filled in, secrets masked.
    Show(File),
    /// Print the reference of every key in Markdown.
    Reference,
}

#[derive(Debug, Subcommand)]
enum Import {
    /// Of twemproxy 0.5.
    Twemproxy {
        /// Its configuration, as `nutcracker.yml`.
        file: PathBuf,
    },
    /// Of PgBouncer 1.25 and older.
    Pgbouncer {
        /// Its configuration, as `pgbouncer.ini`.
        file: PathBuf,
        /// Where to, instead of standard output; a file that is there is replaced.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct File {
    /// The configuration, YAML or TOML; without it that of the variable `TIDEGATE_CONFIG`, then ./tidegate.yaml, then
    /// /etc/tidegate/tidegate.yaml.
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// PgBouncer's configuration in its place, as it is: the files of PgBouncer are turned into a configuration whenever they are read.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pgbouncer: Option<PathBuf>,
}

impl File {
    /// The file that is meant.
    fn find(self) -> Result<Origin, Exit> {
        if let Some(file) = self.pgbouncer {
            return Ok(Origin::PgBouncer(file));
        }
        let usual = ["tidegate.yaml", "/etc/tidegate/tidegate.yaml"].map(PathBuf::from);
        let variable = std::env::var_os("TIDEGATE_CONFIG").filter(|name| !name.is_empty());
        let named = self.config.or(variable.map(PathBuf::from));
        let found = named.or_else(|| usual.into_iter().find(|path| path.is_file()));
        found.map(Origin::Own).ok_or_else(|| {
            eprintln!(
                "tidegate: no configuration: give one with -c FILE, or make one with `tidegate config init` \
                 (looked for ./tidegate.yaml and /etc/tidegate/tidegate.yaml)"
            );
            Exit::Mistakes
        })
    }
}

/// Does what the command line asks for.
pub(crate) fn main() -> Exit {
    let with = |file: File, act: fn(&Origin) -> Exit| file.find().map_or_else(|exit| exit, |origin| act(&origin));
    match Cli::parse().command {
        Command::Run(file) => with(file, run::run),
        Command::Check(file) => with(file, check::check),
        Command::Config(Config::Init { path, force }) => write::init(&path, force),
        Command::Config(Config::Schema) => write::schema(),
        Command::Config(Config::Show(file)) => with(file, check::show),
        Command::Config(Config::Reference) => write::reference(),
        Command::Import(Import::Twemproxy { file }) => import::twemproxy(&file),
        Command::Import(Import::Pgbouncer { file, output }) => import::pgbouncer(&file, output.as_deref()),
        Command::Version => write::out(&format!("{}\n", version::line())),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut script);
            write::bytes(&mut io::stdout(), &script)
        }
        Command::Demo(wishes) => demo::demo(&wishes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
