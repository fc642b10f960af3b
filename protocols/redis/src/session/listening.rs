use std::task::Context;

use tidegate_engine::SessionError;
use tidegate_redis_wire::reply::{Cursor, Version};
use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::{Channels, Effect, Row};

use super::Session;
use crate::hub::HubSeat;
use crate::layout::RedisKind as Kind;
use crate::listening;
use crate::scatter;

const IN_TRANSACTION: &[u8] = b"-ERR subscriptions within a transaction do not pass this gateway\r\n";

impl Session {
    /// Takes a command about subscriptions: whether it could.
    pub(super) fn listen(
        &mut self,
        cx: &Context<'_>,
        row: Option<&'static Row>,
        effect: Effect,
        command: &Command<'_>,
    ) -> bool {
        if self.transaction.is_some() {
            self.spoil_held();
            return self.answer_error("ERR subscriptions within a transaction do not pass this gateway");
        }
        if self.may_spoil() {
            return self.on_own(row, Effect::Plain, super::requests::SPOIL, Some(IN_TRANSACTION));
        }
        if !self.is_quiet() {
            return false;
        }
        self.turn_to(0);
        let layout = self.group.layout();
        if layout.kind == Kind::Hash && effect == Effect::Subscribe(Channels::Pattern) {
            return self.answer_error(scatter::PATTERNS);
        }
        let names = command.arguments_from(1);
        match effect {
            Effect::Subscribe(Channels::Shard) if layout.kind == Kind::Cluster && crosses(row, command) => {
                return self.answer_error("CROSSSLOT Keys in request don't hash to the same slot");
            }
            Effect::Subscribe(kind) => {
                let seat = self.hub_seat(cx);
                seat.listen(kind, names);
            }
            Effect::Unsubscribe(kind) => {
                let Some(seat) = self.hub.as_ref().filter(|seat| seat.count() > 0) else {
                    self.unsubscribe(kind, command);
                    return true;
                };
                seat.leave(kind, names);
            }
            _ => return false,
        }
        self.stream_on();
        true
    }

    fn hub_seat(&mut self, cx: &Context<'_>) -> &HubSeat {
        let (room, group, key) = (&self.room, &self.group, self.key);
        self.hub.get_or_insert_with(|| {
            let hub = group.hub(key.identity, || listening::hub(room, group, key.identity));
            let seat = hub.join(key.version);
            seat.set_waker(cx);
            seat
        })
    }

    /// Whether answers about subscriptions are still to come.
    pub(super) fn awaits_hub(&self) -> bool {
        self.hub.as_ref().is_some_and(HubSeat::owes)
    }

    /// Whether something is there for the client, which may be an answer: what it asked behind that must not overtake it.
    pub(super) fn has_hub_mail(&self) -> bool {
        self.hub.as_ref().is_some_and(HubSeat::has_mail)
    }

    /// Whether the client listens to something.
    pub(super) fn listens(&self) -> bool {
        self.hub.as_ref().is_some_and(|seat| seat.count() > 0)
    }

    /// A client of RESP2 that listens can do little else (`server.c`, `processCommand`): what it is told, if this is none
    /// of that.
    pub(super) fn refused_while_listening(&self, row: Option<&Row>, effect: Effect, count: usize) -> Option<String> {
        // What is no command, or not this one's arguments, the server says first.
        let name = row.filter(|row| row.accepts(count))?.name;
        let may = matches!(
            effect,
            Effect::Subscribe(_) | Effect::Unsubscribe(_) | Effect::Quit | Effect::Reset
        );
        if may || name == "ping" || self.key.version == Version::Resp3 || !self.listens() {
            return None;
        }
        // What is refused instead of EXEC gives the transaction up, whether there is one or not (`server.c`, `rejectCommandSds`).
        let code = match effect {
            Effect::Exec => "EXECABORT Transaction discarded because of:",
            _ => "ERR",
        };
        Some(format!(
            "{code} Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
             this context"
        ))
    }

    /// PING of a client of RESP2 that listens, which has an answer of its own (`server.c`, `pingCommand`).
    pub(super) fn ping_while_listening(&mut self, row: Option<&Row>, command: &Command<'_>) -> bool {
        let is_it = row.is_some_and(|row| row.name == "ping") && self.key.version == Version::Resp2;
        if !is_it || !self.listens() || command.count() > 2 {
            return false;
        }
        let text = command.argument(1).unwrap_or_default().to_vec();
        self.say(|writer| {
            writer.array(2);
            writer.bulk("pong");
            writer.bulk(text);
        });
        true
    }

    /// What the client listens to goes to it, between answers; whether there was anything.
    pub(super) fn from_hub(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionError> {
        let Some(seat) = &self.hub else { return Ok(false) };
        if seat.is_overrun() {
            self.give_up("the client does not read what it listens to (pubsub_buffer)");
            return Ok(true);
        }
        if self.closing || !seat.has_mail() || !self.is_between_answers() || self.flush_client(cx)?.is_pending() {
            return Ok(false);
        }
        let Some(seat) = &self.hub else { return Ok(false) };
        let mut mail = seat.take(self.room.core.buffers.take());
        if self.sees_pushes() {
            let mut rest = mail.as_slice();
            while let Ok(walk) = Cursor::new().walk(rest) {
                let Some((message, behind)) = rest.split_at_checked(walk.run).filter(|_| walk.ended) else {
                    break;
                };
                self.push(message, false);
                rest = behind;
            }
        } else {
            self.write(cx, &mail)?;
        }
        self.room.core.buffers.give_back(&mut mail);
        Ok(true)
    }

    /// Whether nothing is half said to the client.
    fn is_between_answers(&mut self) -> bool {
        let is_begun = self.order.next().is_some_and(|ticket| ticket.is_begun);
        !is_begun && self.own.as_ref().is_none_or(|own| own.lease.is_between())
    }

    /// The client listens to nothing any more.
    pub(super) fn leave_hub(&mut self) {
        self.hub = None;
    }

    /// The client speaks another version from now on.
    pub(super) fn tell_hub(&self, version: Version) {
        if let Some(seat) = &self.hub {
            seat.set_version(version);
        }
    }
}

/// Whether shard channels have several slots.
fn crosses(row: Option<&'static Row>, command: &Command<'_>) -> bool {
    let keys = row.and_then(|row| row.slot_keys(command).ok());
    keys.is_some_and(|keys| keys.slot(command).is_err())
}
