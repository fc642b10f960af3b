use crate::BodyError;
use crate::body::Body;
use crate::frontend::Bind;

/// What a Bind says beside its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// How many parameters it brings.
    pub parameters: usize,
    /// The result formats as they stand there: none for all text, one for all columns, or one for each.
    formats: Vec<i16>,
}

impl Bind<'_> {
    /// Reads what stands behind the names (55.7, Bind).
    pub fn read_rest(&self) -> Result<Bound, BodyError> {
        let mut body = Body::new(self.rest);
        for _ in 0..short(&mut body, "format count")? {
            body.i16("format")?;
        }
        let parameters = short(&mut body, "parameter count")?;
        for _ in 0..parameters {
            let length = body.i32("parameter length")?;
            if let Ok(length) = usize::try_from(length) {
                body.bytes(length, "parameter")?;
            }
        }
        let count = short(&mut body, "result format count")?;
        let formats = (0..count)
            .map(|_| body.i16("result format"))
            .collect::<Result<_, _>>()?;
        body.end()?;
        Ok(Bound { parameters, formats })
    }
}

impl Bound {
    /// Whether this column's values are wanted in binary.
    pub fn is_binary(&self, column: usize) -> bool {
        let format = match self.formats.as_slice() {
            [one] => Some(one),
            formats => formats.get(column),
        };
        format == Some(&1)
    }
}

fn short(body: &mut Body<'_>, field: &'static str) -> Result<usize, BodyError> {
    usize::try_from(body.i16(field)?).map_err(|_| BodyError::Unknown(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rest: &[u8], expected: Result<(usize, [bool; 3]), BodyError>) {
        let bind = Bind {
            portal: b"",
            statement: b"",
            rest,
        };
        let read = bind.read_rest();
        let shown = read.map(|bound| (bound.parameters, [0, 1, 2].map(|column| bound.is_binary(column))));
        assert_eq!(shown, expected, "{rest:?}");
    }

    #[test]
    fn the_rest_is_read() {
        check(b"\0\0\0\0\0\0", Ok((0, [false; 3])));
        check(b"\0\0\0\0\0\x01\0\x01", Ok((0, [true; 3])));
        check(b"\0\0\0\0\0\x02\0\0\0\x01", Ok((0, [false, true, false])));
        let two = b"\0\x01\0\0\0\x02\0\0\0\x017\xff\xff\xff\xff\0\0";
        check(two, Ok((2, [false; 3])));
        check(b"\0\0\0\x01\0\0\0\x05ab", Err(BodyError::Truncated("parameter")));
        check(b"\0\0\0\0\xff\xff", Err(BodyError::Unknown("result format count")));
        check(b"\0\0\0\0\0\0\0", Err(BodyError::Trailing(1)));
    }
}
