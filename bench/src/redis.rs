//! `redis-benchmark` through each peer, and the memory of idle clients.

mod benchmark;
mod cell;
mod matrix;
mod options;
mod peer;
mod peers;
mod subject;

pub(crate) use self::matrix::measure;
pub(crate) use self::options::Options;
