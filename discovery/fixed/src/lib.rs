//! Endpoints that stand in the configuration and never change.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tidegate_cluster::{Discover, Target};

/// A set of endpoints that never changes. A DNS name in an address is resolved at each connection attempt.
#[derive(Debug, Clone)]
pub struct Fixed(Vec<Target>);

impl Fixed {
    /// Exactly these.
    pub fn new(targets: Vec<Target>) -> Self {
        Self(targets)
    }
}

impl Discover for Fixed {
    fn watch(&self) -> BoxStream<'static, Vec<Target>> {
        let targets = self.0.clone();
        stream::once(async move { targets }).boxed()
    }
}
