//! The hub before real servers.
