//! Anything may arrive: no parser panics or reads past its input, and what is accepted can be said again.
//! Each target runs as a property test on stable Rust, and under `cargo bolero test -p tidegate-postgres-wire NAME`.
//! Seeds stand in `__fuzz__/NAME/corpus`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its functions too")]

use tidegate_base::Secret;
use tidegate_postgres_wire::backend::{
    self, Authentication, BackendKey, ErrorFields, Negotiation, Notification, ParameterStatus,
};
use tidegate_postgres_wire::frontend::{self, Bind, Execute, Parse, SaslInitial, Target};
use tidegate_postgres_wire::login::{
    ChannelBinding, Credential, Disguise, Downstream, Method, Next, Step, Stored, Terms, Upstream, UpstreamTerms,
    Verifier,
};
use tidegate_postgres_wire::{
    Cursor, First, Frame, Head, KindSet, MAX_STARTUP_LEN, Options, Stop, Version, rename, startup_packet,
};

#[test]
fn first_packet() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let Ok((first, used)) = First::read(bytes) else {
            return;
        };
        assert!(used <= bytes.len() && used <= MAX_STARTUP_LEN);
        if let First::Startup(startup) = first {
            let mut again = Vec::new();
            let parameters = &startup.parameters;
            let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            startup_packet(&mut again, startup.version, pairs);
            assert_eq!(again, bytes[..used]);
            startup.options();
        }
    });
}

#[test]
fn cursor() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let needed = KindSet::of(b"QPBDECSHFcfXZ\0");
        let (mut cursor, mut rest) = (Cursor::new(), bytes);
        while let Ok(walk) = cursor.walk(rest, &needed) {
            rest = &rest[walk.run..];
            match walk.stop {
                Stop::End => assert!(rest.is_empty()),
                Stop::PartialHead => assert!(rest.len() < Head::SIZE && cursor.at_boundary()),
                Stop::Frame(head) => {
                    assert_eq!(Head::read(rest), Ok(Some(head)));
                    rest = &rest[cursor.pass(head, rest.len())..];
                    continue;
                }
            }
            break;
        }
    });
}

#[test]
fn frontend_views() {
    bolero::check!().for_each(read_frontend);
}

fn read_frontend(body: &[u8]) {
    let mut again = Vec::new();
    if let Ok(parse) = Parse::read(body) {
        frontend::parse_again(&mut again, &parse);
        assert_eq!(&again[Head::SIZE..], body);
        again.clear();
    }
    if let Ok(target) = Target::read(body) {
        frontend::describe(&mut again, target);
        assert_eq!(&again[Head::SIZE..], body);
        again.clear();
    }
    if let Ok(execute) = Execute::read(body) {
        frontend::execute(&mut again, execute.portal, execute.rows);
        assert_eq!(&again[Head::SIZE..], body);
    }
    let _ = (Bind::read(body), SaslInitial::read(body));
    let _ = (frontend::read_query(body), frontend::read_password(body));
}

#[test]
fn backend_views() {
    bolero::check!().for_each(read_backend);
}

fn read_backend(body: &[u8]) {
    let mut again = Vec::new();
    if let Ok(row) = backend::read_row(body) {
        backend::data_row(&mut again, &row);
        // A negative count reads as no column; every other row is said again as it was.
        assert!(&again[Head::SIZE..] == body || row.is_empty());
        again.clear();
    }
    if let Ok(status) = ParameterStatus::read(body) {
        backend::parameter_status(&mut again, status.name, status.value);
        assert_eq!(&again[Head::SIZE..], body);
        again.clear();
    }
    if let Ok(note) = Notification::read(body) {
        backend::notification(&mut again, note.process, note.channel, note.payload);
        assert_eq!(&again[Head::SIZE..], body);
    }
    if let Ok(fields) = ErrorFields::read(body) {
        fields.iter().for_each(drop);
        let _ = (fields.severity(), fields.message(), fields.position());
    }
    let _ = (
        Authentication::read(body),
        BackendKey::read(body),
        Negotiation::read(body),
    );
    let _ = (
        backend::read_columns(body),
        backend::read_tag(body),
        backend::read_ready(body),
    );
}

/// Recorded messages with some bytes changed and a cut: closer to the edges than noise comes.
#[test]
fn damaged_messages() {
    const RECORDED: [&[u8]; 4] = [
        include_bytes!("golden/session.client"),
        include_bytes!("golden/session.server"),
        include_bytes!("golden/scram.server"),
        include_bytes!("golden/negotiate.server"),
    ];
    bolero::check!()
        .with_type::<(u8, u16, Vec<(u16, u8)>)>()
        .for_each(|(which, cut, changes)| {
            let mut bytes = RECORDED[usize::from(*which) % RECORDED.len()].to_vec();
            for (at, byte) in changes {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *byte;
            }
            bytes.truncate(bytes.len() - usize::from(*cut) % bytes.len());
            let mut rest = bytes.as_slice();
            while let Ok(Some((frame, total))) = Frame::read(rest) {
                read_frontend(frame.body);
                read_backend(frame.body);
                read_renamed(&rest[..total]);
                rest = &rest[total..];
            }
            read_renamed(rest);
        });
}

#[test]
fn renames() {
    bolero::check!().for_each(read_renamed);
}

fn read_renamed(bytes: &[u8]) {
    for change in [
        rename::rename_parse,
        rename::rename_bind,
        rename::rename_describe,
        rename::rename_close,
    ] {
        let mut out = Vec::new();
        if let Ok(Some(used)) = change(&mut out, bytes, b"tg_1") {
            let (old, new) = (Head::read(bytes).unwrap().unwrap(), Head::read(&out).unwrap().unwrap());
            assert!(used <= bytes.len() && used <= old.total());
            assert_eq!(new.kind, old.kind);
            assert_eq!(new.total() - out.len(), old.total() - used);
        } else {
            assert!(out.is_empty());
        }
    }
}

#[test]
fn texts() {
    bolero::check!().with_type::<String>().for_each(|text| {
        Options::parse(text);
        if let Ok(verifier) = text.parse::<Verifier>() {
            assert_eq!(verifier.to_string().parse(), Ok(verifier));
        }
        Stored::parse(text);
    });
}

/// Whatever a client says, it is not let in without the password.
#[test]
fn downstream_login() {
    let verifier = Verifier::derive(b"pencil", b"salt", std::num::NonZeroU32::MIN);
    let stored = Stored::Scram(verifier);
    let disguise = Disguise::new([1; 32], &stored);
    bolero::check!()
        .with_type::<(bool, bool, Vec<Vec<u8>>)>()
        .for_each(|(scram, wrapped, answers)| {
            let terms = Terms {
                method: if *scram { Method::Scram } else { Method::Cleartext },
                user: "ann".to_owned(),
                stored: Some(stored.clone()),
                binding: None,
            };
            let mut login = Downstream::new(terms, &disguise);
            login.begin(&mut |bytes| bytes.fill(1));
            for answer in answers {
                let mut body = Vec::new();
                if *wrapped {
                    body.extend(b"SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=abc");
                } else {
                    body.extend(answer);
                }
                let next = login.handle(Frame {
                    kind: b'p',
                    body: &body,
                });
                assert!(!matches!(next, Next::Done(_)));
            }
        });
}

/// Whatever a server says, a password is not sent in the clear, and nobody is trusted who cannot prove himself.
#[test]
fn upstream_login() {
    bolero::check!()
        .with_type::<Vec<(u8, u8, Vec<u8>)>>()
        .for_each(|messages| {
            let mut login = Upstream::new(UpstreamTerms {
                user: "ann".to_owned(),
                credential: Credential::Password(Secret::new("a password to be kept")),
                version: Version::V3_0,
                encrypted: false,
                cleartext_allowed: false,
                binding: Some(b"certificate".to_vec()),
                channel_binding: ChannelBinding::Require,
                salted: None,
            });
            for (kind, code, rest) in messages {
                let kind = b"RRRRSKZENv"[usize::from(*kind) % 10];
                let mut body = vec![0, 0, 0, *code % 13];
                body.extend(rest);
                let step = login.handle(Frame { kind, body: &body }, &mut |bytes| bytes.fill(1));
                assert!(!matches!(step, Step::Done(_)));
                if let Step::Send(bytes) = step {
                    let secret = b"a password to be kept";
                    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
                }
            }
        });
}
