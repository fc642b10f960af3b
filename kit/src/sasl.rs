//! The client's side of authentication, for [`crate::RawClient`].

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::backend::AuthenticationSaslBody;
use postgres_protocol::message::backend::Message;

use crate::{Frame, RawClient, message};

/// Answers the authentication requests until `AuthenticationOk` or an error, which is returned.
pub(crate) fn log_in(client: &mut RawClient, user: &str, password: &str) -> Result<(), Frame> {
    loop {
        let frame = client.frame();
        if frame.tag == b'E' {
            return Err(frame);
        }
        match parse(&frame) {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => client.send(&message::password(password)),
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(user.as_bytes(), password.as_bytes(), body.salt());
                client.send(&message::password(&hash));
            }
            Message::AuthenticationSasl(body) => scram(client, &body, password)?,
            _ => panic!("unexpected message during login: {frame:?}"),
        }
    }
}

fn scram(client: &mut RawClient, body: &AuthenticationSaslBody, password: &str) -> Result<(), Frame> {
    let mechanisms: Vec<&str> = body.mechanisms().collect().unwrap_or_default();
    assert!(
        mechanisms.contains(&sasl::SCRAM_SHA_256),
        "the server offers only {mechanisms:?}"
    );
    let binding = sasl::ChannelBinding::unsupported();
    let mut scram = sasl::ScramSha256::new(password.as_bytes(), binding);
    client.send(&message::sasl_initial(sasl::SCRAM_SHA_256, scram.message()));
    let frame = client.frame();
    let Message::AuthenticationSaslContinue(body) = parse_or(frame)? else {
        panic!("no AuthenticationSASLContinue");
    };
    let updated = scram.update(body.data());
    updated.unwrap_or_else(|e| panic!("the server's SCRAM challenge is wrong: {e}"));
    client.send(&message::sasl(scram.message()));
    let frame = client.frame();
    let Message::AuthenticationSaslFinal(body) = parse_or(frame)? else {
        panic!("no AuthenticationSASLFinal");
    };
    let finished = scram.finish(body.data());
    finished.unwrap_or_else(|e| panic!("the server's SCRAM signature is wrong: {e}"));
    Ok(())
}

fn parse_or(frame: Frame) -> Result<Message, Frame> {
    if frame.tag == b'E' {
        return Err(frame);
    }
    Ok(parse(&frame))
}

fn parse(frame: &Frame) -> Message {
    let mut buffer = bytes::BytesMut::from(frame.bytes().as_slice());
    match Message::parse(&mut buffer) {
        Ok(Some(message)) => message,
        other => panic!("not a message: {frame:?}: {:?}", other.err()),
    }
}
