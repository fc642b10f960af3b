//! What was asked for: a configuration document, held against the schema of the parts that read it.
//!
//! This crate knows documents and JSON Schemas. The structs are declared beside the code that they configure
//! (`schemars::JsonSchema` and `serde::Deserialize`), and whoever knows every part puts the whole schema together.
//!
//! ```text
//! Document::open ─► resolve (${…}, environment) ─► check (all mistakes) ─► decode::<T>
//! └───────────────────────── load ──────────────────────────┘
//! ```

mod check;
mod decode;
mod default_file;
mod diff;
mod document;
mod effective;
mod emit;
mod environment;
mod interpolate;
mod mistake;
mod node;
mod overrides;
mod path;
mod quote;
mod reference;
mod resolve;
mod scalar;
mod select;
mod settle;
mod shape;
mod toml_text;
mod yaml_text;

pub use check::check;
pub use decode::decode;
pub use default_file::default_file;
pub use diff::{Change, ChangeKind, diff};
pub use document::Document;
pub use effective::effective;
pub use environment::{Environment, ProcessEnvironment};
pub use mistake::{Mistake, nearest, report, report_with_source};
pub use node::{Entry, Node, Source, Span, Value};
pub use overrides::Overrides;
pub use path::{Path, Step};
pub use quote::quoted;
pub use reference::reference;
pub use resolve::{load, prepare};
