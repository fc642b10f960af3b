//! Bytes recorded between a plain client and PostgreSQL 15 (`golden/*.client`, `golden/*.server`): what this crate
//! reads must be what was meant, and what it says must be what they said, byte for byte.

#![allow(clippy::doc_markdown, reason = "PostgreSQL reads as a word here")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate_base::Secret;
use tidegate_postgres_wire::backend::{self, Authentication, ErrorFields, Notification, Severity, Status};
use tidegate_postgres_wire::frontend::{self, Target};
use tidegate_postgres_wire::login::{
    ChannelBinding, Credential, Disguise, Downstream, Method, Next, Ready, ServerLoginError, Step, Stored, Terms,
    Upstream, UpstreamTerms,
};
use tidegate_postgres_wire::{Cursor, First, Frame, KindSet, Stop, Version, startup_packet};

const PASSWORD: &str = "pencil";
const VERIFIER: &str = "SCRAM-SHA-256$4096:sRhfJAc640dUmWexH9iriw==$mOaKgC5NjQXvZgJ+DYSlVANWrDAu0WS+Z2/HEu3JdKo=:QRGL3p1voy4rKjz2+6HmT0e/zYltXncbGgSvuLvPoR8=";
const MD5: &str = "md5890621e9f597c9a65ae6d9b8db02e14c";

macro_rules! golden {
    ($name:literal) => {
        (
            &include_bytes!(concat!("golden/", $name, ".client"))[..],
            &include_bytes!(concat!("golden/", $name, ".server"))[..],
        )
    };
}

fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Some((frame, total)) = Frame::read(bytes).unwrap() {
        frames.push(frame);
        bytes = &bytes[total..];
    }
    assert!(bytes.is_empty());
    frames
}

/// Logs in to the recorded server as the recorded client did, and compares what is said.
fn upstream(user: &str, credential: Credential, (client, server): (&[u8], &[u8])) -> Result<Ready, ServerLoginError> {
    let mut login = Upstream::new(UpstreamTerms {
        user: user.to_owned(),
        credential,
        version: Version::V3_0,
        encrypted: false,
        cleartext_allowed: true,
        binding: None,
        channel_binding: ChannelBinding::Prefer,
        salted: None,
    });
    let mut said = Vec::new();
    login.begin(&mut said, "postgres", []);
    let mut outcome = None;
    for frame in frames(server) {
        let mut step = login.handle(frame, &mut |bytes| bytes.fill(1));
        if let Step::Hash(job) = step {
            step = login.hashed(job.run());
        }
        match step {
            Step::More => (),
            Step::Send(bytes) => said.extend(bytes),
            Step::Done(ready) => outcome = Some(Ok(*ready)),
            Step::Failed(wrong) => outcome = Some(Err(wrong)),
            Step::Hash(_) => panic!("a hash leads to an answer"),
        }
    }
    assert_eq!(said, client);
    outcome.expect("the login ends")
}

/// Lets the recorded client log in, with the recorded server's random bytes, and compares what is said.
fn downstream(method: Method, user: &str, stored: Stored, random: &[u8], (client, server): (&[u8], &[u8])) -> Next {
    let (first, total) = First::read(client).unwrap();
    let First::Startup(startup) = first else {
        panic!("{first:?}");
    };
    assert_eq!((startup.user(), startup.database()), (user, "postgres"));
    let disguise = Disguise::new([0; 32], &stored);
    let terms = Terms {
        method,
        user: user.to_owned(),
        stored: Some(stored),
        binding: None,
    };
    let mut login = Downstream::new(terms, &disguise);
    let mut said = Vec::new();
    let mut next = login.begin(&mut |bytes| bytes.copy_from_slice(random));
    for answer in frames(&client[total..]) {
        let Next::Send(bytes) = next else {
            panic!("{next:?}");
        };
        said.extend(bytes);
        next = login.handle(answer);
    }
    if let Next::Done(accepted) = &next {
        said.extend(&accepted.last_words);
        backend::authentication_ok(&mut said);
    }
    assert!(server.starts_with(&said));
    next
}

/// The server's part of the recorded nonce.
fn server_nonce(server: &[u8]) -> Vec<u8> {
    let first = frames(server)
        .into_iter()
        .find_map(|frame| match Authentication::read(frame.body) {
            Ok(Authentication::SaslContinue(data)) if frame.kind == b'R' => Some(data),
            _ => None,
        })
        .unwrap();
    let nonce = std::str::from_utf8(first).unwrap()[2..].split(',').next().unwrap();
    STANDARD.decode(&nonce[24..]).unwrap()
}

#[test]
fn scram() {
    let talk = golden!("scram");
    let ready = upstream("scram", Credential::Password(Secret::new(PASSWORD)), talk).unwrap();
    let version = (
        "server_version".to_owned(),
        ready
            .parameters
            .iter()
            .find(|(name, _)| name == "server_version")
            .unwrap()
            .1
            .clone(),
    );
    assert!(version.1.starts_with("15."));
    assert!(ready.process > 0 && ready.secret.len() == 4 && ready.status == Status::Idle);
    let next = downstream(
        Method::Scram,
        "scram",
        Stored::parse(VERIFIER),
        &server_nonce(talk.1),
        talk,
    );
    assert!(matches!(next, Next::Done(_)));
}

#[test]
fn scram_with_a_wrong_password() {
    let talk = golden!("scram_wrong");
    let wrong = upstream("scram", Credential::Password(Secret::new("nope")), talk).unwrap_err();
    let expected = ServerLoginError::Refused {
        code: "28P01".to_owned(),
        message: "password authentication failed for user \"scram\"".to_owned(),
    };
    assert_eq!(wrong, expected);
    let next = downstream(
        Method::Scram,
        "scram",
        Stored::parse(VERIFIER),
        &server_nonce(talk.1),
        talk,
    );
    let Next::Failed(wrong) = next else {
        panic!("{next:?}");
    };
    assert_eq!(wrong.to_string(), "password authentication failed for user \"scram\"");
}

#[test]
fn md5() {
    let talk = golden!("md5");
    let Stored::Md5(hash) = Stored::parse(MD5) else {
        panic!("not taken for a hash");
    };
    let Ok(Authentication::Md5(salt)) = Authentication::read(frames(talk.1)[0].body) else {
        panic!("no salt");
    };
    for credential in [
        Credential::Password(Secret::new(PASSWORD)),
        Credential::Md5(hash.clone()),
    ] {
        upstream("md", credential, talk).unwrap();
    }
    for stored in [Stored::Md5(hash), Stored::parse(PASSWORD)] {
        let next = downstream(Method::Md5, "md", stored, &salt, talk);
        assert!(matches!(next, Next::Done(_)));
    }
}

#[test]
fn cleartext() {
    let talk = golden!("cleartext");
    upstream("clear", Credential::Password(Secret::new(PASSWORD)), talk).unwrap();
    for stored in [PASSWORD, VERIFIER] {
        let next = downstream(Method::Cleartext, "clear", Stored::parse(stored), &[], talk);
        assert!(matches!(next, Next::Done(_)));
    }
    upstream("postgres", Credential::None, golden!("trust")).unwrap();
}

#[test]
fn negotiation() {
    let (client, server) = golden!("negotiate");
    let (First::Startup(startup), _) = First::read(client).unwrap() else {
        panic!("no start-up packet");
    };
    assert_eq!(startup.version, Version::V3_2);
    assert_eq!(startup.negotiate(), (Version::V3_2, true));
    let mut said = Vec::new();
    let options = startup.protocol_options();
    backend::negotiate_protocol_version(&mut said, Version::V3_0, options);
    assert!(server.starts_with(&said));
    said.clear();
    let parameters = startup
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    startup_packet(&mut said, startup.version, parameters);
    assert_eq!(said, client);
}

/// Every message of a session, said again from what was read of it.
#[test]
fn a_session_said_again() {
    let (client, server) = golden!("session");
    let mut said = Vec::new();
    for Frame { kind, body } in frames(client) {
        match kind {
            b'Q' => frontend::query(&mut said, frontend::read_query(body).unwrap()),
            b'P' => frontend::parse_again(&mut said, &frontend::Parse::read(body).unwrap()),
            b'D' => frontend::describe(&mut said, Target::read(body).unwrap()),
            b'C' => frontend::close(&mut said, Target::read(body).unwrap()),
            b'B' => {
                let bind = frontend::Bind::read(body).unwrap();
                frontend::bind(&mut said, bind.portal, bind.statement, &[Some(b"7")]);
            }
            b'E' => {
                let execute = frontend::Execute::read(body).unwrap();
                frontend::execute(&mut said, execute.portal, execute.rows);
            }
            b'f' => frontend::copy_fail(&mut said, frontend::read_copy_fail(body).unwrap()),
            b'd' => said.extend(b"d\0\0\0\x083\ty\n"),
            b'S' => frontend::sync(&mut said),
            other => panic!("{}", char::from(other)),
        }
    }
    assert_eq!(said, client);
    said.clear();
    for frame in frames(server) {
        say_again(&mut said, frame);
    }
    assert_eq!(said, server);
}

fn say_again(said: &mut Vec<u8>, Frame { kind, body }: Frame<'_>) {
    match kind {
        b'C' => {
            let tag = backend::read_tag(body).unwrap();
            backend::command_complete(said, std::str::from_utf8(tag).unwrap());
        }
        b'D' => backend::data_row(said, &backend::read_row(body).unwrap()),
        b'Z' => backend::ready(said, backend::read_ready(body).unwrap()),
        b'S' => {
            let status = backend::ParameterStatus::read(body).unwrap();
            backend::parameter_status(said, status.name, status.value);
        }
        b'A' => {
            let note = Notification::read(body).unwrap();
            assert_eq!((note.channel, note.payload), (&b"c"[..], &b"hi"[..]));
            backend::notification(said, note.process, note.channel, note.payload);
        }
        b'1' => backend::parse_complete(said),
        b'2' => backend::bind_complete(said),
        b'3' => backend::close_complete(said),
        b't' => backend::parameter_description(said, &[23]),
        b'G' => backend::copy_in_response(said, 2),
        b'I' => backend::empty_query(said),
        b'T' => {
            // Columns of tables name their table, which ours never do.
            let columns = backend::read_columns(body).unwrap();
            assert_eq!((columns[0].type_id, columns[0].format), (23, 0));
            frame(said, kind, body);
        }
        b'E' | b'N' => {
            let fields = ErrorFields::read(body).unwrap();
            let expected = if kind == b'E' {
                Severity::Error
            } else {
                Severity::Notice
            };
            assert_eq!(fields.severity(), expected);
            match fields.code() {
                b"42703" => assert_eq!(fields.position(), Some(8)),
                b"57014" => assert!(fields.message().contains("why")),
                code => assert_eq!(code, b"25P01"),
            }
            frame(said, kind, body);
        }
        other => panic!("{}", char::from(other)),
    }
}

fn frame(said: &mut Vec<u8>, kind: u8, body: &[u8]) {
    said.push(kind);
    said.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    said.extend(body);
}

#[test]
fn a_cursor_finds_the_same_frames() {
    let (_, server) = golden!("session");
    let expected = frames(server)
        .iter()
        .filter(|frame| b"ZES".contains(&frame.kind))
        .count();
    let (mut cursor, mut rest, mut found) = (Cursor::new(), server, 0);
    loop {
        let walk = cursor.walk(rest, &KindSet::of(b"ZES")).unwrap();
        rest = &rest[walk.run..];
        let Stop::Frame(head) = walk.stop else { break };
        found += 1;
        rest = &rest[cursor.pass(head, rest.len())..];
    }
    assert_eq!((found, rest), (expected, &b""[..]));
}
