use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

use crate::acl::Acl;
use crate::config::{RedisLogin, RedisLoginMethod, RedisRules, RedisUser};

/// The longest password. Every one that a client shows is hashed, where others wait for their turn.
const MOST: usize = 16 << 10;

/// Who may log in at a listener, by which passwords, and what for. Like Redis's own ACL it keeps hashes only.
#[derive(Debug)]
pub(crate) struct Users {
    method: RedisLoginMethod,
    is_open: bool,
    known: HashMap<String, User>,
    /// Those that may not log in.
    disabled: HashSet<String>,
    everything: Arc<Acl>,
}

#[derive(Debug)]
struct User {
    hashes: Vec<[u8; 32]>,
    /// Any password will do.
    is_open: bool,
    acl: Arc<Acl>,
}

/// What is wrong with a user in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserMistake {
    /// Where, from the users on, as in `app.rules.0`.
    pub(crate) path: String,
    /// What is wrong, and what to do.
    pub(crate) message: String,
}

impl Users {
    /// Reads the configuration; reports every mistake.
    pub(crate) fn build(login: &RedisLogin) -> Result<Self, Vec<UserMistake>> {
        let mut known = HashMap::new();
        let mut mistakes = Vec::new();
        let everything = Arc::new(Acl::everything());
        for (name, config) in &login.users {
            let mut fail = |at: &str, message: &str| {
                mistakes.push(UserMistake {
                    path: format!("{name}{at}"),
                    message: message.to_owned(),
                });
            };
            let hashes = hashes(config, &mut fail);
            let acl = acl(config, &everything, &mut fail);
            let needs_password = login.method == RedisLoginMethod::Password;
            if config.enabled && needs_password && !config.nopass && hashes.is_empty() {
                fail(
                    "",
                    "this user can never log in: give `password`, or write `enabled: false`",
                );
            }
            if config.nopass && !hashes.is_empty() {
                fail(".nopass", "any password would do: leave the passwords out, or this");
            }
            if login.method == RedisLoginMethod::Server && (config.nopass || !hashes.is_empty()) {
                fail(
                    "",
                    "the server knows the passwords: leave them out here, or choose method `password`",
                );
            }
            if config.enabled {
                let user = User {
                    hashes,
                    is_open: config.nopass,
                    acl,
                };
                known.insert(name.clone(), user);
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let is_open = match login.method {
            RedisLoginMethod::Trust => true,
            RedisLoginMethod::Password => known.get("default").is_some_and(|user| user.is_open),
            RedisLoginMethod::Certificate | RedisLoginMethod::Server => false,
        };
        let disabled = login.users.iter().filter(|(_, config)| !config.enabled);
        Ok(Self {
            method: login.method,
            is_open,
            known,
            disabled: disabled.map(|(name, _)| name.clone()).collect(),
            everything,
        })
    }

    /// Who a client is before it says anything: the default user where nobody has to log in, and whom its certificate
    /// names. `None` when it has to log in, or when its certificate names nobody.
    pub(crate) fn at_once<'n>(&'n self, certificate: &'n [String]) -> Option<&'n str> {
        match self.method {
            RedisLoginMethod::Certificate => {
                let mut names = certificate.iter().map(String::as_str);
                names.find(|name| self.known.contains_key(*name))
            }
            _ => self.is_open.then_some("default"),
        }
    }

    /// What a client must show.
    pub(crate) fn method(&self) -> RedisLoginMethod {
        self.method
    }

    /// Whether this user may not log in, whatever the server says.
    pub(crate) fn is_disabled(&self, user: &str) -> bool {
        self.disabled.contains(user)
    }

    /// Whether somebody who is logged in may stay so.
    pub(crate) fn lets_stay(&self, user: &str) -> bool {
        match self.method {
            RedisLoginMethod::Trust | RedisLoginMethod::Server => !self.is_disabled(user),
            RedisLoginMethod::Password | RedisLoginMethod::Certificate => self.known.contains_key(user),
        }
    }

    /// Whether clients need not log in.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the default user has a password.
    pub(crate) fn has_default(&self) -> bool {
        self.known.get("default").is_some_and(|user| !user.hashes.is_empty())
    }

    /// Whether this is a password of the user's. Unknown users take the same work; what is too long takes none.
    pub(crate) fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        if password.len() > MOST {
            return false;
        }
        let shown = hash(password);
        let user = std::str::from_utf8(user).ok().and_then(|user| self.known.get(user));
        let hashes = user.map_or([[0; 32]].as_slice(), |user| &user.hashes);
        let mut is_equal = false;
        for hash in hashes {
            is_equal |= verify_slices_are_equal(&shown, hash).is_ok();
        }
        user.is_some_and(|user| is_equal || user.is_open)
    }

    /// What a user who has logged in may do. Where nobody has to log in, that may be one whom the configuration does not
    /// know.
    pub(crate) fn acl(&self, user: &str) -> Arc<Acl> {
        Arc::clone(self.known.get(user).map_or(&self.everything, |user| &user.acl))
    }
}

impl Default for Users {
    /// Nobody.
    fn default() -> Self {
        Self {
            method: RedisLoginMethod::Password,
            is_open: false,
            known: HashMap::new(),
            disabled: HashSet::new(),
            everything: Arc::new(Acl::everything()),
        }
    }
}

fn hashes(config: &RedisUser, fail: &mut impl FnMut(&str, &str)) -> Vec<[u8; 32]> {
    let one = config
        .password
        .iter()
        .map(|password| (".password".to_owned(), password));
    let more = config.passwords.iter().enumerate();
    let more = more.map(|(at, password)| (format!(".passwords.{at}"), password));
    let mut hashes = Vec::new();
    for (at, password) in one.chain(more) {
        let password = password.reveal();
        match password.strip_prefix('#').map(from_hex) {
            None if password.len() > MOST => fail(&at, "no client may show a password of more than 16 KiB"),
            None => hashes.push(hash(password.as_bytes())),
            Some(Some(hash)) => hashes.push(hash),
            Some(None) => fail(&at, "after `#` there must be a SHA-256 hash, 64 hexadecimal digits"),
        }
    }
    hashes
}

fn acl(config: &RedisUser, everything: &Arc<Acl>, fail: &mut impl FnMut(&str, &str)) -> Arc<Acl> {
    let Some(rules) = &config.rules else {
        return Arc::clone(everything);
    };
    match Acl::parse(rules.texts()) {
        Ok(acl) => Arc::new(acl),
        Err(mistake) => {
            let at = match rules {
                RedisRules::Text(_) => ".rules".to_owned(),
                RedisRules::List(_) => format!(".rules.{}", mistake.at),
            };
            fail(&at, &mistake.message);
            Arc::clone(everything)
        }
    }
}

fn hash(password: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, password).as_ref());
    out
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HASHED: &str = "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"

    fn login(users: &serde_json::Value) -> RedisLogin {
        serde_json::from_value(serde_json::json!({ "users": users })).unwrap()
    }

    #[test]
    fn passwords_and_hashes() {
        let users = Users::build(&login(&serde_json::json!({
            "plain": { "password": "secret" },
            "hashed": { "password": HASHED },
            "two": { "password": "old", "passwords": ["new", HASHED] },
            "any": { "nopass": true },
            "off": { "password": "secret", "enabled": false },
        })));
        let users = users.unwrap();
        for (user, password) in [
            ("plain", "secret"),
            ("hashed", "secret"),
            ("two", "old"),
            ("two", "new"),
            ("two", "secret"),
            ("any", "thing"),
        ] {
            assert!(users.verify(user.as_bytes(), password.as_bytes()), "{user} {password}");
        }
        for (user, password) in [
            ("plain", "Secret"),
            ("hashed", HASHED),
            ("two", ""),
            ("off", "secret"),
            ("none", ""),
        ] {
            assert!(!users.verify(user.as_bytes(), password.as_bytes()), "{user}");
        }
        assert!(!users.has_default() && !users.is_open());
    }

    /// What a client sends is not hashed at any length.
    #[test]
    fn no_password_is_longer_than_16_kib() {
        let (most, beyond) = ("x".repeat(16 << 10), "x".repeat((16 << 10) + 1));
        let hashed = |password: &str| {
            let digest = hash(password.as_bytes());
            let digits = digest
                .iter()
                .fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
            json!({ "password": format!("#{digits}") })
        };
        let users = json!({ "most": hashed(&most), "beyond": hashed(&beyond), "any": { "nopass": true } });
        let users = Users::build(&login(&users)).unwrap();
        assert!(users.verify(b"most", most.as_bytes()));
        assert!(!users.verify(b"beyond", beyond.as_bytes()) && !users.verify(b"any", beyond.as_bytes()));
        let mistakes = Users::build(&login(&json!({ "app": { "password": beyond } }))).unwrap_err();
        assert_eq!(mistakes[0].path, "app.password");
    }

    #[test]
    fn a_default_user_without_a_password_lets_everybody_in() {
        let users = serde_json::json!({ "default": { "nopass": true, "rules": "+@read ~*" } });
        let users = Users::build(&login(&users)).unwrap();
        assert!(users.is_open() && !users.has_default() && users.verify(b"default", b"any"));
        assert!(!users.acl("default").is_everything());
    }

    #[test]
    fn a_certificate_names_one_of_the_users() {
        let login = serde_json::json!({
            "method": "certificate",
            "users": { "app": {}, "other": { "enabled": false } },
        });
        let users = Users::build(&serde_json::from_value(login).unwrap()).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(users.at_once(&names(&["app"])), Some("app"));
        assert_eq!(users.at_once(&names(&["x", "other", "app"])), Some("app"));
        assert_eq!(users.at_once(&names(&["other", "default", ""])), None);
        assert_eq!(users.at_once(&[]), None);
        assert!(!users.verify(b"app", b"") && !users.is_open() && users.is_disabled("other"));
    }

    #[test]
    fn mistakes_are_all_told_with_their_places() {
        let mistakes = Users::build(&login(&serde_json::json!({
            "bad": { "password": "#12" },
            "mute": {},
            "odd": { "nopass": true, "passwords": ["x"], "rules": ["~*", "+@raed"] },
            "one": { "password": "x", "rules": "+gett" },
        })));
        let mistakes = mistakes.unwrap_err();
        let told: Vec<_> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
        assert_eq!(
            told,
            ["bad.password", "bad", "mute", "odd.rules.1", "odd.nopass", "one.rules"]
        );
        assert_eq!(
            mistakes[3].message,
            "there is no category `@raed`; did you mean `@read`?"
        );
        assert_eq!(mistakes[5].message, "there is no command `gett`; did you mean `get`?");
    }
}
