//! The four SCRAM messages (RFC 5802, section 7), read strictly. Errors are a few words for either side's error type.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::Key;

pub(crate) type Words = &'static str;

/// Random bytes behind a nonce, as in PostgreSQL (`SCRAM_RAW_NONCE_LEN`).
const NONCE_LEN: usize = 18;

/// What a client says about channel binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindingFlag {
    /// `n`: it cannot.
    Unsupported,
    /// `y`: it can, and believes that the server cannot.
    Unoffered,
    /// `p=tls-server-end-point`.
    Bound,
}

/// client-first-message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFirst<'a> {
    pub(crate) flag: BindingFlag,
    /// With both commas.
    pub(crate) gs2_header: &'a str,
    pub(crate) bare: &'a str,
    pub(crate) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Result<Self, Words> {
        let text = std::str::from_utf8(data).map_err(|_| "not UTF-8")?;
        let (flag, rest) = text.split_once(',').ok_or("no channel binding flag")?;
        let flag = match flag {
            "n" => BindingFlag::Unsupported,
            "y" => BindingFlag::Unoffered,
            "p=tls-server-end-point" => BindingFlag::Bound,
            _ if flag.starts_with("p=") => return Err("unsupported channel binding type"),
            _ => return Err("unknown channel binding flag"),
        };
        // The user is the start-up packet's, so no other may be asked for.
        let bare = rest
            .strip_prefix(',')
            .ok_or("an authorization identity is not supported")?;
        let gs2_header = text.strip_suffix(bare).unwrap_or_default();
        if bare.starts_with("m=") {
            return Err("unsupported mandatory extension");
        }
        let (name, rest) = bare.split_once(',').ok_or("no nonce")?;
        if !name.starts_with("n=") {
            return Err("no user name");
        }
        let nonce = rest.split(',').next().unwrap_or_default();
        let nonce = nonce.strip_prefix("r=").ok_or("no nonce")?;
        if nonce.is_empty() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("non-printable nonce");
        }
        Ok(Self {
            flag,
            gs2_header,
            bare,
            nonce,
        })
    }
}

/// client-final-message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFinal<'a> {
    pub(crate) binding: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) without_proof: &'a str,
    pub(crate) proof: Key,
}

impl<'a> ClientFinal<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Result<Self, Words> {
        let text = std::str::from_utf8(data).map_err(|_| "not UTF-8")?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or("no proof")?;
        let mut parts = without_proof.split(',');
        let mut part = |name| parts.next().and_then(|part| part.strip_prefix(name));
        Ok(Self {
            binding: part("c=").ok_or("no channel binding data")?,
            nonce: part("r=").ok_or("no nonce")?,
            without_proof,
            proof: key(proof).ok_or("malformed proof")?,
        })
    }
}

/// server-first-message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFirst<'a> {
    pub(crate) nonce: &'a str,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    /// Reads it; the nonce must go on from the client's.
    pub(crate) fn read(text: &'a str, client_nonce: &str) -> Result<Self, Words> {
        let mut parts = text.split(',');
        let mut part = |name| parts.next().and_then(|part| part.strip_prefix(name));
        let nonce = part("r=").ok_or("no nonce")?;
        if nonce.len() <= client_nonce.len() || !nonce.starts_with(client_nonce) {
            return Err("the nonce does not go on from ours");
        }
        let salt = part("s=").ok_or("no salt")?;
        let iterations = part("i=").ok_or("no iterations")?;
        Ok(Self {
            nonce,
            salt: STANDARD.decode(salt).map_err(|_| "malformed salt")?,
            iterations: iterations.parse().map_err(|_| "malformed iterations")?,
        })
    }
}

/// The verifier in a server-final-message.
pub(crate) fn server_signature(data: &[u8]) -> Result<Key, Words> {
    let text = std::str::from_utf8(data).map_err(|_| "not UTF-8")?;
    if text.starts_with("e=") {
        return Err("the server reports an error");
    }
    let signature = text.strip_prefix("v=").ok_or("no server signature")?;
    let signature = signature.split(',').next().unwrap_or_default();
    key(signature).ok_or("malformed server signature")
}

/// A fresh nonce: printable, without a comma.
pub(crate) fn nonce(random: &mut super::Random<'_>) -> String {
    let mut raw = [0; NONCE_LEN];
    random(&mut raw);
    STANDARD.encode(raw)
}

/// The `c=` value: the GS2 header, and the channel's data when it is bound.
pub(crate) fn binding_value(gs2_header: &str, data: &[u8]) -> String {
    STANDARD.encode([gs2_header.as_bytes(), data].concat())
}

fn key(text: &str) -> Option<Key> {
    Key::try_from(STANDARD.decode(text).ok()?).ok()
}
