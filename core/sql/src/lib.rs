//! Reads SQL only as far as pooling, routing and counting need: no parser, no tree, no I/O.
//!
//! The dialect is PostgreSQL's; another one becomes a value of [`Dialect`] when its protocol arrives.
//! SQL is taken as bytes. Every encoding is fine in which the bytes of ASCII characters mean nothing else: UTF-8 and
//! the ISO and Windows sets, but not SJIS, BIG5, GBK, UHC, JOHAB and GB18030, in which a character's second byte may
//! look like a quote or a backslash. A session whose client speaks one of those must not rely on this crate.

#![allow(clippy::doc_markdown, reason = "PostgreSQL reads as a word here, not as code")]

mod class;
mod effect;
mod fingerprint;
mod first_look;
mod lexer;
mod name;
mod reader;
mod statement;
mod tables;

pub use class::{Class, class};
pub use effect::{Discard, Effect, Which};
pub use fingerprint::{fingerprint, normalise};
pub use first_look::may_change_session;
pub use lexer::{Dialect, Lexer, Token, TokenKind};
pub use name::Name;
pub use statement::{Statement, Statements, Verb, statements, statements_in};
pub use tables::{MAX_TABLES, Table, tables};
