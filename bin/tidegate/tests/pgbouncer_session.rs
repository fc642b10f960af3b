//! What PgBouncer's files say of sessions and sockets, by the files themselves, and beside the real one where it is there.

mod common;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::running::{pgbouncer, tidegate};
use common::{Folder, command, signal};
use tidegate_kit::{Port, Postgres, RawClient, Target, eventually, message, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A program in front of a PostgreSQL, ended with the test.
struct Running {
    child: Child,
    address: SocketAddr,
    postgres: Target,
}

/// A folder with PgBouncer's files, in which programs run.
struct House {
    folder: Folder,
    postgres: Postgres,
}

impl House {
    fn new() -> Self {
        let house = Self {
            folder: Folder::new(),
            postgres: Postgres::start(),
        };
        let password = house.postgres.target().password;
        house.folder.write("userlist.txt", &format!("\"app\" \"{password}\"\n"));
        house
    }

    /// The file, with options of the database and lines of `[pgbouncer]`, which may begin other sections.
    fn write(&self, name: &str, port: &Port, database: &str, lines: &str) {
        let ini = format!(
            "[databases]\napp = host=127.0.0.1 port={} {database}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             auth_type = scram-sha-256\nauth_file = userlist.txt\nadmin_users = app\npool_mode = transaction\n{lines}\n",
            self.postgres.port(),
            port.number(),
        );
        self.folder.write(name, &ini);
    }

    fn tidegate(&self, port: &Port, name: &str, database: &str, lines: &str) -> Running {
        self.write(name, port, database, lines);
        self.run(tidegate(&self.folder, name), port)
    }

    /// The real one, where it is installed.
    fn pgbouncer(&self, port: &Port, name: &str, database: &str, lines: &str) -> Option<Running> {
        self.write(name, port, database, lines);
        let command = pgbouncer(name)?;
        Some(self.run(command, port))
    }

    fn run(&self, mut command: Command, port: &Port) -> Running {
        let log = self.folder.path().join("log");
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("it starts");
        let running = Running {
            child,
            address: port.address(),
            postgres: self.postgres.target(),
        };
        let listens = wait_until(PATIENCE, || std::net::TcpStream::connect(running.address).is_ok());
        assert!(
            listens,
            "it does not listen:\n{}",
            fs::read_to_string(log).unwrap_or_default()
        );
        running
    }
}

impl Running {
    fn target(&self) -> Target {
        Target {
            port: self.address.port(),
            ..self.postgres.clone()
        }
    }

    #[track_caller]
    fn client(&self) -> RawClient {
        RawClient::connect(&self.target())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn setting(client: &mut RawClient, name: &str) -> String {
    client.query(&format!("SELECT current_setting('{name}')")).value()
}

/// What every session begins with, as PgBouncer has it: for clients that ask for nothing of their own.
#[test]
fn sessions_begin_as_with_pgbouncer() {
    let house = House::new();
    let database =
        "datestyle='German, DMY' timezone=Asia/Tokyo client_encoding=LATIN1 connect_query='SET work_mem = ''7MB'''";
    let (port, lines) = (Port::reserve(), "unix_socket_dir =\napplication_name_add_host = 1");
    let seen = |running: &Running| {
        let mut client = running.client();
        let own = client.socket().local_addr().expect("an address").to_string();
        let names = [
            "DateStyle",
            "TimeZone",
            "client_encoding",
            "work_mem",
            "application_name",
        ];
        let mut seen: Vec<String> = names.iter().map(|name| setting(&mut client, name)).collect();
        seen.push(client.parameters["TimeZone"].clone());
        seen[4] = seen[4].replace(&own, "where it comes from");
        seen
    };
    let here = seen(&house.tidegate(&port, "tidegate.ini", database, lines));
    let expected = [
        "German, DMY",
        "Asia/Tokyo",
        "LATIN1",
        "7MB",
        "app - where it comes from",
        "Asia/Tokyo",
    ];
    assert_eq!(here, expected);
    match house.pgbouncer(&port, "pgbouncer.ini", database, lines) {
        Some(running) => assert_eq!(seen(&running), here),
        None => eprintln!("there is no PgBouncer to compare with"),
    }
}

/// `disable_pqexec` and `max_packet_size` close whoever does it, as there.
#[test]
fn what_clients_may_not_send_closes_them() {
    let house = House::new();
    let (port, lines) = (
        Port::reserve(),
        "unix_socket_dir =\ndisable_pqexec = 1\nmax_packet_size = 4096",
    );
    let check = |running: &Running| {
        let long = message::parse("", &format!("SELECT '{}'", "x".repeat(5000)));
        for words in [message::query("SELECT 1"), long] {
            let mut client = running.client();
            client.send(&words);
            let told = client.try_frame();
            assert!(told.as_ref().is_ok_and(|frame| frame.tag == b'E'), "{told:?}");
            assert!(client.closed_within(PATIENCE));
        }
        let mut client = running.client();
        let words = [
            message::parse("", "SELECT 7"),
            message::bind("", "", &[]),
            message::execute("", 0),
            message::sync(),
        ];
        client.send(&words.concat());
        assert_eq!(client.reply().value(), "7");
    };
    check(&house.tidegate(&port, "tidegate.ini", "", lines));
    match house.pgbouncer(&port, "pgbouncer.ini", "", lines) {
        Some(running) => check(&running),
        None => eprintln!("there is no PgBouncer to compare with"),
    }
}

/// `query_wait_notify` and `login_notify_message`, which came after the PgBouncer that can be compared with.
#[test]
fn clients_are_told() {
    let house = House::new();
    let lines =
        "unix_socket_dir =\ndefault_pool_size = 1\nquery_wait_notify = 1\nlogin_notify_message = you are pooled";
    let running = house.tidegate(&Port::reserve(), "p.ini", "", lines);
    let target = running.target();
    let mut waiter = RawClient::open(running.address);
    let parameters = [("user", target.user.as_str()), ("database", "app")];
    waiter.send(&message::startup(message::PROTOCOL_3_0, &parameters));
    waiter.log_in(&target).expect("a login");
    let notice = |client: &mut RawClient| {
        client
            .until(b'N')
            .pop()
            .map(|frame| frame.field('M'))
            .unwrap_or_default()
    };
    assert_eq!(notice(&mut waiter), "you are pooled");
    waiter.reply();
    let mut holder = running.client();
    holder.query("BEGIN; SELECT 1");
    let begin = Instant::now();
    waiter.send(&message::query("SELECT 7"));
    assert!(notice(&mut waiter).contains("waits in the queue"));
    assert!(begin.elapsed() >= Duration::from_millis(950));
    holder.query("COMMIT");
    assert_eq!(waiter.reply().value(), "7");
}

/// Two processes on one port, with a Unix socket each, by which they find each other: PgBouncer's rolling restart.
#[test]
fn peers_on_one_port_cancel_for_each_other() {
    let house = House::new();
    let sockets: Vec<_> = ["one", "two"]
        .iter()
        .map(|name| house.folder.path().join(name))
        .collect();
    for socket in &sockets {
        fs::create_dir(socket).expect("a folder");
    }
    let shared = Port::reserve();
    let port = shared.number();
    let lines = |number: usize| {
        format!(
            "so_reuseport = 1\nlisten_backlog = 64\ntcp_user_timeout = 30000\nunix_socket_mode = 0750\nunix_socket_dir = {}\npeer_id = {number}\n[peers]\n\
             1 = host={} port={port}\n2 = host={} port={port}",
            sockets[number - 1].display(),
            sockets[0].display(),
            sockets[1].display(),
        )
    };
    let one = house.tidegate(&shared, "one.ini", "", &lines(1));
    let _two = house.tidegate(&shared, "two.ini", "", &lines(2));
    let file = |folder: &Path| folder.join(format!(".s.PGSQL.{port}"));
    eventually("both have their sockets", || {
        sockets.iter().all(|folder| file(folder).exists())
    });
    let mode = fs::metadata(file(&sockets[1])).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    // The node stands in the key; the system deals connections out as it likes.
    let node = |client: &RawClient| client.key.as_ref().map_or(0, |(process, _)| process >> 25);
    let mut clients: [Option<RawClient>; 2] = [None, None];
    eventually("both have a client", || {
        let client = one.client();
        let at = usize::try_from(node(&client) - 1).expect("a node");
        clients[at].get_or_insert(client);
        clients.iter().all(Option::is_some)
    });
    for client in clients.iter_mut().flatten() {
        for _ in 0..8 {
            client.send(&message::query("SELECT 'cancelled', pg_sleep(60)"));
            let asked =
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT ''cancelled%'";
            eventually("it runs", || house.postgres.value(asked) == "1");
            let begin = Instant::now();
            let mut line = RawClient::open(one.address);
            line.send(&client.cancel_request());
            assert!(line.closed_within(PATIENCE));
            assert_eq!(client.reply().sqlstate(), "57014");
            assert!(begin.elapsed() < Duration::from_secs(1), "after {:?}", begin.elapsed());
            assert_eq!(client.query("SELECT 7").value(), "7");
        }
    }
}

/// The file names the process while it runs, keeps a second one from starting, and outlives no crash.
#[test]
fn a_pidfile_is_for_one_process() {
    let house = House::new();
    let lines = "unix_socket_dir =\npidfile = gateway.pid";
    let file = house.folder.write("gateway.pid", "4194305\n");
    let mut running = house.tidegate(&Port::reserve(), "one.ini", "", lines);
    let number = || {
        fs::read_to_string(&file)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    assert_eq!(number(), running.child.id().to_string());
    house.write("two.ini", &Port::reserve(), "", lines);
    let second = command(&house.folder)
        .args(["run", "--pgbouncer", "two.ini"])
        .output()
        .expect("it ends");
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.contains(&format!("gateway.pid: process {} is running", number())),
        "{said}"
    );
    assert_eq!(number(), running.child.id().to_string());
    signal(running.child.id(), rustix::process::Signal::TERM);
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0));
    assert!(!file.exists());
}
