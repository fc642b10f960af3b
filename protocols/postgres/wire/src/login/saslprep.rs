use zeroize::Zeroizing;

/// A password as SCRAM hashes it: through SASLprep, or its raw bytes when it is not UTF-8 or SASLprep refuses it.
/// That fallback is PostgreSQL's (`pg_saslprep` in `scram-common.c`), on both of its sides.
pub(crate) fn normalised(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let prepared = std::str::from_utf8(password)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok())
        .filter(|text| !text.is_empty());
    Zeroizing::new(match prepared {
        Some(text) => text.as_bytes().to_vec(),
        None => password.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_back_to_raw_bytes() {
        let check = |password: &[u8], expected: &[u8]| {
            assert_eq!(normalised(password).as_slice(), expected);
        };
        check(b"pencil", b"pencil");
        // RFC 4013, section 3: soft hyphen to nothing, feminine ordinal to `a`, Roman nine to `IX`.
        check("I\u{ad}X".as_bytes(), b"IX");
        check("\u{aa}".as_bytes(), b"a");
        check("\u{2168}".as_bytes(), b"IX");
        // Prohibited, not UTF-8, nothing left.
        check(b"a\x07b", b"a\x07b");
        check(b"\xff\xfe", b"\xff\xfe");
        check("\u{ad}".as_bytes(), "\u{ad}".as_bytes());
    }
}
