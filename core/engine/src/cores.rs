use std::any::Any;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::{ClientPermit, RoomView};

/// How many messages a core takes before its senders wait.
pub(crate) const MAILBOX: usize = 4096;

/// The cores' mailboxes.
#[derive(Debug, Clone)]
pub struct Cores {
    mailboxes: Arc<[mpsc::Sender<Mail>]>,
}

/// A message to a core.
pub(crate) enum Mail {
    /// A client has come to stay.
    Client {
        protocol: usize,
        client: Box<dyn Any + Send>,
        permit: ClientPermit,
    },
    /// A protocol has something to say to its own room.
    Room {
        protocol: usize,
        message: Box<dyn Any + Send>,
    },
    /// Somebody wants to see what is there.
    View(oneshot::Sender<Vec<RoomView>>),
    /// Sessions should look at the Plan and at the drain signal.
    Wake,
    /// How many sessions are left?
    Sessions(oneshot::Sender<usize>),
    /// The end.
    Stop,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Client { .. } => "Client",
            Self::Room { .. } => "Room",
            Self::View(_) => "View",
            Self::Wake => "Wake",
            Self::Sessions(_) => "Sessions",
            Self::Stop => "Stop",
        })
    }
}

impl Cores {
    pub(crate) fn new(mailboxes: Vec<mpsc::Sender<Mail>>) -> Self {
        Self {
            mailboxes: mailboxes.into(),
        }
    }

    /// How many cores there are.
    pub fn count(&self) -> usize {
        self.mailboxes.len()
    }

    /// The core on which everything with this home lives.
    pub fn home(&self, home: u64) -> usize {
        let cores = u64::try_from(self.mailboxes.len()).unwrap_or(1).max(1);
        // The high bits: the low ones may be used as a hash again where the home is looked up.
        usize::try_from((home >> 32) % cores).unwrap_or(0)
    }

    /// Sends a message to protocol number `protocol`'s room on a core; waits while the core's mailbox is full. Nothing
    /// happens when there is no such core.
    pub async fn deliver(&self, core: usize, protocol: usize, message: Box<dyn Any + Send>) {
        if let Some(mailbox) = self.mailboxes.get(core) {
            let _ = mailbox.send(Mail::Room { protocol, message }).await;
        }
    }

    pub(crate) async fn send(&self, core: usize, mail: Mail) {
        if let Some(mailbox) = self.mailboxes.get(core) {
            let _ = mailbox.send(mail).await;
        }
    }

    pub(crate) async fn send_all(&self, mut mail: impl FnMut() -> Mail) {
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.send(mail()).await;
        }
    }

    /// Ends every core that has room for a message.
    pub(crate) fn stop(&self) {
        for mailbox in self.mailboxes.iter() {
            let _ = mailbox.try_send(Mail::Stop);
        }
    }

    /// Asks every core, one after the other, so that no core's answer waits in memory for another's.
    pub(crate) async fn ask_all<T>(&self, mut question: impl FnMut(oneshot::Sender<T>) -> Mail) -> Vec<T> {
        let mut answers = Vec::with_capacity(self.mailboxes.len());
        for mailbox in self.mailboxes.iter() {
            let (answer, answered) = oneshot::channel();
            if mailbox.send(question(answer)).await.is_ok()
                && let Ok(answer) = answered.await
            {
                answers.push(answer);
            }
        }
        answers
    }
}
