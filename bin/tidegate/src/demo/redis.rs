use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

use super::data;
use super::guard::Guard;
use super::server::{Server, free_port};
use super::user::User;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server program on this machine, and the name of the client that comes with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) client: &'static str,
}

/// A throw-away Redis or Valkey on a loopback port.
#[derive(Debug)]
pub(crate) struct Redis {
    server: Server,
    password: String,
    pub(crate) client: &'static str,
}

impl Program {
    /// In `REDIS_BIN`, `VALKEY_BIN` or `PATH`.
    pub(crate) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let named = ["REDIS_BIN", "VALKEY_BIN"].into_iter().filter_map(std::env::var_os);
        Self::among(
            &[
                named.map(PathBuf::from).collect(),
                std::env::split_paths(&path).collect::<Vec<_>>(),
            ]
            .concat(),
        )
    }

    /// A Redis in any of these folders, or else a Valkey.
    fn among(folders: &[PathBuf]) -> Option<Self> {
        let programs = [("redis-server", "redis-cli"), ("valkey-server", "valkey-cli")];
        programs.into_iter().find_map(|(server, client)| {
            let path = folders
                .iter()
                .map(|folder| folder.join(server))
                .find(|path| path.is_file())?;
            Some(Self { path, client })
        })
    }
}

impl Redis {
    /// Starts one that keeps nothing on disk, with some data, in a folder of its own within `folder`.
    pub(crate) fn start(program: &Program, folder: &Path) -> anyhow::Result<Self> {
        let user = User::needed()?;
        let folder = folder.join("redis");
        std::fs::create_dir(&folder).context("cannot make its folder")?;
        let guard = Guard::over(&folder);
        // Nobody but the gateway logs in: who can write what he likes into it must not come by way of its port.
        let password = super::random_token()?;
        let port = free_port()?;
        let config = folder.join("redis.conf");
        super::write_private(&config, &data::redis_conf(port, &password, &folder)).context("cannot configure it")?;
        let log = folder.join("redis.log");
        let output = File::create(&log).context("cannot make its log")?;
        let mut command = Command::new(&program.path);
        command.arg(&config).current_dir(&folder).process_group(0);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        if let Some(user) = user {
            for path in [&folder, &config, &log] {
                user.own(path).context("cannot give its folder away")?;
            }
            user.run(&mut command);
        }
        let process = command.spawn();
        let process = process.with_context(|| format!("cannot start {}", program.path.display()))?;
        guard.watch(&process);
        let mut server = Server {
            name: "Redis",
            process,
            port,
            force: Signal::KILL,
            _guard: guard,
        };
        server.is_ready(&log)?;
        let redis = Self {
            server,
            password,
            client: program.client,
        };
        redis.fill()?;
        Ok(redis)
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Inline commands, as a person would type them (Redis serialization protocol, "Inline commands").
    fn fill(&self) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).context("cannot connect to it")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let commands = format!("AUTH {}\r\n{}QUIT\r\n", self.password, data::redis_commands());
        stream.write_all(commands.as_bytes()).context("cannot write to it")?;
        let mut told = String::new();
        stream.read_to_string(&mut told).context("it does not answer")?;
        let refused = told.lines().find(|line| line.starts_with('-'));
        ensure!(
            refused.is_none(),
            "it refuses the demo's data: {}",
            refused.unwrap_or_default()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_is_taken_before_valkey() {
        let folders: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
        let paths: Vec<_> = folders.iter().map(|folder| folder.path().to_owned()).collect();
        let client = || Program::among(&paths).map(|program| program.client);
        assert_eq!(client(), None);
        std::fs::write(paths[0].join("valkey-server"), "").unwrap();
        assert_eq!(client(), Some("valkey-cli"));
        std::fs::write(paths[1].join("redis-server"), "").unwrap();
        assert_eq!(client(), Some("redis-cli"));
    }
}
