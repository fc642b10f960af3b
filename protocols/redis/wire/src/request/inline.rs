use crate::RequestError;
use crate::number::{write_bulk, write_length};

/// A line of an inline command: words with spaces between, as typed into `telnet` ("Inline commands" of the protocol
/// specification).
#[derive(Clone, Copy)]
pub struct Line<'a> {
    text: &'a [u8],
    total: usize,
}

impl<'a> Line<'a> {
    pub(super) fn new(text: &'a [u8], total: usize) -> Self {
        Self { text, total }
    }

    /// The line without its end.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// How many bytes of the buffer it takes, its end counted.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Writes it as a multi-bulk command and returns how many arguments that has. With none, nothing is written: such
    /// a line is not answered.
    pub fn rewrite(&self, out: &mut Vec<u8>) -> Result<usize, RequestError> {
        let mut word = Vec::with_capacity(self.text.len());
        let count = words(self.text, &mut word, |_| ())?;
        if count > 0 {
            write_length(out, b'*', count);
            words(self.text, &mut word, |word| write_bulk(out, word))?;
        }
        Ok(count)
    }
}

/// Shows the length only: arguments are what clients keep to themselves.
impl std::fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// Splits a line into words by Redis's rules (`sds.c`, `sdssplitargs`): quotes may begin within a word and must end
/// with it, `"` knows escapes, `'` only that of itself. As in C the text ends at its first NUL.
fn words(text: &[u8], word: &mut Vec<u8>, mut see: impl FnMut(&[u8])) -> Result<usize, RequestError> {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    let mut rest = text.get(..end).unwrap_or_default();
    let mut count = 0;
    loop {
        rest = trim(rest);
        if rest.is_empty() {
            return Ok(count);
        }
        word.clear();
        rest = take(rest, word)?;
        see(word);
        count += 1;
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte));
    start.and_then(|start| text.get(start..)).unwrap_or_default()
}

/// Takes one word off the text. Within a word, vertical tab and form feed are letters, though they part words.
fn take<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], RequestError> {
    loop {
        match *rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', ref quoted @ ..] => return closed(double_quoted(quoted, word)?),
            [b'\'', ref quoted @ ..] => return closed(single_quoted(quoted, word)?),
            [letter, ref tail @ ..] => {
                word.push(letter);
                rest = tail;
            }
        }
    }
}

/// Behind a closing quote the word must end.
fn closed(rest: &[u8]) -> Result<&[u8], RequestError> {
    match rest.first() {
        Some(byte) if !is_space(*byte) => Err(RequestError::Quotes),
        _ => Ok(rest),
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], RequestError> {
    loop {
        let (letter, tail) = match *rest {
            [] => return Err(RequestError::Quotes),
            [b'"', ref tail @ ..] => return Ok(tail),
            [b'\\', b'x', high, low, ref tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(high) * 16 + hex(low), tail)
            }
            [b'\\', escaped, ref tail @ ..] => (unescaped(escaped), tail),
            [letter, ref tail @ ..] => (letter, tail),
        };
        word.push(letter);
        rest = tail;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], RequestError> {
    loop {
        let (letter, tail) = match *rest {
            [] => return Err(RequestError::Quotes),
            [b'\'', ref tail @ ..] => return Ok(tail),
            [b'\\', b'\'', ref tail @ ..] => (b'\'', tail),
            [letter, ref tail @ ..] => (letter, tail),
        };
        word.push(letter);
        rest = tail;
    }
}

fn unescaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], expected: Result<&[&[u8]], RequestError>) {
        let mut out = Vec::new();
        let count = Line::new(line, line.len()).rewrite(&mut out);
        let mut wanted = Vec::new();
        if let Ok(words) = expected
            && !words.is_empty()
        {
            crate::request::command(&mut wanted, words);
        }
        assert_eq!(count, expected.map(<[_]>::len), "{}", line.escape_ascii());
        assert_eq!(out, wanted, "{}", line.escape_ascii());
    }

    #[test]
    fn words_are_split_as_redis_splits_them() {
        check(b"PING", Ok(&[b"PING"]));
        check(b"  set  a\tb ", Ok(&[b"set", b"a", b"b"]));
        check(b"", Ok(&[]));
        check(b" \t ", Ok(&[]));
        check(br#"set "a b" 'c d'"#, Ok(&[b"set", b"a b", b"c d"]));
        check(br#"a"b c""#, Ok(&[b"ab c"]));
        check(br#""\x41\x4\n\r\t\b\a\q\"" x"#, Ok(&[b"Ax4\n\r\t\x08\x07q\"", b"x"]));
        check(br"'it\'s' '\n'", Ok(&[b"it's", br"\n"]));
        check(br#""" ''"#, Ok(&[b"", b""]));
        check(b"a\x0bb \x0bc", Ok(&[b"a\x0bb", b"c"]));
        check(b"a\0b c", Ok(&[b"a"]));
        for wrong in [
            &br#"""#[..],
            b"'",
            br#""a"b"#,
            b"'a'b",
            br#""a\"#,
            br#""a\""#,
            b"x '",
            b"\"a\0\"",
        ] {
            check(wrong, Err(RequestError::Quotes));
        }
    }
}
