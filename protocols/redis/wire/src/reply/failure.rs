use std::fmt;

use crate::slot::Slot;

/// An error reply, `-` and `!` cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    text: &'a [u8],
}

/// What servers say of a command that they have not begun.
const BEFOREHAND: [&[u8]; 8] = [
    b"CLUSTERDOWN Hash slot not served",
    b"CLUSTERDOWN The cluster is down",
    b"CLUSTERDOWN The cluster is down and only accepts read commands",
    b"LOADING Redis is loading the dataset in memory",
    b"LOADING Valkey is loading the dataset in memory",
    b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    b"READONLY You can't write against a read only replica.",
    b"TRYAGAIN Multiple keys request during rehashing of slot",
];

/// What sort of error a server reports, as far as a gateway treats it by its own rules (the first word of the text).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The slot lives elsewhere.
    Moved,
    /// The key may live elsewhere, for this once.
    Ask,
    /// Keys of a slot on the move are partly elsewhere: again in a moment.
    TryAgain,
    /// The cluster, or the slot, is not served.
    ClusterDown,
    /// Keys of several slots.
    CrossSlot,
    /// The server loads its data.
    Loading,
    /// The link of a replica to its primary is down.
    MasterDown,
    /// A write came to a replica.
    ReadOnly,
    /// Too few replicas for a write.
    NoReplicas,
    /// A script runs for too long.
    Busy,
    /// No such script is known here.
    NoScript,
    /// Not logged in.
    NoAuth,
    /// A wrong password.
    WrongPass,
    /// Not allowed.
    NoPerm,
    /// HELLO for a version that is not spoken.
    NoProto,
    /// EXEC of a transaction with an error in it.
    ExecAbort,
    /// Memory is full.
    OutOfMemory,
    /// The server cannot save.
    Misconfigured,
    /// A blocked client was let go.
    Unblocked,
    /// The key holds another type.
    WrongType,
    /// Any other.
    Other,
}

/// Where a key is, by `MOVED` or `ASK` (cluster specification, "Redirection and resharding").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirect<'a> {
    /// Whether for this command only, behind `ASKING`.
    pub ask: bool,
    /// The slot.
    pub slot: Slot,
    /// The node's host; `None` when the server does not know or say it, which means the host that was asked.
    pub host: Option<&'a str>,
    /// The node's port.
    pub port: u16,
}

impl Code {
    /// Its first word, `ERR` for any other.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Moved => "MOVED",
            Self::Ask => "ASK",
            Self::TryAgain => "TRYAGAIN",
            Self::ClusterDown => "CLUSTERDOWN",
            Self::CrossSlot => "CROSSSLOT",
            Self::Loading => "LOADING",
            Self::MasterDown => "MASTERDOWN",
            Self::ReadOnly => "READONLY",
            Self::NoReplicas => "NOREPLICAS",
            Self::Busy => "BUSY",
            Self::NoScript => "NOSCRIPT",
            Self::NoAuth => "NOAUTH",
            Self::WrongPass => "WRONGPASS",
            Self::NoPerm => "NOPERM",
            Self::NoProto => "NOPROTO",
            Self::ExecAbort => "EXECABORT",
            Self::OutOfMemory => "OOM",
            Self::Misconfigured => "MISCONF",
            Self::Unblocked => "UNBLOCKED",
            Self::WrongType => "WRONGTYPE",
            Self::Other => "ERR",
        }
    }
}

impl<'a> Failure<'a> {
    /// An error by its text.
    pub const fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// The whole text.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The first word.
    pub fn word(&self) -> &'a [u8] {
        let end = self.text.iter().position(|byte| *byte == b' ');
        end.and_then(|end| self.text.get(..end)).unwrap_or(self.text)
    }

    /// What sort of error it is.
    pub fn code(&self) -> Code {
        match self.word() {
            b"MOVED" => Code::Moved,
            b"ASK" => Code::Ask,
            b"TRYAGAIN" => Code::TryAgain,
            b"CLUSTERDOWN" => Code::ClusterDown,
            b"CROSSSLOT" => Code::CrossSlot,
            b"LOADING" => Code::Loading,
            b"MASTERDOWN" => Code::MasterDown,
            b"READONLY" => Code::ReadOnly,
            b"NOREPLICAS" => Code::NoReplicas,
            b"BUSY" => Code::Busy,
            b"NOSCRIPT" => Code::NoScript,
            b"NOAUTH" => Code::NoAuth,
            b"WRONGPASS" => Code::WrongPass,
            b"NOPERM" => Code::NoPerm,
            b"NOPROTO" => Code::NoProto,
            b"EXECABORT" => Code::ExecAbort,
            b"OOM" => Code::OutOfMemory,
            b"MISCONF" => Code::Misconfigured,
            b"UNBLOCKED" => Code::Unblocked,
            b"WRONGTYPE" => Code::WrongType,
            _ => Code::Other,
        }
    }

    /// Whether these are the words in which a server itself turns a command away before it has begun it (`server.c`,
    /// `processCommand`), and not those of a script or a module.
    pub fn is_beforehand(&self) -> bool {
        BEFOREHAND.contains(&self.text)
    }

    /// Where it redirects to; `None` when it does not, or not to anywhere one can go.
    pub fn redirect(&self) -> Option<Redirect<'a>> {
        let text = std::str::from_utf8(self.text).ok()?;
        let mut words = text.split(' ');
        let ask = match words.next()? {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let slot = Slot::new(words.next()?.parse().ok()?)?;
        // An IPv6 address has colons of its own, without brackets.
        let (host, port) = words.next()?.rsplit_once(':')?;
        Some(Redirect {
            ask,
            slot,
            // Empty or `?` where `cluster-preferred-endpoint-type` has nothing to say.
            host: Some(host).filter(|host| !matches!(*host, "" | "?")),
            port: port.parse().ok().filter(|port| *port > 0)?,
        })
    }
}

/// Shows the first word only: the rest may quote what the client sent.
impl fmt::Debug for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = String::from_utf8_lossy(self.word());
        f.debug_struct("Failure").field("word", &word).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(bool, u16, Option<&str>, u16)>) {
        let redirect = Failure::new(text.as_bytes()).redirect();
        let redirect = redirect.map(|r| (r.ask, r.slot.number(), r.host, r.port));
        assert_eq!(redirect, expected, "{text}");
    }

    #[test]
    fn redirects_are_read() {
        check(
            "MOVED 3999 127.0.0.1:6381",
            Some((false, 3999, Some("127.0.0.1"), 6381)),
        );
        check(
            "ASK 0 redis-1.example:7000",
            Some((true, 0, Some("redis-1.example"), 7000)),
        );
        check(
            "MOVED 16383 2001:db8::1:6379",
            Some((false, 16383, Some("2001:db8::1"), 6379)),
        );
        check("MOVED 1 :6381", Some((false, 1, None, 6381)));
        check("MOVED 1 ?:6381", Some((false, 1, None, 6381)));
        for wrong in [
            "MOVED",
            "MOVED 1",
            "MOVED 16384 a:1",
            "MOVED -1 a:1",
            "MOVED 1 a",
            "MOVED 1 a:0",
            "MOVED 1 a:65536",
            "moved 1 a:1",
            "ERR MOVED 1 a:1",
            "",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn codes_are_first_words() {
        let code = |text: &'static str| Failure::new(text.as_bytes()).code();
        assert_eq!(code("MOVED 1 a:1"), Code::Moved);
        assert_eq!(
            code("TRYAGAIN Multiple keys request during rehashing of slot"),
            Code::TryAgain
        );
        assert_eq!(code("OOM"), Code::OutOfMemory);
        assert_eq!(code("MOVEDX"), Code::Other);
        assert_eq!(code("ERR MOVED"), Code::Other);
        assert_eq!(Failure::new(b"ERR a b").word(), b"ERR");
    }
}
