//! Both machines against each other, and against RFC 7677's example.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate_base::{Classify, Kind, Secret};

use super::*;
use crate::backend::Status;
use crate::{Frame, Version, backend, frontend, sqlstate};

const USER: &str = "app";
const PASSWORD: &str = "p\u{e4}ncil \u{2168}";
const BINDING: &[u8] = b"hash of the certificate";

fn terms(credential: Credential) -> UpstreamTerms {
    UpstreamTerms {
        user: USER.to_owned(),
        credential,
        version: Version::V3_2,
        encrypted: false,
        cleartext_allowed: true,
        binding: None,
        channel_binding: ChannelBinding::Prefer,
        salted: None,
    }
}

fn asked(method: Method, stored: Option<Stored>) -> Terms {
    Terms {
        method,
        user: USER.to_owned(),
        stored,
        binding: None,
    }
}

fn password() -> Credential {
    Credential::Password(Secret::new(PASSWORD))
}

fn plain() -> Stored {
    Stored::Password(Secret::new(PASSWORD))
}

fn hash() -> Stored {
    Stored::Md5(Md5Hash::of(PASSWORD.as_bytes(), USER))
}

fn verifier() -> Stored {
    let verifier = Verifier::derive(PASSWORD.as_bytes(), b"salt", Verifier::ITERATIONS);
    Stored::Scram(verifier.to_string().parse().unwrap())
}

fn disguise(like: &Stored) -> Disguise {
    Disguise::new([7; 32], like)
}

/// What both sides came to.
#[derive(Debug)]
struct Outcome {
    client: Result<Ready, ServerLoginError>,
    server: Result<Reusable, LoginError>,
    hashes: usize,
    /// The messages that the client was sent before its last answer.
    questions: Vec<Vec<u8>>,
}

/// Lets a client log in to a server: one of each machine, joined by their messages.
fn run(client: UpstreamTerms, server: Terms, disguise: &Disguise) -> Outcome {
    let mut counter = 0;
    let mut random = |bytes: &mut [u8]| {
        for byte in bytes {
            counter += 1;
            *byte = counter;
        }
    };
    let mut upstream = Upstream::new(client);
    let mut downstream = Downstream::new(server, disguise);
    let (mut hashes, mut questions) = (0, Vec::new());
    let mut next = downstream.begin(&mut random);
    loop {
        let (to_client, verdict) = match next {
            Next::Send(bytes) => {
                questions.push(bytes.clone());
                (bytes, None)
            }
            Next::Done(accepted) => {
                let mut bytes = accepted.last_words;
                backend::authentication_ok(&mut bytes);
                backend::parameter_status(&mut bytes, b"server_version", b"18.1");
                backend::backend_key_data(&mut bytes, 42, &[9; 32]);
                backend::ready(&mut bytes, Status::Idle);
                (bytes, Some(Ok(accepted.reusable)))
            }
            Next::Failed(wrong) => {
                let mut bytes = Vec::new();
                let refusal = wrong.refusal();
                backend::refusal(&mut bytes, backend::Severity::Fatal, &refusal);
                (bytes, Some(Err(wrong)))
            }
        };
        let (answer, outcome) = feed(&mut upstream, &to_client, &mut hashes, &mut random);
        if let (Some(client), Some(server)) = (outcome, verdict) {
            return Outcome {
                client,
                server,
                hashes,
                questions,
            };
        } else if answer.is_empty() {
            // The client gave up: the server sees it close.
            let client = feed(&mut upstream, b"", &mut hashes, &mut random).1;
            return Outcome {
                client: client.unwrap_or(Err(ServerLoginError::Unexpected(0))),
                server: Err(LoginError::Unexpected(b'X')),
                hashes,
                questions,
            };
        }
        let (frame, _) = Frame::read(&answer).unwrap().unwrap();
        next = downstream.handle(frame);
    }
}

type Answer = (Vec<u8>, Option<Result<Ready, ServerLoginError>>);

fn feed(upstream: &mut Upstream, mut bytes: &[u8], hashes: &mut usize, random: &mut Random<'_>) -> Answer {
    while let Some((frame, total)) = Frame::read(bytes).unwrap() {
        bytes = &bytes[total..];
        let mut step = upstream.handle(frame, random);
        if let Step::Hash(job) = step {
            *hashes += 1;
            step = upstream.hashed(job.run());
        }
        match step {
            Step::More => (),
            Step::Send(answer) => return (answer, None),
            Step::Done(ready) => return (Vec::new(), Some(Ok(*ready))),
            Step::Failed(wrong) => return (Vec::new(), Some(Err(wrong))),
            Step::Hash(_) => unreachable!("a hash leads to an answer"),
        }
    }
    (Vec::new(), None)
}

fn check(client: UpstreamTerms, server: Terms) -> Outcome {
    let outcome = run(client, server, &disguise(&verifier()));
    let ready = outcome.client.as_ref().expect("the client is let in");
    assert_eq!((ready.process, ready.secret.len()), (42, 32));
    assert_eq!(ready.parameters, [("server_version".to_owned(), "18.1".to_owned())]);
    assert!(outcome.server.is_ok());
    outcome
}

#[test]
fn every_method_with_every_secret() {
    for stored in [plain(), hash(), verifier()] {
        check(terms(Credential::None), asked(Method::Trust, Some(stored.clone())));
        let outcome = check(terms(password()), asked(Method::Cleartext, Some(stored.clone())));
        assert_eq!(outcome.server, Ok(Reusable::Password(Secret::new(PASSWORD))));
        check(terms(password()), asked(Method::Md5, Some(stored)));
    }
    for stored in [plain(), verifier()] {
        check(terms(password()), asked(Method::Scram, Some(stored)));
    }
}

#[test]
fn a_hash_answers_md5() {
    let stored = Md5Hash::of(PASSWORD.as_bytes(), USER);
    let outcome = check(terms(Credential::Md5(stored.clone())), asked(Method::Md5, Some(hash())));
    assert_eq!(outcome.server, Ok(Reusable::Md5(stored)));
}

#[test]
fn scram_keys_pass_through() {
    let outcome = check(terms(password()), asked(Method::Scram, Some(verifier())));
    assert_eq!(outcome.hashes, 1);
    let Ok(Reusable::ScramKeys(keys)) = outcome.server else {
        panic!("{:?}", outcome.server);
    };
    let again = check(
        terms(Credential::ScramKeys(keys)),
        asked(Method::Scram, Some(verifier())),
    );
    assert_eq!(again.hashes, 0);
}

#[test]
fn salted_keys_save_the_hashing() {
    let first = check(terms(password()), asked(Method::Scram, Some(verifier())));
    let mut again = terms(password());
    again.salted = first.client.unwrap().salted;
    assert!(again.salted.is_some());
    let again = check(again, asked(Method::Scram, Some(verifier())));
    assert_eq!(again.hashes, 0);
    assert!(again.client.unwrap().salted.is_some());
    let mut other = terms(password());
    other.salted = Some(SaltedKeys {
        salt: b"another".to_vec(),
        ..HashJob::run(HashJob {
            password: Secret::new("x"),
            salt: b"salt".to_vec(),
            iterations: NonZeroU32::MIN,
        })
    });
    assert_eq!(check(other, asked(Method::Scram, Some(verifier()))).hashes, 1);
}

fn refused(client: UpstreamTerms, server: Terms, like: &Stored) -> Outcome {
    let outcome = run(client, server, &disguise(like));
    let wrong = outcome.server.as_ref().expect_err("the client is refused");
    assert_eq!(sqlstate::of(&wrong.refusal()), "28P01", "{wrong}");
    assert_eq!(wrong.kind(), Kind::Login);
    let Err(ServerLoginError::Refused { code, .. }) = &outcome.client else {
        panic!("{:?}", outcome.client);
    };
    assert_eq!(code, "28P01");
    outcome
}

#[test]
fn wrong_and_unknown_look_alike() {
    for method in [Method::Cleartext, Method::Md5, Method::Scram] {
        for stored in [plain(), hash(), verifier()] {
            if method == Method::Scram && stored == hash() {
                continue;
            }
            let wrong = Credential::Password(Secret::new("wrong"));
            let known = refused(terms(wrong.clone()), asked(method, Some(stored.clone())), &stored);
            let unknown = refused(terms(wrong), asked(method, None), &stored);
            assert_eq!(known.server, unknown.server);
            assert_eq!(known.questions.len(), unknown.questions.len());
            for (known, unknown) in known.questions.iter().zip(&unknown.questions) {
                // Salts differ between users; lengths only where a verifier's salt is not of the usual length.
                assert_eq!(known[0], unknown[0]);
                assert_eq!(known[5..9], unknown[5..9]);
            }
            let again = refused(terms(password()), asked(method, None), &stored);
            assert_eq!(again.server, unknown.server);
        }
    }
    // A user with only a hash cannot log in by SCRAM, whatever the password.
    refused(terms(password()), asked(Method::Scram, Some(hash())), &verifier());
}

#[test]
fn an_unknown_user_keeps_its_salt() {
    let mut salts = Vec::new();
    for _ in 0..2 {
        let outcome = refused(terms(password()), asked(Method::Scram, None), &verifier());
        let question = String::from_utf8_lossy(&outcome.questions[1]).into_owned();
        salts.push(question.split_once(",s=").unwrap().1.to_owned());
    }
    assert_eq!(salts[0], salts[1]);
    assert_eq!(disguise(&verifier()).salt("app").len(), 16, "as long as PostgreSQL's");
    assert_ne!(disguise(&verifier()).salt("app"), disguise(&verifier()).salt("apq"));
}

#[test]
fn empty_passwords_are_refused() {
    let empty = Stored::Password(Secret::new(""));
    for (method, like) in [
        (Method::Cleartext, verifier()),
        (Method::Md5, verifier()),
        (Method::Md5, hash()),
        (Method::Scram, verifier()),
    ] {
        let client = terms(Credential::Password(Secret::new("")));
        refused(client, asked(method, Some(empty.clone())), &like);
    }
}

fn bound(mut client: UpstreamTerms, mut server: Terms) -> (UpstreamTerms, Terms) {
    client.encrypted = true;
    client.binding = Some(BINDING.to_vec());
    server.binding = Some(BINDING.to_vec());
    (client, server)
}

#[test]
fn channel_binding() {
    for wanted in [ChannelBinding::Disable, ChannelBinding::Prefer, ChannelBinding::Require] {
        let (mut client, server) = bound(terms(password()), asked(Method::Scram, Some(verifier())));
        client.channel_binding = wanted;
        check(client, server);
    }
    // Another certificate: somebody sits in between.
    let (mut client, server) = bound(terms(password()), asked(Method::Scram, Some(verifier())));
    client.binding = Some(b"another certificate".to_vec());
    let outcome = run(client, server, &disguise(&verifier()));
    assert!(matches!(outcome.server, Err(LoginError::ChannelBinding(_))));
    // PLUS was removed from the list on its way.
    let (client, mut server) = bound(terms(password()), asked(Method::Scram, Some(verifier())));
    let mut downstream = Downstream::new(server.clone(), &disguise(&verifier()));
    downstream.begin(&mut |_| ());
    let mut answer = Vec::new();
    frontend::sasl_initial(&mut answer, PLAIN, b"y,,n=,r=abc");
    let next = downstream.handle(Frame::read(&answer).unwrap().unwrap().0);
    assert!(matches!(next, Next::Failed(LoginError::ChannelBinding(_))));
    // The server has no TLS: `y` is honest then.
    server.binding = None;
    check(client, server);
}

#[test]
fn binding_required_means_it() {
    for method in [Method::Trust, Method::Cleartext, Method::Md5, Method::Scram] {
        let (mut client, mut server) = bound(terms(password()), asked(method, Some(plain())));
        client.channel_binding = ChannelBinding::Require;
        server.binding = None;
        let (wrong, _) = first_step(client, server);
        assert_eq!(wrong, Some(ServerLoginError::ChannelBinding), "{method:?}");
    }
}

/// The client's reaction to the server's first message.
fn first_step(client: UpstreamTerms, server: Terms) -> (Option<ServerLoginError>, Vec<u8>) {
    let mut downstream = Downstream::new(server, &disguise(&verifier()));
    let bytes = match downstream.begin(&mut |_| ()) {
        Next::Send(bytes) => bytes,
        Next::Done(accepted) => {
            let mut bytes = accepted.last_words;
            backend::authentication_ok(&mut bytes);
            bytes
        }
        Next::Failed(wrong) => panic!("{wrong}"),
    };
    let frame = Frame::read(&bytes).unwrap().unwrap().0;
    match Upstream::new(client).handle(frame, &mut |_| ()) {
        Step::Failed(wrong) => (Some(wrong), Vec::new()),
        Step::Send(answer) => (None, answer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_cleartext_by_accident() {
    let mut client = terms(password());
    client.cleartext_allowed = false;
    let server = asked(Method::Cleartext, Some(plain()));
    let (wrong, _) = first_step(client.clone(), server.clone());
    assert_eq!(wrong, Some(ServerLoginError::Cleartext));
    client.encrypted = true;
    assert_eq!(first_step(client, server).0, None);
}

#[test]
fn secrets_that_do_not_suit() {
    let keys = || {
        Credential::ScramKeys(ScramKeys {
            client_key: [1; 32],
            server_key: [2; 32],
        })
    };
    let hash = || Credential::Md5(Md5Hash::of(b"x", USER));
    for (credential, method) in [
        (keys(), Method::Cleartext),
        (keys(), Method::Md5),
        (hash(), Method::Cleartext),
        (hash(), Method::Scram),
    ] {
        let (wrong, _) = first_step(terms(credential), asked(method, Some(plain())));
        assert!(matches!(wrong, Some(ServerLoginError::Unsuited(_))));
    }
    for method in [Method::Cleartext, Method::Md5, Method::Scram] {
        let (wrong, _) = first_step(terms(Credential::None), asked(method, Some(plain())));
        assert_eq!(wrong, Some(ServerLoginError::NoPassword));
    }
}

/// RFC 7677, section 3: user `user`, password `pencil`.
const RFC_SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const RFC_CLIENT_FINAL: &str =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const RFC_SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

#[test]
fn rfc_7677() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = ScramKeys::derive(b"pencil", &salt, Verifier::ITERATIONS);
    let client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO";
    let (without_proof, proof) = RFC_CLIENT_FINAL.split_once(",p=").unwrap();
    let conversation = [client_first_bare, ",", RFC_SERVER_FIRST, ",", without_proof];
    let conversation = conversation.map(str::as_bytes);
    assert_eq!(STANDARD.encode(keys.proof(&conversation)), proof);
    let signature = STANDARD.encode(super::keys::mac(&keys.server_key, &conversation));
    assert_eq!(format!("v={signature}"), RFC_SERVER_FINAL);
    let last = super::messages::ClientFinal::read(RFC_CLIENT_FINAL.as_bytes()).unwrap();
    let verifier = Verifier::derive(b"pencil", &salt, Verifier::ITERATIONS);
    assert_eq!(verifier.check(last.proof, &conversation), Some(keys));
    let mut forged = last.proof;
    forged[0] ^= 1;
    assert_eq!(verifier.check(forged, &conversation), None);
}

/// Brings a client to where it waits for the server's proof.
fn awaiting_proof() -> Upstream {
    let mut upstream = Upstream::new(terms(password()));
    let mut out = Vec::new();
    backend::authentication_sasl(&mut out, &[PLAIN]);
    let mut random = |bytes: &mut [u8]| bytes.fill(1);
    let Step::Send(_) = upstream.handle(Frame::read(&out).unwrap().unwrap().0, &mut random) else {
        panic!("no first message");
    };
    let nonce = STANDARD.encode([1; 18]);
    out.clear();
    let first = format!("r={nonce}more,s=c2FsdA==,i=2");
    backend::authentication_sasl_continue(&mut out, first.as_bytes());
    let Step::Hash(job) = upstream.handle(Frame::read(&out).unwrap().unwrap().0, &mut random) else {
        panic!("no hash job");
    };
    let Step::Send(_) = upstream.hashed(job.run()) else {
        panic!("no final message");
    };
    upstream
}

#[test]
fn an_impostor_is_not_trusted() {
    let wrong_after = |build: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        build(&mut out);
        let frame = Frame::read(&out).unwrap().unwrap().0;
        match awaiting_proof().handle(frame, &mut |_| ()) {
            Step::Failed(wrong) => wrong,
            other => panic!("{other:?}"),
        }
    };
    let zeros = format!("v={}", STANDARD.encode([0; 32]));
    assert_eq!(
        wrong_after(&|out| backend::authentication_sasl_final(out, zeros.as_bytes())),
        ServerLoginError::Signature
    );
    assert_eq!(
        wrong_after(&|out| backend::authentication_ok(out)),
        ServerLoginError::Unexpected(b'R')
    );
    assert_eq!(
        wrong_after(&|out| backend::ready(out, Status::Idle)),
        ServerLoginError::Unexpected(b'Z')
    );
}

#[test]
fn bounds_what_a_server_asks() {
    let mut upstream = Upstream::new(terms(password()));
    let mut out = Vec::new();
    backend::authentication_sasl(&mut out, &[PLAIN]);
    upstream.handle(Frame::read(&out).unwrap().unwrap().0, &mut |bytes| {
        bytes.fill(1);
    });
    let first = format!("r={}more,s=c2FsdA==,i=1000001", STANDARD.encode([1; 18]));
    out.clear();
    backend::authentication_sasl_continue(&mut out, first.as_bytes());
    let step = upstream.handle(Frame::read(&out).unwrap().unwrap().0, &mut |_| ());
    assert!(matches!(step, Step::Failed(ServerLoginError::Iterations(1_000_001))));
}

#[test]
fn negotiates_the_version() {
    let check = |version: Version, expected: Option<Version>| {
        let mut out = Vec::new();
        backend::negotiate_protocol_version(&mut out, version, ["_pq_.x"]);
        backend::authentication_ok(&mut out);
        backend::ready(&mut out, Status::Idle);
        let mut upstream = Upstream::new(terms(password()));
        let (_, outcome) = feed(&mut upstream, &out, &mut 0, &mut |_| ());
        let outcome = outcome.unwrap();
        assert_eq!(outcome.ok().map(|ready| ready.version), expected);
    };
    check(Version::V3_0, Some(Version::V3_0));
    check(Version { major: 3, minor: 9 }, Some(Version::V3_2));
    check(Version { major: 2, minor: 0 }, None);
}

#[test]
fn reads_stored_secrets() {
    assert_eq!(Stored::parse(PASSWORD), plain());
    let Stored::Md5(stored) = hash() else { unreachable!() };
    assert_eq!(Stored::parse(stored.reveal()), hash());
    let Stored::Scram(stored) = verifier() else {
        unreachable!()
    };
    assert_eq!(Stored::parse(&stored.to_string()), verifier());
    // From PostgreSQL 15: create role x password 'y', as stored in pg_authid with its salt.
    assert!(format!("{:?}", verifier()).contains("***"));
    for wrong in ["SCRAM-SHA-256$0:YQ==$a:b", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:YQ=="] {
        assert_eq!(wrong.parse::<Verifier>(), Err(VerifierError));
    }
}

#[test]
fn takes_nothing_but_an_answer() {
    for method in [Method::Cleartext, Method::Md5, Method::Scram] {
        let mut downstream = Downstream::new(asked(method, Some(plain())), &disguise(&plain()));
        downstream.begin(&mut |_| ());
        let mut out = Vec::new();
        frontend::query(&mut out, b"select 1");
        let next = downstream.handle(Frame::read(&out).unwrap().unwrap().0);
        assert!(matches!(next, Next::Failed(LoginError::Unexpected(b'Q'))));
        // And afterwards nothing at all.
        out.clear();
        frontend::password(&mut out, PASSWORD.as_bytes());
        let next = downstream.handle(Frame::read(&out).unwrap().unwrap().0);
        assert!(matches!(next, Next::Failed(LoginError::Unexpected(b'p'))));
    }
}
