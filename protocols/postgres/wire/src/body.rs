/// A message body that is not what its kind says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It ends before a field that must be there.
    #[error("the message ends before its {0}")]
    Truncated(&'static str),
    /// A text has no terminating zero byte.
    #[error("the {0} of the message has no terminating zero byte")]
    Unterminated(&'static str),
    /// Bytes are left behind the last field.
    #[error("the message has {0} bytes behind its last field")]
    Trailing(usize),
    /// A field holds a value that the protocol does not know.
    #[error("the {0} of the message has a value that the protocol does not know")]
    Unknown(&'static str),
}

/// Reads fields off the front of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a> {
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, BodyError> {
        self.array(field).map(|[byte]: [u8; 1]| byte)
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, BodyError> {
        self.array(field).map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, BodyError> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, BodyError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// A count or length that must not be negative.
    pub(crate) fn count(&mut self, field: &'static str) -> Result<usize, BodyError> {
        usize::try_from(self.i32(field)?).map_err(|_| BodyError::Unknown(field))
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], BodyError> {
        let (front, rest) = self.rest.split_first_chunk().ok_or(BodyError::Truncated(field))?;
        self.rest = rest;
        Ok(*front)
    }

    pub(crate) fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], BodyError> {
        let (front, rest) = self.rest.split_at_checked(len).ok_or(BodyError::Truncated(field))?;
        self.rest = rest;
        Ok(front)
    }

    /// A text up to its zero byte, which is taken but not returned.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a [u8], BodyError> {
        let end = memchr::memchr(0, self.rest).ok_or(BodyError::Unterminated(field))?;
        let text = self.bytes(end, field)?;
        self.u8(field)?;
        Ok(text)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn end(self) -> Result<(), BodyError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(BodyError::Trailing(left)),
        }
    }
}

/// Appends one message: the kind, the length (patched in behind the body), the body.
pub(crate) fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    packet(out, body);
}

/// Appends a length and a body, as at the start of a connection where messages have no kind.
pub(crate) fn packet(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = length(out.len() - start);
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&len.to_be_bytes());
    }
}

/// A length or count as the wire wants it. What this crate writes is far below the limit of 2 GiB; were it not, the
/// peer would refuse the length rather than misread what follows.
pub(crate) fn length(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// Appends a text and its zero byte. A zero byte inside would end the text early and shift every later field, so the
/// text is cut there.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    out.extend(text.iter().take(end));
    out.push(0);
}
