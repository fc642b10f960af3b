//! The hub before real servers, without a session.

mod cluster;
mod harness;
mod memory;
mod single;
