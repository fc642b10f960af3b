use tidegate_redis_wire::ReplyError;
use tidegate_redis_wire::reply::{Failure, Value};
use tidegate_redis_wire::table::Channels;

/// What a server says on a connection that is subscribed.
#[derive(Debug, PartialEq)]
pub(super) enum Push<'f> {
    /// Somebody published.
    Message {
        kind: Channels,
        /// Of what was subscribed: for a pattern, the pattern.
        name: &'f [u8],
        /// Where it was published.
        channel: &'f [u8],
    },
    /// A subscription began or ended; without a name there was none to end.
    Changed {
        kind: Channels,
        on: bool,
        name: Option<&'f [u8]>,
    },
    /// The answer to PING.
    Pong,
    /// A command has failed.
    Failed(Failure<'f>),
    /// Something that nobody asked for.
    Other,
}

/// The command that begins or ends subscriptions of a kind, which is also how it is confirmed (`pubsub.c`).
pub(super) const fn verb(kind: Channels, on: bool) -> &'static str {
    match (kind, on) {
        (Channels::Named, true) => "subscribe",
        (Channels::Named, false) => "unsubscribe",
        (Channels::Pattern, true) => "psubscribe",
        (Channels::Pattern, false) => "punsubscribe",
        (Channels::Shard, true) => "ssubscribe",
        (Channels::Shard, false) => "sunsubscribe",
    }
}

impl<'f> Push<'f> {
    /// Reads a whole reply, of RESP3 or RESP2: they differ in the first byte alone.
    pub(super) fn read(frame: &'f [u8]) -> Result<Self, ReplyError> {
        let (value, _) = Value::read(frame)?;
        match value {
            Value::Error(failure) => return Ok(Self::Failed(failure)),
            Value::Simple(b"PONG") => return Ok(Self::Pong),
            _ => {}
        }
        let Some(mut items) = value.items() else {
            return Ok(Self::Other);
        };
        let mut next = || items.next().transpose();
        let Some(word) = next()? else { return Ok(Self::Other) };
        let word = word.text().unwrap_or_default();
        let name = next()?;
        let name = name.as_ref().and_then(Value::text);
        let changed = |kind, on| Self::Changed { kind, on, name };
        let message = |kind, name| Self::Message {
            kind,
            name,
            channel: name,
        };
        Ok(match (word, name) {
            (b"message", Some(name)) => message(Channels::Named, name),
            (b"smessage", Some(name)) => message(Channels::Shard, name),
            (b"pmessage", Some(name)) => Self::Message {
                kind: Channels::Pattern,
                name,
                channel: next()?.as_ref().and_then(Value::text).unwrap_or_default(),
            },
            (b"subscribe", _) => changed(Channels::Named, true),
            (b"unsubscribe", _) => changed(Channels::Named, false),
            (b"psubscribe", _) => changed(Channels::Pattern, true),
            (b"punsubscribe", _) => changed(Channels::Pattern, false),
            (b"ssubscribe", _) => changed(Channels::Shard, true),
            (b"sunsubscribe", _) => changed(Channels::Shard, false),
            (b"pong", _) => Self::Pong,
            _ => Self::Other,
        })
    }

    /// Whose message it is that has not come as a whole, and is too long to wait for.
    pub(super) fn peek(start: &'f [u8]) -> Option<(Channels, &'f [u8], &'f [u8])> {
        let behind = |bytes: &'f [u8]| bytes.get(bytes.iter().position(|byte| *byte == b'\n')? + 1..);
        let text = |bytes: &'f [u8]| {
            let (value, used) = Value::read(bytes).ok()?;
            let Value::Bulk(text) = value else { return None };
            Some((text, bytes.get(used..)?))
        };
        let (word, rest) = text(behind(start)?)?;
        let (name, rest) = text(rest)?;
        match word {
            b"message" => Some((Channels::Named, name, name)),
            b"smessage" => Some((Channels::Shard, name, name)),
            b"pmessage" => Some((Channels::Pattern, name, text(rest)?.0)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frame: &str, expected: &Push<'_>) {
        for first in [">", "*"] {
            let frame = frame.replacen('>', first, 1);
            assert_eq!(Push::read(frame.as_bytes()).as_ref(), Ok(expected), "{frame:?}");
        }
    }

    #[test]
    fn pushes_are_read() {
        check(
            ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
            &Push::Message {
                kind: Channels::Named,
                name: b"c",
                channel: b"c",
            },
        );
        check(
            ">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nc\r\n$0\r\n\r\n",
            &Push::Message {
                kind: Channels::Pattern,
                name: b"*",
                channel: b"c",
            },
        );
        check(
            ">3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:0\r\n",
            &Push::Changed {
                kind: Channels::Shard,
                on: false,
                name: Some(b"s"),
            },
        );
        check(
            ">3\r\n$12\r\npunsubscribe\r\n$-1\r\n:2\r\n",
            &Push::Changed {
                kind: Channels::Pattern,
                on: false,
                name: None,
            },
        );
        check(">2\r\n$4\r\npong\r\n$0\r\n\r\n", &Push::Pong);
        check(">2\r\n$10\r\ninvalidate\r\n*0\r\n", &Push::Other);
        check("+PONG\r\n", &Push::Pong);
        check("-NOPERM no\r\n", &Push::Failed(Failure::new(b"NOPERM no")));
        assert!(Push::read(b">3\r\n$7\r\nmessage\r\n").is_err());
    }

    #[test]
    fn a_long_message_is_known_by_its_start() {
        let start = b">4\r\n$8\r\npmessage\r\n$2\r\n*a\r\n$2\r\nba\r\n$99999\r\nxxxxx";
        assert_eq!(Push::peek(start), Some((Channels::Pattern, &b"*a"[..], &b"ba"[..])));
        assert_eq!(Push::peek(b">3\r\n$7\r\nmessage\r\n$99\r\nab"), None);
        assert_eq!(Push::peek(b"$99\r\nab"), None);
    }
}
