//! Decimal numbers as they stand in lengths, and lines.

/// Reads a whole number as Redis does (`util.c`, `string2ll`): digits, with a minus before them, without a plus, a
/// space or a leading zero.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    // Counted downwards, since there is one more negative number than there are positive ones.
    let below = digits.iter().try_fold(0_i64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_sub(digit)
    })?;
    if negative { Some(below) } else { below.checked_neg() }
}

/// Writes a number in decimal.
pub(crate) fn write(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    write_unsigned(out, number.unsigned_abs());
}

/// Writes a number in decimal.
pub(crate) fn write_unsigned(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        // A remainder of ten fits.
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Writes a type byte, a length and CRLF.
pub(crate) fn write_length(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    write_unsigned(out, length as u64);
    out.extend_from_slice(b"\r\n");
}

/// Writes a bulk string.
pub(crate) fn write_bulk(out: &mut Vec<u8>, text: &[u8]) {
    write_length(out, b'$', text.len());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// A length line, behind its type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// A number, and how many bytes the line takes with its CRLF.
    Is(i64, usize),
    /// Not a plain number of few digits: whether it is wrong or not there yet is for the caller to find out.
    Odd,
}

/// Reads a length at the start of `bytes`. Short ones without a sign, which is all of them, take the loop.
#[inline]
pub(crate) fn length(bytes: &[u8]) -> Length {
    let mut number = 0_i64;
    for (at, byte) in bytes.iter().take(11).enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
            b'\r' if at > 0 && bytes.get(at + 1) == Some(&b'\n') => {
                let leading_zero = at > 1 && bytes.first() == Some(&b'0');
                return if leading_zero {
                    Length::Odd
                } else {
                    Length::Is(number, at + 2)
                };
            }
            _ => return Length::Odd,
        }
    }
    Length::Odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_redis_reads() {
        for (text, number) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("-1", Some(-1)),
            ("512", Some(512)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("18446744073709551617", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            ("1 ", None),
            (" 1", None),
            ("1a", None),
            ("--1", None),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn numbers_are_said_again() {
        bolero::check!().with_type::<i64>().cloned().for_each(|number| {
            let mut out = Vec::new();
            write(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
            assert_eq!(parse(&out), Some(number));
        });
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Length::Is(number, used) = length(bytes) {
                assert_eq!(parse(&bytes[..used - 2]), Some(number));
                assert_eq!(&bytes[used - 2..used], b"\r\n");
            }
        });
        assert_eq!(length(b"12\r\nabc"), Length::Is(12, 4));
        assert_eq!(length(b"0\r\n"), Length::Is(0, 3));
        for odd in ["", "1", "1\r", "\r\n", "01\r\n", "-1\r\n", "1\rx", "123456789012\r\n"] {
            assert_eq!(length(odd.as_bytes()), Length::Odd, "{odd:?}");
        }
    }
}
