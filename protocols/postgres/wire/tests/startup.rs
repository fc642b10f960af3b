//! First packets, whole, cut and broken.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use tidegate_postgres_wire::{
    First, MAX_STARTUP_LEN, StartupError, Version, cancel_request, gss_request, ssl_request, startup_packet,
};

fn packet(version: Version, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    startup_packet(&mut out, version, parameters.iter().copied());
    out
}

fn wrong(bytes: &[u8]) -> StartupError {
    First::read(bytes).unwrap_err()
}

#[test]
fn requests() {
    let mut out = Vec::new();
    ssl_request(&mut out);
    assert_eq!(out, b"\0\0\0\x08\x04\xd2\x16\x2f");
    assert_eq!(First::read(&out), Ok((First::Ssl, 8)));
    // What follows is left alone, so that a caller can refuse bytes sent ahead of TLS.
    out.push(b'x');
    assert_eq!(First::read(&out), Ok((First::Ssl, 8)));
    out.clear();
    gss_request(&mut out);
    assert_eq!(out, b"\0\0\0\x08\x04\xd2\x16\x30");
    assert_eq!(First::read(&out), Ok((First::Gss, 8)));
    assert_eq!(First::read(b"\x16\x03\x01"), Ok((First::DirectTls, 0)));
}

#[test]
fn cancels() {
    let read = |len: usize| {
        let mut out = Vec::new();
        cancel_request(&mut out, -7, &vec![9; len]);
        match First::read(&out) {
            Ok((First::Cancel { process, secret }, total)) => {
                assert_eq!((process, total), (-7, out.len()));
                Ok(secret.len())
            }
            Ok(other) => panic!("{other:?}"),
            Err(wrong) => Err(wrong),
        }
    };
    assert_eq!((read(4), read(32), read(256)), (Ok(4), Ok(32), Ok(256)));
    assert_eq!(read(3), Err(StartupError::CancelSecret(3)));
    assert_eq!(read(257), Err(StartupError::CancelSecret(257)));
}

#[test]
fn startups() {
    let parameters = [
        ("user", "ann"),
        ("application_name", "x"),
        ("options", "-c geqo=off"),
        ("_pq_.y", "1"),
        ("replication", "off"),
    ];
    let bytes = packet(Version::V3_2, &parameters);
    for cut in 0..bytes.len() {
        assert_eq!(First::read(&bytes[..cut]), Ok((First::Incomplete, 0)), "{cut}");
    }
    let (First::Startup(startup), total) = First::read(&bytes).unwrap() else {
        panic!("no start-up packet");
    };
    assert_eq!(total, bytes.len());
    assert_eq!((startup.user(), startup.database()), ("ann", "ann"));
    assert_eq!(startup.options().settings, [("geqo".to_owned(), "off".to_owned())]);
    assert_eq!(startup.settings().collect::<Vec<_>>(), [("application_name", "x")]);
    assert_eq!(startup.protocol_options().collect::<Vec<_>>(), ["_pq_.y"]);
    assert!(!startup.is_replication());
}

#[test]
fn replication_and_versions() {
    for (value, expected) in [("database", true), ("1", true), ("TRUE", true), ("0", false)] {
        let bytes = packet(Version::V3_0, &[("user", "a"), ("replication", value)]);
        let (First::Startup(startup), _) = First::read(&bytes).unwrap() else {
            panic!("no start-up packet");
        };
        assert_eq!(startup.is_replication(), expected, "{value}");
        assert_eq!(
            startup.is_physical_replication(),
            expected && value != "database",
            "{value}"
        );
        assert_eq!(startup.negotiate(), (Version::V3_0, false));
    }
    let newer = Version { major: 3, minor: 9999 };
    let bytes = packet(newer, &[("user", "a"), ("database", "")]);
    let (First::Startup(startup), _) = First::read(&bytes).unwrap() else {
        panic!("no start-up packet");
    };
    assert_eq!(startup.negotiate(), (Version::V3_2, true));
    assert_eq!(startup.database(), "a");
}

/// PostgreSQL's `parse_bool_with_len` (`src/backend/utils/adt/bool.c`), line for line.
fn parse_bool(value: &str) -> Option<bool> {
    let bytes = value.as_bytes();
    let is_start = |word: &str, len: usize| {
        // `pg_strncasecmp`: both end where the shorter one does.
        let cut = |text: &[u8]| text.iter().take(len).map(u8::to_ascii_lowercase).collect::<Vec<_>>();
        cut(bytes) == cut(word.as_bytes())
    };
    match bytes.first()? {
        b't' | b'T' if is_start("true", bytes.len()) => Some(true),
        b'f' | b'F' if is_start("false", bytes.len()) => Some(false),
        b'y' | b'Y' if is_start("yes", bytes.len()) => Some(true),
        b'n' | b'N' if is_start("no", bytes.len()) => Some(false),
        b'o' | b'O' if is_start("on", bytes.len().max(2)) => Some(true),
        b'o' | b'O' if is_start("off", bytes.len().max(2)) => Some(false),
        b'1' if bytes.len() == 1 => Some(true),
        b'0' if bytes.len() == 1 => Some(false),
        _ => None,
    }
}

#[test]
fn replication_is_read_as_the_server_reads_it() {
    let check = |value: &str| {
        let bytes = packet(Version::V3_0, &[("user", "a"), ("replication", value)]);
        let expected = match value {
            "database" => Ok(Some("database")),
            _ => parse_bool(value).map(|is_wanted| is_wanted.then_some("true")).ok_or(()),
        };
        let read = First::read(&bytes);
        let Ok((First::Startup(startup), _)) = &read else {
            let told = StartupError::Replication(value.to_owned());
            assert_eq!((read, expected), (Err(told), Err(())), "{value}");
            return;
        };
        assert_eq!(Ok(startup.get("replication")), expected, "{value}");
        assert_eq!(
            startup.is_replication(),
            startup.get("replication").is_some(),
            "{value}"
        );
        assert_eq!(
            startup.is_physical_replication(),
            expected == Ok(Some("true")),
            "{value}"
        );
    };
    // Every word of up to four of these, and the long ones.
    let letters = "trueFfalsyOon012 d\u{e9}".chars();
    let letters: Vec<char> = letters.collect();
    let mut words = vec![String::new()];
    for _ in 0..4 {
        for word in &words {
            check(word);
        }
        let longer = |word: &String| {
            letters
                .iter()
                .map(|letter| format!("{word}{letter}"))
                .collect::<Vec<_>>()
        };
        words = words.iter().flat_map(longer).collect();
    }
    for word in [
        "true", "fals", "False", "FALSE", "falsey", "database", "DATABASE", "databas", "of", "off", "offf",
    ] {
        check(word);
    }
    let twice = packet(
        Version::V3_0,
        &[("user", "a"), ("replication", "no"), ("replication", "1")],
    );
    assert_eq!(wrong(&twice), StartupError::Duplicate("replication".to_owned()));
    assert_eq!(StartupError::Replication(String::new()).sqlstate(), "22023");
}

#[test]
fn what_is_no_setting_does_not_come_in_as_one() {
    for name in ["USER", "Database", "rePlication", "OPTIONS", "_PQ_.x"] {
        let bytes = packet(Version::V3_0, &[("user", "a"), (name, "x")]);
        assert_eq!(wrong(&bytes), StartupError::NoSetting(name.to_owned()));
    }
    for options in [
        "-c user=x",
        "-c geqo=off --database=x",
        "-cReplication=1",
        "-c options=x",
    ] {
        let bytes = packet(Version::V3_0, &[("user", "a"), ("options", options)]);
        assert!(matches!(wrong(&bytes), StartupError::NoSetting(_)), "{options}");
    }
    assert_eq!(StartupError::NoSetting(String::new()).sqlstate(), "42704");
}

#[test]
fn broken_packets() {
    assert_eq!(wrong(b"\0\0\0\x07"), StartupError::Length(7));
    assert_eq!(wrong(b"GET "), StartupError::Length(u32::from_be_bytes(*b"GET ")));
    let long = u32::try_from(MAX_STARTUP_LEN).unwrap() + 1;
    assert_eq!(wrong(&long.to_be_bytes()), StartupError::Length(long));
    let old = Version { major: 2, minor: 0 };
    assert_eq!(wrong(&packet(old, &[])), StartupError::Version(old));
    assert_eq!(
        wrong(&packet(Version::V3_0, &[("database", "x")])),
        StartupError::NoUser
    );
    assert_eq!(wrong(&packet(Version::V3_0, &[("user", "")])), StartupError::NoUser);
    let twice = packet(Version::V3_0, &[("user", "a"), ("user", "b")]);
    assert_eq!(wrong(&twice), StartupError::Duplicate("user".to_owned()));
    assert_eq!(wrong(b"\0\0\0\x0e\0\x03\0\0user\0a"), StartupError::Unterminated);
    assert_eq!(wrong(b"\0\0\0\x0f\0\x03\0\0user\0a\0"), StartupError::Unterminated);
    assert_eq!(wrong(b"\0\0\0\x10\0\x03\0\0user\0\xff\0\0"), StartupError::NotUtf8);
    assert!(matches!(
        wrong(b"\0\0\0\x11\0\x03\0\0user\0a\0\0x"),
        StartupError::Body(_)
    ));
    assert!(matches!(wrong(b"\0\0\0\x09\x04\xd2\x16\x2fx"), StartupError::Body(_)));
    assert_eq!(wrong(&packet(old, &[])).sqlstate(), "0A000");
    assert_eq!(StartupError::NoUser.sqlstate(), "28000");
}
