//! How listeners listen: ports that processes share, the files of Unix sockets, and names that are no files.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use tidegate_kit::{
    Admin, Client, Gateway, GatewayBuilder, Mode, Port, Postgres, RawClient, Settings, Target, block_on, eventually,
};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const PATIENCE: Duration = Duration::from_secs(30);

fn yaml(endpoint: &str, listener: &str) -> String {
    format!(
        "admin: {{ enabled: false }}\nlisteners:\n  main:\n    protocol: postgres\n    login: {{ users: {{ app: {{ password: \
         app-secret }} }} }}\n    routes: [ {{ cluster: app }} ]\n{listener}clusters:\n  app:\n    protocol: postgres\n    \
         endpoints: [ {{ address: \"{endpoint}\" }} ]\n"
    )
}

fn gateway(endpoint: &str, listener: &str) -> GatewayBuilder {
    Gateway::builder(TIDEGATE, &yaml(endpoint, listener))
}

#[track_caller]
fn check_served(target: &Target) {
    block_on(async {
        let client = Client::connect(target).await;
        assert_eq!(client.value("SELECT 41 + 1").await, "42");
    });
}

/// A rolling restart: two processes at one port, and nobody who comes is refused while one of them goes down.
#[test]
fn two_processes_share_a_port() {
    let postgres = Postgres::start();
    let old = Settings::new(&postgres, Mode::Transaction).listener("reuse_port: true");
    let new = Settings::new(&postgres, Mode::Transaction).listener("reuse_port: true");
    let shared = old.address().to_string();
    let new_yaml = new.yaml().replace(&new.address().to_string(), &shared);
    let mut first = old.start(TIDEGATE);
    let mut holder = RawClient::connect(&old.target());
    holder.query("BEGIN; SELECT 1");
    let second = Gateway::builder(TIDEGATE, &new_yaml).listens(new.admin_address());
    let _second = second.start();
    let clients = |settings: &Settings| Admin::of(settings).metric("tidegate_clients_accepted_total", &[]);
    // The system deals connections out by their ports.
    eventually("both have clients", || {
        check_served(&old.target());
        clients(&old) > 1.0 && clients(&new) > 0.0
    });
    first.begin_drain();
    eventually("the old one is on its way down", || {
        Admin::of(&old).status("/readyz") == 503
    });
    // From when it says so it has given its part of the port away, or is about to.
    let before = clients(&new);
    eventually("everybody comes to the new one", || {
        let had = clients(&new);
        let all = (0..20).all(|_| RawClient::try_connect(&old.target()).is_ok());
        all && clients(&new) - had >= 20.0
    });
    assert!(clients(&new) > before);
    for _ in 0..50 {
        check_served(&old.target());
    }
    assert_eq!(
        holder.query("SELECT 2").value(),
        "2",
        "who has a transaction open ends it"
    );
    holder.query("COMMIT");
    assert_eq!(first.wait(PATIENCE).code(), Some(0));
}

/// Without it the second process does not start.
#[test]
fn a_port_is_not_shared_by_itself() {
    let postgres = Postgres::start();
    let port = Port::reserve();
    let address = format!("    address: \"{}\"\n", port.address());
    let endpoint = postgres.address().to_string();
    let _first = gateway(&endpoint, &address).listens(port.address()).start();
    for line in ["", "    reuse_port: true\n"] {
        let mut second = gateway(&endpoint, &format!("{address}{line}")).spawn();
        assert_eq!(second.wait(PATIENCE).code(), Some(3));
        second.wait_for_log("cannot listen on");
    }
}

#[track_caller]
fn check_file(socket: &Path, mode: u32, group: u32) {
    let file = std::fs::metadata(socket).expect("the socket");
    assert_eq!((file.permissions().mode() & 0o777, file.gid()), (mode, group));
}

/// Permissions and group of a socket's file, from the start and by a reload, which keeps the socket.
#[test]
fn a_unix_socket_has_the_permissions_that_are_wanted() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join(".s.PGSQL.6432");
    let endpoint = postgres.address().to_string();
    let own = std::fs::metadata(folder.path()).expect("the folder").gid();
    let listener = |unix: &str| format!("    address: \"unix:{}\"\n    {unix}\n", socket.display());
    let first = listener(&format!("unix: {{ mode: \"0600\", group: \"{own}\" }}"));
    let gateway = gateway(&endpoint, &first).listens_unix(&socket).start();
    check_file(&socket, 0o600, own);
    let inode = std::fs::metadata(&socket).expect("the socket").ino();
    gateway.reload(&yaml(&endpoint, &listener("unix: { mode: \"0777\" }\n    backlog: 16")));
    eventually("the file follows", || {
        std::fs::metadata(&socket).is_ok_and(|file| file.permissions().mode() & 0o777 == 0o777)
    });
    assert_eq!(std::fs::metadata(&socket).expect("the socket").ino(), inode);
    let target = Target {
        host: folder.path().display().to_string(),
        port: 6432,
        ..postgres.target()
    };
    check_served(&target);
    for (wrong, told) in [
        (
            "unix: { group: \"no such group\" }",
            "listeners.main.unix.group: there is no group `no such group`",
        ),
        ("unix: { mode: \"rwx\" }", "listeners.main.unix.mode"),
        (
            "reuse_port: true",
            "listeners.main.reuse_port: processes can share a TCP port",
        ),
    ] {
        gateway.reload(&yaml(&endpoint, &listener(wrong)));
        gateway.wait_for_log(told);
    }
    check_file(&socket, 0o777, own);
    check_served(&target);
}

/// A listener that is moved listens no more where it was, whoever of its console's visitors stays.
#[test]
fn a_moved_listener_leaves_its_address() {
    let postgres = Postgres::start();
    let (old, new) = (Port::reserve(), Port::reserve());
    let endpoint = postgres.address().to_string();
    let listener = |port: &Port| {
        format!(
            "    address: \"{}\"\n    console: {{ admin_users: [app] }}\n",
            port.address()
        )
    };
    let gateway = gateway(&endpoint, &listener(&old)).listens(old.address()).start();
    let at = |port: &Port| Target {
        port: port.number(),
        ..postgres.target().with_user("app", "app-secret")
    };
    let mut visitor = RawClient::connect(&at(&old).with_database("tidegate"));
    assert_eq!(visitor.query("SHOW STATE").rows().len(), 3);
    gateway.reload(&yaml(&endpoint, &listener(&new)));
    eventually("it listens at its new address", || {
        TcpStream::connect(new.address()).is_ok()
    });
    eventually("and not at its old one", || {
        TcpStream::connect(old.address()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    assert_eq!(visitor.query("SHOW STATE").rows().len(), 3, "who is there stays");
}

/// Two listeners that change their names keep their sockets, each with what is wanted of it now.
#[test]
fn a_socket_that_is_taken_over_has_the_permissions_that_are_wanted() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join(".s.PGSQL.6432");
    let endpoint = postgres.address().to_string();
    let listener = |mode: &str| {
        format!(
            "    address: \"unix:{}\"\n    unix: {{ mode: \"{mode}\" }}\n",
            socket.display()
        )
    };
    let gateway = gateway(&endpoint, &listener("0777")).listens_unix(&socket).start();
    let own = std::fs::metadata(&socket).expect("the socket").gid();
    check_file(&socket, 0o777, own);
    let inode = std::fs::metadata(&socket).expect("the socket").ino();
    gateway.reload(&yaml(&endpoint, &listener("0700")).replace("  main:\n", "  renamed:\n"));
    eventually("the file follows", || {
        std::fs::metadata(&socket).is_ok_and(|file| file.permissions().mode() & 0o777 == 0o700)
    });
    assert_eq!(std::fs::metadata(&socket).expect("the socket").ino(), inode);
    let name = format!("    address: \"unix:@tidegate-test-{inode}\"\n    unix: {{ mode: \"0700\" }}\n");
    gateway.reload(&yaml(&endpoint, &name));
    gateway.wait_for_log("listeners.main.unix: ");
    check_file(&socket, 0o700, own);
}

/// Gateway to gateway by a name of the abstract namespace: there is no file, and the name is free when the gateway ends.
#[test]
fn names_of_the_abstract_namespace() {
    let postgres = Postgres::start();
    let port = Port::reserve();
    let name = format!("unix:@tidegate-test-{}/.s.PGSQL.1", port.number());
    let inner = |endpoint: &str| gateway(endpoint, &format!("    address: \"{name}\"\n"));
    let outer = gateway(&name, &format!("    address: \"{}\"\n", port.address()));
    let target = Target {
        port: port.number(),
        ..postgres.target()
    };
    let _outer = outer.listens(port.address()).start();
    for _ in 0..2 {
        let inner = inner(&postgres.address().to_string()).spawn();
        inner.wait_for_log("listening");
        eventually("it is reached", || RawClient::try_connect(&target).is_ok());
        check_served(&target);
    }
    assert!(!Path::new(name.trim_start_matches("unix:")).exists());
}
