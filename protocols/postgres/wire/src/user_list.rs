//! Lists of users, in the form that PostgreSQL once had and PgBouncer has: lines of `"user" "secret"`.

/// User and secret of a line; what follows them is ignored, as PgBouncer does. Either may be empty.
pub fn pair(line: &str) -> Option<(String, String)> {
    let (user, rest) = quoted(line)?;
    let is_space = |char: char| char.is_ascii_whitespace() || char == '\u{b}';
    let (secret, _) = quoted(rest.trim_start_matches(is_space))?;
    Some((user, secret))
}

/// A word in double quotes, of which two inside stand for one; and what stands behind it.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut word = String::new();
    loop {
        let end = rest.find('"')?;
        word.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                word.push('"');
                rest = more;
            }
            None => return Some((word, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(user, secret)| (user.to_owned(), secret.to_owned()));
        assert_eq!(pair(line), expected, "{line}");
    }

    #[test]
    fn lines() {
        check(r#""app" "secret""#, Some(("app", "secret")));
        check("\"app\"\t\"\" comment", Some(("app", "")));
        check(r#""app""secret" "x""#, Some(("app\"secret", "x")));
        check(r#""a""b" "it""s""#, Some((r#"a"b"#, r#"it"s"#)));
        check(r#""" "x""#, Some(("", "x")));
        for wrong in ["app secret", r#""app""#, r#""app" "secret"#, ""] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_stands_behind_a_word() {
        assert_eq!(quoted("\"a\"b\""), Some(("a".to_owned(), "b\"")));
        assert_eq!(quoted("a"), None);
    }
}
