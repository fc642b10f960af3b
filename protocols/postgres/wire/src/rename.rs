//! The same message with another statement name: the head and the names are written anew, what is behind them is left
//! to flow on from the read buffer.
//!
//! Each function is given the bytes from the message's header on, of which only the header and the names must be
//! here. It appends the new beginning and returns how many of the given bytes that beginning replaces; the message's
//! other bytes, those that have not arrived yet included, follow unchanged. `None` means that more bytes are needed.

use crate::body;
use crate::{BodyError, FrameError, Head};

/// Parse: names the statement `name`.
pub fn rename_parse(out: &mut Vec<u8>, message: &[u8], name: &[u8]) -> Result<Option<usize>, RenameError> {
    rename(out, message, 0, 0, name)
}

/// Bind: binds the statement `name`, to the portal that it names.
pub fn rename_bind(out: &mut Vec<u8>, message: &[u8], name: &[u8]) -> Result<Option<usize>, RenameError> {
    rename(out, message, 0, 1, name)
}

/// Describe of a statement. One of a portal is an error: its name is not the gateway's to change.
pub fn rename_describe(out: &mut Vec<u8>, message: &[u8], name: &[u8]) -> Result<Option<usize>, RenameError> {
    rename_target(out, message, name)
}

/// Close of a statement. One of a portal is an error: its name is not the gateway's to change.
pub fn rename_close(out: &mut Vec<u8>, message: &[u8], name: &[u8]) -> Result<Option<usize>, RenameError> {
    rename_target(out, message, name)
}

fn rename_target(out: &mut Vec<u8>, message: &[u8], name: &[u8]) -> Result<Option<usize>, RenameError> {
    match message.get(Head::SIZE) {
        None | Some(b'S') => rename(out, message, 1, 0, name),
        Some(b'P') => Err(RenameError::Portal),
        Some(_) => Err(BodyError::Unknown("target").into()),
    }
}

/// Replaces the text that stands behind `bytes` bytes and then `texts` texts of the body.
fn rename(
    out: &mut Vec<u8>,
    message: &[u8],
    bytes: usize,
    texts: usize,
    name: &[u8],
) -> Result<Option<usize>, RenameError> {
    let Some(head) = Head::read(message)? else {
        return Ok(None);
    };
    let here = message.get(..head.total()).unwrap_or(message);
    let complete = here.len() == head.total();
    let mut start = Head::SIZE + bytes;
    let mut end = None;
    for text in 0..=texts {
        let Some(len) = here.get(start..).and_then(|rest| memchr::memchr(0, rest)) else {
            let missing = BodyError::Unterminated("statement name").into();
            return if complete { Err(missing) } else { Ok(None) };
        };
        if text == texts {
            end = Some(start + len);
        } else {
            start += len + 1;
        }
    }
    let (Some(end), Some(kept)) = (end, here.get(Head::SIZE..start)) else {
        return Ok(None);
    };
    let len = head.len as usize - (end - start) + name.len();
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    out.push(Head::checked(head.kind, len)?.kind);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(kept);
    body::text(out, name);
    Ok(Some(end + 1))
}

/// A message that cannot be renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// The header is impossible, or would be with the longer name.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The body is not what its kind says.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It points at a portal.
    #[error("the message names a portal, not a statement")]
    Portal,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{self, Target};

    type Rename = fn(&mut Vec<u8>, &[u8], &[u8]) -> Result<Option<usize>, RenameError>;

    /// Renames at every cut; where enough is there, the result with the untouched tail must be `expected`.
    fn check(rename: Rename, message: &[u8], needed: usize, expected: &[u8]) {
        for cut in 0..=message.len() {
            let mut out = b"before".to_vec();
            match rename(&mut out, &message[..cut], b"tg_12") {
                Ok(None) => assert!(cut < needed && out == b"before", "{cut}"),
                Ok(Some(used)) => {
                    assert!(cut >= needed && used <= cut, "{cut}");
                    out.extend_from_slice(&message[used..]);
                    assert_eq!(&out[6..], expected);
                }
                Err(wrong) => panic!("{cut}: {wrong}"),
            }
        }
    }

    fn built(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        build(&mut out);
        out
    }

    #[test]
    fn renames_at_every_cut() {
        for old in [&b""[..], b"s", b"a_rather_long_statement_name"] {
            let parse = |name: &[u8]| built(|out| frontend::parse(out, name, b"select 1", &[23]));
            check(rename_parse, &parse(old), Head::SIZE + old.len() + 1, &parse(b"tg_12"));
            let bind = |name: &[u8]| built(|out| frontend::bind(out, b"c1", name, &[Some(b"x")]));
            check(rename_bind, &bind(old), Head::SIZE + 3 + old.len() + 1, &bind(b"tg_12"));
            let describe = |name: &[u8]| built(|out| frontend::describe(out, Target::Statement(name)));
            let needed = Head::SIZE + 1 + old.len() + 1;
            check(rename_describe, &describe(old), needed, &describe(b"tg_12"));
            let close = |name: &[u8]| built(|out| frontend::close(out, Target::Statement(name)));
            check(rename_close, &close(old), needed, &close(b"tg_12"));
        }
    }

    #[test]
    fn refuses_what_has_no_name() {
        let mut out = Vec::new();
        let portal = built(|out| frontend::describe(out, Target::Portal(b"s")));
        let wrong = rename_describe(&mut out, &portal, b"x");
        assert_eq!(wrong, Err(RenameError::Portal));
        assert!(rename_parse(&mut out, b"P\0\0\0\x06ab", b"x").is_err());
        assert!(rename_parse(&mut out, b"P\0\0\0\x06abZ\0", b"x").is_err());
        assert!(rename_bind(&mut out, b"B\0\0\0\x06a\0Z\0", b"x").is_err());
        assert!(rename_parse(&mut out, b"P\x3f\xff\xff\xff\0", b"x").is_err());
        assert!(out.is_empty());
    }
}
