//! AUTH and HELLO as far as the gateway answers them; the texts are Redis's own (`acl.c`, `networking.c`).

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use tidegate_base::{Reason, Refusal};
use tidegate_cluster::Subject;
use tidegate_redis_wire::reply::Version;
use tidegate_redis_wire::request::{self, Command};

use crate::config::RedisLoginMethod;
use crate::plan::{ListenerRules, Rule};
use crate::users::Users;

pub(crate) const NO_AUTH: &str = "NOAUTH Authentication required.";
pub(crate) const HELLO_NO_AUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
     HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
     version at the same time";
pub(crate) const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";
pub(crate) const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
pub(crate) const NO_CERTIFICATE: &str = "NOAUTH this needs a client certificate that names a user of the gateway";
/// What a client listens to comes over a connection with the login that it had when it began to.
pub(crate) const LISTENS: &str = "ERR the connection listens to channels as another user; send RESET first";
const NO_DEFAULT_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are \
     you sure your configuration is correct?";
const NO_PROTO: &str = "NOPROTO unsupported protocol version";
const NO_NUMBER: &str = "ERR Protocol version is not an integer or out of range";

/// What a client tells with HELLO.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hello<'a> {
    pub(crate) version: Option<Version>,
    pub(crate) auth: Option<(&'a [u8], &'a [u8])>,
    pub(crate) name: Option<&'a [u8]>,
}

/// What of a client, beside its user, decides where it goes.
#[derive(Debug)]
pub(crate) struct Circumstances {
    pub(crate) client: Option<IpAddr>,
    pub(crate) sni: Option<String>,
    pub(crate) certificate: Vec<String>,
}

/// Reads HELLO; `Err` is the error to answer.
pub(crate) fn hello<'a>(command: &Command<'a>) -> Result<Hello<'a>, Cow<'static, str>> {
    let mut hello = Hello {
        version: None,
        auth: None,
        name: None,
    };
    let mut arguments = command.arguments_from(1);
    if let Some(version) = arguments.next() {
        let number = std::str::from_utf8(version)
            .ok()
            .and_then(|text| text.parse::<i64>().ok());
        let number = number.ok_or(NO_NUMBER)?;
        hello.version = Some(Version::by_number(number).ok_or(NO_PROTO)?);
    }
    while let Some(option) = arguments.next() {
        if option.eq_ignore_ascii_case(b"AUTH")
            && let (Some(user), Some(password)) = (arguments.next(), arguments.next())
        {
            hello.auth = Some((user, password));
        } else if option.eq_ignore_ascii_case(b"SETNAME")
            && let Some(name) = arguments.next()
        {
            if !is_name(name) {
                return Err(BAD_NAME.into());
            }
            hello.name = Some(name);
        } else {
            let option = String::from_utf8_lossy(option);
            return Err(format!("ERR Syntax error in HELLO option '{option}'").into());
        }
    }
    Ok(hello)
}

/// Reads AUTH: the user and the password; `Err` is the error to answer.
pub(crate) fn shown<'a>(users: &Users, command: &Command<'a>) -> Result<(&'a [u8], &'a [u8]), &'static str> {
    let knows = users.method() != RedisLoginMethod::Server;
    match (command.argument(1), command.argument(2), command.count()) {
        (Some(_), None, 2) if knows && !users.has_default() => Err(NO_DEFAULT_PASSWORD),
        (Some(password), None, 2) => Ok((b"default", password)),
        (Some(user), Some(password), 3) => Ok((user, password)),
        _ => Err("ERR syntax error"),
    }
}

/// Checks a user's password.
pub(crate) fn verify(users: &Users, user: &[u8], password: &[u8]) -> Result<String, &'static str> {
    // Where nobody has to log in the default user is there, and takes any password.
    let is_open = users.is_open() && !users.has_default() && user == b"default";
    if is_open || users.verify(user, password) {
        Ok(String::from_utf8_lossy(user).into_owned())
    } else {
        Err(WRONG_PASS)
    }
}

/// HELLO as the client said it, without what it proved by it: for the session, which knows what the server is like.
pub(crate) fn without_auth(hello: &Hello<'_>) -> Vec<u8> {
    let mut words: Vec<&[u8]> = vec![b"HELLO"];
    if let Some(version) = hello.version {
        words.push(match version {
            Version::Resp2 => b"2",
            Version::Resp3 => b"3",
        });
    }
    if let Some(name) = hello.name {
        words.extend([b"SETNAME", name]);
    }
    let mut out = Vec::new();
    request::command(&mut out, &words);
    out
}

/// Whether a client may be called so (`networking.c`, `validateClientName`).
pub(crate) fn is_name(name: &[u8]) -> bool {
    name.iter().all(|byte| matches!(byte, b'!'..=b'~'))
}

/// Where a client goes: the first rule for all commands that holds.
pub(crate) fn route(rules: &ListenerRules, user: &str, around: &Circumstances) -> Result<Arc<str>, Refusal> {
    let mut holding = holding(rules, user, "", around);
    let rule = holding.find(|(_, rule)| rule.keys.is_empty());
    rule.map(|(_, rule)| Arc::clone(&rule.cluster))
        .ok_or_else(|| Refusal::new(Reason::Denied, format!("no route for user '{user}'")).with_code("NOPERM"))
}

/// All rules that hold for a client up to the first that is for all commands, that one last, with their places.
pub(crate) fn routes<'r>(
    rules: &'r ListenerRules,
    user: &'r str,
    name: &'r str,
    around: &'r Circumstances,
) -> Result<Vec<(usize, &'r Rule)>, Refusal> {
    let mut found = Vec::new();
    for (at, rule) in holding(rules, user, name, around) {
        found.push((at, rule));
        if rule.keys.is_empty() {
            return Ok(found);
        }
    }
    Err(Refusal::new(Reason::Denied, format!("no route for user '{user}'")).with_code("NOPERM"))
}

fn holding<'r>(
    rules: &'r ListenerRules,
    user: &'r str,
    name: &'r str,
    around: &'r Circumstances,
) -> impl Iterator<Item = (usize, &'r Rule)> {
    let subject = Subject {
        user,
        application_name: name,
        client: around.client,
        sni: around.sni.as_deref(),
        certificate: &around.certificate,
        ..Subject::default()
    };
    rules
        .routes
        .iter()
        .enumerate()
        .filter(move |(_, rule)| rule.conditions.hold(&subject))
}

/// A refusal as an error reply's text, its code first.
pub(crate) fn words(refusal: &Refusal) -> String {
    format!("{} {}", refusal.code.as_deref().unwrap_or("ERR"), refusal.text)
}
