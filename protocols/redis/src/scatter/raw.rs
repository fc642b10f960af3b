use tidegate_redis_wire::reply::{Cursor, Kind, Value};

/// A whole reply as it came, without what only tells about it (attributes).
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    bytes: &'a [u8],
    kind: Kind,
}

/// An aggregate that tells how many values it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aggregate<'a> {
    pub(super) kind: Kind,
    /// Values, or pairs of a map.
    pub(super) count: usize,
    /// The values, one behind the other.
    pub(super) body: &'a [u8],
}

impl<'a> Raw<'a> {
    /// `None` of bytes that are no reply.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while rest.first() == Some(&b'|') {
            let (pairs, mut behind) = header(rest)?;
            for _ in 0..pairs.checked_mul(2)? {
                behind = behind.get(length(behind)?..)?;
            }
            rest = behind;
        }
        let kind = Kind::of(*rest.first()?)?;
        Some(Self { bytes: rest, kind })
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn is_error(self) -> bool {
        matches!(self.kind, Kind::Error | Kind::BlobError)
    }

    pub(super) fn is_null(self) -> bool {
        self.kind == Kind::Null || (self.bytes.get(1..3) == Some(b"-1") && self.kind != Kind::Integer)
    }

    pub(super) fn value(self) -> Option<Value<'a>> {
        Value::read(self.bytes).ok().map(|(value, _)| value)
    }

    /// A whole number that is said as one.
    pub(super) fn integer(self) -> Option<i64> {
        match self.value()? {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// A string of any sort.
    pub(super) fn text(self) -> Option<&'a [u8]> {
        self.value()?.text()
    }

    /// An array, a set or a map. Servers do not stream theirs.
    pub(super) fn aggregate(self) -> Option<Aggregate<'a>> {
        if !matches!(self.kind, Kind::Array | Kind::Set | Kind::Map) {
            return None;
        }
        let (count, body) = header(self.bytes)?;
        let kind = self.kind;
        Some(Aggregate { kind, count, body })
    }

    /// The values of an aggregate, keys and values of a map in turn; each as it came.
    pub(super) fn values(self) -> Option<Vec<&'a [u8]>> {
        self.aggregate()?.values()
    }
}

impl<'a> Aggregate<'a> {
    pub(super) fn values(&self) -> Option<Vec<&'a [u8]>> {
        let each = if self.kind == Kind::Map { 2 } else { 1 };
        let (mut values, mut rest) = (Vec::new(), self.body);
        for _ in 0..self.count.checked_mul(each)? {
            let (value, behind) = rest.split_at_checked(length(rest)?)?;
            values.push(value);
            rest = behind;
        }
        rest.is_empty().then_some(values)
    }
}

/// Begins an aggregate of this kind.
pub(super) fn begin(out: &mut Vec<u8>, kind: Kind, count: usize) {
    let first = match kind {
        Kind::Map => '%',
        Kind::Set => '~',
        _ => '*',
    };
    out.extend_from_slice(format!("{first}{count}\r\n").as_bytes());
}

/// How many bytes the value at the start of `bytes` takes.
fn length(bytes: &[u8]) -> Option<usize> {
    let walk = Cursor::new().walk(bytes).ok()?;
    walk.ended.then_some(walk.run)
}

/// The number of a length line, and what is behind it.
fn header(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\r')?;
    let number = std::str::from_utf8(bytes.get(1..end)?).ok()?;
    Some((number.parse().ok()?, bytes.get(end + 2..)?))
}
