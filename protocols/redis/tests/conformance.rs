//! Redis behaves as every protocol does.

mod common;

use common::Both;

tidegate_conformance::suite!(Both);
