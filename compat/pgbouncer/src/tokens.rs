use tidegate_postgres_wire::user_list;

use crate::ini::is_space;

/// A word of an HBA file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// Without quotes, so it may be a keyword.
    Word(String),
    /// In double quotes, so it is a name.
    Quoted(String),
    Comma,
    /// A quote that is not closed.
    Broken,
}

/// The words of a line, up to its end or a comment (`hba.c`, `next_token`).
pub(crate) fn tokens(line: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = line.trim_start_matches(is_space);
    loop {
        let token;
        (token, rest) = match rest.chars().next() {
            None | Some('#') => return found,
            Some(',') => (Token::Comma, &rest[1..]),
            Some('"') => match user_list::quoted(rest) {
                Some((name, rest)) => (Token::Quoted(name), rest),
                None => (Token::Broken, ""),
            },
            Some(first) => {
                let after = &rest[first.len_utf8()..];
                let ends = |char: char| is_space(char) || [',', '#', '"'].contains(&char);
                let length = first.len_utf8() + after.find(ends).unwrap_or(after.len());
                (Token::Word(rest[..length].to_owned()), &rest[length..])
            }
        };
        found.push(token);
        rest = rest.trim_start_matches(is_space);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let word = |text: &str| Token::Word(text.to_owned());
        let name = |text: &str| Token::Quoted(text.to_owned());
        let expected = [
            word("host"),
            name("q\"1"),
            Token::Comma,
            word("b"),
            word("1.2.3.4/8"),
            word("md5"),
        ];
        assert_eq!(tokens(" host\t\"q\"\"1\" ,b  1.2.3.4/8 md5 # why\n"), expected);
        assert_eq!(tokens("a\"b"), [word("a"), Token::Broken]);
        assert_eq!(tokens(" # nothing"), []);
        assert_eq!(tokens(",,"), [Token::Comma, Token::Comma]);
    }
}
