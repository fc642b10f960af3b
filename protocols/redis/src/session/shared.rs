use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

/// What others on the core may know of a session: views show it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: u64,
    pub(crate) listener: Arc<str>,
    pub(crate) peer: String,
    pub(crate) is_tls: bool,
    pub(crate) since: Instant,
    pub(crate) user: RefCell<Arc<str>>,
    pub(crate) cluster: RefCell<Arc<str>>,
    pub(crate) name: RefCell<Vec<u8>>,
    pub(crate) database: Cell<u32>,
    pub(crate) state: Cell<&'static str>,
    pub(crate) exchanges: Cell<u64>,
}
