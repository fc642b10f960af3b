use std::rc::Rc;
use std::task::Context;

use tidegate_redis_wire::reply::Version;
use tidegate_redis_wire::table::Channels;

use super::Hub;
use super::board::EarId;

/// A client's place at a hub. Dropped, it listens to nothing.
pub(crate) struct HubSeat {
    hub: Rc<Hub>,
    ear: EarId,
}

impl HubSeat {
    pub(super) fn new(hub: Rc<Hub>, ear: EarId) -> Self {
        Self { hub, ear }
    }

    /// Subscribes to names. The answers come as mail, all of them together once every name is there, or an error for
    /// all. Not while it [owes](Self::owes) answers.
    pub(crate) fn listen<'n>(&self, kind: Channels, names: impl IntoIterator<Item = &'n [u8]>) {
        self.hub.listen(self.ear, kind, names);
    }

    /// Unsubscribes from names, or without any from everything of that kind. The answers are there at once. Not while
    /// it [owes](Self::owes) answers.
    pub(crate) fn leave<'n>(&self, kind: Channels, names: impl IntoIterator<Item = &'n [u8]>) {
        self.hub.leave(self.ear, kind, names);
    }

    /// Takes what has come; `spare` is an empty buffer to go on with. Who has not written the last mail yet leaves the
    /// next one here, where it is bounded.
    pub(crate) fn take(&self, spare: Vec<u8>) -> Vec<u8> {
        debug_assert!(spare.is_empty(), "a spare buffer is empty");
        let mut inboxes = self.hub.inboxes.borrow_mut();
        let inbox = inboxes.get_mut(self.ear);
        inbox.map_or_else(Vec::new, |inbox| std::mem::replace(&mut inbox.bytes, spare))
    }

    /// Whether there is anything to take.
    pub(crate) fn has_mail(&self) -> bool {
        let inboxes = self.hub.inboxes.borrow();
        inboxes.get(self.ear).is_some_and(|inbox| !inbox.bytes.is_empty())
    }

    /// How many subscriptions of all kinds it has. With any, a client of RESP2 is in subscribed mode.
    pub(crate) fn count(&self) -> usize {
        self.hub.board.borrow().count(self.ear)
    }

    /// Whether answers are still to come. Until they are here the client's next command waits, or order is lost.
    pub(crate) fn owes(&self) -> bool {
        self.hub.board.borrow().owes(self.ear)
    }

    /// Whether it reads so slowly that more has piled up than may, and it has lost messages: it is to be closed.
    pub(crate) fn is_overrun(&self) -> bool {
        let inboxes = self.hub.inboxes.borrow();
        inboxes.get(self.ear).is_some_and(|inbox| inbox.is_overrun)
    }

    /// Says in which version the client is spoken to from now on.
    pub(crate) fn set_version(&self, version: Version) {
        if let Some(inbox) = self.hub.inboxes.borrow_mut().get_mut(self.ear) {
            inbox.version = version;
        }
    }

    /// Says whom to wake when the first mail comes behind the last that was taken, when an answer comes, and when too
    /// much has piled up.
    pub(crate) fn set_waker(&self, cx: &Context<'_>) {
        if let Some(inbox) = self.hub.inboxes.borrow_mut().get_mut(self.ear)
            && !inbox.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inbox.waker = Some(cx.waker().clone());
        }
    }
}

impl Drop for HubSeat {
    fn drop(&mut self) {
        self.hub.goodbye(self.ear);
    }
}
