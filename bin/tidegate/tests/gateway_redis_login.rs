//! Clients of Redis that are known by their certificates.

use std::process::{Command, Output};

use tidegate_kit::{Certificates, Flavour, Gateway, Identity, Port, Redis};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

struct Scene {
    certificates: Certificates,
    port: Port,
    _server: Redis,
    _gateway: Gateway,
}

impl Scene {
    fn start(tls: &str) -> Self {
        let (certificates, server, port) = (Certificates::new(), Redis::start(Flavour::Redis), Port::reserve());
        let Identity { certificate, key } = certificates.server();
        let config = format!(
            "admin: {{ enabled: false }}
listeners:
  main:
    protocol: redis
    address: \"{}\"
    tls: {{ {tls}, certificate: {}, key: {}, client_ca: {} }}
    login:
      method: certificate
      users: {{ app: {{}}, gone: {{ enabled: false }} }}
    routes: [ {{ cluster: app }} ]
clusters:
  app: {{ protocol: redis, endpoints: [ {{ address: \"{}\" }} ] }}
",
            port.address(),
            certificate.display(),
            key.display(),
            certificates.ca().display(),
            server.address(),
        );
        let gateway = Gateway::builder(TIDEGATE, &config).listens(port.address()).start();
        Self {
            certificates,
            port,
            _server: server,
            _gateway: gateway,
        }
    }

    fn ask(&self, client: Option<&str>, words: &[&str]) -> String {
        let mut command = Command::new(Flavour::Redis.cli());
        command.args([
            "--tls",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.address().port().to_string(),
            "--cacert",
        ]);
        command.arg(self.certificates.ca());
        if let Some(client) = client {
            let Identity { certificate, key } = self.certificates.client(client);
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let Output { stdout, stderr, .. } = command.args(words).output().expect("redis-cli");
        format!(
            "{}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        )
        .trim()
        .to_owned()
    }
}

#[test]
fn a_certificate_is_who_a_client_is() {
    let scene = Scene::start("mode: require, client_auth: optional");
    assert_eq!(scene.ask(Some("app"), &["SET", "a", "1"]), "OK");
    assert_eq!(scene.ask(Some("app"), &["GET", "a"]), "1");
    assert_eq!(scene.ask(Some("app"), &["ACL", "WHOAMI"]), "app");
    // Neither the authority's word for somebody else, nor none, nor a password without one opens the door.
    for client in [Some("other"), Some("gone"), Some("default"), None] {
        let told = scene.ask(client, &["GET", "a"]);
        assert!(
            told.contains("NOAUTH this needs a client certificate"),
            "{client:?}: {told}"
        );
    }
    let told = scene.ask(None, &["AUTH", "app", ""]);
    assert!(told.contains("NOAUTH"), "{told}");
    let wrong = scene.ask(Some("app"), &["AUTH", "app", ""]);
    assert!(wrong.starts_with("WRONGPASS"), "{wrong}");
}

#[test]
fn a_client_in_the_clear_is_nobody() {
    let scene = Scene::start("mode: allow, client_auth: optional");
    let mut client = tidegate_kit::RespClient::connect(scene.port.address());
    assert!(
        client
            .ask(&["GET", "a"])
            .text()
            .starts_with("NOAUTH this needs a client certificate")
    );
}
