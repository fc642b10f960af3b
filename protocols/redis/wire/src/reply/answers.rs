//! Replies that the gateway makes itself.

use super::{Redirect, Writer};
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

/// Answers CLUSTER SLOTS (`cluster.c`, `addNodeReplyForClusterSlot`).
pub fn cluster_slots(writer: &mut Writer<'_>, ranges: &[SlotRange]) {
    writer.array(ranges.len());
    for range in ranges {
        writer.array(2 + range.nodes.len());
        writer.integer(range.first.number().into());
        writer.integer(range.last.number().into());
        for node in &range.nodes {
            cluster_node(writer, node);
        }
    }
}

fn cluster_node(writer: &mut Writer<'_>, node: &Node) {
    writer.array(4);
    if node.endpoint.is_empty() {
        writer.null();
    } else {
        writer.bulk(&node.endpoint);
    }
    writer.integer(node.port.into());
    writer.bulk(&node.id);
    // Redis says `*0` of no metadata in both versions, since it does not know the number beforehand.
    if node.metadata.is_empty() {
        writer.array(0);
    } else {
        writer.map(node.metadata.len());
    }
    for (name, value) in &node.metadata {
        writer.bulk(name);
        writer.bulk(value);
    }
}

/// Answers SCAN and its kin: the next cursor, and what was found.
pub fn scan<'k>(writer: &mut Writer<'_>, cursor: u64, found: impl ExactSizeIterator<Item = &'k [u8]>) {
    writer.array(2);
    writer.bulk(cursor.to_string());
    writer.array(found.len());
    for key in found {
        writer.bulk(key);
    }
}

/// `MOVED` or `ASK`.
pub fn redirect(writer: &mut Writer<'_>, redirect: &Redirect<'_>) {
    let word = if redirect.ask { "ASK" } else { "MOVED" };
    let (slot, host, port) = (redirect.slot.number(), redirect.host.unwrap_or(""), redirect.port);
    writer.error(&format!("{word} {slot} {host}:{port}"));
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
