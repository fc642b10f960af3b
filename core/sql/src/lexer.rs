use std::ops::Range;

/// Which rules the lexer follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// PostgreSQL as it has been since 9.1.
    #[default]
    Postgres,
    /// PostgreSQL with `standard_conforming_strings` off: a backslash escapes in plain strings too.
    PostgresEscapes,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A keyword or an unquoted identifier.
    Word,
    /// `"an identifier"`, or `U&"one"`.
    Quoted,
    /// Any string: `'…'`, `E'…'`, `B'…'`, `X'…'`, `N'…'`, `U&'…'`, `$tag$…$tag$`.
    String,
    /// A number, without a sign.
    Number,
    /// `$1`
    Param,
    /// Operator characters in a row.
    Operator,
    /// One of `( ) [ ] , ; : .`, or `::`, `:=`, or a byte that means nothing.
    Punctuation,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it begins.
    pub start: usize,
    /// Where the next byte behind it stands.
    pub end: usize,
}

impl Token {
    /// As a range.
    pub fn span(self) -> Range<usize> {
        self.start..self.end
    }

    /// Its bytes in the text that it was read from.
    pub fn text(self, sql: &[u8]) -> &[u8] {
        sql.get(self.span()).unwrap_or_default()
    }
}

/// Cuts SQL into tokens in one pass, dropping white space and comments (PostgreSQL documentation, 4.1). It never
/// fails: what is not terminated goes on to the end, as the server will say.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
    dialect: Dialect,
}

impl<'a> Lexer<'a> {
    /// At the start of a text.
    pub fn new(sql: &'a [u8], dialect: Dialect) -> Self {
        Self { sql, at: 0, dialect }
    }

    /// How far it has read.
    pub fn position(&self) -> usize {
        self.at
    }

    fn peek(&self, ahead: usize) -> u8 {
        // Zero cannot stand in SQL, so it serves as the end.
        self.sql.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = self.sql.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(is_blank);
            match (self.peek(0), self.peek(1)) {
                (b'-', b'-') => self.take_while(|byte| !matches!(byte, b'\n' | b'\r')),
                (b'/', b'*') => self.skip_comment(),
                _ => return,
            }
        }
    }

    /// Comments nest (4.1.5).
    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {
                    self.at += 1;
                    let rest = self.sql.get(self.at..).unwrap_or_default();
                    let Some(next) = memchr::memchr2(b'/', b'*', rest) else {
                        self.at = self.sql.len();
                        return;
                    };
                    self.at += next;
                }
            }
        }
    }

    fn token(&mut self) -> TokenKind {
        let escapes = self.dialect == Dialect::PostgresEscapes;
        match (self.peek(0), self.peek(1), self.peek(2)) {
            (b'\'', ..) => self.string(0, escapes),
            (b'"', ..) => self.quoted(0),
            (b'e' | b'E', b'\'', _) => self.string(1, true),
            (b'n' | b'N', b'\'', _) => self.string(1, escapes),
            (b'b' | b'B' | b'x' | b'X', b'\'', _) => self.string(1, false),
            (b'u' | b'U', b'&', b'\'') => self.string(2, false),
            (b'u' | b'U', b'&', b'"') => self.quoted(2),
            (first, ..) if starts_word(first) => {
                self.take_while(continues_word);
                TokenKind::Word
            }
            (b'0'..=b'9', ..) | (b'.', b'0'..=b'9', _) => self.number(),
            (b'$', ..) => self.dollar(),
            (b':', b':' | b'=', _) => self.punctuation(2),
            (first, ..) if is_operator(first) => self.operator(),
            _ => self.punctuation(1),
        }
    }

    fn punctuation(&mut self, len: usize) -> TokenKind {
        self.at += len;
        TokenKind::Punctuation
    }

    /// A string whose quote stands `prefix` bytes on, with its continuations: another quoted part behind a line break
    /// belongs to the same string and follows the same rule for backslashes (4.1.2.1).
    fn string(&mut self, prefix: usize, escapes: bool) -> TokenKind {
        self.at += prefix;
        loop {
            self.until_quote(b'\'', escapes);
            let end = self.at;
            if !self.continues_string() {
                self.at = end;
                return TokenKind::String;
            }
        }
    }

    /// Moves to a quote that continues a string, if there is one behind a line break.
    fn continues_string(&mut self) -> bool {
        self.take_while(|byte| is_blank(byte) && !matches!(byte, b'\n' | b'\r'));
        if self.peek(0) == b'-' && self.peek(1) == b'-' {
            self.take_while(|byte| !matches!(byte, b'\n' | b'\r'));
        }
        if !matches!(self.peek(0), b'\n' | b'\r') {
            return false;
        }
        loop {
            self.take_while(is_blank);
            if self.peek(0) == b'-' && self.peek(1) == b'-' {
                self.take_while(|byte| !matches!(byte, b'\n' | b'\r'));
            } else {
                return self.peek(0) == b'\'';
            }
        }
    }

    fn quoted(&mut self, prefix: usize) -> TokenKind {
        self.at += prefix;
        self.until_quote(b'"', false);
        TokenKind::Quoted
    }

    /// From an opening quote to behind the closing one; a doubled quote is content.
    fn until_quote(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        loop {
            let rest = self.sql.get(self.at..).unwrap_or_default();
            let found = if escapes {
                memchr::memchr2(quote, b'\\', rest)
            } else {
                memchr::memchr(quote, rest)
            };
            let Some(found) = found else {
                self.at = self.sql.len();
                return;
            };
            self.at += found;
            let doubled = self.peek(0) == quote && self.peek(1) == quote;
            if doubled || self.peek(0) == b'\\' {
                self.at = (self.at + 2).min(self.sql.len());
            } else {
                self.at += 1;
                return;
            }
        }
    }

    /// Letters that follow a number directly are left for the next token, as servers before 15 read them.
    fn number(&mut self) -> TokenKind {
        let digits: fn(u8) -> bool = match (self.peek(0), self.peek(1)) {
            (b'0', b'x' | b'X') => |byte| byte.is_ascii_hexdigit() || byte == b'_',
            (b'0', b'o' | b'O' | b'b' | b'B') => |byte| byte.is_ascii_digit() || byte == b'_',
            _ => return self.decimal(),
        };
        if digits(self.peek(2)) {
            self.at += 2;
            self.take_while(digits);
            TokenKind::Number
        } else {
            self.decimal()
        }
    }

    fn decimal(&mut self) -> TokenKind {
        let digits = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        self.take_while(digits);
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            self.take_while(digits);
        }
        let signed = usize::from(matches!(self.peek(1), b'+' | b'-'));
        if matches!(self.peek(0), b'e' | b'E') && self.peek(1 + signed).is_ascii_digit() {
            self.at += 1 + signed;
            self.take_while(digits);
        }
        TokenKind::Number
    }

    /// A parameter, a dollar-quoted string (4.1.2.4), or a lone dollar.
    fn dollar(&mut self) -> TokenKind {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            self.take_while(|byte| byte.is_ascii_digit());
            return TokenKind::Param;
        }
        if starts_word(self.peek(0)) {
            self.take_while(|byte| continues_word(byte) && byte != b'$');
        }
        if self.peek(0) != b'$' {
            self.at = start;
            return self.punctuation(1);
        }
        self.at += 1;
        let tag = self.sql.get(start..self.at).unwrap_or_default();
        let body = self.sql.get(self.at..).unwrap_or_default();
        match memchr::memmem::find(body, tag) {
            Some(end) => self.at += end + tag.len(),
            None => self.at = self.sql.len(),
        }
        TokenKind::String
    }

    /// An operator ends where a comment begins, and ends in a sign only when it holds one of the characters that no
    /// SQL operator has (4.1.3), so that `x=-1` is `x = -1`. No operator in use is longer than the bound; without
    /// one, a long row of signs would be read again for each of them.
    fn operator(&mut self) -> TokenKind {
        let start = self.at;
        let mut special = false;
        while is_operator(self.peek(0))
            && self.at - start < 16
            && !matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*'))
        {
            special |= is_special(self.peek(0));
            self.at += 1;
        }
        let text = self.sql.get(start..self.at).unwrap_or_default();
        let signs = text.iter().rev().take_while(|byte| matches!(byte, b'+' | b'-'));
        if !special {
            self.at = (self.at - signs.count()).max(start + 1);
        }
        TokenKind::Operator
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let start = self.at;
        if start >= self.sql.len() {
            return None;
        }
        let kind = self.token();
        Some(Token {
            kind,
            start,
            end: self.at,
        })
    }
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

pub(crate) fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

pub(crate) fn continues_word(byte: u8) -> bool {
    CONTINUES_WORD[usize::from(byte)]
}

/// A table: most bytes of SQL are in words.
const CONTINUES_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

fn is_special(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'|' | b'`' | b'?'
    )
}

fn is_operator(byte: u8) -> bool {
    is_special(byte) || matches!(byte, b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use TokenKind::{Number, Operator, Param, Punctuation, Quoted, String, Word};

    fn check_in(dialect: Dialect, sql: &str, expected: &[(TokenKind, &str)]) {
        let found: Vec<_> = Lexer::new(sql.as_bytes(), dialect)
            .map(|token| (token.kind, std::str::from_utf8(token.text(sql.as_bytes())).unwrap()))
            .collect();
        assert_eq!(found, expected, "{sql}");
    }

    fn check(sql: &str, expected: &[(TokenKind, &str)]) {
        check_in(Dialect::Postgres, sql, expected);
    }

    #[test]
    fn words_and_names() {
        check("a_1$ \u{e4}b", &[(Word, "a_1$"), (Word, "\u{e4}b")]);
        check(
            r#""a ""b"; U&"d\0061""#,
            &[(Quoted, r#""a ""b""#), (Punctuation, ";"), (Quoted, r#"U&"d\0061""#)],
        );
        check("ux'a'", &[(Word, "ux"), (String, "'a'")]);
    }

    #[test]
    fn comments() {
        check("a--b\nc", &[(Word, "a"), (Word, "c")]);
        check("a/* /* ; */ ' */b", &[(Word, "a"), (Word, "b")]);
        check("a/*/b", &[(Word, "a")]);
        check("/*", &[]);
        check(
            "=-+ @- ->",
            &[
                (Operator, "="),
                (Operator, "-"),
                (Operator, "+"),
                (Operator, "@-"),
                (Operator, "->"),
            ],
        );
        check("+--x\n-/*y*/*", &[(Operator, "+"), (Operator, "-"), (Operator, "*")]);
    }

    #[test]
    fn strings() {
        check(r"'a''b\' c", &[(String, r"'a''b\'"), (Word, "c")]);
        check(r"E'a\'b' c", &[(String, r"E'a\'b'"), (Word, "c")]);
        check("'a'\n  'b' c", &[(String, "'a'\n  'b'"), (Word, "c")]);
        check("E'a' -- x\n 'b\\'c' d", &[(String, "E'a' -- x\n 'b\\'c'"), (Word, "d")]);
        check("'a' 'b'", &[(String, "'a'"), (String, "'b'")]);
        check(
            "b'01'x'ff'N'x'U&'y'",
            &[
                (String, "b'01'"),
                (String, "x'ff'"),
                (String, "N'x'"),
                (String, "U&'y'"),
            ],
        );
        check("$$a;$b$'$$c", &[(String, "$$a;$b$'$$"), (Word, "c")]);
        check("$t$ $$ $t$", &[(String, "$t$ $$ $t$")]);
        check("'open ; ", &[(String, "'open ; ")]);
        check("E'\\", &[(String, "E'\\")]);
        check_in(
            Dialect::PostgresEscapes,
            r"'a\'b' c",
            &[(String, r"'a\'b'"), (Word, "c")],
        );
    }

    #[test]
    fn numbers_and_params() {
        check(
            "1 2.5 .5 1e5 1E-5 0xfF 1_000",
            &[
                (Number, "1"),
                (Number, "2.5"),
                (Number, ".5"),
                (Number, "1e5"),
                (Number, "1E-5"),
                (Number, "0xfF"),
                (Number, "1_000"),
            ],
        );
        check("1into", &[(Number, "1"), (Word, "into")]);
        check("1..2", &[(Number, "1"), (Punctuation, "."), (Number, ".2")]);
        check(
            "$1+$23 $",
            &[(Param, "$1"), (Operator, "+"), (Param, "$23"), (Punctuation, "$")],
        );
        check(
            "a::int[1]",
            &[
                (Word, "a"),
                (Punctuation, "::"),
                (Word, "int"),
                (Punctuation, "["),
                (Number, "1"),
                (Punctuation, "]"),
            ],
        );
    }
}
