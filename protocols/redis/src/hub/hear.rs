use std::rc::Rc;

use tidegate_base::Refusal;
use tidegate_redis_wire::ReplyError;
use tidegate_redis_wire::reply::{Code, Failure};
use tidegate_redis_wire::table::Channels;

use super::Hub;
use super::board::{Ask, EarId, LinkId};
use super::dues::{Change, OutOfStep};
use super::link::Link;
use super::push::Push;
use crate::login;

/// What a server said cannot be: the connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum HearError {
    #[error("what it says is no reply: {0}")]
    Reply(#[from] ReplyError),
    #[error(transparent)]
    OutOfStep(#[from] OutOfStep),
}

/// What comes of the servers' words.
impl Hub {
    /// A server has said something.
    pub(super) fn heard(self: &Rc<Self>, id: LinkId, link: &Link, frame: &[u8]) -> Result<(), HearError> {
        match Push::read(frame)? {
            Push::Message { kind, name, channel } => self.deliver(id, (kind, name, channel), frame),
            Push::Changed { kind, on, name } => self.changed(id, link, (kind, on, name.unwrap_or_default()))?,
            Push::Failed(failure) => {
                let asked = link.dues.borrow_mut().failed(failure.code())?;
                if let Some(ask) = asked {
                    self.declined(link, &ask, &failure);
                }
            }
            Push::Pong => {
                let ended = link.dues.borrow_mut().ponged()?;
                if let Some(ask) = ended {
                    self.board.borrow_mut().confirmed(id, ask.kind, &ask.name, ask.on);
                    self.settle();
                }
            }
            Push::Other => {}
        }
        Ok(())
    }

    /// A message is longer than what may wait for a client: whoever it is for has lost it.
    pub(super) fn outgrown(&self, id: LinkId, start: &[u8]) {
        let Some((kind, name, channel)) = Push::peek(start) else {
            return;
        };
        self.tally.messages.set(self.tally.messages.get() + 1);
        let board = self.board.borrow();
        let mut inboxes = self.inboxes.borrow_mut();
        for ear in board.audience(id, kind, name, channel) {
            if let Some(inbox) = inboxes.get_mut(*ear).filter(|inbox| !inbox.is_overrun) {
                inbox.overrun();
                self.gave_up(*ear);
            }
        }
    }

    /// A link has a connection again.
    pub(super) fn connected(&self, id: LinkId, link: &Link) {
        link.reset(true);
        self.board.borrow_mut().connected(id);
        self.settle();
    }

    /// A link's connection is gone.
    pub(super) fn lost(&self, id: LinkId, link: &Link) {
        link.reset(false);
        self.board.borrow_mut().lost(id);
        self.settle();
    }

    /// A link has no connection and can have none. What belongs somewhere by the layout may belong elsewhere by now.
    pub(super) fn unreachable(self: &Rc<Self>, id: LinkId, refusal: &Refusal) {
        let words = login::words(refusal);
        self.board.borrow_mut().unreachable(id, words.as_bytes());
        let placed = self.board.borrow().placed_on(id, self.opener.spreads());
        self.place(placed);
    }

    /// Asks again for what the server of a link has refused.
    pub(super) fn again(self: &Rc<Self>, id: LinkId) {
        let refused = self.board.borrow().refused_on(id);
        self.place(refused);
        self.board.borrow_mut().again(id);
        self.settle();
    }

    /// Whether nothing stands on a link.
    pub(super) fn is_idle(&self, id: LinkId) -> bool {
        self.board.borrow().load(id) == 0
    }

    /// Forgets a link that nothing stands on; whether it is forgotten.
    pub(super) fn forget(&self, id: LinkId, link: &Link) -> bool {
        let is_idle = self.is_idle(id);
        if is_idle {
            self.board.borrow_mut().remove_link(id);
            self.links.borrow_mut().remove(&id);
            self.spots.borrow_mut().remove(&link.spot);
        }
        is_idle
    }

    fn deliver(&self, id: LinkId, topic: (Channels, &[u8], &[u8]), frame: &[u8]) {
        let (kind, name, channel) = topic;
        let board = self.board.borrow();
        let mut inboxes = self.inboxes.borrow_mut();
        let (mut delivered, bound) = (0, self.buffer.get());
        for ear in board.audience(id, kind, name, channel) {
            let Some(inbox) = inboxes.get_mut(*ear).filter(|inbox| !inbox.is_overrun) else {
                continue;
            };
            if inbox.lay(frame, bound) {
                delivered += 1;
            } else {
                self.gave_up(*ear);
            }
        }
        let tally = &self.tally;
        tally.messages.set(tally.messages.get() + 1);
        tally.deliveries.set(tally.deliveries.get() + delivered);
    }

    fn gave_up(&self, ear: EarId) {
        self.tally.overruns.set(self.tally.overruns.get() + 1);
        tracing::warn!(cluster = %self.cluster, listener = ear, limit = self.buffer.get(),
            "a client is given up: it does not read its messages, and more has piled up than may");
    }

    /// A subscription began or ended: as it was asked, or since the server ended it, as when a slot has moved
    /// (`cluster.c`, `removeChannelsInSlot`).
    fn changed(self: &Rc<Self>, id: LinkId, link: &Link, what: (Channels, bool, &[u8])) -> Result<(), OutOfStep> {
        let (kind, on, name) = what;
        let change = link.dues.borrow_mut().changed(kind, on, name);
        match change {
            Change::Asked => {
                self.board.borrow_mut().confirmed(id, kind, name, on);
                self.settle();
            }
            Change::Fenced => {}
            Change::Unasked if on => return Err(OutOfStep),
            Change::Unasked => {
                let was_wanted = self.board.borrow_mut().revoked(id, kind, name);
                if was_wanted {
                    self.place([(kind, Rc::from(name))]);
                }
            }
        }
        Ok(())
    }

    /// A command has failed. What may pass is asked for again, or where the server says.
    fn declined(self: &Rc<Self>, link: &Link, ask: &Ask, failure: &Failure<'_>) {
        let is_passing = matches!(
            failure.code(),
            Code::Moved | Code::Ask | Code::TryAgain | Code::ClusterDown | Code::Loading | Code::MasterDown
        );
        let refused = self.board.borrow_mut().declined(ask, failure.text(), is_passing);
        // Those that were refused too often in a row were told so, and began anew: two servers that point to each
        // other are not asked without a pause.
        let follows = refused.is_some_and(|times| times > 0);
        let redirect = failure.redirect().filter(|redirect| follows && !redirect.ask);
        let moved = redirect.map(|redirect| self.link(&self.opener.moved(&link.spot, &redirect)));
        match moved.filter(|to| *to != ask.link) {
            Some(to) => self.board.borrow_mut().place(ask.kind, &ask.name, &[to]),
            None if refused.is_some() => {
                tracing::debug!(cluster = %self.cluster, at = ?link.spot, failure = ?failure,
                    "a server refuses a subscription that clients have; it is asked again");
                link.wants_again.set(true);
            }
            None => {}
        }
        self.settle();
    }
}
