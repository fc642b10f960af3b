//! Who is let in: HBA files, identity maps, users who are looked up.

use std::io;
use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate_config::Document;
use tidegate_pgbouncer::{Imported, Refused, import};
use tidegate_postgres::{Applicant, Login, LoginMethod, LoginRules, ReadyLoginRule};

fn try_with(hba: &str, main: &str, map: &str) -> Result<Imported, Refused> {
    let ini = format!(
        "[databases]\na = host=h\n* = host=i\n[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_file = u\nauth_type = hba\n\
         auth_hba_file = hba\nauth_ident_file = map\n{main}\n"
    );
    import("p.ini", &|name: &str| match name {
        "p.ini" => Ok(ini.clone()),
        "u" => Ok("\"app\" \"secret\"\n".to_owned()),
        "hba" => Ok(hba.to_owned()),
        "map" => Ok(map.to_owned()),
        "names" => Ok("x,y\nz # the last\n".to_owned()),
        "gap" => Ok("x\n\ny\n".to_owned()),
        "empty" => Ok(String::new()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    })
}

const TLS: &str = "client_tls_key_file = k\nclient_tls_cert_file = c\nclient_tls_ca_file = ca\nclient_tls_sslmode =";

/// The listeners, and the warnings.
#[track_caller]
fn listeners(hba: &str, main: &str, map: &str) -> (Json, Vec<String>) {
    let imported = try_with(hba, main, map).unwrap_or_else(|refused| panic!("{:?}", refused.mistakes));
    let document = Document::parse("t.yaml", imported.yaml.clone()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let warnings = imported.warnings.iter().map(ToString::to_string).collect();
    (document.to_json()["listeners"].clone(), warnings)
}

/// What becomes of an HBA file at the listener for TCP.
#[track_caller]
fn check(hba: &str, rules: &Json) {
    let (listeners, warnings) = listeners(hba, "", "");
    assert_eq!(listeners["tcp"]["login"]["rules"], *rules, "{hba}");
    assert_eq!(
        listeners["tcp"]["routes"],
        json!([{ "match": { "database": "a" }, "cluster": "a" }, { "cluster": "fallback" }])
    );
    assert_eq!(warnings, [""; 0], "{hba}");
}

#[test]
fn rules_stay_what_they_are() {
    check(
        "host all all all md5",
        &json!([{ "name": "hba:1", "match": { "connection": "host" }, "method": "md5" }]),
    );
    check(
        "# who\nlocal all all trust\n\nhostssl all all 10.0.0.0 255.0.0.0 scram-sha-256 # why\nhostnossl all all ff00::/8 reject",
        &json!([
            { "name": "hba:4", "match": { "connection": "hostssl", "addresses": ["10.0.0.0/8"] }, "method": "scram-sha-256" },
            { "name": "hba:5", "match": { "connection": "hostnossl", "addresses": ["ff00::/8"] }, "method": "reject" },
        ]),
    );
    check(
        "host a,\"b c\",\"a*b\" @names all password",
        &json!([{
            "name": "hba:1",
            "match": { "connection": "host", "databases": ["a", "a*b", "b c"], "users": ["x", "y", "z"] },
            "method": "password",
        }]),
    );
    check(
        "host sameuser,a app,sameuser all md5\nhost replication,all sameuser all trust",
        &json!([
            { "name": "hba:1", "match": { "connection": "host", "databases": ["a"], "users": ["app"] }, "method": "md5" },
            { "name": "hba:1", "match": { "connection": "host", "database_is_user": true, "users": ["app"] }, "method": "md5" },
            { "name": "hba:1", "match": { "connection": "host", "database_is_user": true }, "method": "md5" },
            { "name": "hba:2", "match": { "connection": "host", "database_is_user": true }, "method": "trust" },
            { "name": "hba:2", "match": { "connection": "host", "replication": true, "database_is_user": true }, "method": "trust" },
        ]),
    );
    // Who has no rule is let in nowhere, and yet the console is there.
    check("host @empty all all md5", &json!([{ "method": "reject" }]));
    let (listeners, _) = listeners("host all all all md5", "admin_users = app", "");
    assert_eq!(listeners["unix"]["login"]["rules"], json!([{ "method": "reject" }]));
    for listener in ["tcp", "unix"] {
        let console = json!({ "databases": ["pgbouncer"], "admin_users": ["app"] });
        assert_eq!(listeners[listener]["console"], console);
    }
}

#[test]
fn names_of_databases_are_no_patterns() {
    let ini = "[databases]\na*b = host=h\n'c?' = host=h\n[pgbouncer]\nlisten_addr = h\nauth_file = u\n";
    let imported = import("p.ini", &|name: &str| {
        Ok(if name == "p.ini" { ini.to_owned() } else { String::new() })
    });
    let imported = imported.unwrap_or_else(|refused| panic!("{:?}", refused.mistakes));
    let document = Document::parse("t.yaml", imported.yaml).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let routes = json!([
        { "match": { "database": "a\\*b" }, "cluster": "a_b" },
        { "match": { "database": "c\\?" }, "cluster": "c_" },
    ]);
    assert_eq!(document.to_json()["listeners"]["tcp"]["routes"], routes);
}

#[test]
fn what_cannot_be_is_refused_with_a_warning() {
    let lines = "host all a all ldap ldapserver=x\nhost all b all peer\nhost all c all cert\nlocal all d cert\nhost all all all md5";
    let (listeners, warnings) = listeners(lines, "", "");
    let methods = |listener: &str| {
        let rules = listeners[listener]["login"]["rules"].as_array().cloned();
        let rules = rules.unwrap_or_default();
        rules.iter().map(|rule| rule["method"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(methods("tcp"), ["reject", "reject", "reject", "md5"]);
    assert_eq!(methods("unix"), ["reject"]);
    let told: Vec<_> = warnings.iter().map(|told| &told[..6]).collect();
    assert_eq!(told, ["hba:1:", "hba:2:", "hba:3:", "hba:4:"], "{warnings:?}");
    let refused = try_with("host all all 10.0.0.0 255.0.255.0 reject", "", "").expect_err("a mistake");
    let told = refused.mistakes[0].to_string();
    assert!(told.starts_with("hba:1:1: `255.0.255.0`: a mask with holes"), "{told}");
}

#[test]
fn certificates_and_users_of_the_system_have_maps() {
    let map = "m host.org app\nn every all\nm other.org \"all\"\n";
    let lines = "hostssl a all all cert map=m\nhostssl b all all cert\nlocal all all peer map=n\n\
                 host all all all md5 map=n\nhostssl c all all cert map=none\n";
    let (found, warnings) = listeners(lines, &format!("{TLS} allow"), map);
    let tcp = &found["tcp"];
    assert_eq!(
        (&tcp["tls"]["mode"], &tcp["tls"]["client_auth"]),
        (&json!("allow"), &json!("optional"))
    );
    assert_eq!(tcp["login"]["rules"][0]["map"], "m");
    let of_m = json!([{ "system": "host.org", "user": "app" }, { "system": "other.org", "user": "all" }]);
    assert_eq!(tcp["login"]["maps"], json!({ "m": of_m }));
    assert_eq!(tcp["login"]["known_users_only"], true);
    assert_eq!(found["unix"]["login"]["rules"][0]["map"], "n");
    assert_eq!(found["unix"]["login"]["maps"], json!({ "n": [{ "system": "every" }] }));
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("hba:5: there is no map `none`"),
        "{warnings:?}"
    );
    let (found, _) = listeners("hostssl all all all cert", &format!("{TLS} verify-full"), "");
    let tls = &found["tcp"]["tls"];
    assert_eq!(
        (&tls["mode"], &tls["client_auth"]),
        (&json!("require"), &json!("require"))
    );
}

#[test]
fn a_line_that_pgbouncer_leaves_out_is_left_out() {
    let lines = "host samerole all all md5\nhost all +group all md5\nhost all all 10.0.0/8 md5\nhost all all all gss\n\
                 hosts all all all md5\nhost all all all md5 clientcert=1\nhost all all 192.168.1.1/0 md5\nhost \"all\n\
                 host all all @ md5\nhost all @nothing all md5\nhost all @gap all md5\nhost all all samenet md5\n\
                 host all all all radius\nhost a app all md5\n";
    let (listeners, warnings) = listeners(lines, "", "");
    let last = json!([{ "name": "hba:14", "match": { "connection": "host", "databases": ["a"], "users": ["app"] }, "method": "md5" }]);
    assert_eq!(listeners["tcp"]["login"]["rules"], last);
    assert_eq!(warnings.len(), 13, "{warnings:#?}");
}

#[test]
fn methods_for_everybody() {
    let login = |main: &str, listener: &str| {
        let ini = format!("[databases]\na = host=h user=u\n[pgbouncer]\nlisten_addr = h\nauth_file = u\n{main}\n");
        let imported = import("p.ini", &|name: &str| {
            Ok(if name == "p.ini" { ini.clone() } else { String::new() })
        });
        let imported = imported.unwrap_or_else(|refused| panic!("{:?}", refused.mistakes));
        assert!(!imported.warnings.iter().any(|warning| warning.text.contains("trust")));
        let document = Document::parse("t.yaml", imported.yaml).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        document.to_json()["listeners"][listener]["login"].clone()
    };
    let known = |method: &str| json!({ "method": method, "known_users_only": true, "user_file": "u" });
    let plain = |method: &str| json!({ "method": method, "user_file": "u" });
    assert_eq!(login("auth_type = trust", "tcp"), known("trust"));
    assert_eq!(login("auth_type = any", "tcp"), plain("trust"));
    assert_eq!(login("auth_type = plain", "unix"), plain("password"));
    let cert = format!("auth_type = cert\n{TLS} verify-full");
    assert_eq!(login(&cert, "tcp"), known("cert"));
    assert_eq!(
        login(&cert, "unix"),
        json!({ "rules": [{ "method": "reject" }], "user_file": "u" })
    );
}

fn query(databases: &str, main: &str) -> (Json, Vec<String>) {
    let ini = format!("[databases]\n{databases}\n[pgbouncer]\nlisten_addr = h\nauth_file = u\n{main}\n");
    let imported = import("p.ini", &|name: &str| match name {
        "p.ini" => Ok(ini.clone()),
        _ => Ok("\"plain\" \"$ecret\"\n\"hashed\" \"md50123456789abcdef0123456789abcdef\"\n".to_owned()),
    });
    let imported = imported.unwrap_or_else(|refused| panic!("{:?}", refused.mistakes));
    let document = Document::parse("t.yaml", imported.yaml.clone()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let warnings = imported.warnings.iter().map(ToString::to_string).collect();
    (document.to_json(), warnings)
}

#[test]
fn users_are_looked_up_where_their_client_goes() {
    let of_all = |found: &Json| found["listeners"]["tcp"]["login"]["query"].clone();
    let (found, warnings) = query(
        "a = host=h dbname=b",
        "auth_user = plain\nauth_query = SELECT u, p FROM f($1)",
    );
    let statement = "SELECT u, p FROM f($$1)";
    assert_eq!(
        of_all(&found),
        json!({ "user": "plain", "password": "$$ecret", "statement": statement })
    );
    assert_eq!(found["clusters"]["a"].get("login_query"), None);
    assert_eq!(warnings, [""; 0]);
    let (found, warnings) = query("a = host=h\nb = host=i", "auth_user = hashed\nauth_dbname = b");
    let asked = of_all(&found);
    assert_eq!(
        (&asked["cluster"], &asked["database"], asked.get("password")),
        (&json!("b"), &json!("b"), None)
    );
    assert!(
        warnings.len() == 1 && warnings[0].contains("only a hash of the password of `hashed`"),
        "{warnings:?}"
    );
    let (found, warnings) = query("* = host=h", "auth_user = other\nauth_dbname = users");
    let asked = of_all(&found);
    assert_eq!(
        (&asked["cluster"], &asked["database"]),
        (&json!("fallback"), &json!("users"))
    );
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_database_may_have_a_look_up_of_its_own() {
    let databases = "a = host=h\nb = host=i auth_user=other auth_query='SELECT 1'\nc = host=j auth_dbname=a";
    let (found, warnings) = query(databases, "auth_query = SELECT 2");
    assert_eq!(found["listeners"]["tcp"]["login"].get("query"), None);
    let own = &found["clusters"]["b"]["login_query"];
    assert_eq!(*own, json!({ "user": "other", "statement": "SELECT 1" }));
    assert_eq!(found["clusters"]["c"].get("login_query"), None);
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("p.ini:4: auth_query and auth_dbname"),
        "{warnings:?}"
    );
    let (found, warnings) = query(databases, "auth_query = SELECT 2\nauth_user = plain");
    let own =
        json!({ "cluster": "a", "database": "a", "user": "plain", "password": "$$ecret", "statement": "SELECT 2" });
    assert_eq!(found["clusters"]["c"]["login_query"], own);
    assert_eq!(warnings, [""; 0]);
}

/// A rule as PgBouncer understands it.
#[derive(Debug, Clone)]
struct Line {
    kind: &'static str,
    databases: Vec<&'static str>,
    users: Vec<&'static str>,
    network: &'static str,
    method: &'static str,
}

/// A client that the rules are asked about.
#[derive(Debug, Clone, Copy)]
struct Client {
    address: Option<IpAddr>,
    is_encrypted: bool,
    is_replication: bool,
    database: &'static str,
    user: &'static str,
}

impl Line {
    fn text(&self) -> String {
        let (databases, users) = (self.databases.join(","), self.users.join(", "));
        let network = if self.kind == "local" { "" } else { self.network };
        format!("{} {databases} {users} {network} {}", self.kind, self.method)
    }

    /// PgBouncer's `hba_eval`, as its documentation and its behaviour tell it.
    fn holds(&self, client: &Client) -> bool {
        let Client {
            address,
            is_encrypted,
            is_replication,
            database,
            user,
        } = *client;
        let kind = match (self.kind, address) {
            ("local", address) => address.is_none(),
            (_, None) => false,
            ("hostssl", _) => is_encrypted,
            ("hostnossl", _) => !is_encrypted,
            _ => true,
        };
        let network = match (self.network, address) {
            (_, None) | ("all", _) => true,
            ("10.0.0.0/8", Some(IpAddr::V4(ip))) => ip.octets()[0] == 10,
            ("10.1.2.3 255.255.255.255", Some(IpAddr::V4(ip))) => ip.octets() == [10, 1, 2, 3],
            ("0.0.0.0/0", Some(ip)) => ip.is_ipv4(),
            ("::/0", Some(ip)) => ip.is_ipv6(),
            _ => false,
        };
        let named = |names: &[&str], name: &str, pair: &str| {
            names.iter().any(|word| match *word {
                "all" => true,
                "sameuser" => name == pair,
                "replication" => false,
                "@names" => ["x", "y", "z"].contains(&name),
                word => word.trim_matches('"') == name,
            })
        };
        let databases = if is_replication {
            self.databases.contains(&"replication")
        } else {
            named(&self.databases, database, user)
        };
        kind && network && databases && named(&self.users, user, database)
    }
}

fn line() -> impl Strategy<Value = Line> {
    let kinds = prop::sample::select(vec!["local", "host", "hostssl", "hostnossl"]);
    let names = || {
        let words = vec![
            "all",
            "sameuser",
            "replication",
            "app",
            "x",
            "\"all\"",
            "\"a*p\"",
            "@names",
        ];
        prop::collection::vec(prop::sample::select(words), 1..4)
    };
    let networks = vec![
        "all",
        "10.0.0.0/8",
        "10.1.2.3 255.255.255.255",
        "10.1.2.3/8",
        "0.0.0.0/0",
        "::/0",
    ];
    let methods = vec![
        "trust",
        "reject",
        "md5",
        "password",
        "scram-sha-256",
        "peer",
        "cert",
        "ldap x=y",
    ];
    let (networks, methods) = (prop::sample::select(networks), prop::sample::select(methods));
    (kinds, names(), names(), networks, methods).prop_map(|(kind, databases, users, network, method)| Line {
        kind,
        databases,
        users,
        network,
        method,
    })
}

fn clients() -> impl Iterator<Item = Client> {
    let addresses = ["10.1.2.3", "10.9.9.9", "127.0.0.1", "::1"].map(|text| text.parse().ok());
    let addresses = addresses.into_iter().chain([None]);
    let flags = [(false, false), (true, false), (false, true)];
    let names = ["app", "x", "all", "a*p", "abp"];
    addresses.flat_map(move |address| {
        flags.into_iter().flat_map(move |(is_encrypted, is_replication)| {
            names.into_iter().flat_map(move |database| {
                names.into_iter().map(move |user| Client {
                    address,
                    is_encrypted: is_encrypted && address.is_some(),
                    is_replication,
                    database,
                    user,
                })
            })
        })
    })
}

/// By which method PgBouncer, with this listener's TLS, lets a client try; none when it turns it away.
fn method_there(lines: &[Line], client: &Client, asks_certificate: bool) -> Option<LoginMethod> {
    match lines.iter().find(|line| line.holds(client))?.method {
        "trust" => Some(LoginMethod::Trust),
        "md5" => Some(LoginMethod::Md5),
        "password" => Some(LoginMethod::Password),
        "scram-sha-256" => Some(LoginMethod::ScramSha256),
        "peer" if client.address.is_none() => Some(LoginMethod::Peer),
        "cert" if client.address.is_some() && asks_certificate => Some(LoginMethod::Cert),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The security of it all: a client meets the method that PgBouncer would meet it with.
    #[test]
    fn the_same_rule_decides_as_in_pgbouncer(lines in prop::collection::vec(line(), 0..6), asks in any::<bool>()) {
        let hba: Vec<String> = lines.iter().map(Line::text).collect();
        let hba = hba.join("\n");
        let (found, _) = listeners(&hba, &if asks { format!("{TLS} allow") } else { String::new() }, "");
        let rules = |listener: &str| {
            let login: Login = serde_json::from_value(found[listener]["login"].clone()).expect("a login");
            LoginRules::build(&login).expect("rules")
        };
        let (tcp, unix) = (rules("tcp"), rules("unix"));
        for client in clients() {
            let Client { address, is_encrypted, is_replication, database, user } = client;
            let applicant = Applicant { address, is_encrypted, is_replication, database, user };
            let rules = if address.is_some() { &tcp } else { &unix };
            let here = rules.decide(&applicant).map(ReadyLoginRule::method);
            let here = here.filter(|method| *method != LoginMethod::Reject);
            prop_assert_eq!(here, method_there(&lines, &client, asks), "{:?}\n{}", client, hba);
        }
    }
}
