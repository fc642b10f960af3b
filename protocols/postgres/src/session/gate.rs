use std::task::Context;

use tidegate_base::{Reason, Refusal};
use tidegate_postgres_wire::backend::{self, Status};
use tidegate_postgres_wire::{Frame, Head, frontend, sqlstate};

use super::requests::broken;
use super::{PoolMode, Session};
use crate::effects::Bracket;
use crate::server::ServerLease;
use crate::told::Farewell;

/// What happens to what comes first while no server is held.
pub(super) enum Gate {
    Lent,
    More,
    Waits,
    Taken(usize),
    Leaves,
}

impl Session {
    /// What comes first while no server is held: some of it needs none.
    pub(super) fn gate(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Gate {
        let head = match Head::read(bytes) {
            Ok(Some(head)) => head,
            Ok(None) => return Gate::More,
            Err(error) => {
                self.reject(None, error.to_string());
                return Gate::Waits;
            }
        };
        if !self.manners.allow(head) {
            self.turn_away(None, head);
            return Gate::Waits;
        }
        let status = if self.deferred.is_some() {
            Status::Transaction
        } else {
            Status::Idle
        };
        let alone = needs_no_server(head.kind, &bytes[Head::SIZE..]);
        match head.kind {
            b'X' => {
                *self.shared.farewell.borrow_mut() = Farewell::Goodbye;
                return Gate::Leaves;
            }
            // What is left of a COPY that the server has given up: ignored, as the server would.
            b'd' | b'c' | b'f' => return Gate::Taken(head.total()),
            b'H' if bytes.len() >= head.total() => return Gate::Taken(head.total()),
            b'S' if bytes.len() >= head.total() => {
                let mut out = Vec::new();
                backend::ready(&mut out, status);
                self.say(&out);
                return Gate::Taken(head.total());
            }
            b'Q' if alone && head.total() <= 64 => {
                if bytes.len() < head.total() {
                    return Gate::More;
                }
                if let Some(length) = self.put_off(bytes) {
                    return Gate::Taken(length);
                }
            }
            b'Q' | b'P' | b'B' | b'D' | b'C' | b'E' | b'F' => {}
            kind => {
                self.reject(None, invalid_kind(kind));
                return Gate::Waits;
            }
        }
        if let Some(length) = alone.then(|| self.subscribe(bytes)).flatten() {
            return Gate::Taken(length);
        }
        if self.borrow(cx) && self.lease.is_some() && !self.settling {
            Gate::Lent
        } else {
            Gate::Waits
        }
    }

    /// The client does not speak the protocol: what follows cannot be made out.
    pub(super) fn reject(&mut self, lease: Option<&ServerLease>, text: String) {
        self.broken = Some(Box::new(broken(&text)));
        self.say_goodbye_beside(lease, &Refusal::new(Reason::Invalid, text));
    }

    /// The listener does not take such a message. What the client goes on to say hangs on it, so it is closed.
    pub(super) fn turn_away(&mut self, lease: Option<&ServerLease>, head: Head) {
        let most = self.manners.max_message;
        let refusal = if head.total() > most {
            let text = format!(
                "a message of {} bytes is longer than max_message_size, {most}",
                head.total()
            );
            Refusal::new(Reason::Invalid, text).with_code(sqlstate::PROGRAM_LIMIT_EXCEEDED)
        } else {
            let text = "simple queries are not taken here (simple_queries): use the extended protocol";
            Refusal::new(Reason::Denied, text).with_code(sqlstate::FEATURE_NOT_SUPPORTED)
        };
        self.broken = Some(Box::new(broken(&refusal.text)));
        self.say_goodbye_beside(lease, &refusal);
    }

    /// BEGIN without a server: it is answered now and said to the server with the first real statement; one that is
    /// ended before meets no server at all.
    fn put_off(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.mode != PoolMode::Transaction || !self.group.rules.borrow().deferred_begin {
            return None;
        }
        let (frame, length) = Frame::read(bytes).ok()??;
        let bracket = Bracket::of(frontend::read_query(frame.body).ok()?)?;
        let status = match (self.deferred, bracket.begins()) {
            (None, true) => {
                self.deferred = Some(bracket);
                self.in_transaction(None);
                Status::Transaction
            }
            (Some(_), false) => {
                self.deferred = None;
                self.rest();
                Status::Idle
            }
            _ => return None,
        };
        let mut out = self.room.core.buffers.take();
        backend::command_complete(&mut out, bracket.tag());
        backend::ready(&mut out, status);
        self.say(&out);
        self.room.core.buffers.give_back(&mut out);
        self.shared.exchanges.set(self.shared.exchanges.get() + 1);
        Some(length)
    }
}

/// Whether a Query or an unnamed Parse may be one that needs no server: by its first letters, which tell nearly always
/// that it is not. Without them all here, it may.
fn needs_no_server(kind: u8, body: &[u8]) -> bool {
    let sql = match kind {
        b'P' => match body {
            [0, sql @ ..] => sql,
            body => return body.is_empty(),
        },
        _ => body,
    };
    match sql.trim_ascii_start() {
        [b's' | b'S'] => true,
        [b's' | b'S', second, ..] => second.eq_ignore_ascii_case(&b't'),
        [first, ..] => b"bcrealu".contains(&first.to_ascii_lowercase()),
        [] => true,
    }
}

pub(super) fn invalid_kind(kind: u8) -> String {
    format!("invalid frontend message type {kind}")
}
