//! A throw-away PostgreSQL and a throw-away Redis from this machine with the gateway in front of them.

mod data;
mod guard;
mod postgres;
mod programs;
mod redis;
mod server;
mod user;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tempfile::TempDir;
use tidegate_telemetry::Registry;

use crate::builder::{Kept, Purpose};
use crate::exit::Exit;
use crate::load::Loaded;
use crate::origin::Origin;
use crate::run;
use data::{RedisSetting, Setting};
use postgres::Postgres;
use programs::Programs;
use redis::{Program, Redis};

/// How many ports are tried from the wanted one on.
const PORTS: u16 = 100;

/// What the demo is to be.
#[derive(Debug, clap::Args)]
pub(crate) struct Wishes {
    /// The gateway's port for PostgreSQL clients; the next free one if it is taken.
    #[arg(long, default_value_t = 6432)]
    port: u16,
    /// The gateway's port for Redis clients; the next free one if it is taken.
    #[arg(long, default_value_t = 6380)]
    redis_port: u16,
    /// The port of the admin API; the next free one if it is taken.
    #[arg(long, default_value_t = 9930)]
    admin_port: u16,
    /// Offer no TLS to clients.
    #[arg(long)]
    no_tls: bool,
}

/// Everything that was set up, gone when dropped.
struct Stage {
    // Stopped before their folder goes.
    postgres: Postgres,
    redis: Option<Redis>,
    folder: TempDir,
    port: Reserved,
    redis_port: Reserved,
    admin_port: Reserved,
    has_tls: bool,
    token: String,
}

/// A port that nobody else takes until the gateway does.
struct Reserved {
    number: u16,
    /// Let go of when the gateway takes it.
    held: Option<TcpListener>,
}

/// Runs the demo until Ctrl-C.
pub(crate) fn demo(wishes: &Wishes) -> Exit {
    match Stage::set(wishes) {
        Ok(stage) => stage.play(),
        Err(error) => {
            eprintln!("tidegate demo: {error:#}");
            Exit::CannotStart
        }
    }
}

impl Stage {
    fn set(wishes: &Wishes) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        let port = Reserved::find(wishes.port, "clients")?;
        let redis_port = Reserved::find(wishes.redis_port, "Redis clients")?;
        let admin_port = Reserved::find(wishes.admin_port, "the admin API")?;
        say(&format!(
            "Starting a throw-away PostgreSQL from {} …",
            programs.folder().display()
        ));
        let folder = tempfile::Builder::new().prefix("tidegate-demo-").tempdir();
        let folder = folder.context("cannot make a temporary directory")?;
        let postgres = Postgres::start(&programs, folder.path())?;
        let stage = Self {
            postgres,
            redis: redis(folder.path()),
            folder,
            port,
            redis_port,
            admin_port,
            has_tls: !wishes.no_tls,
            token: random_token()?,
        };
        std::fs::write(stage.config(), data::config(&stage.setting())).context("cannot write the configuration")?;
        Ok(stage)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("tidegate.yaml")
    }

    fn setting(&self) -> Setting<'_> {
        let redis = self.redis.as_ref().map(|redis| RedisSetting {
            port: self.redis_port.number,
            server_port: redis.port(),
            password: redis.password(),
            client: redis.client,
        });
        Setting {
            port: self.port.number,
            admin_port: self.admin_port.number,
            token: &self.token,
            server_port: self.postgres.port(),
            has_tls: self.has_tls,
            redis,
        }
    }

    fn play(mut self) -> Exit {
        let path = self.config();
        let origin = Origin::Own(path.clone());
        let registry = Arc::new(Registry::new());
        let both = match Loaded::open(&origin, Purpose::Run, &Kept::default(), &registry) {
            Ok(both) => both,
            Err(mistakes) => {
                eprint!("{mistakes}");
                return Exit::Mistakes;
            }
        };
        let log = match tidegate_telemetry::init(&both.0.config.log) {
            Ok(log) => log,
            Err(error) => return run::cannot_start(&error),
        };
        log.register(&registry);
        for port in [&mut self.port, &mut self.redis_port, &mut self.admin_port] {
            port.held = None;
        }
        let invite = || say(&data::invitation(&self.setting(), &path));
        let exit = run::on_control_plane(|| run::serve(&origin, both, registry, Some(log.handle.clone()), invite));
        say(&format!(
            "Stopping {} and removing {} …",
            if self.redis.is_some() {
                "PostgreSQL and Redis"
            } else {
                "PostgreSQL"
            },
            self.folder.path().display()
        ));
        exit
    }
}

impl Reserved {
    /// The wanted port, or the next free one after it.
    fn find(wanted: u16, whose: &str) -> anyhow::Result<Self> {
        let last = wanted.saturating_add(PORTS);
        let bind = |port| TcpListener::bind(("127.0.0.1", port)).ok();
        let free = (wanted..=last).find_map(|number| Some((number, bind(number)?)));
        let (number, held) = free.with_context(|| format!("every port from {wanted} to {last} is taken"))?;
        if number != wanted {
            say(&format!("Port {wanted} for {whose} is taken; using {number}."));
        }
        Ok(Self {
            number,
            held: Some(held),
        })
    }
}

/// A Redis beside the PostgreSQL; a machine without one goes without, and so does one on which it does not start.
fn redis(folder: &Path) -> Option<Redis> {
    let Some(program) = Program::find() else {
        say(
            "There is no redis-server or valkey-server on this machine (in $REDIS_BIN, $VALKEY_BIN or $PATH), so the demo \
             shows PostgreSQL alone. Debian, Ubuntu: apt-get install redis-server redis-tools",
        );
        return None;
    };
    say(&format!("Starting a throw-away Redis, {} …", program.path.display()));
    match Redis::start(&program, folder) {
        Ok(redis) => Some(redis),
        Err(error) => {
            say(&format!(
                "Redis does not start, so the demo shows PostgreSQL alone: {error:#}"
            ));
            None
        }
    }
}

/// Tells the user; nobody needs to be there.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// 128 bits from the operating system, in hexadecimal.
fn random_token() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.context("cannot read /dev/urandom")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Writes a text that only its owner reads.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}
