//! PostgreSQL behaves as every protocol does.

mod common;

use common::Subjected;

tidegate_conformance::suite!(Subjected);
