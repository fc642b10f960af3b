/// A type of reply, told by its first byte (RESP3, "RESP protocol description").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `+`
    Simple,
    /// `-`
    Error,
    /// `:`
    Integer,
    /// `$`
    Bulk,
    /// `*`
    Array,
    /// `_`
    Null,
    /// `#`
    Boolean,
    /// `,`
    Double,
    /// `(`
    BigNumber,
    /// `!`
    BlobError,
    /// `=`
    Verbatim,
    /// `%`
    Map,
    /// `~`
    Set,
    /// `|`: about the reply that follows.
    Attribute,
    /// `>`: answers no request.
    Push,
    /// `;`: a piece of a streamed string.
    Chunk,
    /// `.`: the end of a streamed aggregate.
    End,
}

impl Kind {
    /// The type that a byte stands for.
    #[inline]
    pub fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'+' => Self::Simple,
            b'-' => Self::Error,
            b':' => Self::Integer,
            b'$' => Self::Bulk,
            b'*' => Self::Array,
            b'_' => Self::Null,
            b'#' => Self::Boolean,
            b',' => Self::Double,
            b'(' => Self::BigNumber,
            b'!' => Self::BlobError,
            b'=' => Self::Verbatim,
            b'%' => Self::Map,
            b'~' => Self::Set,
            b'|' => Self::Attribute,
            b'>' => Self::Push,
            b';' => Self::Chunk,
            b'.' => Self::End,
            _ => return None,
        })
    }
}
