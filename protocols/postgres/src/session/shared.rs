use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use tidegate_cluster::Endpoint;
use tidegate_limit::Permit;
use tidegate_postgres_wire::CancelKey;
use tokio::sync::oneshot;

use crate::admit::Seat;
use crate::group::Group;
use crate::server::Server;
use crate::told::Farewell;

/// Dropped when a cancel has been carried out, or there was nothing to cancel.
pub(crate) type Canceller = oneshot::Sender<()>;

/// What others on the core may know of a session: views show it, cancels find it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) slot: u32,
    pub(crate) serial: u64,
    pub(crate) core: usize,
    pub(crate) key: CancelKey,
    pub(crate) group: Rc<Group>,
    /// Who the client is, where that is not the user of its pool.
    user: Option<Box<str>>,
    pub(crate) listener: Arc<str>,
    pub(crate) peer: String,
    pub(crate) is_tls: bool,
    pub(crate) since: Instant,
    pub(crate) application_name: RefCell<String>,
    pub(crate) state: Cell<State>,
    pub(crate) exchanges: Cell<u64>,
    /// When its latest request came that needed a server.
    pub(crate) asked: Cell<Instant>,
    pub(crate) lent: RefCell<Option<Lent>>,
    /// It is suspended, and what was held for its client and its server is out.
    pub(crate) is_still: Cell<bool>,
    /// Why it ends.
    pub(crate) farewell: RefCell<Farewell>,
    cancelled: Cell<bool>,
    /// Who waits until that has come to the server and gone.
    cancellers: RefCell<Vec<Canceller>>,
    killed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// Its places among those that may be here.
    _permits: Vec<Permit<Seat>>,
}

/// The server connection that a session holds, as views show it.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) process: i32,
    pub(crate) is_tls: bool,
    pub(crate) opened: Instant,
    pub(crate) exchanges: u64,
}

/// What a session is doing, as views show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Login,
    Idle,
    Waiting,
    Active,
    InTransaction,
    Pinned,
}

impl State {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::InTransaction => "in_transaction",
            Self::Pinned => "pinned",
        }
    }

    pub(crate) fn is_pinned(self) -> bool {
        self == Self::Pinned
    }
}

impl Shared {
    pub(crate) fn new(
        (slot, serial, core): (u32, u64, usize),
        key: CancelKey,
        (group, user): (Rc<Group>, Option<Box<str>>),
        listener: Arc<str>,
        (peer, is_tls): (String, bool),
        application_name: String,
        permits: Vec<Permit<Seat>>,
    ) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            slot,
            serial,
            core,
            key,
            group,
            user,
            listener,
            peer,
            is_tls,
            since: now,
            application_name: RefCell::new(application_name),
            state: Cell::new(State::Login),
            exchanges: Cell::new(0),
            asked: Cell::new(now),
            lent: RefCell::new(None),
            is_still: Cell::new(false),
            farewell: RefCell::default(),
            cancelled: Cell::new(false),
            cancellers: RefCell::default(),
            killed: Cell::new(false),
            waker: RefCell::new(None),
            _permits: permits,
        })
    }

    /// The name that the client came by.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(&self.group.route.user)
    }

    /// A number that no other session of this process has had.
    pub(crate) fn id(&self) -> u64 {
        self.serial << 6 | u64::try_from(self.core).unwrap_or(0)
    }

    /// Asks the session to cancel what it is running; who asks hears when that is done.
    pub(crate) fn cancel(&self, canceller: Canceller) {
        self.cancelled.set(true);
        self.cancellers.borrow_mut().push(canceller);
        self.wake();
    }

    pub(crate) fn take_cancellers(&self) -> Vec<Canceller> {
        self.cancellers.take()
    }

    /// Asks the session to end.
    pub(crate) fn kill(&self) {
        self.killed.set(true);
        self.wake();
    }

    pub(crate) fn take_kill(&self) -> bool {
        self.killed.replace(false)
    }

    pub(crate) fn take_cancel(&self) -> bool {
        self.cancelled.replace(false)
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
    }

    pub(crate) fn lend(&self, server: &Server) {
        *self.lent.borrow_mut() = Some(Lent {
            endpoint: Arc::clone(&server.endpoint),
            process: server.process,
            is_tls: server.stream.tls().is_some(),
            opened: server.opened,
            exchanges: server.exchanges,
        });
    }
}
