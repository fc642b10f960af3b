use std::fmt;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// `md5` and 32 hexadecimal digits: the hash of password and user name, PostgreSQL's old way to store a password.
/// It is as good as the password for a login by MD5, and is treated as secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Md5Hash(Zeroizing<String>);

impl Md5Hash {
    /// From its written form; `None` when the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("md5")?;
        let fits = digits.len() == 32 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Of a password and the user it belongs to.
    pub fn of(password: &[u8], user: &str) -> Self {
        Self(tagged(&[password, user.as_bytes()]))
    }

    /// What a client answers to this salt (55.2.1, AuthenticationMD5Password).
    pub fn answer(&self, salt: [u8; 4]) -> Zeroizing<String> {
        let digits = self.0.as_bytes().get(3..).unwrap_or_default();
        tagged(&[digits, &salt])
    }

    /// Whether this is the answer to the salt, in constant time.
    pub(crate) fn accepts(&self, salt: [u8; 4], answer: &[u8]) -> bool {
        self.answer(salt).as_bytes().ct_eq(answer).into()
    }

    /// Whether this is the password's hash, in constant time.
    pub(crate) fn is_of(&self, password: &[u8], user: &str) -> bool {
        let given = Self::of(password, user);
        self.0.as_bytes().ct_eq(given.0.as_bytes()).into()
    }

    /// The written form.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Md5Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

fn tagged(parts: &[&[u8]]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    let mut text = Zeroizing::new(String::with_capacity(35));
    text.push_str("md5");
    for byte in hash.finalize() {
        for half in [byte >> 4, byte & 15] {
            text.extend(DIGITS.get(usize::from(half)).map(|digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_postgres_hashes() {
        // SELECT 'md5' || md5('secret' || 'app'), and the same with the salt behind its digits.
        let hash = Md5Hash::of(b"secret", "app");
        assert_eq!(Md5Hash::parse(hash.reveal()), Some(hash.clone()));
        assert_eq!(hash.reveal().len(), 35);
        let answer = hash.answer([1, 2, 3, 4]);
        assert!(hash.accepts([1, 2, 3, 4], answer.as_bytes()));
        assert!(!hash.accepts([1, 2, 3, 5], answer.as_bytes()));
        assert!(!hash.accepts([1, 2, 3, 4], b""));
        assert!(hash.is_of(b"secret", "app") && !hash.is_of(b"secret", "apq"));
        assert!(Md5Hash::parse("md5nothex").is_none());
        assert_eq!(format!("{hash:?}"), "***");
    }
}
