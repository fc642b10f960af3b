use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use tidegate_base::Secret;

use super::keys::{HashJob, Key, SaltedKeys, ScramKeys, mac};
use super::messages::{ServerFirst, binding_value, nonce, server_signature};
use super::{ChannelBinding, Md5Hash, PLAIN, PLUS, Random, ServerLoginError};
use crate::backend::{Authentication, BackendKey, ErrorFields, Negotiation, ParameterStatus, Status};
use crate::{Frame, Version, backend, frontend, startup_packet};

/// What the gateway can answer a server with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: the server must trust.
    None,
    /// The password, good for every method.
    Password(Secret),
    /// Its MD5 hash, good for MD5.
    Md5(Md5Hash),
    /// SCRAM keys, good for a server whose verifier equals the one that they came from.
    ScramKeys(ScramKeys),
}

/// How the gateway logs in to a server.
#[derive(Debug, Clone)]
pub struct UpstreamTerms {
    /// The user to be.
    pub user: String,
    /// What to answer with.
    pub credential: Credential,
    /// The version to ask for.
    pub version: Version,
    /// Whether the stream is encrypted.
    pub encrypted: bool,
    /// Whether a password may be sent in the clear over a stream that is not encrypted.
    pub cleartext_allowed: bool,
    /// The hash of the server's certificate (RFC 5929, `tls-server-end-point`) on an encrypted stream.
    pub binding: Option<Vec<u8>>,
    /// Whether to use it.
    pub channel_binding: ChannelBinding,
    /// Keys from an earlier login with the same password: with the same salt and iterations, no hashing is needed.
    /// A caller forgets them when the password changes.
    pub salted: Option<SaltedKeys>,
}

/// The gateway as a client of a server. Send [`Upstream::begin`]'s packet, then feed it the server's messages until it
/// is done.
#[derive(Debug)]
pub struct Upstream {
    terms: UpstreamTerms,
    state: State,
    ready: Ready,
}

/// What a login to a server wants next.
#[derive(Debug)]
pub enum Step {
    /// The server's next message.
    More,
    /// Send these messages, then give it the server's next one.
    Send(Vec<u8>),
    /// Run the job where it harms nobody and hand the result to [`Upstream::hashed`].
    Hash(HashJob),
    /// The server awaits a request.
    Done(Box<Ready>),
    /// Close the connection.
    Failed(ServerLoginError),
}

/// A server connection that was logged in.
#[derive(Clone, PartialEq, Eq)]
pub struct Ready {
    /// What the server reported, in order. Text that is not UTF-8 is replaced, as no setting that matters is.
    pub parameters: Vec<(String, String)>,
    /// BackendKeyData's process id; 0 when the server sent none.
    pub process: i32,
    /// Its secret; empty when the server sent none.
    pub secret: Vec<u8>,
    /// The version that both speak.
    pub version: Version,
    /// The transaction status of the first ReadyForQuery.
    pub status: Status,
    /// Keys to give to the next login as [`UpstreamTerms::salted`].
    pub salted: Option<SaltedKeys>,
}

/// Without the cancel secret: whoever reads it in a log could cancel this server's queries.
impl fmt::Debug for Ready {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ready")
            .field("parameters", &self.parameters)
            .field("process", &self.process)
            .field("version", &self.version)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum State {
    /// Before the server's first demand.
    Asked,
    /// A password or its hash was sent.
    Answered,
    ScramFirst(ScramFirst),
    /// Waiting for the hash.
    ScramHash(ScramFirst, ServerWords),
    ScramFinal {
        signature: Key,
    },
    /// The server proved itself, and must say so in general.
    ScramProven,
    /// Logged in; the server tells about itself.
    Welcome,
    Over,
}

#[derive(Debug)]
struct ScramFirst {
    bare: String,
    gs2_header: &'static str,
    bound: bool,
    nonce: String,
}

#[derive(Debug)]
struct ServerWords {
    text: String,
    nonce: String,
}

/// No message of a login is longer than this.
const MAX_BODY: usize = 65_536;
/// No server reports more settings than this.
const MAX_PARAMETERS: usize = 1_000;
/// The most hashing that a server may ask for.
const MAX_ITERATIONS: u32 = 1_000_000;

impl Upstream {
    /// The longest length field that a server's message may have during login.
    pub const LIMITS: crate::Limits = crate::Limits { frame: 65_536 + 4 };

    /// A login that has not begun.
    pub fn new(terms: UpstreamTerms) -> Self {
        let ready = Ready {
            parameters: Vec::new(),
            process: 0,
            secret: Vec::new(),
            version: terms.version,
            status: Status::Idle,
            salted: None,
        };
        Self {
            terms,
            state: State::Asked,
            ready,
        }
    }

    /// Appends the start-up packet: user, database and the other parameters in order.
    pub fn begin<'a>(
        &'a self,
        out: &mut Vec<u8>,
        database: &'a str,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let who = [("user", self.terms.user.as_str()), ("database", database)];
        startup_packet(out, self.terms.version, who.into_iter().chain(parameters));
    }

    /// Takes the server's next message.
    pub fn handle(&mut self, frame: Frame<'_>, random: &mut Random<'_>) -> Step {
        self.advance(frame, random).unwrap_or_else(|wrong| {
            self.state = State::Over;
            Step::Failed(wrong)
        })
    }

    /// Takes a hash job's result.
    pub fn hashed(&mut self, salted: SaltedKeys) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::ScramHash(first, server) => {
                let step = self.scram_answer(&first, &server, &salted.keys);
                self.ready.salted = Some(salted);
                step
            }
            _ => Step::Failed(ServerLoginError::Scram("no hash was asked for")),
        }
    }

    fn advance(&mut self, frame: Frame<'_>, random: &mut Random<'_>) -> Result<Step, ServerLoginError> {
        if frame.body.len() > MAX_BODY {
            return Err(ServerLoginError::TooMuch);
        }
        match (frame.kind, &self.state) {
            (b'E', _) => Err(refused(ErrorFields::read(frame.body)?)),
            (b'N', _) => Ok(Step::More),
            (b'R', _) => self.authentication(Authentication::read(frame.body)?, random),
            (b'v', State::Asked | State::Welcome) => self.negotiated(frame.body),
            (_, State::Welcome) => self.welcome(frame),
            (other, _) => Err(ServerLoginError::Unexpected(other)),
        }
    }

    fn authentication(&mut self, asked: Authentication<'_>, random: &mut Random<'_>) -> Result<Step, ServerLoginError> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let must_bind = self.terms.channel_binding == ChannelBinding::Require;
        match (state, asked) {
            (
                State::Asked | State::Answered,
                Authentication::Ok | Authentication::Cleartext | Authentication::Md5(_),
            ) if must_bind => Err(ServerLoginError::ChannelBinding),
            // In the middle of SCRAM, "logged in" comes from somebody who could not prove anything.
            (State::Asked | State::Answered | State::ScramProven, Authentication::Ok) => {
                self.state = State::Welcome;
                Ok(Step::More)
            }
            (State::Asked, Authentication::Cleartext) => self.cleartext(),
            (State::Asked, Authentication::Md5(salt)) => self.md5(salt),
            (State::Asked, Authentication::Sasl(offered)) => self.scram(offered, random),
            (State::ScramFirst(first), Authentication::SaslContinue(data)) => self.scram_continue(first, data),
            (State::ScramFinal { signature }, Authentication::SaslFinal(data)) => {
                let given = server_signature(data).map_err(ServerLoginError::Scram)?;
                if !bool::from(given.ct_eq(&signature)) {
                    return Err(ServerLoginError::Signature);
                }
                self.state = State::ScramProven;
                Ok(Step::More)
            }
            (_, Authentication::Other(method)) => Err(ServerLoginError::Method(method)),
            _ => Err(ServerLoginError::Unexpected(b'R')),
        }
    }

    fn cleartext(&mut self) -> Result<Step, ServerLoginError> {
        if !self.terms.encrypted && !self.terms.cleartext_allowed {
            return Err(ServerLoginError::Cleartext);
        }
        match &self.terms.credential {
            Credential::Password(password) => {
                let mut out = Vec::new();
                frontend::password(&mut out, password.reveal().as_bytes());
                self.state = State::Answered;
                Ok(Step::Send(out))
            }
            Credential::None => Err(ServerLoginError::NoPassword),
            _ => Err(ServerLoginError::Unsuited("the password in the clear")),
        }
    }

    fn md5(&mut self, salt: [u8; 4]) -> Result<Step, ServerLoginError> {
        let hash = match &self.terms.credential {
            Credential::Password(password) => Md5Hash::of(password.reveal().as_bytes(), &self.terms.user),
            Credential::Md5(hash) => hash.clone(),
            Credential::None => return Err(ServerLoginError::NoPassword),
            Credential::ScramKeys(_) => return Err(ServerLoginError::Unsuited("an MD5 hash")),
        };
        let mut out = Vec::new();
        frontend::password(&mut out, hash.answer(salt).as_bytes());
        self.state = State::Answered;
        Ok(Step::Send(out))
    }

    fn scram(&mut self, offered: &[u8], random: &mut Random<'_>) -> Result<Step, ServerLoginError> {
        match self.terms.credential {
            Credential::None => return Err(ServerLoginError::NoPassword),
            Credential::Md5(_) => return Err(ServerLoginError::Unsuited("SCRAM")),
            Credential::Password(_) | Credential::ScramKeys(_) => (),
        }
        let (mechanism, gs2_header) = self.mechanism(offered)?;
        let nonce = nonce(random);
        let bare = format!("n=,r={nonce}");
        let mut out = Vec::new();
        frontend::sasl_initial(&mut out, mechanism, format!("{gs2_header}{bare}").as_bytes());
        self.state = State::ScramFirst(ScramFirst {
            bare,
            gs2_header,
            bound: mechanism == PLUS,
            nonce,
        });
        Ok(Step::Send(out))
    }

    /// The strongest mechanism that both sides can, and what to say about channel binding.
    fn mechanism(&self, offered: &[u8]) -> Result<(&'static str, &'static str), ServerLoginError> {
        let offers = |name: &str| offered.split(|byte| *byte == 0).any(|one| one == name.as_bytes());
        let wanted = self.terms.channel_binding;
        let able = self.terms.binding.is_some() && wanted != ChannelBinding::Disable;
        if able && offers(PLUS) {
            return Ok((PLUS, "p=tls-server-end-point,,"));
        }
        if wanted == ChannelBinding::Require {
            return Err(ServerLoginError::ChannelBinding);
        }
        if !offers(PLAIN) {
            return Err(ServerLoginError::Mechanism);
        }
        // `y` lets a server that did offer PLUS notice that somebody removed it.
        Ok((PLAIN, if able { "y,," } else { "n,," }))
    }

    fn scram_continue(&mut self, first: ScramFirst, data: &[u8]) -> Result<Step, ServerLoginError> {
        let text = std::str::from_utf8(data).map_err(|_| ServerLoginError::Scram("not UTF-8"))?;
        let server = ServerFirst::read(text, &first.nonce).map_err(ServerLoginError::Scram)?;
        if server.iterations.get() > MAX_ITERATIONS {
            return Err(ServerLoginError::Iterations(server.iterations.get().into()));
        }
        let words = ServerWords {
            text: text.to_owned(),
            nonce: server.nonce.to_owned(),
        };
        let known = self
            .terms
            .salted
            .take()
            .filter(|known| known.salt == server.salt && known.iterations == server.iterations);
        match &self.terms.credential {
            Credential::ScramKeys(keys) => {
                let keys = keys.clone();
                Ok(self.scram_answer(&first, &words, &keys))
            }
            Credential::Password(password) => {
                let password = password.clone();
                self.state = State::ScramHash(first, words);
                Ok(match known {
                    Some(known) => self.hashed(known),
                    None => Step::Hash(HashJob {
                        password,
                        salt: server.salt,
                        iterations: server.iterations,
                    }),
                })
            }
            Credential::None | Credential::Md5(_) => Err(ServerLoginError::NoPassword),
        }
    }

    fn scram_answer(&mut self, first: &ScramFirst, server: &ServerWords, keys: &ScramKeys) -> Step {
        let data = self.terms.binding.as_deref().filter(|_| first.bound);
        let binding = binding_value(first.gs2_header, data.unwrap_or_default());
        let without_proof = format!("c={binding},r={}", server.nonce);
        let conversation: [&[u8]; 5] = [
            first.bare.as_bytes(),
            b",",
            server.text.as_bytes(),
            b",",
            without_proof.as_bytes(),
        ];
        let proof = STANDARD.encode(keys.proof(&conversation));
        self.state = State::ScramFinal {
            signature: mac(&keys.server_key, &conversation),
        };
        let mut out = Vec::new();
        frontend::sasl_response(&mut out, format!("{without_proof},p={proof}").as_bytes());
        Step::Send(out)
    }

    fn negotiated(&mut self, body: &[u8]) -> Result<Step, ServerLoginError> {
        let version = Negotiation::read(body)?.version;
        if version.major != self.terms.version.major {
            return Err(ServerLoginError::Version(version));
        }
        // A server names the newest it speaks, which may be newer than what was asked for.
        self.ready.version = version.min(self.terms.version);
        Ok(Step::More)
    }

    fn welcome(&mut self, frame: Frame<'_>) -> Result<Step, ServerLoginError> {
        match frame.kind {
            b'S' => {
                if self.ready.parameters.len() == MAX_PARAMETERS {
                    return Err(ServerLoginError::TooMuch);
                }
                let status = ParameterStatus::read(frame.body)?;
                self.ready.parameters.push((lossy(status.name), lossy(status.value)));
                Ok(Step::More)
            }
            b'K' => {
                let key = BackendKey::read(frame.body)?;
                self.ready.process = key.process;
                key.secret.clone_into(&mut self.ready.secret);
                Ok(Step::More)
            }
            b'Z' => {
                self.ready.status = backend::read_ready(frame.body)?;
                self.state = State::Over;
                Ok(Step::Done(Box::new(self.ready.clone())))
            }
            other => Err(ServerLoginError::Unexpected(other)),
        }
    }
}

fn refused(fields: ErrorFields<'_>) -> ServerLoginError {
    ServerLoginError::Refused {
        code: lossy(fields.code()),
        message: fields.message().into_owned(),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
