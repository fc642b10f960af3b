use std::any::Any;
use std::rc::Rc;
use std::time::Instant;

use futures_util::future::{BoxFuture, LocalBoxFuture};

use crate::{CoreContext, Downstream, RoomView, SessionError, Slot};

/// The engine's one seam to a protocol.
pub trait Protocol: Send + Sync {
    /// Its name in configuration, metrics and views.
    fn name(&self) -> &'static str;

    /// Greets an accepted client: hello, TLS, login, route. Runs on a login thread, within the listener's
    /// `pre_auth_timeout`.
    fn admit(&self, downstream: Downstream) -> BoxFuture<'_, Result<Admitted, SessionError>>;

    /// The protocol's part of one core; called once per core, on its thread.
    fn room(&self, core: CoreContext) -> Rc<dyn Room>;
}

/// What came of a greeting.
pub enum Admitted {
    /// A client that wants to be served.
    Client {
        /// Clients with the same home share a core, and so their pools.
        home: u64,
        /// What the room needs to serve it.
        client: Box<dyn Any + Send>,
    },
    /// A client that needs no core: it asks this process, not a server. It is served where it was admitted, and its
    /// session watches [`Downstream::leaving`] by itself.
    Aside(BoxFuture<'static, Result<(), SessionError>>),
    /// Nothing more to do: the client wanted no more, or was told why not.
    Finished,
}

/// A protocol's part of one core: its pools and its sessions. Nothing in it is shared with another core.
pub trait Room {
    /// Serves a client from login to goodbye.
    fn serve(
        self: Rc<Self>,
        client: Box<dyn Any + Send>,
        context: SessionContext,
    ) -> LocalBoxFuture<'static, Result<(), SessionError>>;

    /// Takes a message that this protocol sent to the core from elsewhere.
    fn deliver(self: Rc<Self>, message: Box<dyn Any + Send>);

    /// Does what is due every second or so: closes what is idle for too long, opens what is wanted.
    fn maintain(self: Rc<Self>, now: Instant);

    /// What it holds now.
    fn view(&self, now: Instant) -> RoomView;
}

/// What a session is given beside its client.
#[derive(Debug)]
pub struct SessionContext {
    /// Its place on this core.
    pub slot: Slot,
}
