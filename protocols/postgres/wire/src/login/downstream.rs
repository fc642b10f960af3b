use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use tidegate_base::Secret;

use super::keys::{mac, sha256};
use super::messages::{BindingFlag, ClientFinal, ClientFirst, binding_value, nonce};
use super::{Disguise, LoginError, Md5Hash, PLAIN, PLUS, Random, ScramKeys, Stored, Verifier};
use crate::{Frame, backend, frontend};

/// How clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Not at all.
    Trust,
    /// The password in the clear.
    Cleartext,
    /// The password's MD5 hash; a user with a SCRAM verifier is asked by SCRAM, as PostgreSQL does.
    Md5,
    /// SCRAM-SHA-256, bound to the TLS channel where both sides can.
    Scram,
}

/// What a login is held against.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The method.
    pub method: Method,
    /// Who the client says it is.
    pub user: String,
    /// What is stored for that user; `None` for an unknown one, who is asked all the same and then refused.
    pub stored: Option<Stored>,
    /// The hash of the server certificate (RFC 5929, `tls-server-end-point`) when the stream is encrypted:
    /// SCRAM-SHA-256-PLUS is then offered too.
    pub binding: Option<Vec<u8>>,
}

/// The gateway as a server that asks its client. Feed it the client's messages; nothing but `p` is taken.
#[derive(Debug)]
pub struct Downstream {
    user: String,
    method: Method,
    /// What the answer is checked against: the user's own, or the disguise of an unknown one.
    stored: Stored,
    /// No answer is good enough: an unknown user, or one whose secret does not suit the method.
    doomed: bool,
    binding: Option<Vec<u8>>,
    disguise: Disguise,
    state: State,
}

/// What a login machine wants next.
#[derive(Debug)]
pub enum Next {
    /// Send these messages and come back with the client's next one.
    Send(Vec<u8>),
    /// The client is who it says.
    Done(Accepted),
    /// It is not, or does not speak the protocol: say the error's refusal as FATAL, and close.
    Failed(LoginError),
}

/// A login that succeeded.
#[derive(Debug)]
pub struct Accepted {
    /// Messages to send *before* AuthenticationOk, which is left to the caller so that it goes out in one write with
    /// what follows it.
    pub last_words: Vec<u8>,
    /// What a login to a server can be made with.
    pub reusable: Reusable,
}

/// What a client's login leaves behind for a login to a server in its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reusable {
    /// Nothing.
    Nothing,
    /// The password.
    Password(Secret),
    /// The hash, good for servers that ask by MD5.
    Md5(Md5Hash),
    /// Both SCRAM keys, good where the server's verifier equals ours.
    ScramKeys(ScramKeys),
}

#[derive(Debug)]
enum State {
    Fresh,
    Cleartext,
    Md5 { salt: [u8; 4] },
    ScramFirst { server_nonce: String },
    ScramFinal(Box<Conversation>),
    Over,
}

/// A SCRAM exchange between the server's first message and the client's last.
#[derive(Debug)]
struct Conversation {
    verifier: Verifier,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    /// The `c=` value that the client must repeat.
    binding: String,
}

/// PostgreSQL's own bounds (`PG_MAX_AUTH_TOKEN_LENGTH`, `PG_MAX_SASL_MESSAGE_LENGTH`).
const MAX_PASSWORD: usize = 65_535;
const MAX_SASL: usize = 1024;

impl Downstream {
    /// The longest length field that a client's answer may have: hold no more than that in memory.
    pub const LIMITS: crate::Limits = crate::Limits { frame: 65_536 + 4 };

    /// A login that has not begun.
    pub fn new(terms: Terms, disguise: &Disguise) -> Self {
        let (stored, doomed) = match terms.stored {
            Some(Stored::Md5(_)) if terms.method == Method::Scram => {
                (Stored::Scram(disguise.verifier(&terms.user)), true)
            }
            // PostgreSQL keeps no empty password; in a file of users it stands for "none".
            Some(Stored::Password(password)) if password.reveal().is_empty() => (disguise.stored(&terms.user), true),
            Some(stored) => (stored, false),
            None => (disguise.stored(&terms.user), true),
        };
        let method = match (terms.method, &stored) {
            (Method::Md5, Stored::Scram(_)) => Method::Scram,
            (method, _) => method,
        };
        Self {
            stored,
            doomed,
            method,
            user: terms.user,
            binding: terms.binding,
            disguise: disguise.clone(),
            state: State::Fresh,
        }
    }

    /// Asks the client.
    pub fn begin(&mut self, random: &mut Random<'_>) -> Next {
        let mut out = Vec::new();
        self.state = match self.method {
            Method::Trust => {
                self.state = State::Over;
                return accepted(out, Reusable::Nothing);
            }
            Method::Cleartext => {
                backend::authentication_cleartext(&mut out);
                State::Cleartext
            }
            Method::Md5 => {
                let mut salt = [0; 4];
                random(&mut salt);
                backend::authentication_md5(&mut out, salt);
                State::Md5 { salt }
            }
            Method::Scram => {
                let offered: &[&str] = if self.binding.is_some() {
                    &[PLUS, PLAIN]
                } else {
                    &[PLAIN]
                };
                backend::authentication_sasl(&mut out, offered);
                let server_nonce = nonce(random);
                State::ScramFirst { server_nonce }
            }
        };
        Next::Send(out)
    }

    /// Takes the client's next message. May hash the password (PBKDF2, or MD5).
    pub fn handle(&mut self, frame: Frame<'_>) -> Next {
        self.advance(frame).unwrap_or_else(Next::Failed)
    }

    fn advance(&mut self, frame: Frame<'_>) -> Result<Next, LoginError> {
        let state = std::mem::replace(&mut self.state, State::Over);
        if frame.kind != b'p' {
            return Err(LoginError::Unexpected(frame.kind));
        }
        let limit = match state {
            State::ScramFirst { .. } | State::ScramFinal(_) => MAX_SASL,
            _ => MAX_PASSWORD,
        };
        if frame.body.len() > limit {
            return Err(LoginError::TooLong(frame.body.len()));
        }
        match state {
            State::Cleartext => self.cleartext(frontend::read_password(frame.body)?),
            State::Md5 { salt } => self.md5(salt, frontend::read_password(frame.body)?),
            State::ScramFirst { server_nonce } => self.scram_first(&server_nonce, frame.body),
            State::ScramFinal(conversation) => self.scram_final(&conversation, frame.body),
            State::Fresh | State::Over => Err(LoginError::Unexpected(frame.kind)),
        }
    }

    fn cleartext(&self, password: &[u8]) -> Result<Next, LoginError> {
        let fits = match &self.stored {
            // Hashed first, so that neither content nor length shows in the time it takes.
            Stored::Password(stored) => sha256(stored.reveal().as_bytes()).ct_eq(&sha256(password)).into(),
            Stored::Md5(hash) => hash.is_of(password, &self.user),
            Stored::Scram(verifier) => verifier.is_of(password).is_some(),
        };
        // PostgreSQL refuses an empty password whatever is stored.
        self.decide(fits && !password.is_empty())?;
        let reusable = match std::str::from_utf8(password) {
            Ok(password) => Reusable::Password(Secret::new(password)),
            Err(_) => Reusable::Nothing,
        };
        Ok(accepted(Vec::new(), reusable))
    }

    fn md5(&self, salt: [u8; 4], answer: &[u8]) -> Result<Next, LoginError> {
        let (hash, reusable) = match &self.stored {
            Stored::Password(password) => (
                Md5Hash::of(password.reveal().as_bytes(), &self.user),
                Reusable::Password(password.clone()),
            ),
            Stored::Md5(hash) => (hash.clone(), Reusable::Md5(hash.clone())),
            // `new` asks such users by SCRAM.
            Stored::Scram(_) => return Err(self.rejected()),
        };
        self.decide(hash.accepts(salt, answer))?;
        Ok(accepted(Vec::new(), reusable))
    }

    fn scram_first(&mut self, server_nonce: &str, body: &[u8]) -> Result<Next, LoginError> {
        let initial = frontend::SaslInitial::read(body)?;
        let bound = match initial.mechanism {
            name if name == PLAIN.as_bytes() => false,
            name if name == PLUS.as_bytes() && self.binding.is_some() => true,
            _ => return Err(LoginError::Mechanism),
        };
        let data = initial.data.ok_or(LoginError::Scram("no client-first-message"))?;
        let first = ClientFirst::read(data).map_err(LoginError::Scram)?;
        self.check_flag(first.flag, bound)?;
        let channel = self.binding.as_deref().filter(|_| bound);
        let verifier = match &self.stored {
            Stored::Scram(verifier) => verifier.clone(),
            Stored::Password(password) => self.disguise.verifier_of(password, &self.user),
            Stored::Md5(_) => self.disguise.verifier(&self.user),
        };
        let nonce = format!("{}{server_nonce}", first.nonce);
        let server_first = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(verifier.salt()),
            verifier.iterations()
        );
        let mut out = Vec::new();
        backend::authentication_sasl_continue(&mut out, server_first.as_bytes());
        self.state = State::ScramFinal(Box::new(Conversation {
            verifier,
            client_first_bare: first.bare.to_owned(),
            server_first,
            nonce,
            binding: binding_value(first.gs2_header, channel.unwrap_or_default()),
        }));
        Ok(Next::Send(out))
    }

    /// RFC 5802, section 6: a client that could bind, and was made to believe that the server cannot, has been
    /// downgraded by somebody in between.
    fn check_flag(&self, flag: BindingFlag, bound: bool) -> Result<(), LoginError> {
        match flag {
            BindingFlag::Bound if !bound => Err(LoginError::Scram("channel binding with a mechanism that has none")),
            BindingFlag::Unsupported | BindingFlag::Unoffered if bound => {
                Err(LoginError::Scram("SCRAM-SHA-256-PLUS without channel binding data"))
            }
            BindingFlag::Unoffered if self.binding.is_some() => Err(LoginError::ChannelBinding(
                "the client thinks that the server does not support it, but it does",
            )),
            _ => Ok(()),
        }
    }

    fn scram_final(&self, talk: &Conversation, body: &[u8]) -> Result<Next, LoginError> {
        let last = ClientFinal::read(body).map_err(LoginError::Scram)?;
        if last.nonce != talk.nonce {
            return Err(LoginError::Scram("the nonce does not match"));
        }
        if last.binding != talk.binding {
            return Err(LoginError::ChannelBinding("the client is bound to another TLS channel"));
        }
        let conversation: [&[u8]; 5] = [
            talk.client_first_bare.as_bytes(),
            b",",
            talk.server_first.as_bytes(),
            b",",
            last.without_proof.as_bytes(),
        ];
        let keys = talk.verifier.check(last.proof, &conversation);
        self.decide(keys.is_some())?;
        let keys = keys.ok_or_else(|| self.rejected())?;
        let signature = STANDARD.encode(mac(&keys.server_key, &conversation));
        let mut out = Vec::new();
        backend::authentication_sasl_final(&mut out, format!("v={signature}").as_bytes());
        let reusable = match &self.stored {
            Stored::Password(password) => Reusable::Password(password.clone()),
            _ => Reusable::ScramKeys(keys),
        };
        Ok(accepted(out, reusable))
    }

    /// The one place where a login succeeds or fails by its secret.
    fn decide(&self, fits: bool) -> Result<(), LoginError> {
        if fits && !self.doomed {
            Ok(())
        } else {
            Err(self.rejected())
        }
    }

    fn rejected(&self) -> LoginError {
        LoginError::Rejected {
            user: self.user.clone(),
        }
    }
}

fn accepted(last_words: Vec<u8>, reusable: Reusable) -> Next {
    Next::Done(Accepted { last_words, reusable })
}
