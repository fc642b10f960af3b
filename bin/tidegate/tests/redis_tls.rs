//! `rediss://` through the real binary: keys of every kind, certificates of both sides, and their rotation.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tidegate_kit::{Certificates, Flavour, Gateway, Identity, Port, Redis, eventually};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

struct Scene {
    port: Port,
    gateway: Gateway,
    _server: Redis,
}

impl Scene {
    /// A gateway that speaks TLS to clients with this identity, and to its server as `cluster` says.
    fn start(server: Redis, identity: &Identity, listener: &str, cluster: &str) -> Self {
        let port = Port::reserve();
        let yaml = format!(
            "admin: {{ enabled: false }}\n\
             listeners:\n\
             \x20 main:\n\
             \x20   protocol: redis\n\
             \x20   address: \"{}\"\n\
             \x20   tls: {{ mode: require, certificate: {}, key: {}{listener} }}\n\
             \x20   login: {{ users: {{ app: {{ password: secret }} }} }}\n\
             \x20   routes: [ {{ cluster: app }} ]\n\
             clusters:\n\
             \x20 app:\n\
             \x20   protocol: redis\n\
             \x20   endpoints: [ {{ address: \"{}\" }} ]\n\
             \x20   {cluster}\n",
            port.address(),
            identity.certificate.display(),
            identity.key.display(),
            server.tls_address().unwrap_or_else(|| server.address()),
        );
        let gateway = Gateway::builder(TIDEGATE, &yaml).listens(port.address()).start();
        Self {
            port,
            gateway,
            _server: server,
        }
    }

    /// redis-cli with a URL, an authority, and a certificate perhaps.
    fn cli(&self, flavour: Flavour, ca: &Path, client: Option<&Identity>) -> Command {
        let mut command = Command::new(flavour.cli());
        let url = format!("rediss://app:secret@127.0.0.1:{}", self.port.number());
        command
            .args(["--no-auth-warning", "-u", &url, "--tls", "--cacert"])
            .arg(ca);
        if let Some(Identity { certificate, key }) = client {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        command
    }

    fn ask(&self, ca: &Path, client: Option<&Identity>, words: &[&str]) -> String {
        text(
            &self
                .cli(Flavour::Redis, ca, client)
                .args(words)
                .output()
                .expect("redis-cli"),
        )
    }
}

fn text(output: &Output) -> String {
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{errors}").trim().to_owned()
}

#[test]
fn both_sides_are_encrypted() {
    for flavour in Flavour::ALL {
        let certificates = Certificates::new();
        let server = Redis::builder(flavour).tls(&certificates.server()).start();
        let upstream = format!("tls: {{ mode: verify-full, ca: {} }}", certificates.ca().display());
        let scene = Scene::start(server, &certificates.server(), "", &upstream);
        let ca = certificates.ca();
        for cli in Flavour::ALL {
            let ask = |words: &[&str]| text(&scene.cli(cli, &ca, None).args(words).output().expect("a client"));
            eventually("it serves", || ask(&["SET", "a", "1"]) == "OK");
            assert_eq!(ask(&["GET", "a"]), "1");
            assert_eq!(ask(&["ACL", "WHOAMI"]), "app");
            assert_eq!(ask(&["-3", "ECHO", "in RESP3"]), "in RESP3");
        }
        // Plain text where TLS is required, and another authority.
        let strangers = Certificates::new();
        assert_ne!(scene.ask(&strangers.ca(), None, &["GET", "a"]), "1");
        let mut plain = tidegate_kit::RespClient::connect(scene.port.address());
        plain.send(b"PING\r\n");
        assert!(!matches!(plain.try_reply(), Ok(tidegate_kit::Resp::Simple(_))));
    }
}

/// mTLS on both sides: the server and the gateway each ask for a certificate.
#[test]
fn both_sides_show_certificates() {
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    let server = Redis::builder(Flavour::Valkey);
    let server = server.mutual_tls(&certificates.server(), &certificates.ca()).start();
    let (ca, gateway) = (certificates.ca(), certificates.client("gateway"));
    let upstream = format!(
        "tls: {{ mode: verify-full, ca: {}, certificate: {}, key: {} }}",
        ca.display(),
        gateway.certificate.display(),
        gateway.key.display(),
    );
    let asks = format!(", client_ca: {}, client_auth: require", ca.display());
    let scene = Scene::start(server, &certificates.server(), &asks, &upstream);
    let client = certificates.client("app");
    eventually("it serves", || {
        scene.ask(&ca, Some(&client), &["SET", "a", "1"]) == "OK"
    });
    for stranger in [None, Some(&strangers.client("app"))] {
        let told = scene.ask(&ca, stranger, &["GET", "a"]);
        assert!(!told.starts_with('1'), "{told}");
    }
    assert_eq!(scene.ask(&ca, Some(&client), &["GET", "a"]), "1");
}

/// Runs openssl in the folder.
fn openssl(folder: &Path, words: &str) {
    let output = Command::new("openssl")
        .args(words.split(' '))
        .current_dir(folder)
        .output();
    let output = output.expect("openssl is installed by `make setup`");
    assert!(output.status.success(), "{words}: {}", text(&output));
}

/// SH-11: PKCS#8, PKCS#1 and SEC1.
#[test]
fn keys_of_every_kind_are_read() {
    let certificates = Certificates::new();
    let folder = certificates.folder();
    let of = |name: &str| -> PathBuf { folder.join(name) };
    let request = "req -x509 -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1";
    openssl(folder, "genrsa -traditional -out pkcs1.key 2048");
    openssl(folder, "pkcs8 -topk8 -nocrypt -in pkcs1.key -out rsa-pkcs8.key");
    openssl(folder, "ecparam -name prime256v1 -genkey -noout -out sec1.key");
    openssl(folder, "pkcs8 -topk8 -nocrypt -in sec1.key -out ec-pkcs8.key");
    openssl(folder, "ecparam -name secp384r1 -genkey -noout -out p384.key");
    openssl(folder, "genpkey -algorithm ed25519 -out ed25519.key");
    let cases = [
        ("pkcs1", "BEGIN RSA PRIVATE KEY"),
        ("rsa-pkcs8", "BEGIN PRIVATE KEY"),
        ("sec1", "BEGIN EC PRIVATE KEY"),
        ("ec-pkcs8", "BEGIN PRIVATE KEY"),
        ("p384", "BEGIN EC PRIVATE KEY"),
        ("ed25519", "BEGIN PRIVATE KEY"),
    ];
    for (name, begins) in cases {
        openssl(folder, &format!("{request} -key {name}.key -out {name}.crt"));
        let identity = Identity {
            certificate: of(&format!("{name}.crt")),
            key: of(&format!("{name}.key")),
        };
        let key = std::fs::read_to_string(&identity.key).expect("a key");
        assert!(key.contains(begins), "{name}: {key}");
        let scene = Scene::start(Redis::start(Flavour::Redis), &identity, "", "");
        let told = || scene.ask(&identity.certificate, None, &["SET", "a", name]);
        eventually(name, || told() == "OK");
    }
}

/// Sends a command a second over one connection for as long as it lives.
fn old_session(scene: &Scene, ca: &Path) -> Child {
    let mut command = scene.cli(Flavour::Redis, ca, None);
    let child = command.args(["-r", "-1", "-i", "0.05", "INCR", "old"]);
    child
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-cli")
}

/// SH-11: certificates are replaced on disk, and no handshake fails meanwhile.
#[test]
fn fifty_rotations_fail_no_handshake() {
    let certificates = Certificates::new();
    let names = ["localhost", "127.0.0.1"];
    let identity = certificates.server_for("rotating", &names);
    let scene = Scene::start(Redis::start(Flavour::Redis), &identity, "", "");
    let ca = certificates.ca();
    eventually("it serves", || scene.ask(&ca, None, &["SET", "old", "0"]) == "OK");
    let mut old = old_session(&scene, &ca);
    let shown = || {
        let address = format!("127.0.0.1:{}", scene.port.number());
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &address])
            .stdin(Stdio::null())
            .output();
        let output = output.expect("openssl");
        let certificate = String::from_utf8_lossy(&output.stdout).into_owned();
        let begin = certificate.find("-----BEGIN").unwrap_or(certificate.len());
        let end = certificate.find("-----END").unwrap_or(certificate.len());
        certificate[begin..end].to_owned()
    };
    let first = shown();
    assert!(!first.is_empty());
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let told = scene.ask(&ca, None, &["PING"]);
                    if told != "PONG" {
                        stop.store(true, Ordering::Relaxed);
                        panic!("a handshake failed during a rotation: {told}");
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..50 {
            assert_eq!(certificates.server_for("rotating", &names), identity);
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(done.load(Ordering::Relaxed) > 50, "hardly a handshake: {done:?}");
    let last = std::fs::read_to_string(&identity.certificate).expect("a certificate");
    let last = last.trim().trim_end_matches("-----END CERTIFICATE-----").to_owned();
    assert_ne!(first, last);
    eventually("the last certificate is served", || shown() == last);
    // The old session never noticed.
    assert!(
        old.try_wait().expect("a child").is_none(),
        "a session ended with its certificate"
    );
    let count = || scene.ask(&ca, None, &["GET", "old"]).parse::<u32>().unwrap_or(0);
    let before = count();
    eventually("it still counts", || count() > before);
    old.kill().expect("a child of one's own");
    old.wait().expect("its end");
    assert!(!scene.gateway.log().contains("panic"), "{}", scene.gateway.log());
}
