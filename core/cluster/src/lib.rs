//! Which endpoints exist now, which are well, which to pick; and the rule table that picks a cluster for a client.

mod balance;
mod cluster;
mod config;
mod discover;
mod endpoint;
mod route;

pub use balance::Picker;
pub use cluster::Cluster;
pub use config::{Balance, Connect, EndpointConfig, Health, RouteMatch};
pub use discover::{Discover, Target};
pub use endpoint::{Endpoint, Role};
pub use route::{Cidr, Conditions, PatternError, Subject, literal_pattern, shown_pattern};
