use std::borrow::Cow;

use crate::{Token, TokenKind};

/// An identifier as the server knows it: folded to lower case unless it was quoted, quotes taken off, cut to 63 bytes
/// (PostgreSQL documentation, 4.1.1). Bytes, since the client's encoding need not be UTF-8.
pub type Name<'a> = Cow<'a, [u8]>;

/// PostgreSQL's `NAMEDATALEN` less its terminator.
const MAX_NAME: usize = 63;

/// The identifier that a token names; `None` for tokens that name none.
pub(crate) fn name_of(sql: &[u8], token: Token) -> Option<Name<'_>> {
    let text = token.text(sql);
    match token.kind {
        TokenKind::Word => Some(cut(lower(text))),
        TokenKind::Quoted => Some(cut(unquoted(text))),
        _ => None,
    }
}

/// In ASCII lower case, as the server folds in UTF-8 and all multi-byte encodings.
pub(crate) fn lower(text: &[u8]) -> Name<'_> {
    if text.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn unquoted(text: &[u8]) -> Name<'_> {
    let unicode = text.first() != Some(&b'"');
    let inner = text.get(if unicode { 3 } else { 1 }..).unwrap_or_default();
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let plain = if memchr::memchr(b'"', inner).is_none() {
        Cow::Borrowed(inner)
    } else {
        let mut out = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter();
        while let Some(byte) = bytes.next() {
            out.push(*byte);
            if *byte == b'"' {
                bytes.next();
            }
        }
        Cow::Owned(out)
    };
    if unicode && memchr::memchr(b'\\', &plain).is_some() {
        Cow::Owned(unescaped(&plain))
    } else {
        plain
    }
}

/// `\XXXX`, `\+XXXXXX` and `\\` of a `U&"…"` identifier. `UESCAPE` is not followed: nobody writes it.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let digits = match behind.first() {
            Some(b'\\') => {
                out.push(b'\\');
                rest = behind.get(1..).unwrap_or_default();
                continue;
            }
            Some(b'+') => 1..7,
            _ => 0..4,
        };
        let end = digits.end;
        let letter = behind
            .get(digits)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match letter {
            Some(letter) => {
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = behind.get(end..).unwrap_or_default();
            }
            None => out.push(b'\\'),
        }
    }
    out
}

/// The server cuts long names at a character's edge.
fn cut(name: Name<'_>) -> Name<'_> {
    if name.len() <= MAX_NAME {
        return name;
    }
    let mut end = MAX_NAME;
    while end > 0 && name.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.get(..end).unwrap_or(name)),
        Cow::Owned(mut name) => {
            name.truncate(end);
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, Lexer};

    fn check(sql: &str, expected: &str) {
        let token = Lexer::new(sql.as_bytes(), Dialect::Postgres).next().unwrap();
        let name = name_of(sql.as_bytes(), token).unwrap();
        assert_eq!(String::from_utf8_lossy(&name), expected, "{sql}");
    }

    #[test]
    fn as_the_server_knows_them() {
        check("FooBar", "foobar");
        check("\u{c4}B", "\u{c4}b");
        check(r#""Foo""Bar""#, "Foo\"Bar");
        check(r#"U&"d\0061t\+000061\\""#, "data\\");
        check(r#"U&"\zz""#, "\\zz");
        check(r#""open"#, "open");
        check(&"x".repeat(70), &"x".repeat(63));
        let umlauts = format!("x{}", "\u{e4}".repeat(40));
        check(&umlauts, &format!("x{}", "\u{e4}".repeat(31)));
        check(&"\u{e4}".repeat(40), &"\u{e4}".repeat(31));
    }
}
