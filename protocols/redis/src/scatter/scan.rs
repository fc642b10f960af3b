use tidegate_redis_wire::reply::{Version, Writer};
use tidegate_redis_wire::request::{self, Command};

use super::Way;
use super::raw::Raw;

/// The lower bits of a client's cursor say the server; the others are that server's own cursor.
const SERVER_BITS: u32 = 12;
const SERVER: u64 = (1 << SERVER_BITS) - 1;
/// Java's clients read cursors as signed.
const CURSOR_BITS: u32 = 63;
/// What is left of them for the server's own. It has as many as the mask of the largest table, and in a cluster of
/// Valkey fourteen more for the slot (`kvstore.c`): 2^37 keys in one slot.
const OWN_BITS: u32 = CURSOR_BITS - SERVER_BITS;

const INVALID: &str = "ERR invalid cursor";
const TOO_LARGE: &str = "ERR the server's cursor is too large to be one of a scan over several servers";
const NO_FIT: &str = "ERR the server's answer is none to SCAN";

/// The next step of a scan over all servers, one after the other, in an order that stays.
///
/// Nothing of it is kept here: the client's cursor says how far it is, `server's cursor << 12 | server`. A cursor is 0
/// at the start and, like a server's, at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScanStep {
    server: usize,
    bytes: Vec<u8>,
}

impl ScanStep {
    pub(super) fn of(command: &Command<'_>) -> Way {
        let Some(cursor) = command.argument(1).and_then(number) else {
            return Way::Error(INVALID.into());
        };
        let mut bytes = Vec::with_capacity(command.bytes().len());
        request::command_head(&mut bytes, command.count());
        request::argument(&mut bytes, command.name());
        request::argument(&mut bytes, (cursor >> SERVER_BITS).to_string().as_bytes());
        for text in command.arguments_from(2) {
            request::argument(&mut bytes, text);
        }
        let server = usize::try_from(cursor & SERVER).unwrap_or(usize::MAX);
        Way::Scan(Self { server, bytes })
    }

    /// The place of the server that is asked, in an order that stays: by the lowest slot of each, or as the
    /// configuration lists them; where the client is shown a cluster, among those that are shown as this gateway
    /// (`Shown::shards`). When there are no longer so many, the scan is at its end: [`Self::end`].
    pub(crate) fn server(&self) -> usize {
        self.server
    }

    /// What it is asked.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes of its reply the one that the client gets; there are so many servers.
    pub(crate) fn finish(&self, version: Version, servers: usize, reply: &[u8], out: &mut Vec<u8>) {
        let Some(read) = Raw::of(reply) else {
            return Writer::new(out, version).error(NO_FIT);
        };
        if read.is_error() {
            out.extend_from_slice(read.bytes());
            return;
        }
        match self.next(read, servers) {
            Ok((cursor, keys)) => {
                let mut writer = Writer::new(out, version);
                writer.array(2);
                writer.bulk(cursor.to_string());
                writer.raw(keys);
            }
            Err(text) => Writer::new(out, version).error(text),
        }
    }

    /// The answer where the server is gone: the end.
    pub(crate) fn end(version: Version, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out, version);
        writer.array(2);
        writer.bulk("0");
        writer.array(0);
    }

    fn next<'a>(&self, reply: Raw<'a>, servers: usize) -> Result<(u64, &'a [u8]), &'static str> {
        let values = reply.values().ok_or(NO_FIT)?;
        let [cursor, keys] = values.as_slice() else {
            return Err(NO_FIT);
        };
        let own = Raw::of(cursor).and_then(Raw::text).and_then(number).ok_or(NO_FIT)?;
        let (own, server) = match own {
            0 if self.server.saturating_add(1) >= servers => return Ok((0, keys)),
            0 => (0, self.server + 1),
            own => (own, self.server),
        };
        let server = u64::try_from(server).ok().filter(|server| *server <= SERVER);
        match server {
            Some(server) if own >> OWN_BITS == 0 => Ok((own << SERVER_BITS | server, keys)),
            _ => Err(TOO_LARGE),
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}
