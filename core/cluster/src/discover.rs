use futures_util::stream::BoxStream;
use tidegate_base::Address;

use crate::Role;

/// An endpoint as a discovery tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: Address,
    /// The name that its certificate should carry, where the address is a resolved one.
    pub server_name: Option<String>,
    /// What it is for.
    pub role: Role,
    /// Its share of new work.
    pub weight: u32,
}

/// Where the endpoints of a cluster are.
pub trait Discover: Send + Sync {
    /// The endpoints, whenever they change; each update is the whole set. The stream of a discovery whose endpoints
    /// never change ends after the first. It runs on the control plane and deals with its own failures: no update means
    /// "as before".
    fn watch(&self) -> BoxStream<'static, Vec<Target>>;
}
