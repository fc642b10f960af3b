//! PgBouncer itself is asked whether it takes a file that is taken here, where it is installed. It knows the keys of its
//! own version only, so that these files have old ones.

use std::fs;
use std::process::Command;

use tidegate_pgbouncer::import;

/// It reads its file and then becomes a user that does not exist, so that it never runs.
const END: &str = "[pgbouncer]\nuser = nobody-of-that-name\nauth_file = /dev/null\n";

/// Whether PgBouncer takes a file; none where there is no PgBouncer.
fn takes(text: &str) -> Option<bool> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.ini");
    fs::write(&file, text).expect("write");
    let output = Command::new("pgbouncer").arg(&file).output();
    let output = output
        .or_else(|_| Command::new("/usr/sbin/pgbouncer").arg(&file).output())
        .ok()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it runs:\n{told}");
    Some(!told.contains("cannot load config file"))
}

#[test]
fn files_are_taken_as_pgbouncer_takes_them() {
    let databases = [
        ("a = host=h port=5", true),
        ("a = host = h  port =5", true),
        ("a = host='h' password='it''s a' user=u", true),
        ("a =", true),
        ("a=host=h\tport=5", true),
        ("a = host=h port=5x", true),
        ("a = host=h pool_mode=SESSION", true),
        ("a.b-c*=host=h", true),
        ("a = host=h port=x", false),
        ("a = host=h port=0", false),
        ("a = host", false),
        ("a = host=", false),
        ("a = host=''", false),
        ("a = host='h", false),
        ("a = host=h Port=5", false),
        ("a = host=h pool_mode=sesion", false),
        ("a = host=h nonsense=1", false),
        ("pgbouncer = host=h", false),
        ("a host=h", false),
        ("\"a\" = host=h", false),
    ];
    let main = [
        ("; c\n  # c\n\nlisten_port = 5", true),
        ("listen_port=0x1F\nunix_socket_mode = 0777\nmax_client_conn=+5", true),
        ("query_timeout = .5\nserver_lifetime=1e2", true),
        (
            "pool_mode = TRANSACTION\nauth_type = Trust\nserver_tls_sslmode = Verify-CA",
            true,
        ),
        ("listen_port = 5k", false),
        ("listen_port =", false),
        ("tcp_keepalive = yes", false),
        ("query_timeout = 5s", false),
        ("query_timeout = -1", false),
        ("pool_mode = sesion", false),
        ("Listen_port = 5", false),
        ("nonsense = 1", false),
        ("[nonsense]", false),
        ("[users", false),
        ("%include /nonsense", false),
        ("[users]\nu = pool_mode=session max_user_connections=5", true),
        ("[users]\nu = nonsense=5", false),
    ];
    let databases = databases.map(|(line, taken)| (format!("[databases]\n{line}\n{END}"), taken));
    let main = main.map(|(lines, taken)| (format!("[databases]\na = host=h\n{END}{lines}\n"), taken));
    for (text, taken) in databases.iter().chain(&main) {
        if let Some(there) = takes(text) {
            assert_eq!(there, *taken, "PgBouncer:\n{text}");
        }
        // A mistake that is about more than reading has its own tests.
        let beyond = ["white space", "server_tls_ca_file"];
        let here = import("p.ini", &|name: &str| {
            if name == "p.ini" {
                Ok(text.clone())
            } else {
                fs::read_to_string(name)
            }
        });
        let is_read = |message: &String| !beyond.iter().any(|beyond| message.contains(beyond));
        let told: Vec<_> = here
            .err()
            .into_iter()
            .flat_map(|refused| refused.mistakes)
            .map(|mistake| mistake.message)
            .filter(is_read)
            .collect();
        assert_eq!(told.is_empty(), *taken, "{text}\n{told:?}");
    }
}
