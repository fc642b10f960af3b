//! The admin API over HTTP: health, metrics, and what the gateway holds now. It owns every serialisable view, and names
//! no protocol.
//!
//! Health and metrics are open; everything else wants a bearer token. It runs on the control plane and is bounded in
//! connections, headers, time and page size, so that it never competes with clients' bytes.

mod api;
mod auth;
mod config;
mod error;
mod gauges;
mod health;
mod page;
mod server;
mod source;
mod views;

pub use config::AdminConfig;
pub use error::AdminError;
pub use server::Admin;
pub use source::{Reloaded, Source, Version};
