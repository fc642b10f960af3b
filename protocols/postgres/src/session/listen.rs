use std::rc::Rc;

use tidegate_base::Refusal;
use tidegate_postgres_wire::backend::{self, Notification, Severity, Status};
use tidegate_postgres_wire::{Frame, frontend};
use tidegate_sql::{Effect, Which, statements};

use super::shown::Watch;
use super::{Due, PoolMode, Session};
use crate::effects::Reading;
use crate::hub::{Ear, Hub, too_late};

/// A session's subscriptions.
#[derive(Debug)]
pub(super) struct Subscriptions {
    hub: Rc<Hub>,
    ear: Rc<Ear>,
    /// What is said when the LISTEN that the session waits for is confirmed, and its channel.
    pending: Option<(Vec<u8>, Vec<u8>)>,
}

/// What a lone statement does.
enum Asked {
    Listen(Vec<u8>),
    Unlisten(Option<Vec<u8>>),
}

impl Session {
    /// LISTEN and UNLISTEN of a session that holds no server: the core's hub does that for it. Returns how many bytes are
    /// done with; `None` when it is something else, or cannot be told.
    pub(super) fn subscribe(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.mode != PoolMode::Transaction || self.deferred.is_some() || self.settings.reading() == Reading::Blind {
            return None;
        }
        let (length, asked, mut words) = request(bytes)?;
        let tag = match asked {
            Asked::Listen(_) => "LISTEN",
            Asked::Unlisten(_) => "UNLISTEN",
        };
        backend::command_complete(&mut words, tag);
        backend::ready(&mut words, Status::Idle);
        match asked {
            Asked::Listen(channel) => self.listen(channel, words),
            Asked::Unlisten(channel) => {
                self.unlisten(channel.as_deref());
                self.say(&words);
            }
        }
        self.shared.exchanges.set(self.shared.exchanges.get() + 1);
        Some(length)
    }

    fn listen(&mut self, channel: Vec<u8>, words: Vec<u8>) {
        let encoding = self.settings.get("client_encoding");
        let started = self
            .room
            .settings
            .intern(encoding.map(|value| ("client_encoding", value)));
        if self.ears.is_none() {
            self.ears = Some(Box::new(Subscriptions {
                hub: self.group.hub(&started),
                ear: Ear::new(&self.shared),
                pending: None,
            }));
        }
        let Some(ears) = &mut self.ears else { return };
        if ears.hub.listen(&channel, &ears.ear, &self.room, &self.group, &started) {
            return self.say(&words);
        }
        ears.pending = Some((words, channel));
        let limit = self.group.terms.get().queue_timeout;
        self.limit(limit, Due::Listen);
    }

    /// Listens no more: to one channel, or to all.
    pub(super) fn unlisten(&mut self, channel: Option<&[u8]>) {
        if let Some(ears) = &self.ears {
            ears.hub.unlisten(channel, &ears.ear);
        }
    }

    /// Whether a LISTEN is on its way to the server.
    pub(super) fn awaits_listen(&self) -> bool {
        self.ears.as_ref().is_some_and(|ears| ears.pending.is_some())
    }

    /// Gives the pending LISTEN up.
    pub(super) fn give_up_listen(&mut self, refusal: Option<&Refusal>) {
        let Some(ears) = &mut self.ears else { return };
        let Some((_, channel)) = ears.pending.take() else {
            return;
        };
        ears.hub.unlisten(Some(&channel), &ears.ear);
        let too_late = too_late();
        self.refuse_listen(refusal.unwrap_or(&too_late));
    }

    fn refuse_listen(&mut self, refusal: &Refusal) {
        let mut words = Vec::new();
        backend::refusal(&mut words, Severity::Error, refusal);
        backend::ready(&mut words, Status::Idle);
        self.say(&words);
        self.retry = true;
        self.rest();
    }

    /// Hands on what the hub has heard. `true` when anything happened.
    pub(super) fn from_hub(&mut self) -> bool {
        let Some(ears) = &mut self.ears else { return false };
        let mut moved = false;
        if ears.pending.is_some()
            && let Some(answer) = ears.ear.take_answer()
        {
            let pending = ears.pending.take();
            moved = true;
            match (answer, pending) {
                (Ok(()), Some((words, _))) => {
                    self.say(&words);
                    self.retry = true;
                    self.rest();
                }
                (Err(refusal), _) => self.refuse_listen(&refusal),
                _ => {}
            }
        }
        let Some(ears) = &self.ears else { return moved };
        // As the server itself: between exchanges only, and not within a transaction.
        let is_between = self.lease.as_ref().is_none_or(|lease| lease.is_clean());
        if self.closing || !is_between || self.login.is_some() {
            return moved;
        }
        if let Some(refusal) = ears.ear.take_loss() {
            self.say_goodbye(&refusal);
            return true;
        }
        if !ears.ear.has_heard() || !self.to_client.is_empty() {
            return moved;
        }
        let heard = ears.ear.take();
        self.hand_on(&heard);
        true
    }

    fn hand_on(&mut self, heard: &[u8]) {
        if self.watch() == Watch::Nothing {
            return self.to_client.queue(heard, &self.room.core.buffers);
        }
        let mut at = 0;
        while let Some(Ok(Some((_, length)))) = heard.get(at..).map(Frame::read) {
            let words = self.shown_push(&heard[at..at + length]);
            self.to_client.queue(&words, &self.room.core.buffers);
            at += length;
        }
    }

    /// Whether a notification of the server's is told by the hub too.
    pub(super) fn is_told_twice(&self, body: &[u8]) -> bool {
        let Some(ears) = &self.ears else { return false };
        let notification = Notification::read(body);
        notification.is_ok_and(|notification| ears.hub.tells(notification.channel, &ears.ear))
    }
}

/// A LISTEN or UNLISTEN that is a whole exchange: its length, and what is said before its CommandComplete.
fn request(bytes: &[u8]) -> Option<(usize, Asked, Vec<u8>)> {
    let (frame, mut at) = Frame::read(bytes).ok()??;
    let mut words = Vec::new();
    if frame.kind == b'Q' {
        return Some((at, asked(frontend::read_query(frame.body).ok()?)?, words));
    }
    if frame.kind != b'P' {
        return None;
    }
    let parse = frontend::Parse::read(frame.body).ok()?;
    if !parse.name.is_empty() {
        return None;
    }
    let asked = asked(parse.sql)?;
    backend::parse_complete(&mut words);
    for (kind, optional) in [(b'B', false), (b'D', true), (b'E', false), (b'S', false)] {
        let (frame, length) = Frame::read(bytes.get(at..)?).ok()??;
        if frame.kind != kind {
            if optional {
                continue;
            }
            return None;
        }
        at += length;
        match kind {
            // The unnamed portal of the unnamed statement.
            b'B' if frame.body.starts_with(&[0, 0]) => backend::bind_complete(&mut words),
            b'D' if frame.body == b"P\0" => backend::no_data(&mut words),
            b'E' if frame.body.first() == Some(&0) => {}
            b'S' => {}
            _ => return None,
        }
    }
    Some((at, asked, words))
}

fn asked(sql: &[u8]) -> Option<Asked> {
    let first = sql.trim_ascii_start();
    let begins = |word: &[u8]| {
        first
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if !begins(b"listen") && !begins(b"unlisten") {
        return None;
    }
    let mut all = statements(sql);
    let statement = all.next()?;
    if all.next().is_some() {
        return None;
    }
    match statement.effects.into_iter().next()? {
        Effect::Listen { channel } => Some(Asked::Listen(channel.into_owned())),
        Effect::Unlisten(Which::All) => Some(Asked::Unlisten(None)),
        Effect::Unlisten(Which::Named(channel)) => Some(Asked::Unlisten(Some(channel.into_owned()))),
        _ => None,
    }
}
