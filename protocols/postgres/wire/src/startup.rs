use tidegate_base::{Classify, Kind, Origin};

use crate::body::{self, Body};
use crate::{BodyError, Options, Version};

/// The longest first packet PostgreSQL accepts (`MAX_STARTUP_PACKET_LENGTH`).
pub const MAX_STARTUP_LEN: usize = 10_000;

const SSL_CODE: u32 = 80_877_103;
const GSS_CODE: u32 = 80_877_104;
const CANCEL_CODE: u32 = 80_877_102;
/// The first byte of a TLS record of type handshake: PostgreSQL 17's direct TLS.
const TLS_HANDSHAKE: u8 = 0x16;
/// The values that `replication` is left with.
const PHYSICAL: &str = "true";
const DATABASE: &str = "database";

/// What a client says first, and again after its SSLRequest or GSSENCRequest was answered (55.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First<'a> {
    /// More bytes are needed.
    Incomplete,
    /// A TLS handshake begins without an SSLRequest.
    DirectTls,
    /// SSLRequest: answer `S` or `N`.
    Ssl,
    /// GSSENCRequest: answer `G` or `N`.
    Gss,
    /// CancelRequest: carried out or not, the connection closes without an answer.
    Cancel {
        /// The process id of BackendKeyData.
        process: i32,
        /// Its secret, 4 to 256 bytes.
        secret: &'a [u8],
    },
    /// StartupMessage.
    Startup(Startup),
}

impl<'a> First<'a> {
    /// Reads the packet at the start of `bytes`, and says how many bytes it takes (none for `Incomplete` and
    /// `DirectTls`). A bad length is found before the packet is complete.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, usize), StartupError> {
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            return Ok((Self::DirectTls, 0));
        }
        let Some((len, _)) = bytes.split_first_chunk::<4>() else {
            return Ok((Self::Incomplete, 0));
        };
        let len = u32::from_be_bytes(*len);
        let total = len as usize;
        if !(8..=MAX_STARTUP_LEN).contains(&total) {
            return Err(StartupError::Length(len));
        }
        let Some(packet) = bytes.get(4..total) else {
            return Ok((Self::Incomplete, 0));
        };
        let mut body = Body::new(packet);
        let first = match body.u32("version")? {
            SSL_CODE => body.end().map(|()| Self::Ssl)?,
            GSS_CODE => body.end().map(|()| Self::Gss)?,
            CANCEL_CODE => Self::cancel(body)?,
            code => Self::Startup(Startup::read(Version::from_code(code), body)?),
        };
        Ok((first, total))
    }

    fn cancel(mut body: Body<'a>) -> Result<Self, StartupError> {
        let process = body.i32("process id")?;
        let secret = body.rest();
        if (4..=256).contains(&secret.len()) {
            Ok(Self::Cancel { process, secret })
        } else {
            Err(StartupError::CancelSecret(secret.len()))
        }
    }
}

/// A client's StartupMessage. It always names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// The version asked for: major 3, any minor.
    pub version: Version,
    /// All parameters in the order sent, protocol options (`_pq_.…`) included.
    pub parameters: Vec<(String, String)>,
}

impl Startup {
    fn read(version: Version, mut body: Body<'_>) -> Result<Self, StartupError> {
        if version.major != 3 {
            return Err(StartupError::Version(version));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        loop {
            let name = body.text("terminator").map_err(|_| StartupError::Unterminated)?;
            if name.is_empty() {
                body.end()?;
                break;
            }
            let name = utf8(name)?;
            let value = body
                .text("value")
                .map_err(|_| StartupError::Unterminated)
                .and_then(utf8)?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(StartupError::Duplicate(name));
            }
            parameters.push((name, value));
        }
        let mut startup = Self { version, parameters };
        if startup.user().is_empty() {
            return Err(StartupError::NoUser);
        }
        startup.settle_replication()?;
        match startup.stray() {
            Some(name) => Err(StartupError::NoSetting(name)),
            None => Ok(startup),
        }
    }

    /// A setting, of those in `options` too, whose name is none.
    fn stray(&self) -> Option<String> {
        let options = self.options().settings;
        let mut names = self.settings().map(|(name, _)| name);
        let stray = names.find(|name| !is_setting(name)).map(str::to_owned);
        stray.or_else(|| options.into_iter().map(|(name, _)| name).find(|name| !is_setting(name)))
    }

    /// Leaves `replication` as `true` or `database`, or out: what is passed on means the same to everybody.
    fn settle_replication(&mut self) -> Result<(), StartupError> {
        const NAME: &str = "replication";
        let wanted = match self.get(NAME) {
            None => return Ok(()),
            Some(DATABASE) => Some(DATABASE),
            Some(value) => match parse_bool(value) {
                Some(wanted) => wanted.then_some(PHYSICAL),
                None => return Err(StartupError::Replication(value.to_owned())),
            },
        };
        self.parameters.retain(|(name, _)| name != NAME);
        let wanted = wanted.map(|value| (NAME.to_owned(), value.to_owned()));
        self.parameters.extend(wanted);
        Ok(())
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Who wants to log in.
    pub fn user(&self) -> &str {
        self.get("user").unwrap_or_default()
    }

    /// The database asked for: the user's name when none is given.
    pub fn database(&self) -> &str {
        self.get("database")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.user())
    }

    /// Whether this is a replication connection, which no pool may share.
    pub fn is_replication(&self) -> bool {
        self.get("replication").is_some()
    }

    /// Whether it is one for physical replication, which belongs to no database; `database` asks for a logical one.
    pub fn is_physical_replication(&self) -> bool {
        self.get("replication") == Some(PHYSICAL)
    }

    /// The settings in the `options` parameter.
    pub fn options(&self) -> Options {
        Options::parse(self.get("options").unwrap_or_default())
    }

    /// Names of the protocol options asked for; this crate knows none, so NegotiateProtocolVersion lists them all.
    pub fn protocol_options(&self) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with("_pq_."))
    }

    /// The start-up values of settings: everything but who, where, how, and protocol options.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| {
                !matches!(*name, "user" | "database" | "options" | "replication") && !name.starts_with("_pq_.")
            })
    }

    /// The version to go on with, and whether NegotiateProtocolVersion must be sent (55.2.1).
    pub fn negotiate(&self) -> (Version, bool) {
        let agreed = self.version.min(Version::NEWEST);
        let must_say = agreed != self.version || self.protocol_options().next().is_some();
        (agreed, must_say)
    }
}

/// Whether a name, in whatever case, can be a setting's: it is none of what else a start-up packet holds (55.7).
pub fn is_setting(name: &str) -> bool {
    let others = ["user", "database", "replication", "options"];
    let is_option = name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("_pq_."));
    !name.is_empty() && !is_option && !others.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// PostgreSQL's function of that name: a beginning of one of the words that is not that of another, in any case.
fn parse_bool(text: &str) -> Option<bool> {
    let begins = |word: &str, least: usize| {
        text.len() >= least
            && word
                .get(..text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(text))
    };
    if text == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        Some(true)
    } else if text == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Some(false)
    } else {
        None
    }
}

/// Appends a StartupMessage.
pub fn startup_packet<'a>(
    out: &mut Vec<u8>,
    version: Version,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    body::packet(out, |out| {
        out.extend_from_slice(&version.code().to_be_bytes());
        for (name, value) in parameters {
            body::text(out, name.as_bytes());
            body::text(out, value.as_bytes());
        }
        out.push(0);
    });
}

/// Appends an SSLRequest.
pub fn ssl_request(out: &mut Vec<u8>) {
    body::packet(out, |out| out.extend_from_slice(&SSL_CODE.to_be_bytes()));
}

/// Appends a GSSENCRequest.
pub fn gss_request(out: &mut Vec<u8>) {
    body::packet(out, |out| out.extend_from_slice(&GSS_CODE.to_be_bytes()));
}

/// Appends a CancelRequest.
pub fn cancel_request(out: &mut Vec<u8>, process: i32, secret: &[u8]) {
    body::packet(out, |out| {
        out.extend_from_slice(&CANCEL_CODE.to_be_bytes());
        out.extend_from_slice(&process.to_be_bytes());
        out.extend_from_slice(secret);
    });
}

/// A first packet that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// The length is impossible.
    #[error("invalid length of startup packet: {0}")]
    Length(u32),
    /// Not protocol 3.
    #[error("unsupported frontend protocol {0}: this gateway supports 3.0 to 3.2")]
    Version(Version),
    /// No zero byte where the packet must end.
    #[error("invalid startup packet layout: expected terminator as last byte")]
    Unterminated,
    /// A parameter is given twice; two readers could then disagree about who is logging in.
    #[error("startup parameter \"{0}\" is given twice")]
    Duplicate(String),
    /// A name or value is not UTF-8.
    #[error("a startup parameter is not UTF-8")]
    NotUtf8,
    /// `replication` is neither yes nor no, and not `database`.
    #[error("invalid value for parameter \"replication\": \"{0}\"")]
    Replication(String),
    /// A setting, in `options` too, whose name means something else in a start-up packet.
    #[error("unrecognized configuration parameter \"{0}\"")]
    NoSetting(String),
    /// No user is named.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// A cancel key of an impossible size.
    #[error("invalid length of cancel key: {0} bytes, expected 4 to 256")]
    CancelSecret(usize),
    /// Fields do not fit the packet.
    #[error("invalid startup packet: {0}")]
    Body(#[from] BodyError),
}

impl StartupError {
    /// The SQLSTATE that PostgreSQL answers with.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Self::Version(_) => crate::sqlstate::FEATURE_NOT_SUPPORTED,
            Self::NoUser => crate::sqlstate::INVALID_AUTHORIZATION,
            Self::Replication(_) => crate::sqlstate::INVALID_PARAMETER_VALUE,
            Self::NoSetting(_) => crate::sqlstate::UNDEFINED_OBJECT,
            _ => crate::sqlstate::PROTOCOL_VIOLATION,
        }
    }
}

impl Classify for StartupError {
    fn origin(&self) -> Origin {
        Origin::Downstream
    }

    fn kind(&self) -> Kind {
        Kind::Protocol
    }
}

fn utf8(bytes: &[u8]) -> Result<String, StartupError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| StartupError::NotUtf8)
}
