//! What Tidegate does better than PgBouncer on purpose, in transaction mode with the same files. Where PgBouncer is
//! installed it shows what it does itself, so that each of these stays a difference and not a claim.

mod common;

use std::process::Command;

use common::Folder;
use common::running::{Running, pgbouncer, tidegate};
use tidegate_kit::{Mode, Port, Postgres, RawClient, Target};

/// One ini file and its server.
struct House {
    folder: Folder,
    postgres: Postgres,
    port: Port,
}

impl House {
    fn new(servers: u32) -> Self {
        let house = Self {
            folder: Folder::new(),
            postgres: Postgres::start(),
            port: Port::reserve(),
        };
        let (server, port) = (house.postgres.port(), house.port.number());
        let Target { user, password, .. } = house.postgres.target();
        house
            .folder
            .write("userlist.txt", &format!("\"{user}\" \"{password}\"\n"));
        let ini = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = userlist.txt\npool_mode = transaction\n\
             default_pool_size = {servers}\n"
        );
        house.folder.write("pgbouncer.ini", &ini);
        house
    }

    fn run(&self, command: Command) -> Running {
        Running::start(command, &self.folder, &self.port, "log")
    }

    fn client(&self, parameters: &[(&str, &str)]) -> RawClient {
        let mut target = self.postgres.target().with_mode(Mode::Transaction);
        target.port = self.port.number();
        RawClient::try_connect_with(&target, parameters).expect("it is let in")
    }
}

/// Shows the same scene under PgBouncer and under Tidegate: what comes of it `there` and `here`.
#[track_caller]
fn check(servers: u32, scene: impl Fn(&House) -> String, there: &str, here: &str) {
    assert_ne!(there, here, "the test would show nothing");
    let house = House::new(servers);
    match pgbouncer("pgbouncer.ini") {
        Some(command) => {
            let _running = house.run(command);
            assert_eq!(scene(&house), there, "PgBouncer");
        }
        None => eprintln!("there is no PgBouncer to compare with"),
    }
    let _running = house.run(tidegate(&house.folder, "pgbouncer.ini"));
    assert_eq!(scene(&house), here, "Tidegate");
}

/// The first value, or the SQLSTATE of the error.
fn told(client: &mut RawClient, sql: &str) -> String {
    let reply = client.query(sql);
    match reply.error() {
        Some(error) => error.sqlstate(),
        None => reply.rows().concat().concat(),
    }
}

#[test]
fn reset_returns_to_what_the_client_came_with() {
    let scene = |house: &House| {
        let mut client = house.client(&[("TimeZone", "Asia/Tokyo")]);
        told(&mut client, "SET TimeZone = 'Europe/Paris'");
        told(&mut client, "RESET TimeZone");
        let zone = told(&mut client, "SHOW TimeZone");
        let server = house
            .postgres
            .value("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'");
        if zone == server {
            "the server's".to_owned()
        } else {
            zone
        }
    };
    check(1, scene, "the server's", "Asia/Tokyo");
}

#[test]
fn settings_stay_with_their_client() {
    let scene = |house: &House| {
        let (mut one, mut other) = (house.client(&[]), house.client(&[]));
        told(&mut one, "SET work_mem = '7MB'");
        told(&mut other, "SHOW work_mem")
    };
    check(1, scene, "7MB", "4MB");
}

#[test]
fn advisory_locks_of_a_session_keep_others_out() {
    let scene = |house: &House| {
        let (mut one, mut other) = (house.client(&[]), house.client(&[]));
        told(&mut one, "SELECT pg_advisory_lock(4711)");
        let both = told(&mut other, "SELECT pg_try_advisory_lock(4711)");
        told(&mut one, "SELECT pg_advisory_unlock(4711)") + &both
    };
    // There both have it, as both are the same session to the server.
    check(2, scene, "tt", "tf");
}

#[test]
fn temporary_tables_stay_with_their_client() {
    let scene = |house: &House| {
        let (mut one, mut other) = (house.client(&[]), house.client(&[]));
        told(&mut one, "CREATE TEMP TABLE mine AS SELECT 'secret' AS word");
        told(&mut other, "SELECT word FROM mine")
    };
    check(2, scene, "secret", "42P01");
}

#[test]
fn who_listens_is_told() {
    let scene = |house: &House| {
        let (mut one, mut other) = (house.client(&[]), house.client(&[]));
        told(&mut one, "LISTEN news");
        let at_other = other.query("NOTIFY news, 'x'").tags().contains('A');
        if at_other {
            return "the one who did not listen".to_owned();
        }
        // It comes when it comes; no request of its own is needed.
        let frame = one.frame();
        assert_eq!(frame.tag, b'A', "{frame:?}");
        "the one who listens".to_owned()
    };
    check(1, scene, "the one who did not listen", "the one who listens");
}

#[test]
fn statements_that_sql_prepares_are_the_clients_own() {
    let scene = |house: &House| {
        let (mut one, mut other) = (house.client(&[]), house.client(&[]));
        told(&mut one, "PREPARE total (int) AS SELECT $1 + 1");
        let second = told(&mut other, "PREPARE total (int) AS SELECT $1 * 100");
        second + &told(&mut one, "EXECUTE total(1)") + &told(&mut other, "EXECUTE total(1)")
    };
    // 42P05: there is such a statement already; and then the other's is run.
    check(1, scene, "42P0522", "2100");
}

#[test]
fn start_up_parameters_are_not_refused() {
    let scene = |house: &House| {
        let mut target = house.postgres.target();
        target.port = house.port.number();
        match RawClient::try_connect_with(&target, &[("statement_timeout", "1234")]) {
            Ok(mut client) => told(&mut client, "SHOW statement_timeout"),
            Err(refused) => refused.sqlstate(),
        }
    };
    check(1, scene, "08P01", "1234ms");
}
