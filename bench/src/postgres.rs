//! `pgbench -S` through each peer, and the memory of idle clients.

mod budget;
pub(crate) mod cell;
mod matrix;
pub(crate) mod options;
pub(crate) mod peer;
mod peers;
mod pgbench;
pub(crate) mod subject;

pub(crate) use self::matrix::measure;
pub(crate) use self::options::Options;
