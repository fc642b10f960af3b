//! Subscriptions of all clients over one subscription per channel at the server.
//!
//! The `board` knows who listens to what, and what must be asked of servers; it is pure. A `link` is a connection that
//! is subscribed, and its task (`carrier`); `hear` is what comes of the servers' words. A client holds a [`HubSeat`], whose `inbox` fills with whole messages. One
//! hub per core and cluster; nothing in it is locked or shared.

mod board;
mod carrier;
mod dues;
mod hear;
mod inbox;
mod intake;
mod link;
mod opener;
mod push;
mod seat;
mod shelf;
#[cfg(test)]
mod tests;
mod topic;

pub(crate) use opener::{Opener, Spot};
pub(crate) use seat::HubSeat;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tidegate_limit::Backoff;
use tidegate_redis_wire::reply::Version;
use tidegate_redis_wire::table::Channels;

use board::{Board, EarId, LinkId};
use inbox::Inbox;
use link::Link;
use shelf::Shelf;

/// How a hub behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HubRules {
    /// The most bytes that wait for a client which does not read (Redis's `client-output-buffer-limit pubsub`), until it
    /// is told otherwise.
    pub(crate) buffer: usize,
    /// How often a link says PING.
    pub(crate) beat: Duration,
    /// How long a server may say nothing at all.
    pub(crate) patience: Duration,
    /// How soon a lost link is opened again, and what a server has refused is asked for again.
    pub(crate) backoff: Backoff,
    /// How long a link stays that nobody needs.
    pub(crate) linger: Duration,
}

impl Default for HubRules {
    fn default() -> Self {
        Self {
            buffer: 32 << 20,
            beat: Duration::from_secs(5),
            patience: Duration::from_secs(15),
            backoff: Backoff {
                first: Duration::from_millis(50),
                multiplier: 2.0,
                cap: Some(Duration::from_secs(2)),
            },
            linger: Duration::from_secs(30),
        }
    }
}

/// What a hub has done so far, for metrics.
#[derive(Debug, Default)]
pub(crate) struct HubTally {
    /// Messages that servers sent.
    pub(crate) messages: Cell<u64>,
    /// Messages laid into inboxes of clients.
    pub(crate) deliveries: Cell<u64>,
    /// Clients that were given up since they do not read.
    pub(crate) overruns: Cell<u64>,
    /// Links that were lost while somebody listened.
    pub(crate) losses: Cell<u64>,
}

/// What clients of one cluster listen to on one core.
pub(crate) struct Hub {
    cluster: Arc<str>,
    rules: HubRules,
    /// The most bytes that wait for a client now, which a reload can change.
    buffer: Cell<usize>,
    opener: Box<dyn Opener>,
    board: RefCell<Board>,
    /// By the listeners' numbers.
    inboxes: RefCell<Shelf<Inbox>>,
    links: RefCell<HashMap<LinkId, Rc<Link>>>,
    spots: RefCell<HashMap<Spot, LinkId>>,
    tally: HubTally,
}

impl Hub {
    pub(crate) fn new(cluster: Arc<str>, rules: HubRules, opener: Box<dyn Opener>) -> Rc<Self> {
        Rc::new(Self {
            cluster,
            buffer: Cell::new(rules.buffer),
            rules,
            opener,
            board: RefCell::default(),
            inboxes: RefCell::default(),
            links: RefCell::default(),
            spots: RefCell::default(),
            tally: HubTally::default(),
        })
    }

    /// Takes a place, for a client that speaks this version.
    pub(crate) fn join(self: &Rc<Self>, version: Version) -> HubSeat {
        let ear = self.board.borrow_mut().enter();
        let inbox = Inbox {
            version,
            ..Inbox::default()
        };
        // Both shelves are filled and emptied together, and so give the same numbers.
        let number = self.inboxes.borrow_mut().insert(inbox);
        debug_assert_eq!(ear, number, "a listener and its inbox have one number");
        HubSeat::new(Rc::clone(self), ear)
    }

    pub(crate) fn tally(&self) -> &HubTally {
        &self.tally
    }

    /// Another bound for what waits for a client holds from the next message on.
    pub(crate) fn set_buffer(&self, buffer: usize) {
        self.buffer.set(buffer);
    }

    /// How many channels, patterns and shard channels are subscribed to at servers.
    pub(crate) fn topics(&self) -> usize {
        self.board.borrow().topics()
    }

    /// The connections that it has or tries to have: where they lead, and whether they are up.
    pub(crate) fn links(&self) -> Vec<(Spot, bool)> {
        let links = self.links.borrow();
        links
            .values()
            .map(|link| (link.spot.clone(), link.is_up.get()))
            .collect()
    }

    /// The layout of the cluster has changed: what belongs elsewhere now goes there.
    pub(crate) fn relocate(self: &Rc<Self>) {
        let placed = self.board.borrow().placed(self.opener.spreads());
        let links = self.links.borrow();
        let knowing = links.iter().filter(|(_, link)| self.opener.knows(&link.spot));
        let knowing: HashSet<LinkId> = knowing.map(|(id, _)| *id).collect();
        drop(links);
        for (kind, name) in placed {
            let links = self.links_for(kind, &name);
            let knows = |link| knowing.contains(&link);
            self.board.borrow_mut().doubt(kind, &name, &links, knows);
        }
        self.settle();
    }

    /// The cluster is another one, or of another kind: everything goes where it belongs there.
    pub(crate) fn relocate_all(self: &Rc<Self>) {
        let topics = self.board.borrow().placed(true);
        self.place(topics);
    }

    /// Gives up a connection for a new one, as when its server is not to be used any more.
    pub(crate) fn hang_up(&self, spot: &Spot) {
        let id = self.spots.borrow().get(spot).copied();
        if let Some(link) = id.and_then(|id| self.links.borrow().get(&id).map(Rc::clone)) {
            link.hang_up();
        }
    }

    fn listen<'n>(self: &Rc<Self>, ear: EarId, kind: Channels, names: impl IntoIterator<Item = &'n [u8]>) {
        let names = names.into_iter().map(|name| {
            let is_known = self.board.borrow().knows(kind, name);
            (
                name,
                if is_known {
                    Vec::new()
                } else {
                    self.links_for(kind, name)
                },
            )
        });
        let names: Vec<_> = names.collect();
        self.board.borrow_mut().listen(ear, kind, names);
        self.settle();
    }

    fn leave<'n>(&self, ear: EarId, kind: Channels, names: impl IntoIterator<Item = &'n [u8]>) {
        let mut names = names.into_iter().peekable();
        let mut board = self.board.borrow_mut();
        if names.peek().is_some() {
            board.leave(ear, kind, names);
        } else {
            board.leave_all(ear, kind);
        }
        drop(board);
        self.settle();
    }

    fn goodbye(&self, ear: EarId) {
        self.board.borrow_mut().goodbye(ear);
        self.inboxes.borrow_mut().remove(ear);
        self.settle();
    }

    /// Lets topics go where they belong now.
    fn place(self: &Rc<Self>, topics: impl IntoIterator<Item = (Channels, Rc<[u8]>)>) {
        for (kind, name) in topics {
            let links = self.links_for(kind, &name);
            self.board.borrow_mut().place(kind, &name, &links);
        }
        self.settle();
    }

    /// The links that a name belongs on.
    fn links_for(self: &Rc<Self>, kind: Channels, name: &[u8]) -> Vec<LinkId> {
        let spots = match kind {
            Channels::Shard => vec![self.opener.spot_of(name)],
            Channels::Named if self.opener.spreads() => vec![self.opener.spot_of(name)],
            _ if topic::is_wide(kind, name) => self.opener.primaries(),
            _ => Vec::new(),
        };
        if spots.is_empty() {
            return vec![self.link(&Spot::Any)];
        }
        spots.iter().map(|spot| self.link(spot)).collect()
    }

    /// The link to a place; there is one from now on.
    fn link(self: &Rc<Self>, spot: &Spot) -> LinkId {
        if let Some(id) = self.spots.borrow().get(spot) {
            return *id;
        }
        let id = self.board.borrow_mut().add_link();
        let link = Rc::new(Link::new(spot.clone()));
        self.spots.borrow_mut().insert(spot.clone(), id);
        self.links.borrow_mut().insert(id, Rc::clone(&link));
        tokio::task::spawn_local(carrier::run(Rc::clone(self), id, link));
        id
    }

    /// Does what the board says: asks servers, and tells clients.
    fn settle(&self) {
        let (asks, tellings) = {
            let mut board = self.board.borrow_mut();
            (board.take_asks(), board.take_tellings())
        };
        let links = self.links.borrow();
        for ask in asks {
            if let Some(link) = links.get(&ask.link) {
                link.ask(ask);
            }
        }
        let mut inboxes = self.inboxes.borrow_mut();
        for (ear, telling) in tellings {
            if let Some(inbox) = inboxes.get_mut(ear) {
                inbox.tell(&telling);
            }
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Hub")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}
