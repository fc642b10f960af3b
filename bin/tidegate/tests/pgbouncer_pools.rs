//! PgBouncer's sizes and limits: what its file says of them holds here as it does there.

mod common;

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Folder;
use common::running::{pgbouncer, tidegate};
use tidegate_kit::{Port, Postgres, RawClient, Stop, Target, eventually, message, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A program in front of a PostgreSQL with this file, ended with the test.
struct Front {
    child: Child,
    port: Port,
    folder: Folder,
}

/// A server, and a file for what stands before it.
struct House {
    postgres: Postgres,
    databases: &'static str,
    rest: &'static str,
}

impl House {
    fn new(databases: &'static str, rest: &'static str) -> Self {
        let postgres = Postgres::builder()
            .user("alice", "alice-secret")
            .user("bob", "bob-secret")
            .database("other", "app")
            .start();
        Self {
            postgres,
            databases,
            rest,
        }
    }

    fn front(&self, mut command: Command, folder: Folder) -> Front {
        let port = Port::reserve();
        let users = ["app", "alice", "bob"].map(|name| format!("\"{name}\" \"{name}-secret\"\n"));
        folder.write("userlist.txt", &users.concat());
        let databases = self
            .databases
            .replace("SERVER", &format!("host=127.0.0.1 port={}", self.postgres.port()));
        let ini = format!(
            "[databases]\n{databases}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n\
             auth_type = md5\nauth_file = userlist.txt\npool_mode = transaction\nadmin_users = app\n{}\n",
            port.number(),
            self.rest
        );
        folder.write("pgbouncer.ini", &ini);
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let front = Front { child, port, folder };
        let listens = wait_until(PATIENCE, || std::net::TcpStream::connect(front.port.address()).is_ok());
        assert!(listens, "{}", front.folder.read("log"));
        front
    }

    fn tidegate(&self) -> Front {
        let folder = Folder::new();
        self.front(tidegate(&folder, "pgbouncer.ini"), folder)
    }

    /// The real one, where it is installed.
    fn pgbouncer(&self) -> Option<Front> {
        let command = pgbouncer("pgbouncer.ini")?;
        Some(self.front(command, Folder::new()))
    }

    /// Shows the same of both.
    fn both(&self, show: impl Fn(&Front)) {
        match self.pgbouncer() {
            Some(front) => show(&front),
            None => eprintln!("there is no PgBouncer to compare with"),
        }
        show(&self.tidegate());
    }

    fn backends(&self) -> usize {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'alice', 'bob')";
        self.postgres.value(count).parse().expect("a number")
    }
}

impl Front {
    fn target(&self, user: &str, database: &str) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.port.number(),
            user: user.to_owned(),
            password: format!("{user}-secret"),
            database: database.to_owned(),
            tls: tidegate_kit::Tls::Off,
            mode: tidegate_kit::Mode::Transaction,
        }
    }

    fn client(&self, user: &str, database: &str) -> RawClient {
        let mut client = None;
        eventually("it lets the client in", || {
            client = RawClient::try_connect(&self.target(user, database)).ok();
            client.is_some()
        });
        let mut client = client.expect("a client");
        client.patience(PATIENCE);
        client
    }

    /// The values of one column of the console, by the one of another.
    fn shown(&self, table: &str, key: &str, column: &str) -> Vec<(String, String)> {
        let mut console = self.client("app", "pgbouncer");
        let reply = console.query(&format!("SHOW {table}"));
        let names: Vec<String> = reply.frames[0]
            .body
            .split(|byte| *byte == 0)
            .map(|part| {
                let letters = part.iter().filter(|byte| byte.is_ascii_lowercase() || **byte == b'_');
                letters.map(|byte| char::from(*byte)).collect()
            })
            .filter(|name: &String| name.len() > 3)
            .collect();
        let at = |name: &str| names.iter().position(|known| known == name).expect("the column");
        let (key, column) = (at(key), at(column));
        let rows = reply.rows().into_iter();
        rows.map(|row| (row[key].clone(), row[column].clone())).collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Begins a transaction, and keeps its server.
#[track_caller]
fn hold(client: &mut RawClient) {
    assert_eq!(client.query("BEGIN; SELECT 1").status(), Some('T'));
}

#[test]
fn the_reserve_pool() {
    let rest = "default_pool_size = 1\nreserve_pool_size = 1\nreserve_pool_timeout = 1\n";
    let house = House::new("app = SERVER", rest);
    house.both(|front| {
        let (mut first, mut second) = (front.client("app", "app"), front.client("app", "app"));
        hold(&mut first);
        let begin = Instant::now();
        hold(&mut second);
        assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
        assert_eq!(house.backends(), 2);
    });
}

/// An entry with a user has one pool, and a part of it is there as soon as somebody is.
#[test]
fn a_forced_user_and_the_smallest_pool() {
    let house = House::new("app = SERVER user=app pool_size=3 min_pool_size=2", "");
    house.both(|front| {
        let mut clients = ["alice", "bob", "app"].map(|user| front.client(user, "app"));
        for client in &mut clients {
            assert_eq!(client.query("SELECT current_user").value(), "app");
        }
        eventually("there are two", || house.backends() == 2);
        let shown = front.shown("pools", "user", "cl_active");
        assert!(shown.contains(&("app".to_owned(), "3".to_owned())), "{shown:?}");
        let shown = front.shown("databases", "name", "min_pool_size");
        assert!(
            shown.is_empty() || shown.contains(&("app".to_owned(), "2".to_owned())),
            "{shown:?}"
        );
        drop(clients);
    });
}

/// A limit that two pools have together: an idle connection of the one makes room for the other.
fn check_together(house: &House, front: &Front, [first, second]: [(&str, &str); 2]) {
    let mut first = front.client(first.0, first.1);
    let mut second = front.client(second.0, second.1);
    for _ in 0..3 {
        assert_eq!(first.query("SELECT 1").value(), "1");
        assert_eq!(second.query("SELECT 2").value(), "2");
    }
    hold(&mut first);
    second.send(&message::query("SELECT 3"));
    eventually("it waits", || {
        front
            .shown("pools", "user", "cl_waiting")
            .iter()
            .any(|(_, waiting)| waiting == "1")
    });
    assert_eq!(house.backends(), 1);
    assert_eq!(first.query("COMMIT").status(), Some('I'));
    assert_eq!(second.reply().value(), "3");
}

#[test]
fn a_database_and_its_connections() {
    let house = House::new("app = SERVER max_db_connections=1", "");
    house.both(|front| check_together(&house, front, [("app", "app"), ("alice", "app")]));
}

#[test]
fn a_user_and_its_connections() {
    let house = House::new("app = SERVER\nother = SERVER", "[users]\napp = max_user_connections=1");
    house.both(|front| check_together(&house, front, [("app", "app"), ("app", "other")]));
    let front = house.tidegate();
    let shown = front.shown("users", "name", "max_user_connections");
    assert!(shown.contains(&("app".to_owned(), "1".to_owned())), "{shown:?}");
}

#[test]
fn as_many_clients_as_there_may_be() {
    let house = House::new("app = SERVER", "max_client_conn = 2");
    house.both(|front| {
        let inside = [front.client("app", "app"), front.client("alice", "app")];
        assert!(RawClient::try_connect(&front.target("bob", "app")).is_err());
        let state = front.client("app", "pgbouncer").query("SHOW VERSION");
        assert_eq!(state.rows().len(), 1, "the console is open");
        drop(inside);
    });
}

/// Who asks when it is known that the server is away is told so at once; who waited before waits on, and is served.
#[test]
fn a_server_that_is_away() {
    let mut house = House::new("app = SERVER", "server_login_retry = 6");
    for front in [house.pgbouncer(), Some(house.tidegate())].into_iter().flatten() {
        let [mut first, mut second] = [(); 2].map(|()| front.client("app", "app"));
        house.postgres.stop(Stop::Fast);
        first.send(&message::query("SELECT 1"));
        std::thread::sleep(Duration::from_secs(2));
        let begin = Instant::now();
        second.send(&message::query("SELECT 2"));
        let told = second.frame();
        assert!(!told.sqlstate().is_empty(), "{told:?}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        house.postgres.run();
        assert_eq!(first.reply().value(), "1");
    }
}

/// What 1.18 does not know.
#[test]
fn clients_of_a_database_and_of_a_user() {
    let rest = "max_user_client_connections = 2\n[users]\nbob = max_user_client_connections=1";
    let house = House::new("app = SERVER max_db_client_connections=3\nother = SERVER", rest);
    let front = house.tidegate();
    let refused = |user: &str, database: &str| {
        let told = RawClient::try_connect(&front.target(user, database));
        told.expect_err("one too many").sqlstate()
    };
    let _bob = front.client("bob", "app");
    assert_eq!(refused("bob", "other"), "53300");
    let _app = [front.client("app", "app"), front.client("app", "app")];
    assert_eq!(refused("app", "other"), "53300");
    assert_eq!(refused("alice", "app"), "53300");
    let _alice = front.client("alice", "other");
    let shown = front.shown("databases", "name", "max_client_connections");
    assert!(shown.contains(&("app".to_owned(), "3".to_owned())), "{shown:?}");
}

#[test]
fn users_have_timeouts_of_their_own() {
    let rest = "query_timeout = 30\ntransaction_timeout = 30\n\
                [users]\nalice = query_timeout=1\nbob = transaction_timeout=1 idle_transaction_timeout=20";
    let house = House::new("app = SERVER", rest);
    let front = house.tidegate();
    let mut alice = front.client("alice", "app");
    let told = alice.query("SELECT pg_sleep(60)");
    assert_eq!(told.sqlstate(), "57014", "{told:?}");
    let mut bob = front.client("bob", "app");
    hold(&mut bob);
    assert_eq!(bob.frame().sqlstate(), "25P04");
    let mut app = front.client("app", "app");
    hold(&mut app);
    assert_eq!(app.query("SELECT pg_sleep(2)").sqlstate(), "");
}
