//! Messages a client sends (55.7, marked F): views over a body, and builders that append whole messages.
//! Names and SQL stay bytes: they are in the client's encoding, which need not be UTF-8.

use crate::BodyError;
use crate::body::{self, Body};

/// `B`: bind a portal to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal to make; empty is the unnamed one.
    pub portal: &'a [u8],
    /// The statement; empty is the unnamed one.
    pub statement: &'a [u8],
    /// Formats and values of parameters, result formats.
    pub rest: &'a [u8],
}

impl<'a> Bind<'a> {
    /// Reads a body, which need not be complete behind the names.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        Ok(Self {
            portal: body.text("portal name")?,
            statement: body.text("statement name")?,
            rest: body.rest(),
        })
    }
}

/// `P`: prepare a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty is the unnamed one.
    pub name: &'a [u8],
    /// One statement of SQL.
    pub sql: &'a [u8],
    /// The parameter types' object ids, four bytes each, as on the wire.
    pub types: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        let (name, sql) = (body.text("statement name")?, body.text("query")?);
        let count = usize::try_from(body.i16("parameter count")?).map_err(|_| BodyError::Unknown("parameter count"))?;
        let types = body.bytes(count * 4, "parameter types")?;
        body.end()?;
        Ok(Self { name, sql, types })
    }
}

/// What Describe and Close point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `S`: a prepared statement.
    Statement(&'a [u8]),
    /// `P`: a portal.
    Portal(&'a [u8]),
}

impl<'a> Target<'a> {
    /// Reads the complete body of a Describe or Close.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        let kind = body.u8("target")?;
        let name = body.text("name")?;
        body.end()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => Err(BodyError::Unknown("target")),
        }
    }

    fn parts(self) -> (u8, &'a [u8]) {
        match self {
            Self::Statement(name) => (b'S', name),
            Self::Portal(name) => (b'P', name),
        }
    }
}

/// `E`: run a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name.
    pub portal: &'a [u8],
    /// At most so many rows; zero or less is all.
    pub rows: i32,
}

impl<'a> Execute<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        let (portal, rows) = (body.text("portal name")?, body.i32("row limit")?);
        body.end()?;
        Ok(Self { portal, rows })
    }
}

/// `Q`: the SQL of a simple query.
pub fn read_query(body: &[u8]) -> Result<&[u8], BodyError> {
    read_text(body, "query")
}

/// `f`: why the client gave up a COPY.
pub fn read_copy_fail(body: &[u8]) -> Result<&[u8], BodyError> {
    read_text(body, "reason")
}

/// `p` in answer to a cleartext or MD5 request: the password or its hash.
pub fn read_password(body: &[u8]) -> Result<&[u8], BodyError> {
    read_text(body, "password")
}

fn read_text<'a>(body: &'a [u8], field: &'static str) -> Result<&'a [u8], BodyError> {
    let mut body = Body::new(body);
    let text = body.text(field)?;
    body.end()?;
    Ok(text)
}

/// `p` in answer to a SASL request: the mechanism chosen and its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// The mechanism's name.
    pub mechanism: &'a [u8],
    /// `None` when the client wants the server to begin.
    pub data: Option<&'a [u8]>,
}

impl<'a> SaslInitial<'a> {
    /// Reads a complete body.
    pub fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut body = Body::new(body);
        let mechanism = body.text("mechanism")?;
        let data = match body.i32("response length")? {
            -1 => None,
            len => {
                let len = usize::try_from(len).map_err(|_| BodyError::Unknown("response length"))?;
                Some(body.bytes(len, "response")?)
            }
        };
        body.end()?;
        Ok(Self { mechanism, data })
    }
}

/// Appends Query.
pub fn query(out: &mut Vec<u8>, sql: &[u8]) {
    body::message(out, b'Q', |out| body::text(out, sql));
}

/// Appends Parse; `types` are object ids.
pub fn parse(out: &mut Vec<u8>, name: &[u8], sql: &[u8], types: &[u32]) {
    body::message(out, b'P', |out| {
        body::text(out, name);
        body::text(out, sql);
        let count = u16::try_from(types.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for id in types.iter().take(usize::from(count)) {
            out.extend_from_slice(&id.to_be_bytes());
        }
    });
}

/// Appends Parse from a view, its types as they came.
pub fn parse_again(out: &mut Vec<u8>, parse: &Parse<'_>) {
    body::message(out, b'P', |out| {
        body::text(out, parse.name);
        body::text(out, parse.sql);
        let count = u16::try_from(parse.types.len() / 4).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(parse.types);
    });
}

/// Appends Bind with text parameters (`None` is NULL) and text results.
pub fn bind(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], values: &[Option<&[u8]>]) {
    body::message(out, b'B', |out| {
        body::text(out, portal);
        body::text(out, statement);
        out.extend_from_slice(&[0, 0]);
        let count = u16::try_from(values.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for value in values.iter().take(usize::from(count)) {
            crate::backend::field(out, *value);
        }
        out.extend_from_slice(&[0, 0]);
    });
}

/// Appends Describe.
pub fn describe(out: &mut Vec<u8>, target: Target<'_>) {
    targeted(out, b'D', target);
}

/// Appends Close.
pub fn close(out: &mut Vec<u8>, target: Target<'_>) {
    targeted(out, b'C', target);
}

fn targeted(out: &mut Vec<u8>, message: u8, target: Target<'_>) {
    let (kind, name) = target.parts();
    body::message(out, message, |out| {
        out.push(kind);
        body::text(out, name);
    });
}

/// Appends Execute; zero rows means all.
pub fn execute(out: &mut Vec<u8>, portal: &[u8], rows: i32) {
    body::message(out, b'E', |out| {
        body::text(out, portal);
        out.extend_from_slice(&rows.to_be_bytes());
    });
}

/// Appends Sync.
pub fn sync(out: &mut Vec<u8>) {
    body::message(out, b'S', |_| ());
}

/// Appends Flush.
pub fn flush(out: &mut Vec<u8>) {
    body::message(out, b'H', |_| ());
}

/// Appends Terminate.
pub fn terminate(out: &mut Vec<u8>) {
    body::message(out, b'X', |_| ());
}

/// Appends CopyFail.
pub fn copy_fail(out: &mut Vec<u8>, reason: &[u8]) {
    body::message(out, b'f', |out| body::text(out, reason));
}

/// Appends PasswordMessage: a password, or an MD5 answer.
pub fn password(out: &mut Vec<u8>, password: &[u8]) {
    body::message(out, b'p', |out| body::text(out, password));
}

/// Appends SASLInitialResponse.
pub fn sasl_initial(out: &mut Vec<u8>, mechanism: &str, data: &[u8]) {
    body::message(out, b'p', |out| {
        body::text(out, mechanism.as_bytes());
        out.extend_from_slice(&body::length(data.len()).to_be_bytes());
        out.extend_from_slice(data);
    });
}

/// Appends SASLResponse.
pub fn sasl_response(out: &mut Vec<u8>, data: &[u8]) {
    body::message(out, b'p', |out| out.extend_from_slice(data));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Frame;

    fn body_of(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        build(&mut out);
        let (frame, total) = Frame::read(&out).unwrap().unwrap();
        assert_eq!(total, out.len());
        frame.body.to_vec()
    }

    #[test]
    fn round_trips() {
        let bytes = body_of(|out| parse(out, b"s1", b"select $1", &[23, 25]));
        let view = Parse::read(&bytes).unwrap();
        assert_eq!((view.name, view.sql), (&b"s1"[..], &b"select $1"[..]));
        assert_eq!(view.types, [0, 0, 0, 23, 0, 0, 0, 25]);
        assert_eq!(body_of(|out| parse_again(out, &view)), bytes);

        let bytes = body_of(|out| bind(out, b"p", b"s1", &[Some(b"7"), None]));
        let view = Bind::read(&bytes).unwrap();
        assert_eq!((view.portal, view.statement), (&b"p"[..], &b"s1"[..]));
        assert_eq!(view.rest, b"\0\0\0\x02\0\0\0\x017\xff\xff\xff\xff\0\0".as_slice());

        for target in [Target::Statement(b"s1"), Target::Portal(b"")] {
            let bytes = body_of(|out| describe(out, target));
            assert_eq!(Target::read(&bytes), Ok(target));
            assert_eq!(body_of(|out| close(out, target)), bytes);
        }
        let bytes = body_of(|out| execute(out, b"p", 50));
        let expected = Execute { portal: b"p", rows: 50 };
        assert_eq!(Execute::read(&bytes), Ok(expected));
        assert_eq!(read_query(&body_of(|out| query(out, b"x"))), Ok(&b"x"[..]));
        let bytes = body_of(|out| sasl_initial(out, "SCRAM-SHA-256", b"n,,"));
        let view = SaslInitial::read(&bytes).unwrap();
        assert_eq!(view.mechanism, b"SCRAM-SHA-256");
        assert_eq!(view.data, Some(&b"n,,"[..]));
    }

    #[test]
    fn refuses_broken_bodies() {
        assert_eq!(read_query(b"x"), Err(BodyError::Unterminated("query")));
        assert_eq!(read_query(b"x\0y"), Err(BodyError::Trailing(1)));
        assert!(Parse::read(b"\0\0\0\x01\0\0").is_err());
        assert!(Parse::read(b"\0\0\xff\xff").is_err());
        assert!(Target::read(b"X\0").is_err());
        assert!(SaslInitial::read(b"m\0\xff\xff\xff\xfe").is_err());
        assert!(SaslInitial::read(b"m\0\0\0\0\x05abc").is_err());
    }
}
