use tidegate_postgres_wire::backend::{ErrorFields, Severity, Status};

use super::{PoolMode, Session};
use crate::expected::Entry;
use crate::server::{Server, ServerLease};
use crate::session::requests::parse_of;

/// The function of PostgreSQL that finds a cached plan stale; it says so with 0A000.
const STALE_PLAN: &[u8] = b"RevalidateCachedQuery";

impl Session {
    /// Whether an error is kept from the client, because the gateway may be able to mend what is wrong.
    pub(super) fn holds_error(&self, lease: &mut ServerLease, code: [u8; 5], body: &[u8]) -> bool {
        let Ok(fields) = ErrorFields::read(body) else {
            return false;
        };
        let ends = matches!(fields.severity(), Severity::Fatal | Severity::Panic);
        if self.mode == PoolMode::Session {
            lease.has_said_goodbye |= ends;
            return false;
        }
        let routine = fields.get(b'R').unwrap_or_default();
        let due = lease.expected.len();
        if code == *b"0A000" && routine == STALE_PLAN {
            if lease.batch.holds(&message(body), due) {
                return true;
            }
            set_aside(lease);
        }
        if !ends {
            return false;
        }
        // The server ends the connection. The session goes on where nothing was lost, so that to the client it is an
        // error like any other.
        if self.loses_nothing(lease) {
            return true;
        }
        let goes_on = self.can_lose(lease);
        lease.last_words = goes_on.then(|| message(&as_error(&fields)));
        lease.has_said_goodbye = !goes_on;
        goes_on
    }

    /// Whether the session could go on without this server: it is at work on exactly one exchange, and holds nothing.
    pub(super) fn can_lose(&self, lease: &ServerLease) -> bool {
        self.mode != PoolMode::Session
            && self.is_known()
            && self.login.is_none()
            && lease.cursor.at_boundary()
            && lease.status == Status::Idle
            && !lease.pinned
            && lease.expected.is_one_exchange()
            && self.cursor.at_boundary()
    }

    /// Whether the session holds a server that is at rest and that nothing of the client's is left on, for example because
    /// a cancel is still on its way to it.
    pub(super) fn loses_nothing(&self, lease: &ServerLease) -> bool {
        self.mode != PoolMode::Session && self.is_known() && self.login.is_none() && !lease.pinned && lease.is_at_rest()
    }

    /// Whether it is known what the client has set: what it was told is SET, and nobody has asked the server about yet, is
    /// lost with the server.
    pub(super) fn is_known(&self) -> bool {
        self.touched.is_none() && self.probing.is_none()
    }

    /// The exchange whose error was held back has ended. `true` when it is said again; else the error is due now.
    pub(super) fn says_again(&self, lease: &mut ServerLease) -> bool {
        if lease.status != Status::Idle {
            set_aside(lease);
            return false;
        }
        let (bytes, entries, statements) = lease.batch.again();
        for statement in statements {
            let mut sql = b"DEALLOCATE ".to_vec();
            sql.extend_from_slice(&statement.name);
            self.own_query(lease, &sql);
            lease.prepared.remove(&statement);
            let mut parse = Vec::new();
            parse_of(&mut parse, &statement.name, &statement.tail);
            lease.out.queue(&parse, &self.room.core.buffers);
            lease.expected.sent(Entry::OwnParse);
            lease.parsing.push_back(Some(statement));
        }
        lease.out.queue(&bytes, &self.room.core.buffers);
        for entry in entries {
            lease.expected.sent(entry);
        }
        true
    }
}

/// The client is told of a stale plan: the statements that have it are not to be met again.
fn set_aside(server: &mut Server) {
    server.stale.extend_from_slice(server.batch.statements());
}

/// An error message of this body.
fn message(body: &[u8]) -> Vec<u8> {
    let mut message = vec![b'E'];
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(body);
    message
}

/// The same error, of a session that goes on.
fn as_error(fields: &ErrorFields<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    for (letter, value) in fields.iter() {
        body.push(letter);
        body.extend_from_slice(if matches!(letter, b'S' | b'V') { b"ERROR" } else { value });
        body.push(0);
    }
    body.push(0);
    body
}
