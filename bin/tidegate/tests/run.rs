//! The running program: reload, signals, admin API. Its server is down all the time.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::{BINARY, Folder, config, http};
use rustix::process::{Pid, Signal};
use serde_json::Value as Json;
use tidegate_kit::{Certificates, Gateway, Port, eventually, wait_until};

const PATIENCE: Duration = Duration::from_secs(10);

struct Running {
    gateway: Gateway,
    main: Port,
    admin: Port,
}

impl Running {
    fn start(listener: &str) -> Self {
        let (main, admin) = (Port::reserve(), Port::reserve());
        let yaml = config(main.address(), admin.address(), listener);
        let gateway = Gateway::builder(BINARY, &yaml)
            .listens(main.address())
            .listens(admin.address())
            .start();
        Self { gateway, main, admin }
    }

    fn yaml(&self, listener: &str) -> String {
        config(self.main.address(), self.admin.address(), listener)
    }

    fn metric(&self, line: &str) -> bool {
        let (status, text) = http(self.admin.address(), "GET", "/metrics");
        assert_eq!(status, 200);
        text.lines().any(|found| found == line)
    }

    fn max_clients(&self) -> Json {
        let (_, body) = http(self.admin.address(), "GET", "/v1/listeners");
        let json: Json = serde_json::from_str(&body).expect("JSON");
        json["items"][0]["max_clients"].clone()
    }

    /// Replaces the configuration without a signal.
    fn replace(&self, yaml: &str) {
        let path = self.gateway.config_path();
        let beside = path.with_extension("new");
        std::fs::write(&beside, yaml)
            .and_then(|()| std::fs::rename(&beside, &path))
            .expect("replace");
    }
}

#[test]
fn takes_no_huge_pages() {
    let running = Running::start("");
    let path = format!("/proc/{}/status", running.gateway.process().pid());
    let status = std::fs::read_to_string(path).expect("it runs");
    let huge = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
    // Old kernels do not say.
    assert!(huge.is_none_or(|huge| huge.trim() == "0"), "{status}");
}

#[test]
fn starts_with_all_servers_down_and_ends_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = Running::start("");
        assert_eq!(http(running.admin.address(), "GET", "/livez").0, 200);
        let (status, body) = http(running.admin.address(), "GET", "/v1/version");
        assert_eq!(status, 200);
        assert!(body.contains("\"version\":\"0.1.0\""), "{body}");
        common::signal(running.gateway.process().pid(), signal);
        assert_eq!(running.gateway.wait(PATIENCE).code(), Some(0));
        assert!(TcpStream::connect(running.main.address()).is_err());
    }
}

#[test]
fn a_good_reload_is_taken_and_a_broken_one_changes_nothing() {
    let running = Running::start("");
    assert!(running.metric("tidegate_config_last_reload_successful 1"));
    running.gateway.reload(&running.yaml("max_clients: 41"));
    running.gateway.wait_for_log("listeners.main.max_clients");
    assert_eq!(running.max_clients(), 41);

    running.gateway.reload(&running.yaml("max_clints: 42"));
    running
        .gateway
        .wait_for_log("unknown key `max_clints` in listeners.main; did you mean `max_clients`?");
    running.gateway.wait_for_log("the old configuration stays in force");
    assert_eq!(running.max_clients(), 41);
    assert!(running.metric("tidegate_config_last_reload_successful 0"));
    assert!(TcpStream::connect(running.main.address()).is_ok());

    running.gateway.reload(&running.yaml("max_clients: 43"));
    assert!(wait_until(PATIENCE, || running.max_clients() == 43));
    // The outcome is noted once all of it is in force.
    assert!(wait_until(PATIENCE, || running.metric("tidegate_config_last_reload_successful 1")));
}

#[test]
fn a_listener_that_cannot_be_bound_refuses_the_whole_reload() {
    let running = Running::start("");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("address");
    let yaml = running.yaml("max_clients: 41");
    let second = format!(
        "listeners:\n  second:\n    protocol: postgres\n    address: \"{}\"\n    login: {{ method: trust }}\n    \
         routes: [ {{ cluster: app }} ]\n",
        taken.1
    );
    running.gateway.reload(&yaml.replace("listeners:\n", &second));
    running.gateway.wait_for_log("listener second: cannot listen on");
    assert_ne!(running.max_clients(), 41);

    let free = Port::reserve();
    let second = second.replace(&taken.1.to_string(), &free.address().to_string());
    running.gateway.reload(&yaml.replace("listeners:\n", &second));
    assert!(wait_until(PATIENCE, || TcpStream::connect(free.address()).is_ok()));
    assert_eq!(running.max_clients(), 41);
    running.gateway.reload(&yaml);
    assert!(wait_until(PATIENCE, || TcpStream::connect(free.address()).is_err()));
}

/// The socket stays, and who comes in under the new name is served.
#[test]
fn a_listener_is_renamed_without_closing_its_socket() {
    let running = Running::start("");
    let yaml = running.yaml("max_clients: 41");
    running.gateway.reload(&yaml.replace("  main:\n", "  front:\n"));
    running.gateway.wait_for_log("configuration in force");
    assert!(TcpStream::connect(running.main.address()).is_ok());
    let (_, listeners) = http(running.admin.address(), "GET", "/v1/listeners");
    assert!(
        listeners.contains("\"front\"") && !listeners.contains("\"main\""),
        "{listeners}"
    );
}

#[test]
fn a_changed_file_is_read_without_a_signal() {
    let running = Running::start("");
    running.replace(&running.yaml("max_clients: 55"));
    assert!(wait_until(PATIENCE, || running.max_clients() == 55));
    // A broken one is told once, not at every look.
    running.replace("listeners: 5");
    running.gateway.wait_for_log("the old configuration stays in force");
    std::thread::sleep(Duration::from_secs(5));
    let told = running
        .gateway
        .lines()
        .into_iter()
        .filter(|line| line.contains("stays in force"));
    assert_eq!(told.count(), 1);
    assert_eq!(running.max_clients(), 55);
}

#[test]
fn the_api_reloads_and_tells_what_waits_for_a_restart() {
    let running = Running::start("");
    let yaml = format!("node: 3\nlog: {{ level: debug }}\n{}", running.yaml(""));
    std::fs::write(running.gateway.config_path(), yaml).expect("write");
    let (status, body) = http(running.admin.address(), "POST", "/v1/reload");
    assert_eq!(status, 200);
    let done: Json = serde_json::from_str(&body).expect("JSON");
    assert_eq!(done["needs_restart"][0], "node");
    assert_eq!(done["changed"].as_array().map(Vec::len), Some(2), "{body}");
    running.gateway.wait_for_log("these changes need a restart");
    std::fs::write(running.gateway.config_path(), "nodes: 3").expect("write");
    let (status, body) = http(running.admin.address(), "POST", "/v1/reload");
    assert_eq!(status, 422);
    assert!(body.contains("did you mean `node`?"), "{body}");
    let (_, shown) = http(running.admin.address(), "GET", "/v1/config");
    assert!(
        shown.contains("\"token\":\"***\"") && shown.contains("\"node\":3"),
        "{shown}"
    );
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let certificates = Certificates::new();
    let (first, second) = (certificates.server(), certificates.server_for("other", &["localhost"]));
    let folder = common::Folder::new();
    let place = |from: &std::path::Path, to: &str| {
        let text = std::fs::read_to_string(from).expect("read");
        folder.write(to, &text)
    };
    let (certificate, key) = (place(&first.certificate, "a.crt"), place(&first.key, "a.key"));
    let (certificate, key) = (certificate.display(), key.display());
    let running = Running::start(&format!(
        "tls: {{ mode: allow, certificate: {certificate}, key: {key} }}"
    ));
    folder.write("a.crt", "no certificate");
    running.gateway.wait_for_log("the old certificate stays in use");
    place(&second.key, "a.key");
    place(&second.certificate, "a.crt");
    running.gateway.wait_for_log("new certificate in use");
}

#[test]
fn json_logs_hold_no_secret() {
    let (main, admin) = (Port::reserve(), Port::reserve());
    let yaml = format!(
        "log: {{ format: json, level: trace }}\n{}",
        config(main.address(), admin.address(), "")
    );
    let mut gateway = Gateway::builder(BINARY, &yaml).listens(main.address()).start();
    gateway.terminate(PATIENCE);
    for line in gateway.lines() {
        let json: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(json["message"].is_string() && json["level"].is_string());
    }
    let log = gateway.log();
    assert!(
        log.contains("\"listening\"") && !log.contains("test-token") && !log.contains("\"secret\""),
        "{log}"
    );
}

/// Whoever started the gateway does not read what it logs.
#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let (folder, main, admin) = (Folder::new(), Port::reserve(), Port::reserve());
    let yaml = config(main.address(), admin.address(), "") + "log: { level: debug }\n";
    let path = folder.write("tidegate.yaml", &yaml);
    let (main, admin) = (main.address(), admin.address());
    let mut gateway = std::process::Command::new(BINARY)
        .args(["run", "-c"])
        .arg(&path)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("spawn");
    eventually("it listens", || TcpStream::connect(admin).is_ok());
    // A pipe holds 64 KiB, which these are more than twice.
    for _ in 0..1500 {
        let mut probe = TcpStream::connect(main).expect("connect");
        probe.set_read_timeout(Some(PATIENCE)).expect("timeout");
        probe.write_all(&[b'x'; 64]).expect("write");
        let mut end = Vec::new();
        drop(probe.read_to_end(&mut end));
    }
    assert_eq!(http(admin, "GET", "/livez").0, 200);
    let pid = Pid::from_child(&gateway);
    rustix::process::kill_process(pid, Signal::TERM).expect("kill");
    eventually("it ends", || gateway.try_wait().expect("wait").is_some());
    assert!(gateway.wait().expect("wait").success());
    let mut logged = String::new();
    gateway
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut logged)
        .expect("read");
    assert!(logged.len() > 60 * 1024, "{} bytes were logged", logged.len());
}
