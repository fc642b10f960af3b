//! Who is let in: HBA files, users who are looked up.

use std::io;

use serde_json::{Value as Json, json};
use tidegate_config::Document;
use tidegate_pgbouncer::{Imported, Refused, import};

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
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    })
}

const TLS: &str = "client_tls_key_file = k\nclient_tls_cert_file = c\nclient_tls_ca_file = ca\nclient_tls_sslmode =";

/// The listener for TCP, and the warnings.
#[track_caller]
fn tcp(hba: &str, main: &str, map: &str) -> (Json, Vec<String>) {
    let imported = try_with(hba, &format!("unix_socket_dir =\n{main}"), map)
        .unwrap_or_else(|refused| panic!("{:?}", refused.mistakes));
    let document = Document::parse("t.yaml", imported.yaml.clone()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let warnings = imported.warnings.iter().map(ToString::to_string).collect();
    (document.to_json()["listeners"]["tcp"].clone(), warnings)
}

#[track_caller]
fn check(hba: &str, method: &str, routes: &Json) {
    let (listener, warnings) = tcp(hba, "", "");
    assert_eq!(
        (&listener["login"]["method"], &listener["routes"]),
        (&json!(method), routes),
        "{hba}"
    );
    assert_eq!(warnings, [""; 0], "{hba}");
}

#[track_caller]
fn refuses(hba: &str, line: usize, main: &str) {
    let refused = try_with(hba, main, "").expect_err("a mistake");
    let told: Vec<_> = refused.mistakes.iter().map(ToString::to_string).collect();
    assert!(
        told.len() == 1 && told[0].starts_with(&format!("hba:{line}:1: ")),
        "{hba}\n{told:?}"
    );
}

#[test]
fn rules_become_routes() {
    let everybody = json!([{ "match": { "database": "a" }, "cluster": "a" }, { "cluster": "fallback" }]);
    check("host all all all md5", "md5", &everybody);
    check(
        "local all all trust\nhost all all all scram-sha-256 # why\n\n",
        "scram-sha-256",
        &everybody,
    );
    check(
        "host all all all password\nhost all all 10.0.0.0/8 password\nhost all all all reject",
        "password",
        &everybody,
    );
    check(
        "host all all 10.0.0.0 255.0.0.0 md5\nhost all all ff00::/8 md5",
        "md5",
        &json!([
            { "match": { "database": "a", "client": "10.0.0.0/8" }, "cluster": "a" },
            { "match": { "database": "a", "client": "ff00::/8" }, "cluster": "a" },
            { "match": { "client": "10.0.0.0/8" }, "cluster": "fallback" },
            { "match": { "client": "ff00::/8" }, "cluster": "fallback" },
        ]),
    );
    check(
        "host a,\"b c\",pgbouncer @names all md5\nhost sameuser app all scram-sha-256",
        "md5",
        &json!([
            { "match": { "database": "a", "user": "x" }, "cluster": "a" },
            { "match": { "database": "a", "user": "y" }, "cluster": "a" },
            { "match": { "database": "a", "user": "z" }, "cluster": "a" },
            { "match": { "database": "app", "user": "app" }, "cluster": "fallback" },
            { "match": { "database": "b c", "user": "x" }, "cluster": "fallback" },
            { "match": { "database": "b c", "user": "y" }, "cluster": "fallback" },
            { "match": { "database": "b c", "user": "z" }, "cluster": "fallback" },
        ]),
    );
}

#[test]
fn what_refuses_first_is_kept_or_a_mistake() {
    let (listener, warnings) = tcp("host all evil,worse all reject\nhost all all all md5", "", "");
    assert_eq!(
        listener["login"]["users"],
        json!({ "evil": { "enabled": false }, "worse": { "enabled": false } })
    );
    assert_eq!(warnings, [""; 0]);
    let (listener, warnings) = tcp("host all evil 0.0.0.0/0 reject\nhost all all all md5", "", "");
    assert_eq!(listener["login"]["users"], json!({ "evil": { "enabled": false } }));
    assert_eq!(warnings.len(), 1);
    refuses("host all all 10.0.0.0/8 reject\nhost all all all md5", 1, "");
    refuses("host a evil all reject\nhost all all all md5", 1, "");
    refuses(
        "host a evil all md5\nhost all evil all reject\nhost all all all md5",
        2,
        "",
    );
    // What nobody can pass is as a refusal.
    refuses(
        "host all all 10.0.0.0/8 ldap ldapserver=x\nhost all all all trust",
        1,
        "",
    );
    refuses("host all all 10.0.0.0/8 cert\nhost all all all trust", 1, "");
    refuses("host all all 10.0.0.0 255.0.255.0 reject\nhost all all all md5", 1, "");
    // Apart from each other, they do no harm.
    let (listener, _) = tcp("host all all 10.0.0.0/8 reject\nhost all all 11.0.0.0/8 md5", "", "");
    assert_eq!(listener["routes"][0]["match"]["client"], "11.0.0.0/8");
}

#[test]
fn a_listener_has_one_method() {
    let (listener, warnings) = tcp(
        "host all app 127.0.0.1/32 trust\nhost all all all scram-sha-256",
        "",
        "",
    );
    assert_eq!(listener["login"]["method"], "scram-sha-256");
    assert_eq!(
        warnings,
        ["hba:1: `trust`: a listener has one method, and these clients are asked for a password (scram-sha-256)"]
    );
    let (listener, warnings) = tcp("host all all all trust", "", "");
    assert_eq!(listener["login"]["method"], "trust");
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("hba:1: `trust` lets in whoever names any user"),
        "{warnings:?}"
    );
}

#[test]
fn tls_is_of_the_listener() {
    let allow = format!("{TLS} allow");
    let mode = |hba: &str, main: &str| tcp(hba, main, "").0["tls"]["mode"].clone();
    assert_eq!(mode("hostssl all all all md5", &allow), "require");
    assert_eq!(
        mode("hostnossl all all all reject\nhost all all all md5", &allow),
        "require"
    );
    assert_eq!(mode("hostnossl all all all md5", &allow), Json::Null);
    assert_eq!(mode("host all all all md5", &allow), "allow");
    refuses("hostssl all all all md5\nhost all all 10.0.0.0/8 md5", 1, &allow);
    // Where all clients have TLS, or none has, the others' rules never hold.
    let (listener, _) = tcp("hostssl all all 10.0.0.0/8 md5\nhost all all 11.0.0.0/8 md5", "", "");
    assert_eq!(listener["routes"][0]["match"]["client"], "11.0.0.0/8");
    let (listener, _) = tcp(
        "hostnossl all all all trust\nhostssl all all all md5",
        &format!("{TLS} require"),
        "",
    );
    assert_eq!(
        (&listener["login"]["method"], &listener["tls"]["mode"]),
        (&json!("md5"), &json!("require"))
    );
}

#[test]
fn certificates_are_their_users() {
    let verify = format!("{TLS} verify-full");
    let (listener, warnings) = tcp("hostssl all all all cert", &verify, "");
    assert_eq!(listener["login"]["method"], "cert");
    assert_eq!(listener["tls"]["client_auth"], "require");
    assert_eq!(warnings, [""; 0]);
    let map = "m same same\nm every all\nm host.org app\n";
    let (listener, warnings) = tcp("hostssl a all all cert map=m", &verify, map);
    assert_eq!(
        listener["routes"],
        json!([
            { "match": { "database": "a", "user": "same", "certificate": "same" }, "cluster": "a" },
            { "match": { "database": "a", "user": "every", "certificate": "every" }, "cluster": "a" },
        ])
    );
    assert!(
        warnings.len() == 1 && warnings[0].contains("`host.org` be `app`"),
        "{warnings:?}"
    );
    refuses(
        "hostssl all all all cert map=m\nhostssl all all 10.0.0.0/8 md5",
        1,
        &verify,
    );
}

#[test]
fn a_line_that_pgbouncer_leaves_out_is_left_out() {
    let lines = "host samerole all all md5\nhost all +group all md5\nhost all all 10.0.0/8 md5\nhost all all all gss\n\
                 hosts all all all md5\nhost all all all md5 clientcert=1\nhost all all 192.168.1.1/0 md5\nhost \"all\n\
                 host all all @ md5\nhost all @nothing all md5\nhost a app all md5\n";
    let (listener, warnings) = tcp(lines, "", "");
    assert_eq!(
        listener["routes"],
        json!([{ "match": { "database": "a", "user": "app" }, "cluster": "a" }])
    );
    assert_eq!(warnings.len(), 10, "{warnings:#?}");
}

#[test]
fn a_listener_that_lets_nobody_in_is_none() {
    let imported = try_with("host all all all md5", "", "").unwrap_or_else(|refused| panic!("{:?}", refused.mistakes));
    assert!(!imported.yaml.contains("address: \"unix:"), "{}", imported.yaml);
    let told: Vec<_> = imported.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["p.ini:8: unix:/tmp/.s.PGSQL.6432: nobody may come in there, so nothing listens"]
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
    (
        document.to_json()["listeners"]["tcp"]["login"]["query"].clone(),
        warnings,
    )
}

#[test]
fn users_are_looked_up_in_one_place() {
    let (found, warnings) = query(
        "a = host=h dbname=b",
        "auth_user = plain\nauth_query = SELECT u, p FROM f($1)",
    );
    assert_eq!(
        found,
        json!({ "cluster": "a", "database": "b", "user": "plain", "password": "$$ecret", "statement": "SELECT u, p FROM f($$1)" })
    );
    assert_eq!(warnings, [""; 0]);
    let (found, warnings) = query("a = host=h\nb = host=i", "auth_user = hashed\nauth_dbname = b");
    assert_eq!(
        (&found["cluster"], &found["database"], found.get("password")),
        (&json!("b"), &json!("b"), None)
    );
    assert!(
        warnings.len() == 1 && warnings[0].contains("only a hash of the password of `hashed`"),
        "{warnings:?}"
    );
    let (found, warnings) = query("* = host=h", "auth_user = other\nauth_dbname = users");
    assert_eq!(
        (&found["cluster"], &found["database"]),
        (&json!("fallback"), &json!("users"))
    );
    assert_eq!(warnings, [""; 0]);
    let (found, warnings) = query("a = host=h\nb = host=i auth_user=other", "");
    assert_eq!((&found["cluster"], &found["user"]), (&json!("b"), &json!("other")));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}
