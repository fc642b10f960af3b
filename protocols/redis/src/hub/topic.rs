use std::rc::Rc;

use tidegate_redis_wire::table::Channels;

use super::board::{EarId, LinkId};

/// A channel, a pattern or a shard channel that somebody listens to, or wants to.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) kind: Channels,
    pub(super) name: Rc<[u8]>,
    /// Who hears what is said on it.
    pub(super) members: Vec<EarId>,
    /// Who has asked for it and is not confirmed yet.
    pub(super) waiters: Vec<Waiter>,
    /// Where it is subscribed, or about to be, or about not to be.
    pub(super) legs: Vec<Leg>,
    /// Where ordinary messages are heard when it is subscribed at several servers.
    pub(super) speaker: Option<LinkId>,
    /// How often servers refused it since it was last confirmed.
    pub(super) refusals: u32,
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) ear: EarId,
    /// Its request still waits for this topic, and not only for others.
    pub(super) is_due: bool,
}

/// A topic's subscription over one link.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) link: LinkId,
    /// It belongs there; else it is on its way out.
    pub(super) is_target: bool,
    pub(super) state: LegState,
}

/// At most one command about a topic is under way on a link. What is wanted may change meanwhile; the next command is
/// sent when the answer has come. So answers need no generations, and a client that subscribes and leaves in a hurry
/// has nothing pile up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegState {
    Off,
    /// SUBSCRIBE is under way.
    Opening,
    On,
    /// UNSUBSCRIBE is under way.
    Closing,
    /// The server said no; it is asked again later.
    Refused,
}

impl Topic {
    pub(super) fn new(kind: Channels, name: Rc<[u8]>) -> Self {
        Self {
            kind,
            name,
            members: Vec::new(),
            waiters: Vec::new(),
            legs: Vec::new(),
            speaker: None,
            refusals: 0,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        !self.members.is_empty() || !self.waiters.is_empty()
    }

    /// Whether it is subscribed wherever it belongs.
    pub(super) fn is_ready(&self) -> bool {
        let mut targets = self.legs.iter().filter(|leg| leg.is_target).peekable();
        targets.peek().is_some() && targets.all(|leg| leg.state == LegState::On)
    }

    pub(super) fn leg(&self, link: LinkId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.link == link)
    }

    pub(super) fn leg_mut(&mut self, link: LinkId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.link == link)
    }

    /// Forgets that somebody waits.
    pub(super) fn forget_waiter(&mut self, ear: EarId) {
        if let Some(at) = self.waiters.iter().position(|waiter| waiter.ear == ear) {
            self.waiters.swap_remove(at);
        }
    }
}

/// Whether only the server where it happens tells of it: the bus of a cluster does not carry what servers say of keys
/// (`notify.c`).
pub(super) fn is_event(channel: &[u8]) -> bool {
    channel.starts_with(b"__keyspace@") || channel.starts_with(b"__keyevent@")
}

/// Whether it is to be subscribed at every primary. A pattern that begins with less can match events too; as with a
/// client that is connected to one node, it hears those of one node.
pub(super) fn is_wide(kind: Channels, name: &[u8]) -> bool {
    match kind {
        Channels::Named => is_event(name),
        Channels::Pattern => name.starts_with(b"__key"),
        Channels::Shard => false,
    }
}

/// Whether it belongs somewhere by the layout, also where ordinary channels are heard at any server.
pub(super) fn is_placed(kind: Channels, name: &[u8]) -> bool {
    kind == Channels::Shard || is_wide(kind, name)
}
