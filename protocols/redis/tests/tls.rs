//! TLS towards servers; `bin/tidegate/tests/redis_tls.rs` has what clients see of it.

mod common;

use std::path::Path;

use serde_json::{Value as Json, json};
use tidegate_conformance::House;
use tidegate_kit::{Certificates, Flavour, Identity, Redis as Server, Resp, RespClient, eventually};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn encrypted(server: &Server, tls: &Json) -> House {
    let address = server.tls_address().expect("a server with TLS");
    let trust = json!({ "login": { "method": "trust" } });
    common::gateway(
        &[address],
        &trust,
        &json!({ "tls": tls, "pool": { "size": 2 } }),
        Vec::new(),
    )
}

/// Ordinary commands, a connection of one's own, long values and subscriptions.
fn check(house: &House) {
    let (mut one, mut two) = (
        RespClient::connect(house.address()),
        RespClient::connect(house.address()),
    );
    let long = "x".repeat(3 << 20);
    assert_eq!(one.ask(&["SET", "a", &long]), simple("OK"));
    assert_eq!(two.ask(&["GET", "a"]).text().len(), long.len());
    assert_eq!(one.ask(&["MULTI"]), simple("OK"));
    assert_eq!(one.ask(&["GETRANGE", "a", "0", "1"]), simple("QUEUED"));
    assert_eq!(one.ask(&["EXEC"]).items().len(), 1);
    assert_eq!(one.ask(&["SUBSCRIBE", "news"]).items().len(), 3);
    assert_eq!(two.ask(&["PUBLISH", "news", "text"]), Resp::Integer(1));
    assert_eq!(one.reply().items().len(), 3);
    for number in 0..500 {
        two.command(&["ECHO", &number.to_string()]);
    }
    for number in 0..500 {
        assert_eq!(two.reply().text(), number.to_string());
    }
    eventually("every connection is back", || house.lent() == 0);
}

#[test]
fn servers_are_spoken_to_in_secret() {
    for flavour in Flavour::ALL {
        let certificates = Certificates::new();
        let server = Server::builder(flavour).tls(&certificates.server()).start();
        for tls in [
            json!({ "mode": "require" }),
            json!({ "mode": "verify-ca", "ca": certificates.ca() }),
            json!({ "mode": "verify-full", "ca": certificates.ca() }),
        ] {
            check(&encrypted(&server, &tls));
        }
    }
}

fn with(identity: &Identity, ca: &Path) -> Json {
    json!({ "mode": "verify-full", "ca": ca, "certificate": identity.certificate, "key": identity.key })
}

/// A server that asks for a certificate; and one whose own is replaced while clients work.
#[test]
fn the_gateway_shows_its_certificate() {
    for flavour in Flavour::ALL {
        let certificates = Certificates::new();
        let server = Server::builder(flavour);
        let server = server.mutual_tls(&certificates.server(), &certificates.ca()).start();
        check(&encrypted(
            &server,
            &with(&certificates.client("gateway"), &certificates.ca()),
        ));
        assert!(server.log().contains("Ready to accept connections"));
    }
}

/// What cannot be trusted is not spoken to: nobody's command reaches it.
#[test]
fn a_server_that_is_another_gets_nothing() {
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    let right = Server::builder(Flavour::Redis);
    let right = right.mutual_tls(&certificates.server(), &certificates.ca()).start();
    let wrong = Server::builder(Flavour::Redis).tls(&certificates.wrong_name()).start();
    let old = Server::builder(Flavour::Redis).tls(&certificates.expired()).start();
    let full = json!({ "mode": "verify-full", "ca": certificates.ca() });
    let cases = [
        (&wrong, full.clone()),
        (&old, full.clone()),
        (&right, full),
        (&right, with(&strangers.client("gateway"), &certificates.ca())),
        (&right, with(&certificates.client("gateway"), &strangers.ca())),
    ];
    for (number, (server, tls)) in cases.iter().enumerate() {
        let commands = |server: &Server| server.ask(&["INFO", "commandstats"]).text().contains("cmdstat_set:");
        let house = unready(server, tls);
        let mut client = RespClient::connect(house.address());
        let told = client.ask(&["SET", "a", "secret"]);
        assert!(matches!(&told, Resp::Error(_)), "case {number}: {told:?}");
        assert!(!commands(server), "case {number}: it was told");
    }
}

/// A gateway that never becomes ready.
fn unready(server: &Server, tls: &Json) -> House {
    let address = server.tls_address().expect("a server with TLS");
    let trust = json!({ "login": { "method": "trust" } });
    let more = json!({ "tls": tls, "timeouts": { "failover": "0" }, "connect": { "retries": 0, "timeout": "1s" } });
    common::unready(&[address], &trust, &more, Vec::new()).0
}
