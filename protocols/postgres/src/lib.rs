//! t
#![allow(dead_code)]
mod expected;
