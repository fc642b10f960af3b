use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use tidegate_base::Secret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::saslprep::normalised;

/// Bytes of every SCRAM-SHA-256 key.
pub(crate) const KEY_LEN: usize = 32;
/// One key.
pub(crate) type Key = [u8; KEY_LEN];

/// The two keys that a SCRAM login rests on (RFC 5802, section 3). Whoever has them can log in without the password,
/// at every server whose verifier has the same salt, iterations and password.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ScramKeys {
    /// Proves the client to the server.
    pub client_key: [u8; 32],
    /// Proves the server to the client.
    pub server_key: [u8; 32],
}

impl ScramKeys {
    /// From a password. Slow by intent (PBKDF2): not on a thread that serves others.
    pub fn derive(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let password = normalised(password);
        let mut salted = Zeroizing::new([0; KEY_LEN]);
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            salt,
            &password,
            salted.as_mut_slice(),
        );
        Self {
            client_key: mac(salted.as_slice(), &[b"Client Key"]),
            server_key: mac(salted.as_slice(), &[b"Server Key"]),
        }
    }

    /// What a server stores to check the client key.
    pub(crate) fn stored_key(&self) -> Key {
        sha256(&self.client_key)
    }

    /// The client's proof for a conversation.
    pub(crate) fn proof(&self, conversation: &[&[u8]]) -> Key {
        xor(self.client_key, mac(&self.stored_key(), conversation))
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// Keys with the salt and iterations they were made with: what a caller keeps so that the next login to the same
/// server costs no PBKDF2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaltedKeys {
    /// The salt.
    pub salt: Vec<u8>,
    /// The iterations.
    pub iterations: NonZeroU32,
    /// The keys.
    pub keys: ScramKeys,
}

/// A password waiting to be hashed: a caller moves it to a thread where it harms nobody.
#[derive(Debug)]
pub struct HashJob {
    pub(crate) password: Secret,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: NonZeroU32,
}

impl HashJob {
    /// Does the work: a few milliseconds with the usual 4096 iterations.
    pub fn run(self) -> SaltedKeys {
        let password = self.password.reveal().as_bytes();
        SaltedKeys {
            keys: ScramKeys::derive(password, &self.salt, self.iterations),
            salt: self.salt,
            iterations: self.iterations,
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Key {
    key_from(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// HMAC-SHA-256 over the parts in order.
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    key_from(context.sign().as_ref())
}

pub(crate) fn xor(left: Key, right: Key) -> Key {
    let mut out = left;
    for (byte, other) in out.iter_mut().zip(right) {
        *byte ^= other;
    }
    out
}

fn key_from(bytes: &[u8]) -> Key {
    let mut key = [0; KEY_LEN];
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = *from;
    }
    key
}
