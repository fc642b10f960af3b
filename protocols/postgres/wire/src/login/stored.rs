use std::num::NonZeroU32;

use tidegate_base::Secret;

use super::keys::mac;
use super::{Md5Hash, Verifier};

/// What the gateway knows of a user's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// The password itself.
    Password(Secret),
    /// Its MD5 hash.
    Md5(Md5Hash),
    /// Its SCRAM verifier.
    Scram(Verifier),
}

impl Stored {
    /// Tells the three apart as PostgreSQL does (`get_password_type`): what is neither a hash nor a verifier is a
    /// password.
    pub fn parse(text: &str) -> Self {
        if let Some(hash) = Md5Hash::parse(text) {
            Self::Md5(hash)
        } else if let Ok(verifier) = text.parse() {
            Self::Scram(verifier)
        } else {
            Self::Password(Secret::new(text))
        }
    }
}

/// Keeps unknown users from being told apart from known ones: they are asked the same questions, with a salt that
/// stays the same as long as the process lives, and fail at the same point after the same work.
#[derive(Clone)]
pub struct Disguise {
    key: [u8; 32],
    like: Stored,
    iterations: NonZeroU32,
}

impl Disguise {
    /// `key` is random and the process's own. `like` is what most users have stored; unknown ones pretend to have the
    /// same, so that the time spent is the same too.
    pub fn new(key: [u8; 32], like: &Stored) -> Self {
        let iterations = match like {
            Stored::Scram(verifier) => verifier.iterations(),
            _ => Verifier::ITERATIONS,
        };
        Self {
            key,
            like: like.clone(),
            iterations,
        }
    }

    /// What an unknown user seems to have stored. No password fits it.
    pub(crate) fn stored(&self, user: &str) -> Stored {
        match self.like {
            Stored::Password(_) => Stored::Password(Secret::new(self.hexadecimal(user))),
            Stored::Md5(_) => Stored::Md5(Md5Hash::of(self.hexadecimal(user).as_bytes(), user)),
            Stored::Scram(_) => Stored::Scram(self.verifier(user)),
        }
    }

    /// A verifier that no password fits.
    pub(crate) fn verifier(&self, user: &str) -> Verifier {
        let (stored, server) = (self.derived(b"stored", user), self.derived(b"server", user));
        Verifier::from_parts(self.iterations, self.salt(user), stored, server)
    }

    /// The salt of a user whose stored password has none: an unknown one, or one with a plain password.
    pub fn salt(&self, user: &str) -> Vec<u8> {
        let mut salt = self.derived(b"salt", user).to_vec();
        salt.truncate(16);
        salt
    }

    /// A plain password's verifier with the salt that its user is shown.
    pub(crate) fn verifier_of(&self, password: &Secret, user: &str) -> Verifier {
        Verifier::derive(password.reveal().as_bytes(), &self.salt(user), self.iterations)
    }

    fn derived(&self, purpose: &[u8], user: &str) -> [u8; 32] {
        mac(&self.key, &[purpose, &[0], user.as_bytes()])
    }

    fn hexadecimal(&self, user: &str) -> String {
        let number = u128::from_be_bytes(*self.derived(b"password", user).first_chunk().unwrap_or(&[0; 16]));
        format!("{number:032x}")
    }
}

impl std::fmt::Debug for Disguise {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Disguise(***)")
    }
}
