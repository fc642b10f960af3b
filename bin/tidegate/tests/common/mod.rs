//! What the tests of the program share.
#![allow(dead_code)] // a module of several test binaries; each uses its part

pub(crate) mod running;
pub(crate) mod strace;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tidegate");
pub(crate) const TOKEN: &str = "test-token";

/// A folder of its own, gone with it. Everybody may pass through, since PostgreSQL runs as another user than root.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tidegate-cli-")
            .tempdir()
            .expect("a folder");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("chmod");
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("write");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("read")
    }
}

/// What came of a command.
pub(crate) struct Ended {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "`{text}` is missing in\n{}", self.stdout);
        self
    }

    #[track_caller]
    pub(crate) fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "`{text}` is missing in\n{}", self.stderr);
        self
    }
}

/// A command in this folder, with nothing of Tidegate's in its environment.
pub(crate) fn command(folder: &Folder) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder.path()).stdin(Stdio::null());
    command
}

pub(crate) fn tidegate(folder: &Folder, arguments: &[&str]) -> Ended {
    with(folder, arguments, &[])
}

pub(crate) fn with(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let output = command(folder)
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("run tidegate");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A configuration with one listener, to which `listener` adds a line, and one cluster whose server is down.
pub(crate) fn config(address: SocketAddr, admin: SocketAddr, listener: &str) -> String {
    format!(
        "admin: {{ address: \"{admin}\", token: {TOKEN} }}
listeners:
  main:
    protocol: postgres
    address: \"{address}\"
    login: {{ users: {{ app: {{ password: secret }} }} }}
    routes: [ {{ cluster: app }} ]
    {listener}
clusters:
  app:
    protocol: postgres
    endpoints: [ {{ address: \"127.0.0.1:1\" }} ]
"
    )
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("signal");
}

/// Status and body of an HTTP request with the token.
pub(crate) fn http(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("connect to the admin API");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("time limit");
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("ask");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}
