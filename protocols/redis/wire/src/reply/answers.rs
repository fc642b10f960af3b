//! Replies that the gateway makes itself.

use super::Writer;
use crate::slot::Slot;

/// What HELLO is answered with (`networking.c`, `helloCommand`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// `redis`, or `valkey`.
    pub server: &'a str,
    /// The server's version.
    pub version: &'a str,
    /// The client's id.
    pub id: i64,
    /// `standalone`, `sentinel` or `cluster`.
    pub mode: &'a str,
    /// `master` or `replica`.
    pub role: &'a str,
}

/// Answers HELLO in the version that it has set.
pub fn hello(writer: &mut Writer<'_>, hello: &Hello<'_>) {
    let proto = i64::from(writer.version().number());
    writer.map(7);
    for (name, text) in [("server", hello.server), ("version", hello.version)] {
        writer.bulk(name);
        writer.bulk(text);
    }
    for (name, number) in [("proto", proto), ("id", hello.id)] {
        writer.bulk(name);
        writer.integer(number);
    }
    for (name, text) in [("mode", hello.mode), ("role", hello.role)] {
        writer.bulk(name);
        writer.bulk(text);
    }
    writer.bulk("modules");
    writer.array(0);
}

/// A node as CLUSTER SLOTS tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its address, or its name where clients are to use that; empty for "the host you asked".
    pub endpoint: String,
    /// Its port.
    pub port: u16,
    /// Its id of forty digits.
    pub id: String,
    /// Its address beside the preferred name, and the like: keys with values.
    pub metadata: Vec<(String, String)>,
}

/// Consecutive slots and who serves them, the primary first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRange {
    /// The first slot.
    pub first: Slot,
    /// The last slot.
    pub last: Slot,
    /// The primary, then its replicas.
    pub nodes: Vec<Node>,
}

/// Confirms that a subscription began or ended: its kind (`subscribe`, `punsubscribe`, …), its channel, and how many
/// the client has now.
pub fn subscription(writer: &mut Writer<'_>, kind: &str, channel: Option<&[u8]>, count: usize) {
    writer.push(3);
    writer.bulk(kind);
    match channel {
        Some(channel) => writer.bulk(channel),
        None => writer.null(),
    }
    writer.integer(i64::try_from(count).unwrap_or(i64::MAX));
}
