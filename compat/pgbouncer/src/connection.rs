/// The pairs of a connection string (`loader.c`, `cstr_get_pair`): blanks are spaces only, a value with spaces stands in
/// single quotes, and two of these inside stand for one.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let key = &rest[..end];
        let behind = rest[end..].trim_start_matches(' ');
        let value = behind.strip_prefix('=').filter(|_| !key.is_empty());
        // What stands there may be the rest of a password, and is not told.
        let value = value.ok_or_else(|| match pairs.last() {
            Some((last, _)) => {
                format!("`key=value` is expected behind `{last}`; a value with spaces stands in single quotes")
            }
            None => "`key=value` is expected".to_owned(),
        })?;
        let (value, behind) = self::value(key, value.trim_start_matches(' '))?;
        pairs.push((key.to_owned(), value));
        rest = behind.trim_start_matches(' ');
    }
    Ok(pairs)
}

/// A value that is not empty, and what stands behind it.
fn value<'t>(key: &str, text: &'t str) -> Result<(String, &'t str), String> {
    let (value, rest) = if let Some(quoted) = text.strip_prefix('\'') {
        unquote(quoted).ok_or_else(|| format!("`{key}`: the quote is not closed"))?
    } else {
        let end = text.find(' ').unwrap_or(text.len());
        (text[..end].to_owned(), &text[end..])
    };
    if value.is_empty() {
        return Err(format!("`{key}` has no value"));
    }
    // A quoted value ends with its quote, whatever follows.
    let mut behind = rest.chars();
    let _ = behind.next();
    Ok((value, behind.as_str()))
}

fn unquote(mut rest: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert_eq!(pairs(text), Ok(expected.collect()), "{text}");
    }

    #[test]
    fn connection_strings() {
        check("", &[]);
        check("  host=a  port = 5 ", &[("host", "a"), ("port", "5")]);
        check(
            "password='it''s a b' user=x",
            &[("password", "it's a b"), ("user", "x")],
        );
        check("connect_query='SET a = ''b'''", &[("connect_query", "SET a = 'b'")]);
        check("host=a\tport=5", &[("host", "a\tport=5")]);
        for (text, message) in [
            ("host", "`key=value` is expected"),
            ("=a", "`key=value` is expected"),
            (
                "password=my secret",
                "`key=value` is expected behind `password`; a value with spaces stands in single quotes",
            ),
            ("a= ", "`a` has no value"),
            ("a=''", "`a` has no value"),
            ("a='b", "`a`: the quote is not closed"),
        ] {
            assert_eq!(pairs(text), Err(message.to_owned()), "{text}");
        }
    }
}
