use std::collections::HashMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

use crate::config::{RedisLogin, RedisLoginMethod};

/// Who may log in at a listener, and by which password. Like Redis's own ACL it keeps hashes only.
#[derive(Debug, Default)]
pub(crate) struct Users {
    is_open: bool,
    known: HashMap<String, [u8; 32]>,
}

impl Users {
    /// Reads the configuration; `Err` names the user whose hash is none.
    pub(crate) fn build(login: &RedisLogin) -> Result<Self, String> {
        let mut known = HashMap::new();
        for (name, user) in login.users.iter().filter(|(_, user)| user.enabled) {
            let password = user.password.reveal();
            let hash = match password.strip_prefix('#') {
                Some(digits) => from_hex(digits).ok_or_else(|| name.clone())?,
                None => hash(password.as_bytes()),
            };
            known.insert(name.clone(), hash);
        }
        Ok(Self {
            is_open: login.method == RedisLoginMethod::Trust,
            known,
        })
    }

    /// Whether clients need not log in.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the default user has a password.
    pub(crate) fn has_default(&self) -> bool {
        self.known.contains_key("default")
    }

    /// Whether this is the user's password. Unknown users take the same work.
    pub(crate) fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        let shown = hash(password);
        let known = std::str::from_utf8(user).ok().and_then(|user| self.known.get(user));
        let is_equal = verify_slices_are_equal(&shown, known.unwrap_or(&[0; 32])).is_ok();
        is_equal && known.is_some()
    }
}

fn hash(password: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, password).as_ref());
    out
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use tidegate_base::Secret;

    use super::*;
    use crate::config::RedisUser;

    #[test]
    fn passwords_and_hashes() {
        let user = |password: &str, enabled| RedisUser {
            password: Secret::new(password),
            enabled,
        };
        let hashed = "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
        let mut login = RedisLogin::default();
        login.users.insert("plain".to_owned(), user("secret", true));
        login.users.insert("hashed".to_owned(), user(hashed, true));
        login.users.insert("off".to_owned(), user("secret", false));
        let users = Users::build(&login).unwrap();
        assert!(users.verify(b"plain", b"secret") && users.verify(b"hashed", b"secret"));
        for (user, password) in [("plain", "Secret"), ("hashed", hashed), ("off", "secret"), ("none", "")] {
            assert!(!users.verify(user.as_bytes(), password.as_bytes()), "{user}");
        }
        assert!(!users.has_default() && !users.is_open());
        login.users.insert("bad".to_owned(), user("#12", true));
        assert_eq!(Users::build(&login).unwrap_err(), "bad");
    }
}
