use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::{Effect, Row};

use super::Session;
use super::requests::DISCARD;
use super::route::Route;
use crate::layout::{Node, RedisKind as Kind};
use crate::login;
use crate::scatter::{self, Way};

/// The most bytes of a transaction that is held until its server is known.
const MOST_HELD: usize = 64 * 1024;
const QUEUED: &[u8] = b"+QUEUED\r\n";
const CROSS_SLOT: &[u8] = b"-CROSSSLOT Keys in request don't hash to the same slot\r\n";
const CROSS_SERVER: &[u8] = b"-EXECABORT the keys of this transaction are on different servers\r\n";
const OTHER_WATCH: &str = "ERR the keys that this connection watches are on another server";

/// A transaction whose server is not known yet, since no key was named: over several servers MULTI itself says nothing.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// MULTI and what was queued.
    bytes: Vec<u8>,
    /// How many commands that are.
    count: usize,
    /// One of them was refused: EXEC will fail.
    spoilt: bool,
}

/// What is to be done with a command of a client whose keys are on several servers.
pub(super) enum Spread {
    /// It goes over shared connections.
    Shared,
    /// Over the client's own, to this server.
    Own(Arc<Node>),
    /// It is taken.
    Taken,
    /// It is left for later.
    Later,
}

impl Session {
    /// Decides about a command that goes to one of several servers, by the state that the client has made.
    pub(super) fn spread(
        &mut self,
        cx: &mut Context<'_>,
        row: Option<&'static Row>,
        effect: Effect,
        command: &Command<'_>,
    ) -> Spread {
        if self.transaction.is_some() {
            return self.before_server(cx, row, effect, command);
        }
        if self.own.as_ref().is_some_and(|own| own.multi) {
            return self.within(row, effect, command);
        }
        let decides = matches!(effect, Effect::Multi | Effect::Watch | Effect::Unwatch | Effect::Blocks);
        if decides && self.own.as_ref().is_some_and(|own| !own.is_quiet()) {
            // What is on its way decides whether the client stays where it is.
            return Spread::Later;
        }
        match effect {
            Effect::Multi if self.own.is_none() => {
                let bytes = command.bytes().to_vec();
                self.transaction = Some(Box::new(Transaction {
                    bytes,
                    count: 1,
                    spoilt: false,
                }));
                self.say_ok();
                Spread::Taken
            }
            Effect::Multi | Effect::Unwatch if self.own.is_some() => self.own_node(),
            Effect::Watch | Effect::Blocks => self.stateful(row, command),
            Effect::Waits | Effect::Tracking | Effect::Mode | Effect::Clients | Effect::Monitor => {
                let layout = self.group.layout();
                let text = match row.map(|row| scatter::way(row, command, &**layout)) {
                    Some(Way::Error(text)) => text,
                    _ => "ERR this is about one server, and behind this gateway are several".into(),
                };
                self.answer_error(&text);
                Spread::Taken
            }
            _ => self.plain(row, command),
        }
    }

    fn own_node(&self) -> Spread {
        self.own
            .as_ref()
            .map_or(Spread::Shared, |own| Spread::Own(Arc::clone(&own.node)))
    }

    /// A command that leaves nothing behind, of a client that may watch keys on a connection of its own. What it reads of
    /// their server is read there and from no replica, which may not have what was there when the watch began.
    fn plain(&mut self, row: Option<&'static Row>, command: &Command<'_>) -> Spread {
        let Some(own) = &self.own else { return Spread::Shared };
        let node = Arc::clone(&own.node);
        let layout = self.group.layout();
        let to = match row.map_or(Way::Any, |row| scatter::way(row, command, &**layout)) {
            Way::Bucket(bucket) => self.to_bucket(&layout, bucket, false),
            Way::Any => self.to_any(&layout),
            _ => return Spread::Shared,
        };
        match to {
            Some((to, _)) if Arc::ptr_eq(&to.endpoint, &node.endpoint) => Spread::Own(node),
            _ => Spread::Shared,
        }
    }

    /// WATCH, and what blocks.
    fn stateful(&mut self, row: Option<&'static Row>, command: &Command<'_>) -> Spread {
        let layout = self.group.layout();
        let words = match self.route(&layout, row, command) {
            Route::To(Some((node, _)), _) => match &self.own {
                Some(own) if !Arc::ptr_eq(&own.node.endpoint, &node.endpoint) => OTHER_WATCH.to_owned(),
                _ => return Spread::Own(Arc::clone(node)),
            },
            Route::Error(text) => text.into_owned(),
            Route::To(None, _) => self.nobody().to_owned(),
            Route::Parts(_) | Route::Answer(_) => "ERR this command cannot wait at several servers".to_owned(),
        };
        self.answer_error(&words);
        Spread::Taken
    }

    /// A command behind MULTI, of which no key has told the server yet.
    fn before_server(
        &mut self,
        cx: &mut Context<'_>,
        row: Option<&'static Row>,
        effect: Effect,
        command: &Command<'_>,
    ) -> Spread {
        let is_small = |transaction: &Transaction| transaction.bytes.len() + command.bytes().len() < MOST_HELD;
        let count = self.transaction.as_ref().map_or(0, |transaction| transaction.count);
        let layout = self.group.layout();
        let way = row.filter(|row| row.accepts(command.count()));
        let way = way.map(|row| scatter::way(row, command, &**layout));
        let is_spoilt = self.transaction.as_ref().is_some_and(|transaction| transaction.spoilt);
        let node = match (effect, way) {
            (Effect::Exec, _) if is_spoilt => {
                self.transaction = None;
                self.answer_error("EXECABORT Transaction discarded because of previous errors.");
                return Spread::Taken;
            }
            (Effect::Discard, _) => {
                self.transaction = None;
                self.say_ok();
                return Spread::Taken;
            }
            (Effect::Exec, _) if count == 1 => {
                self.transaction = None;
                self.say(|writer| writer.array(0));
                return Spread::Taken;
            }
            _ if is_spoilt => {
                self.say(|writer| writer.raw(QUEUED));
                return Spread::Taken;
            }
            (Effect::Plain, Some(Way::Any)) if self.transaction.as_ref().is_some_and(|held| is_small(held)) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.bytes.extend_from_slice(command.bytes());
                    transaction.count += 1;
                }
                self.say(|writer| writer.raw(QUEUED));
                return Spread::Taken;
            }
            (Effect::Plain | Effect::Blocks | Effect::MayBlock, Some(Way::Bucket(bucket))) => {
                self.to_bucket(&layout, bucket, false)
            }
            // The server says what is wrong with it, or runs what needs no key.
            _ => self.to_any(&layout),
        };
        let Some((node, _)) = node else {
            let words = self.nobody();
            self.spoil_held();
            self.answer_error(words);
            return Spread::Taken;
        };
        match self.begin(cx, node) {
            Poll::Pending => Spread::Later,
            Poll::Ready(false) => Spread::Taken,
            Poll::Ready(true) => self.within(row, effect, command),
        }
    }

    /// Begins the transaction at this server, whose answers so far the client has had from here; `false` when that
    /// cannot be, which the client was told.
    fn begin(&mut self, cx: &Context<'_>, node: &Arc<Node>) -> Poll<bool> {
        if let Err(refusal) = std::task::ready!(self.take_own(cx, node)) {
            self.spoil_held();
            self.answer_error(&login::words(&refusal));
            return Poll::Ready(false);
        }
        if let (Some(transaction), Some(own)) = (self.transaction.take(), &mut self.own) {
            own.multi = true;
            own.send(None, Effect::Multi, &transaction.bytes, &self.room.core.buffers);
            for _ in 1..transaction.count {
                own.owe_nobody(Effect::Plain);
            }
        }
        Poll::Ready(true)
    }

    /// A command of a transaction that is open at a server.
    fn within(&mut self, row: Option<&'static Row>, effect: Effect, command: &Command<'_>) -> Spread {
        let layout = self.group.layout();
        let Some(own) = &mut self.own else {
            return Spread::Shared;
        };
        let node = Arc::clone(&own.node);
        if matches!(effect, Effect::Exec) && own.crossed {
            let words = if layout.kind == Kind::Cluster {
                CROSS_SLOT
            } else {
                CROSS_SERVER
            };
            return if self.on_own(row, Effect::Discard, DISCARD, Some(words)) {
                Spread::Taken
            } else {
                Spread::Later
            };
        }
        let way = row.filter(|row| row.accepts(command.count()));
        match way.map(|row| scatter::way(row, command, &**layout)) {
            Some(Way::Bucket(bucket)) => match self.to_bucket(&layout, bucket, false) {
                Some((to, _)) if Arc::ptr_eq(&to.endpoint, &node.endpoint) => Spread::Own(node),
                _ => self.cross(),
            },
            Some(Way::Parts(_)) => self.cross(),
            Some(Way::All(..) | Way::Scan(_)) => {
                let words = b"-ERR this command goes to several servers, and a transaction to one\r\n";
                self.spoil(row, words)
            }
            Some(Way::Error(text)) => {
                let words = format!("-{text}\r\n").into_bytes();
                self.spoil(row, &words)
            }
            Some(Way::Any) | None => Spread::Own(node),
        }
    }

    /// A key of the transaction is elsewhere: EXEC will fail, as it does at a node that has the keys of several slots.
    fn cross(&mut self) -> Spread {
        if let Some(own) = &mut self.own {
            own.crossed = true;
        }
        self.say(|writer| writer.raw(QUEUED));
        Spread::Taken
    }

    fn spoil(&mut self, row: Option<&'static Row>, words: &[u8]) -> Spread {
        if self.on_own(row, Effect::Plain, super::requests::SPOIL, Some(words)) {
            Spread::Taken
        } else {
            Spread::Later
        }
    }

    /// Something that a transaction without a server would have queued was refused.
    pub(super) fn spoil_held(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.spoilt = true;
            transaction.bytes = Vec::new();
        }
    }

    /// Whether the client has keys on several servers.
    pub(super) fn has_several_servers(&self) -> bool {
        self.routing.is_by_key() || self.group.layout().is_spread()
    }
}
