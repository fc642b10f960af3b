//! Who a client is, and how it says so.

mod common;

use common::Both;
use serde_json::{Value as Json, json};
use tidegate_kit::{Flavour, Redis as Server, Resp, RespClient, eventually};

fn simple(text: &str) -> Resp {
    Resp::Simple(text.to_owned())
}

fn error(text: &str) -> Resp {
    Resp::Error(text.to_owned())
}

const WRONG: &str = "WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn each_of_several_passwords_will_do() {
    let users = json!({ "app": { "password": "old", "passwords": ["new"] }, "any": { "nopass": true } });
    let listener = json!({ "login": { "users": users } });
    let both = Both::with(Server::start(Flavour::Redis), &listener, &json!({}));
    for (user, password) in [("app", "old"), ("app", "new"), ("any", "thing")] {
        let mut client = both.client();
        assert_eq!(
            client.ask(&["AUTH", user, "wrong-"]),
            if user == "any" { simple("OK") } else { error(WRONG) }
        );
        assert_eq!(client.ask(&["AUTH", user, password]), simple("OK"));
        assert_eq!(client.ask(&["ACL", "WHOAMI"]).text(), user);
    }
}

/// In the moment in which a reload changes listeners: whoever came in elsewhere is not judged by these rules.
#[test]
fn rules_of_another_address_let_nobody_in() {
    let listener = json!({ "address": "127.0.0.1:1", "login": { "method": "trust" } });
    let both = Both::with(Server::start(Flavour::Redis), &listener, &json!({}));
    let told = both.client().ask(&["PING"]);
    assert_eq!(told, error("ERR this listener is being changed: try again"));
}

/// HELLO is answered by the session, which is not shown the password; what stands behind it keeps its place.
#[test]
fn a_hello_that_logs_in_stands_before_what_follows() {
    let listener = json!({ "login": { "users": { "app": { "password": "secret" } } } });
    let both = Both::with(Server::start(Flavour::Redis), &listener, &json!({}));
    for (hello, is_inline) in [
        ("HELLO 3 AUTH app secret SETNAME me", false),
        ("HELLO 3 AUTH app secret", true),
    ] {
        let mut client = both.client();
        let mut bytes = Vec::new();
        let words: Vec<&str> = hello.split(' ').collect();
        bytes.extend(RespClient::encode(&["HELLO", "3", "AUTH", "app", "no"]));
        if is_inline {
            bytes.extend_from_slice(format!("{hello}\r\n").as_bytes());
        } else {
            bytes.extend(RespClient::encode(&words));
        }
        bytes.extend(RespClient::encode(&["SET", "a", hello]));
        bytes.extend(RespClient::encode(&["GET", "a"]));
        bytes.extend(RespClient::encode(&["CLIENT", "GETNAME"]));
        bytes.extend(RespClient::encode(&["ACL", "WHOAMI"]));
        client.send(&bytes);
        assert_eq!(client.reply(), error(WRONG));
        assert_eq!(client.reply().get("proto"), Some(&Resp::Integer(3)));
        assert_eq!(client.reply(), simple("OK"));
        assert_eq!(client.reply(), Resp::Bulk(hello.as_bytes().to_vec()));
        assert_eq!(
            client.reply(),
            if is_inline {
                Resp::Null
            } else {
                Resp::Bulk(b"me".to_vec())
            }
        );
        assert_eq!(client.reply().text(), "app");
    }
}

#[test]
fn the_server_says_who_a_client_is() {
    for flavour in Flavour::ALL {
        let server = Server::builder(flavour)
            .user("alice on >secret ~* &* +@all -set")
            .start();
        let users = json!({ "method": "server", "users": { "off": { "enabled": false } } });
        let both = Both::with(server, &json!({ "login": users }), &json!({}));
        let mut client = both.client();
        assert_eq!(client.ask(&["GET", "a"]), error("NOAUTH Authentication required."));
        assert_eq!(client.ask(&["AUTH", "alice", "wrong"]), error(WRONG));
        assert_eq!(client.ask(&["AUTH", "off", "secret"]), error(WRONG));
        assert_eq!(client.ask(&["AUTH", "alice", "secret"]), simple("OK"));
        assert_eq!(client.ask(&["GET", "a"]), Resp::Null);
        assert!(client.ask(&["SET", "a", "1"]).text().starts_with("NOPERM"));
        let mut other = both.client();
        assert_eq!(other.ask(&["HELLO", "2", "AUTH", "alice", "secret"]).items().len(), 14);
        assert_eq!(other.ask(&["ACL", "WHOAMI"]).text(), "alice");
    }
}

/// Wherever a client is led, it is there as itself: never as the user that the gateway has for its own.
#[test]
fn who_the_server_let_in_stays_that_on_another_route() {
    let start = || {
        Server::builder(Flavour::Redis)
            .user("alice on >secret ~* &* +@all -set")
            .start()
    };
    let servers = [start(), start()];
    let house = common::clusters(
        &[servers[0].address(), servers[1].address()],
        &json!({
            "login": { "method": "server" },
            "routes": [{ "match": { "application_name": "batch*" }, "cluster": "c1" }, { "cluster": "c0" }],
        }),
        Vec::new(),
    );
    let mut client = RespClient::connect(house.address());
    assert_eq!(client.ask(&["AUTH", "alice", "secret"]), simple("OK"));
    for name in ["", "batch", "other", "batch"] {
        assert_eq!(client.ask(&["CLIENT", "SETNAME", name]), simple("OK"));
        assert!(
            client.ask(&["SET", "a", "1"]).text().starts_with("NOPERM"),
            "as {name:?}"
        );
        // Over a connection of its own, too.
        assert_eq!(client.ask(&["MULTI"]), simple("OK"));
        assert!(
            client.ask(&["SET", "a", "1"]).text().starts_with("NOPERM"),
            "as {name:?}"
        );
        assert!(client.ask(&["EXEC"]).text().starts_with("EXECABORT"));
    }
    for server in &servers {
        assert_eq!(server.ask(&["EXISTS", "a"]), Resp::Integer(0));
    }
}

/// What a client listens to it listens to as who it is.
#[test]
fn who_listens_does_not_become_somebody_else() {
    let server = Server::builder(Flavour::Valkey)
        .user("alice on >secret ~* &* +@all")
        .user("bob on >word ~* &b* +@all")
        .start();
    let login = json!({ "login": { "method": "server" } });
    let house = common::gateway(&[server.address()], &login, &json!({}), Vec::new());
    let mut client = RespClient::connect(house.address());
    client.ask(&["HELLO", "3", "AUTH", "alice", "secret"]);
    assert_eq!(client.ask(&["SUBSCRIBE", "a"]).items()[1].text(), "a");
    let refused = client.ask(&["AUTH", "bob", "word"]).text();
    assert!(refused.starts_with("ERR the connection listens"), "{refused}");
    assert_eq!(client.ask(&["ACL", "WHOAMI"]).text(), "alice");
    assert_eq!(client.ask(&["RESET"]), simple("RESET"));
    assert_eq!(client.ask(&["AUTH", "bob", "word"]), simple("OK"));
    assert!(client.ask(&["SUBSCRIBE", "a"]).text().starts_with("NOPERM"));
    assert_eq!(client.ask(&["SUBSCRIBE", "b"]).items()[1].text(), "b");
}

/// Also when it listens to nothing any more: the next subscription is another login's.
#[test]
fn who_listened_listens_anew_as_somebody_else() {
    let server = Server::builder(Flavour::Redis)
        .user("alice on >secret ~* &* +@all")
        .user("bob on >word ~* &b* +@all")
        .start();
    let login = json!({ "login": { "method": "server" } });
    let house = common::gateway(&[server.address()], &login, &json!({}), Vec::new());
    let mut client = RespClient::connect(house.address());
    assert_eq!(client.ask(&["AUTH", "alice", "secret"]), simple("OK"));
    client.ask(&["SUBSCRIBE", "a"]);
    client.ask(&["UNSUBSCRIBE", "a"]);
    assert_eq!(client.ask(&["AUTH", "bob", "word"]), simple("OK"));
    assert!(client.ask(&["SUBSCRIBE", "a"]).text().starts_with("NOPERM"));
    // What is refused changes nothing.
    client.ask(&["HELLO", "3", "AUTH", "alice", "secret"]);
    client.ask(&["SUBSCRIBE", "a"]);
    let refused = client.ask(&["HELLO", "2", "AUTH", "bob", "word", "SETNAME", "other"]);
    assert!(refused.text().starts_with("ERR the connection listens"), "{refused:?}");
    assert_eq!(client.ask(&["CLIENT", "GETNAME"]), Resp::Null);
    assert_eq!(client.ask(&["GET", "x"]), Resp::Null);
    server.ask(&["PUBLISH", "a", "x"]);
    let (_, bytes) = client.raw();
    assert_eq!(bytes.first(), Some(&b'>'), "it still speaks RESP3");
}

/// RESET takes away what the client listens to and where it went, in whatever it was.
#[test]
fn nothing_is_left_after_reset() {
    let servers = [Server::start(Flavour::Redis), Server::start(Flavour::Redis)];
    for (server, name) in servers.iter().zip(["first", "second"]) {
        server.ask(&["SET", "who", name]);
    }
    let listener = json!({
        "login": { "users": { "default": { "nopass": true }, "bob": { "password": "word" } } },
        "routes": [{ "match": { "user": "bob" }, "cluster": "c1" }, { "cluster": "c0" }],
    });
    let house = common::clusters(&servers.each_ref().map(Server::address), &listener, Vec::new());
    let mut client = RespClient::connect(house.address());
    assert_eq!(client.ask(&["GET", "who"]).text(), "first");
    assert_eq!(client.ask(&["AUTH", "bob", "word"]), simple("OK"));
    assert_eq!(client.ask(&["GET", "who"]).text(), "second");
    assert_eq!(client.ask(&["RESET"]), simple("RESET"));
    assert_eq!(client.ask(&["GET", "who"]).text(), "first");
    client.ask(&["HELLO", "3"]);
    client.ask(&["SUBSCRIBE", "c"]);
    assert_eq!(client.ask(&["MONITOR"]), simple("OK"));
    client.command(&["RESET"]);
    while client.reply() != simple("RESET") {}
    servers[0].ask(&["PUBLISH", "c", "x"]);
    assert_eq!(client.ask(&["GET", "who"]).text(), "first");
}

/// With no login of the gateway's own, a client's is all there is.
#[test]
fn hello_after_reset_logs_in_as_the_client() {
    let server = Server::builder(Flavour::Valkey)
        .password("hidden")
        .user("alice on >secret ~* &* +@all")
        .start();
    let login = json!({ "login": { "method": "server" } });
    let (house, _) = common::unready(&[server.address()], &login, &json!({}), Vec::new());
    let mut client = RespClient::connect(house.address());
    for _ in 0..2 {
        let hello = client.ask(&["HELLO", "3", "AUTH", "alice", "secret"]);
        assert!(hello.get("server").is_some(), "{hello:?}");
        assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
        assert_eq!(client.ask(&["RESET"]), simple("RESET"));
        assert!(client.ask(&["GET", "a"]).text().starts_with("NOAUTH"));
    }
}

/// A new configuration counts for clients that are there: their rights, their routes, and whether they may stay.
#[test]
fn a_reload_reaches_clients_that_are_there() {
    let server = Server::start(Flavour::Redis);
    let of = |users: Json| json!({ "login": { "users": users } });
    let (house, install) = common::reloadable(
        &[server.address()],
        &of(json!({ "alice": { "password": "x" }, "bob": { "password": "x" } })),
    );
    let mut clients = ["alice", "bob"].map(|user| {
        let mut client = RespClient::connect(house.address());
        assert_eq!(client.ask(&["AUTH", user, "x"]), simple("OK"));
        assert_eq!(client.ask(&["SET", "a", "1"]), simple("OK"));
        client
    });
    let [alice, bob] = &mut clients;
    install(&of(json!({ "alice": { "password": "y", "rules": "+@read ~*" } })));
    eventually("alice may write no more", || {
        alice.ask(&["SET", "a", "1"]).text().starts_with("NOPERM")
    });
    assert_eq!(alice.ask(&["GET", "a"]).text(), "1");
    assert!(alice.ask(&["AUTH", "alice", "x"]).text().starts_with("WRONGPASS"));
    bob.try_send(&RespClient::encode(&["GET", "a"])).ok();
    assert!(bob.try_reply().is_err(), "bob is gone");
}
