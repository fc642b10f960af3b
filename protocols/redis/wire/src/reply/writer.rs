use crate::number;

/// A version of the protocol, by HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// What every connection begins with.
    #[default]
    Resp2,
    /// With maps, sets, pushes and the rest.
    Resp3,
}

impl Version {
    /// Its number in HELLO.
    pub const fn number(self) -> u8 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }

    /// The version of this number.
    pub fn by_number(number: i64) -> Option<Self> {
        match number {
            2 => Some(Self::Resp2),
            3 => Some(Self::Resp3),
            _ => None,
        }
    }
}

/// Writes replies for a client of either version: what RESP2 lacks is said in its words, as Redis itself does
/// (`networking.c`, the `addReply` family).
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    version: Version,
}

impl<'a> Writer<'a> {
    /// Writes behind what is in `out`.
    pub fn new(out: &'a mut Vec<u8>, version: Version) -> Self {
        Self { out, version }
    }

    /// The client's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// `+OK`
    pub fn ok(&mut self) {
        self.simple("OK");
    }

    /// A status. Line ends within it become spaces.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error, its code first. Line ends within it become spaces.
    pub fn error(&mut self, text: &str) {
        self.line(b'-', text.as_bytes());
    }

    /// A whole number.
    pub fn integer(&mut self, number: i64) {
        self.out.push(b':');
        number::write(self.out, number);
        self.end();
    }

    /// Bytes.
    pub fn bulk(&mut self, text: impl AsRef<[u8]>) {
        number::write_bulk(self.out, text.as_ref());
    }

    /// Nothing, where bytes could be.
    pub fn null(&mut self) {
        self.either("$-1\r\n", "_\r\n");
    }

    /// Yes or no.
    pub fn boolean(&mut self, yes: bool) {
        let (old, new) = if yes {
            (":1\r\n", "#t\r\n")
        } else {
            (":0\r\n", "#f\r\n")
        };
        self.either(old, new);
    }

    /// A number with a fraction, in the fewest digits that say it.
    pub fn double(&mut self, number: f64) {
        let text = if number.is_nan() {
            "nan".to_owned()
        } else {
            number.to_string()
        };
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// Text for people.
    pub fn verbatim(&mut self, format: [u8; 3], text: &str) {
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                number::write_length(self.out, b'=', text.len() + 4);
                self.out.extend_from_slice(&format);
                self.out.push(b':');
                self.out.extend_from_slice(text.as_bytes());
                self.end();
            }
        }
    }

    /// Begins an array of so many values.
    pub fn array(&mut self, count: usize) {
        number::write_length(self.out, b'*', count);
    }

    /// Begins a map of so many keys, each of which is followed by its value.
    pub fn map(&mut self, count: usize) {
        match self.version {
            Version::Resp2 => self.array(count.saturating_mul(2)),
            Version::Resp3 => number::write_length(self.out, b'%', count),
        }
    }

    /// Begins a set of so many values.
    pub fn set(&mut self, count: usize) {
        self.aggregate(b'~', count);
    }

    /// Begins what answers no request, of so many values.
    pub fn push(&mut self, count: usize) {
        self.aggregate(b'>', count);
    }

    /// A reply that is written already, in this client's version.
    pub fn raw(&mut self, reply: &[u8]) {
        self.out.extend_from_slice(reply);
    }

    fn aggregate(&mut self, kind: u8, count: usize) {
        let kind = if self.version == Version::Resp2 { b'*' } else { kind };
        number::write_length(self.out, kind, count);
    }

    fn either(&mut self, old: &str, new: &str) {
        let text = if self.version == Version::Resp2 { old } else { new };
        self.out.extend_from_slice(text.as_bytes());
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        let clean = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        self.out.extend(text.iter().map(clean));
        self.end();
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}
