use std::fmt;

use crate::ini::is_space;

/// Microseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000;
/// The longest time that makes sense, in seconds: thirty years.
const LONGEST: f64 = 1e9;

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number; `0x` begins a hexadecimal and `0` an octal one.
    Integer,
    /// The same, not negative.
    Unsigned,
    /// Seconds, with a fraction.
    Seconds,
    /// One of these words; case does not matter.
    Word(&'static [&'static str]),
    /// A whole number in a connection string; what stands behind its digits is not read.
    Digits,
    /// The name of a database that is not reserved.
    Database,
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    /// Microseconds.
    Time(u64),
    Word(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Number(number) => write!(out, "{number}"),
            Self::Time(micros) if micros.is_multiple_of(SECOND) => write!(out, "{}", micros / SECOND),
            Self::Time(micros) => {
                let seconds = format!("{}.{:06}", micros / SECOND, micros % SECOND);
                out.write_str(seconds.trim_end_matches('0'))
            }
            Self::Word(word) => out.write_str(word),
        }
    }
}

/// A value, and what of its text was not read.
pub(crate) type Taken<'t> = (Value, &'t str);

impl Kind {
    /// Reads a value; the error says what is expected.
    pub(crate) fn read(self, text: &str) -> Result<Taken<'_>, String> {
        let whole = |value: Option<Value>, expected: &str| {
            value
                .map(|value| (value, ""))
                .ok_or_else(|| format!("`{text}`: {expected} is expected"))
        };
        match self {
            Self::Text => Ok((Value::Text(text.to_owned()), "")),
            Self::Database if is_reserved(text) => Err(format!("`{text}` is a reserved name, and no database")),
            Self::Database => Ok((Value::Text(text.to_owned()), "")),
            Self::Integer => {
                let number = integer(text).filter(|number| i32::try_from(*number).is_ok());
                whole(number.map(Value::Number), "a whole number")
            }
            Self::Unsigned => {
                let number = integer(text).filter(|number| u32::try_from(*number).is_ok());
                whole(number.map(Value::Number), "a whole number of at least 0")
            }
            Self::Seconds => whole(seconds(text).map(Value::Time), "a number of seconds, as `15` or `0.5`,"),
            Self::Word(words) => {
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(text));
                let expected = format!("one of {}", words.join(", "));
                whole(word.map(|word| Value::Word(word)), &expected)
            }
            Self::Digits => {
                let found = digits(text).filter(|(number, _)| i32::try_from(*number).is_ok());
                let (number, rest) = found.ok_or_else(|| format!("`{text}`: a whole number is expected"))?;
                Ok((Value::Number(number), rest))
            }
        }
    }
}

/// Names that no database may have (`util.c`, `check_reserved_database`).
pub(crate) fn is_reserved(name: &str) -> bool {
    name == "pgbouncer" || name == "replication"
}

/// C's `strtol` with base 0, of the whole text.
fn integer(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match (hexadecimal, digits.strip_prefix('0')) {
        (Some(rest), _) => (16, rest),
        (None, Some(rest)) if !rest.is_empty() => (8, rest),
        _ => (10, digits),
    };
    // A second sign is none.
    let is_plain = digits.starts_with(|first: char| first.is_digit(radix));
    let number = is_plain.then(|| i64::from_str_radix(digits, radix).ok())??;
    Some(if is_negative { -number } else { number })
}

/// C's `atoi`, with what it leaves; none where it would make 0 of no digits.
fn digits(text: &str) -> Option<(i64, &str)> {
    let text = text.trim_start_matches(is_space);
    let signed = text.strip_prefix(['-', '+']).unwrap_or(text);
    let length = signed.find(|char: char| !char.is_ascii_digit()).unwrap_or(signed.len());
    let (number, rest) = text.split_at(text.len() - signed.len() + length);
    Some((number.parse().ok()?, rest))
}

/// Seconds with a fraction, as microseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within bounds by then
fn seconds(text: &str) -> Option<u64> {
    let number: f64 = text.parse().ok()?;
    (0.0..=LONGEST).contains(&number).then_some((number * 1e6) as u64)
}

/// A time as Tidegate writes it.
pub(crate) fn period(micros: u64) -> String {
    match micros {
        0 => "\"0\"".to_owned(),
        whole if whole.is_multiple_of(SECOND) => format!("{}s", whole / SECOND),
        millis if millis.is_multiple_of(1000) => format!("{}ms", millis / 1000),
        micros => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, text: &str, expected: impl Into<Option<(Value, &'static str)>>) {
        assert_eq!(kind.read(text).ok(), expected.into(), "{kind:?} {text}");
    }

    #[test]
    fn numbers_are_those_of_c() {
        let number = |number| Some((Value::Number(number), ""));
        for (text, expected) in [
            ("0777", 511),
            ("0x1F", 31),
            ("-5", -5),
            ("+7", 7),
            ("0", 0),
            ("2147483647", i64::from(i32::MAX)),
        ] {
            check(Kind::Integer, text, number(expected));
        }
        for text in [
            "",
            "-",
            "0x",
            "08",
            "1k",
            "1.0",
            "--1",
            "+-1",
            "2147483648",
            "yes",
            "99999999999999999999",
        ] {
            check(Kind::Integer, text, None);
        }
        check(Kind::Unsigned, "4294967295", number(4_294_967_295));
        check(Kind::Unsigned, "-1", None);
    }

    #[test]
    fn what_stands_behind_digits_is_left() {
        check(Kind::Digits, "20", Some((Value::Number(20), "")));
        check(Kind::Digits, "-1x", Some((Value::Number(-1), "x")));
        check(Kind::Digits, "many", None);
        check(Kind::Digits, "", None);
    }

    #[test]
    fn times_have_fractions() {
        for (text, micros) in [
            ("15", 15_000_000),
            ("0.5", 500_000),
            ("1e2", 100_000_000),
            ("0", 0),
            (".25", 250_000),
        ] {
            check(Kind::Seconds, text, Some((Value::Time(micros), "")));
        }
        for text in ["", "-1", "5s", "1m", "inf", "nan", "1e30"] {
            check(Kind::Seconds, text, None);
        }
        assert_eq!(
            [0, 1_500_000, 60_000_000, 1].map(period),
            ["\"0\"", "1500ms", "60s", "1us"]
        );
    }

    #[test]
    fn words_have_no_case() {
        check(
            Kind::Word(&["session", "transaction"]),
            "SESSION",
            Some((Value::Word("session"), "")),
        );
        check(Kind::Word(&["session"]), "sessio", None);
    }
}
