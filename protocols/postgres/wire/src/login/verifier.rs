use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::keys::{Key, ScramKeys, mac, sha256, xor};

/// What a server stores instead of a password: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, as in
/// `pg_authid.rolpassword`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl Verifier {
    /// PostgreSQL's own number of iterations.
    pub const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

    /// From a password. Slow by intent (PBKDF2).
    pub fn derive(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let keys = ScramKeys::derive(password, salt, iterations);
        Self::from_parts(iterations, salt.to_vec(), keys.stored_key(), keys.server_key)
    }

    pub(crate) fn from_parts(iterations: NonZeroU32, salt: Vec<u8>, stored_key: Key, server_key: Key) -> Self {
        Self {
            iterations,
            salt,
            stored_key,
            server_key,
        }
    }

    /// How often the password was hashed.
    pub fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }

    /// What was mixed in.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Checks a client's proof for a conversation in constant time; the keys are returned, the client's recovered
    /// from its proof (RFC 5802, section 3).
    pub(crate) fn check(&self, proof: Key, conversation: &[&[u8]]) -> Option<ScramKeys> {
        let client_key = xor(proof, mac(&self.stored_key, conversation));
        let fits = sha256(&client_key).ct_eq(&self.stored_key);
        bool::from(fits).then_some(ScramKeys {
            client_key,
            server_key: self.server_key,
        })
    }

    /// Whether this is the password's verifier. Slow by intent (PBKDF2).
    pub(crate) fn is_of(&self, password: &[u8]) -> Option<ScramKeys> {
        let keys = ScramKeys::derive(password, &self.salt, self.iterations);
        bool::from(keys.stored_key().ct_eq(&self.stored_key)).then_some(keys)
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (cost, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
            let (iterations, salt) = cost.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            let key = |text: &str| Key::try_from(STANDARD.decode(text).ok()?).ok();
            Some(Self {
                iterations: iterations.parse().ok()?,
                salt: STANDARD.decode(salt).ok()?,
                stored_key: key(stored_key)?,
                server_key: key(server_key)?,
            })
        };
        read().ok_or(VerifierError)
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        )
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// A text that is no verifier; it is not repeated, since it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no SCRAM verifier: expected SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, as in pg_authid.rolpassword")]
pub struct VerifierError;
