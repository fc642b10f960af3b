use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tidegate_kit::{Port, Postgres};

use super::{CLIENTS, POOL};
use crate::daemon::{self, Daemon};
use crate::engine::Engine;
use crate::program::version;

pub(super) fn start(program: &Path, postgres: &Postgres, port: &Port) -> Result<(String, Engine)> {
    let version = version(program, "--version")?;
    let folder = daemon::folder("pgbouncer")?;
    let (users, config) = (folder.path().join("users.txt"), folder.path().join("pgbouncer.ini"));
    let server = postgres.target();
    fs::write(&users, format!("\"{}\" \"{}\"\n", server.user, server.password))?;
    fs::write(&config, ini(postgres, port, &users, pools_prepared(&version)))?;
    let mut command = Command::new(program);
    command.arg(&config);
    if is_root() {
        // It refuses to stay root.
        command.args(["-u", "postgres"]);
    }
    let daemon = Daemon::start(command, folder, port.address())?;
    Ok((version, Engine::Daemon(daemon)))
}

/// `max_prepared_statements` came with 1.21.
pub(super) fn pools_prepared(version: &str) -> bool {
    let number = version.rsplit(' ').next().unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (1, 21)
}

fn ini(postgres: &Postgres, port: &Port, users: &Path, prepared: bool) -> String {
    let server = postgres.target();
    let prepared = if prepared {
        "max_prepared_statements = 200\n"
    } else {
        ""
    };
    format!(
        "[databases]\n\
         {database} = host=127.0.0.1 port={server_port} dbname={database}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = trust\n\
         auth_file = {users}\n\
         pool_mode = transaction\n\
         default_pool_size = {POOL}\n\
         max_client_conn = {CLIENTS}\n\
         server_tls_sslmode = disable\n\
         {prepared}",
        database = server.database,
        server_port = server.port,
        port = port.number(),
        users = users.display(),
    )
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared_statements_are_pooled_from_1_21_on() {
        for (version, want) in [
            ("PgBouncer 1.18.0", false),
            ("PgBouncer 1.20.1", false),
            ("PgBouncer 1.21.0", true),
            ("PgBouncer 1.24.1", true),
            ("PgBouncer 2.0.0", true),
            ("", false),
        ] {
            assert_eq!(pools_prepared(version), want, "{version}");
        }
    }
}
