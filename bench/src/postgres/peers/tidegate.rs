use std::path::Path;

use anyhow::Result;
use tidegate_kit::{Port, Postgres};

use super::{CLIENTS, POOL};
use crate::engine::Engine;

pub(super) fn start(program: &Path, postgres: &Postgres, port: &Port, threads: u32) -> Result<(String, Engine)> {
    Engine::tidegate(program, &yaml(postgres, port, threads), port)
}

fn yaml(postgres: &Postgres, port: &Port, threads: u32) -> String {
    let server = postgres.target();
    format!(
        "runtime: {{ data_threads: {threads} }}\n\
         admin: {{ enabled: false }}\n\
         listeners:\n\
         \x20 bench:\n\
         \x20   protocol: postgres\n\
         \x20   address: \"{address}\"\n\
         \x20   max_clients: {CLIENTS}\n\
         \x20   login: {{ method: trust, users: {{ {user}: {{ password: \"{password}\" }} }} }}\n\
         \x20   routes: [ {{ cluster: bench }} ]\n\
         clusters:\n\
         \x20 bench:\n\
         \x20   protocol: postgres\n\
         \x20   endpoints: [ {{ address: \"{upstream}\" }} ]\n\
         \x20   tls: {{ mode: disable }}\n\
         \x20   pool: {{ mode: transaction, size: {POOL} }}\n",
        address = port.address(),
        user = server.user,
        password = server.password,
        upstream = postgres.address(),
    )
}
