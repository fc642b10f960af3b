//! Keeps listeners alive through start, reload and drain; knows no protocol.
//!
//! Accept, TLS and login run on login threads; the finished client is handed over once to its home core and stays there.
//! A core is one thread with a single-threaded runtime of its own. The seam to a protocol is [`Protocol`] and [`Room`].

mod client;
mod config;
mod core_thread;
mod cores;
mod engine;
mod error;
mod listener;
mod metrics;
mod phase;
mod protocol;
mod timers;
mod view;
mod virtual_database;

pub use client::{ClientPermit, Downstream};
pub use config::{ListenerConfig, RuntimeConfig, Threads, WhenFull};
pub use core_thread::CoreContext;
pub use cores::Cores;
pub use engine::Engine;
pub use error::{EngineError, SessionError};
pub use listener::ListenerPlan;
pub use phase::Leaving;
pub use protocol::{Admitted, Protocol, Room, SessionContext};
pub use timers::{Slot, Timers};
pub use view::{ClientView, ListenerView, PoolView, RoomView, ServerView};
pub use virtual_database::{Answer, Asker, Column, ColumnKind, Value, VirtualDatabase};
