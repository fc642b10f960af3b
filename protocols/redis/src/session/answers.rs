use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidegate_base::{Reason, Refusal};
use tidegate_redis_wire::reply::{self, Version};
use tidegate_redis_wire::request::Command;
use tidegate_redis_wire::table::{Channels, Effect, Servers};

use super::proving::{Proven, Proving};
use super::{FRESH, Session};
use crate::dial::Key;
use crate::layout::RedisKind as Kind;
use crate::login;

const NO_CLUSTER: &str = "ERR This instance has cluster support disabled";
const NO_REPLY: &str = "ERR CLIENT REPLY OFF and SKIP do not pass this gateway";
const NO_NUMBER: &str = "ERR value is not an integer or out of range";
const OUT_OF_RANGE: &str = "ERR DB index is out of range";

impl Session {
    /// Answers what the gateway answers itself; `false` when it cannot do so yet. Everything before it is answered.
    pub(super) fn answer(&mut self, cx: &mut Context<'_>, effect: Effect, command: &Command<'_>) -> bool {
        match effect {
            Effect::Select => return self.select(cx, command),
            Effect::Hello => return self.hello(cx, command),
            Effect::Auth => return self.auth(cx, command),
            Effect::Name => self.set_name(command),
            Effect::Identity => self.identify(command),
            Effect::Reply if command.is(2, b"ON") => self.say_ok(),
            Effect::Reply => self.say(|writer| writer.error(NO_REPLY)),
            // Every gateway serves every slot, and asks whom it was configured to.
            Effect::ReadOnly | Effect::ReadWrite | Effect::Asking if self.rules.advertise.is_some() => self.say_ok(),
            // A Valkey without cluster support lets READONLY be.
            Effect::ReadOnly | Effect::ReadWrite if self.flavour() == Servers::VALKEY => self.say_ok(),
            Effect::ReadOnly | Effect::ReadWrite | Effect::Asking => self.say(|writer| writer.error(NO_CLUSTER)),
            Effect::Reset => {
                self.own = None;
                self.say(|writer| writer.simple("RESET"));
                self.reset();
            }
            Effect::Quit => {
                self.own = None;
                self.say_ok();
                self.closing = true;
            }
            Effect::CrossProtocol => {
                tracing::warn!(peer = %self.shared.peer,
                    "possible cross-protocol attack: a browser was made to send POST or Host:; the client was closed");
                self.closing = true;
            }
            // The pin sends the others to a server.
            _ => return false,
        }
        true
    }

    /// A way of this kind to a server, to hear whether there is one.
    fn join(&mut self, cx: &Context<'_>, key: Key) -> Poll<Result<usize, Refusal>> {
        let layout = self.group.layout();
        if let Some((node, _)) = self.to_any(&layout) {
            return self.way(cx, node, key);
        }
        let text = self.nobody();
        let (code, text) = text.split_once(' ').unwrap_or(("ERR", text));
        Poll::Ready(Err(Refusal::new(Reason::Unavailable, text).with_code(code)))
    }

    /// The client is as it was when it came, and must log in again where others must.
    pub(super) fn reset(&mut self) {
        self.key = FRESH;
        self.ways.clear();
        self.leave_hub();
        self.transaction = None;
        self.shared.database.set(0);
        self.shared.name.borrow_mut().clear();
        let rules = Arc::clone(&self.rules);
        let user = rules.users.at_once(&self.around.certificate);
        self.is_stranger = user.is_none();
        let user = user.unwrap_or("default").to_owned();
        self.take_on(&user, None);
        if !self.is_stranger
            && let Err(refusal) = self.reroute(&user)
        {
            tracing::info!(peer = %self.shared.peer, %refusal.text, "a client has no route after RESET; it is closed");
            self.closing = true;
        }
        self.splitter.set_stranger(self.is_stranger);
    }

    fn auth(&mut self, cx: &mut Context<'_>, command: &Command<'_>) -> bool {
        let rules = Arc::clone(&self.rules);
        let proven = match login::shown(&rules.users, command) {
            Ok((user, password)) => match self.prove(cx, user, password) {
                Poll::Pending => return false,
                Poll::Ready(proven) => proven,
            },
            Err(text) => Err(text.into()),
        };
        match proven.and_then(|proven| self.become_user(proven)) {
            Ok(_) => self.say_ok(),
            Err(text) => self.say(|writer| writer.error(&text)),
        }
        true
    }

    fn select(&mut self, cx: &mut Context<'_>, command: &Command<'_>) -> bool {
        let text = command.argument(1).and_then(|text| std::str::from_utf8(text).ok());
        let Some(number) = text
            .and_then(|text| text.parse::<i64>().ok())
            .filter(|n| i32::try_from(*n).is_ok())
        else {
            self.say(|writer| writer.error(NO_NUMBER));
            return true;
        };
        let Ok(database) = u32::try_from(number) else {
            self.say(|writer| writer.error(OUT_OF_RANGE));
            return true;
        };
        let key = Key { database, ..self.key };
        match self.join(cx, key) {
            Poll::Pending => return false,
            Poll::Ready(Ok(_)) => {
                self.key = key;
                self.shared.database.set(database);
                self.say_ok();
            }
            Poll::Ready(Err(refusal)) => self.say(|writer| writer.error(&login::words(&refusal))),
        }
        true
    }

    /// HELLO waits for a connection of the version that it asks for: only the server knows what it is.
    fn hello(&mut self, cx: &mut Context<'_>, command: &Command<'_>) -> bool {
        let hello = match login::hello(command) {
            Ok(hello) => hello,
            Err(text) => {
                self.say(|writer| writer.error(&text));
                return true;
            }
        };
        let proven = match hello.auth.map(|(user, password)| self.prove(cx, user, password)) {
            Some(Poll::Pending) => return false,
            Some(Poll::Ready(proven)) => match proven.and_then(|proven| self.become_user(proven)) {
                Ok(proven) => Some(proven),
                Err(text) => {
                    self.say(|writer| writer.error(&text));
                    return true;
                }
            },
            None if self.is_stranger => {
                self.say(|writer| writer.error(login::HELLO_NO_AUTH));
                return true;
            }
            None => None,
        };
        let key = Key {
            version: hello.version.unwrap_or(self.key.version),
            ..self.key
        };
        let way;
        match self.join(cx, key) {
            Poll::Pending => {
                self.proving = proven.map(|proven| Proving::Proven(Box::new(proven)));
                return false;
            }
            Poll::Ready(Err(refusal)) => {
                self.say(|writer| writer.error(&login::words(&refusal)));
                return true;
            }
            Poll::Ready(Ok(at)) => (self.key, way) = (key, at),
        }
        if let Some(name) = hello.name {
            *self.shared.name.borrow_mut() = name.to_vec();
        }
        let Some(seat) = self.ways.get(way).and_then(|way| way.seat.as_ref()) else {
            return false;
        };
        let (line, id) = (std::rc::Rc::clone(&seat.line), self.client_id());
        let greeting = &line.greeting;
        let is_single = self.group.layout().kind == Kind::Single;
        let mode = if self.rules.advertise.is_some() {
            "cluster"
        } else {
            "standalone"
        };
        let answer = reply::Hello {
            server: &greeting.server,
            version: &greeting.version,
            id,
            mode: if is_single && mode == "standalone" {
                &greeting.mode
            } else {
                mode
            },
            role: &greeting.role,
        };
        self.tell_hub(key.version);
        self.say(|writer| reply::hello(writer, &answer));
        if hello.name.is_some() {
            self.renamed();
        }
        true
    }

    /// The client has proven who it is, and goes where that user goes; `Err` is the error to answer, and nothing is changed.
    fn become_user(&mut self, proven: Proven) -> Result<Proven, Cow<'static, str>> {
        let identity = proven.credential.as_ref().map_or(0, |credential| credential.id);
        if identity != self.key.identity && self.listens() {
            return Err(login::LISTENS.into());
        }
        self.reroute(&proven.user).map_err(|refusal| login::words(&refusal))?;
        self.take_on(&proven.user, proven.credential.clone());
        self.is_stranger = false;
        self.splitter.set_stranger(false);
        Ok(proven)
    }

    fn set_name(&mut self, command: &Command<'_>) {
        let name = command.argument(2).unwrap_or_default();
        if command.is(1, b"SETINFO") {
            return self.say_ok();
        }
        if !login::is_name(name) {
            return self.say(|writer| writer.error(login::BAD_NAME));
        }
        *self.shared.name.borrow_mut() = name.to_vec();
        self.renamed();
        self.say_ok();
    }

    fn identify(&mut self, command: &Command<'_>) {
        let shared = std::rc::Rc::clone(&self.shared);
        let word = command.argument(1).unwrap_or_default().to_ascii_uppercase();
        match word.as_slice() {
            b"ID" => self.say(|writer| writer.integer(i64::try_from(shared.id).unwrap_or(i64::MAX))),
            b"GETNAME" if shared.name.borrow().is_empty() => self.say_null(),
            b"GETNAME" => self.say(|writer| writer.bulk(&*shared.name.borrow())),
            b"WHOAMI" => self.say(|writer| writer.bulk(shared.user.borrow().as_bytes())),
            b"GETREDIR" => self.say(|writer| writer.integer(-1)),
            b"TRACKINGINFO" => self.say(|writer| {
                writer.map(3);
                writer.bulk("flags");
                writer.set(1);
                writer.bulk("off");
                writer.bulk("redirect");
                writer.integer(-1);
                writer.bulk("prefixes");
                writer.array(0);
            }),
            _ => {
                let text = format!(
                    "id={} addr={} name={} age={} db={} user={} resp={}\n",
                    shared.id,
                    shared.peer,
                    String::from_utf8_lossy(&shared.name.borrow()),
                    shared.since.elapsed().as_secs(),
                    shared.database.get(),
                    shared.user.borrow(),
                    self.key.version.number(),
                );
                self.say(|writer| writer.bulk(text));
            }
        }
    }

    /// Nothing was subscribed to: each channel is confirmed to be gone, or that there was none. Valkey refuses (`server.c`,
    /// `processCommand`, from 8.0 on).
    pub(super) fn unsubscribe(&mut self, channels: Channels, command: &Command<'_>) {
        let kind = match channels {
            Channels::Named => "unsubscribe",
            Channels::Pattern => "punsubscribe",
            Channels::Shard => "sunsubscribe",
        };
        if self.flavour() == Servers::VALKEY {
            let text = format!("NOSUB '{kind}' command executed not in subscribed mode");
            return self.say(|writer| writer.error(&text));
        }
        self.say(|writer| {
            if command.count() == 1 {
                reply::subscription(writer, kind, None, 0);
            }
            for channel in command.arguments_from(1) {
                reply::subscription(writer, kind, Some(channel), 0);
            }
        });
    }

    pub(super) fn say_ok(&mut self) {
        self.say(|writer| writer.simple("OK"));
    }

    fn say_null(&mut self) {
        let is_resp3 = self.key.version == Version::Resp3;
        self.say(|writer| writer.raw(if is_resp3 { b"_\r\n" } else { b"$-1\r\n" }));
    }

    fn client_id(&self) -> i64 {
        i64::try_from(self.shared.id).unwrap_or(i64::MAX)
    }
}
