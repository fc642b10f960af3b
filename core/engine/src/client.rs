use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tidegate_base::Refusal;
use tidegate_limit::Permit;
use tidegate_net::{Peer, Stream};

use crate::{Cores, Leaving, ListenerPlan};

/// An accepted client stream, which its protocol can upgrade to TLS at the point that the protocol says.
#[derive(Debug)]
pub struct Downstream {
    /// The stream.
    pub stream: Stream,
    /// Who is at the other end.
    pub peer: Peer,
    /// The listener that it came by.
    pub listener: Arc<ListenerPlan>,
    /// When it was accepted.
    pub accepted: Instant,
    /// Set when the client cannot be served (a limit, or the process is going down): to be said in the protocol's own
    /// words as soon as the protocol allows.
    pub refusal: Option<Refusal>,
    /// It cannot be served only because there are as many clients as there may be over all listeners; who looks after the
    /// gateway may come in.
    pub is_full: bool,
    /// The cores, for messages to the one that a client means.
    pub cores: Cores,
    /// How far the process has gone on its way down, for a session that stays aside of the cores.
    pub leaving: Leaving,
}

impl Downstream {
    /// Whether the system vouches that the client runs as the user that this process runs as.
    pub fn is_own_user(&self) -> bool {
        matches!(self.peer, Peer::Unix { uid: Some(uid) } if uid == rustix::process::geteuid().as_raw())
    }
}

/// Counts a client against its listener's limits, and that of all, until dropped.
#[derive(Debug)]
pub struct ClientPermit {
    clients: Arc<AtomicUsize>,
    total: Arc<AtomicUsize>,
    address: Option<Permit<IpAddr>>,
}

impl ClientPermit {
    /// `None` when there are `most` in all listeners already, which accept at the same time; 0 means no limit.
    pub(crate) fn new(
        clients: Arc<AtomicUsize>,
        (total, most): (Arc<AtomicUsize>, usize),
        address: Option<Permit<IpAddr>>,
    ) -> Option<Self> {
        let one_more = |clients: usize| (most == 0 || clients < most).then_some(clients + 1);
        total
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        clients.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            clients,
            total,
            address,
        })
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        // Who sees that it has left finds its address free too.
        drop(self.address.take());
        self.clients.fetch_sub(1, Ordering::Relaxed);
        self.total.fetch_sub(1, Ordering::Relaxed);
    }
}
