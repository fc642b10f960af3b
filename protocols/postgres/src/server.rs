use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tidegate_base::{Reason, Refusal};
use tidegate_cluster::Endpoint;
use tidegate_net::{Outgoing, Stream};
use tidegate_pool::{Lease, Pool, Seat};
use tidegate_postgres_wire::backend::{ParameterStatus, Status};
use tidegate_postgres_wire::login::Ready;
use tidegate_postgres_wire::{Cursor, Frame};

use crate::batch::Batch;
use crate::expected::Expected;
use crate::quota::Place;
use crate::settings::Settings;
use crate::statements::{Prepared, Statement};
use crate::told::Opened;

/// How often an idle server may say something before it is taken for ill.
const MOST_ASIDES: usize = 16;

pub(crate) type ServerPool = Pool<Box<Server>, Need, Refusal>;
pub(crate) type ServerLease = Lease<Box<Server>, Need, Refusal>;
pub(crate) type ServerSeat = Seat<Box<Server>, Need, Refusal>;

/// What a client needs a new server connection to be like.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// The settings to open it with.
    pub(crate) started: Rc<Settings>,
}

/// A connection to a server, logged in, with everything that must be known before another client may have it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) stream: Stream,
    pub(crate) out: Outgoing,
    /// The beginning of a message that is needed and not complete.
    pub(crate) held: Vec<u8>,
    pub(crate) cursor: Cursor,
    pub(crate) status: Status,
    pub(crate) expected: Expected,
    /// What the session's settings are now, as far as the gateway knows.
    pub(crate) settings: Rc<Settings>,
    /// What the connection was opened with.
    pub(crate) started: Rc<Settings>,
    /// What the query that it began with has set.
    pub(crate) base: Rc<Settings>,
    /// There was such a query.
    pub(crate) has_begun: bool,
    /// How much it has made of what holds a connection for its client where the client has made it.
    pub(crate) begun_pins: u64,
    /// What the server reports of itself and of its settings.
    pub(crate) reported: Reported,
    pub(crate) prepared: Prepared,
    /// Statements whose ParseComplete is to come, in order; none for the unnamed one.
    pub(crate) parsing: VecDeque<Option<Rc<Statement>>>,
    /// Names that the client gives or takes when the matching completion passes, in order.
    pub(crate) naming: VecDeque<Naming>,
    /// The answers that are due for [`crate::expected::Entry::Local`], in order.
    pub(crate) local: VecDeque<Local>,
    /// Whose unnamed statement the server has: a session's number, 0 for nobody's.
    pub(crate) unnamed_of: u64,
    /// What it is working on, where that could be said again.
    pub(crate) batch: Batch,
    /// What the client is told when the connection ends, as the server has announced.
    pub(crate) last_words: Option<Vec<u8>>,
    /// The client has said goodbye behind what it asked for: as without a gateway, the server does that to its end.
    pub(crate) may_finish: bool,
    /// The client has been told that the connection ends.
    pub(crate) has_said_goodbye: bool,
    /// The PREPARE that is under way has failed.
    pub(crate) prepare_failed: bool,
    /// How many cancels are on their way to it.
    pub(crate) cancels: Rc<Cell<usize>>,
    /// Something of the client is left on it that the server itself confirmed: temporary tables, locks, cursors.
    pub(crate) pinned: bool,
    /// The client has changed something on it that no question finds: it is the client's until it is reset.
    pub(crate) held_for_good: bool,
    /// Something may be left on it that nobody can see from here; only a reset makes it clean.
    pub(crate) tainted: bool,
    /// Statements with a plan that fits no more, of which the client was told: deallocated as soon as no transaction is open.
    pub(crate) stale: Vec<Rc<Statement>>,
    pub(crate) process: i32,
    pub(crate) secret: Vec<u8>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) exchanges: u64,
    /// When the first request of the transaction that is open was sent.
    pub(crate) entered: Option<Instant>,
    pub(crate) opened: Instant,
    /// Tells of its end.
    pub(crate) told: Option<Box<Opened>>,
    _place: Place,
}

/// A change of a client's names, to be made when its completion reaches the client.
#[derive(Debug)]
pub(crate) enum Naming {
    /// Parse: the client's name means this statement.
    Give(Box<[u8]>, Rc<Statement>),
    /// Parse of the unnamed statement, or one that the gateway does not follow.
    Nothing,
    /// Close: the client's name means nothing any more.
    Take(Box<[u8]>),
}

/// An answer that the gateway gives in the server's place.
#[derive(Debug, Default)]
pub(crate) struct Local {
    pub(crate) words: Vec<u8>,
    /// The next change of names takes place with it.
    pub(crate) renames: bool,
}

/// What a server reports, by ParameterStatus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reported(pub(crate) Vec<(Box<str>, Box<str>)>);

impl Reported {
    /// A reported value; names are compared without regard to case, as the server does.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// Takes a report.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, known)) => *known = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
    }
}

impl Server {
    /// A connection fresh from its login.
    pub(crate) fn new(
        stream: Stream,
        ready: Ready,
        (started, base): (Rc<Settings>, Rc<Settings>),
        endpoint: Arc<Endpoint>,
        place: Place,
        now: Instant,
    ) -> Self {
        let mut reported = Reported::default();
        for (name, value) in &ready.parameters {
            reported.set(name, value);
        }
        Self {
            stream,
            out: Outgoing::default(),
            held: Vec::new(),
            cursor: Cursor::new(),
            status: ready.status,
            expected: Expected::default(),
            settings: Rc::clone(&started),
            started,
            base,
            has_begun: false,
            begun_pins: 0,
            reported,
            prepared: Prepared::default(),
            parsing: VecDeque::new(),
            naming: VecDeque::new(),
            local: VecDeque::new(),
            unnamed_of: 0,
            batch: Batch::default(),
            last_words: None,
            may_finish: false,
            has_said_goodbye: false,
            prepare_failed: false,
            cancels: Rc::default(),
            pinned: false,
            held_for_good: false,
            tainted: false,
            stale: Vec::new(),
            process: ready.process,
            secret: ready.secret,
            endpoint,
            exchanges: 0,
            entered: None,
            opened: now,
            told: None,
            _place: place,
        }
    }

    /// Says why it is closed, for the log.
    pub(crate) fn because(&self, why: &'static str) {
        if let Some(told) = &self.told {
            told.because(why);
        }
    }

    /// Whether the wire proves that nothing of the last client is under way on it.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_at_rest() && self.cancels.get() == 0
    }

    /// The same but for cancels, which may be on their way to it.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.status == Status::Idle
            && self.expected.is_settled()
            && self.out.is_empty()
            && self.held.is_empty()
            && self.cursor.at_boundary()
    }

    /// Looks at an idle connection: `false` when it is dead, or says something that an idle server has no reason to say.
    ///
    /// `cx` is woken when it says something later.
    pub(crate) fn is_well(&mut self, cx: &mut Context<'_>) -> bool {
        let mut buffer = [0; 256];
        // To the end of what is there: behind a last notice the end of the stream may have come, and only a read that finds
        // nothing leaves a waker.
        for _ in 0..MOST_ASIDES {
            match self.stream.poll_read(cx, &mut buffer) {
                Poll::Pending => return true,
                Poll::Ready(Ok(length)) if length > 0 && self.hear(&buffer[..length]) => {}
                Poll::Ready(_) => return false,
            }
        }
        false
    }

    /// An idle server may report a setting that its configuration changed, or say a notice; an error is its goodbye.
    fn hear(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let Ok(Some((frame, length))) = Frame::read(bytes) else {
                return false;
            };
            match frame.kind {
                b'S' => {
                    if let Ok(status) = ParameterStatus::read(frame.body) {
                        self.report(&status);
                    }
                }
                b'N' => {}
                _ => return false,
            }
            bytes = &bytes[length..];
        }
        true
    }

    /// Takes a ParameterStatus.
    pub(crate) fn report(&mut self, status: &ParameterStatus<'_>) {
        self.reported.set(
            &String::from_utf8_lossy(status.name),
            &String::from_utf8_lossy(status.value),
        );
    }
}

/// What a client is told when no server can be had, whatever the reason.
pub(crate) fn unavailable(text: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Reason::Unavailable, text)
}
