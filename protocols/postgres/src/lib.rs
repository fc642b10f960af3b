//! One PostgreSQL client connection, from hello to goodbye.
//!
//! The way of the data: [`Postgres`] greets a client on a login thread (`admit`), its core's `room` gives it a `session`,
//! and the session takes `server`s from the pools that live on the same core. What a server still owes is kept by
//! `expected`, which decides when a server may go to somebody else.

mod admit;
mod batch;
mod begin;
mod config;
mod console;
mod dial;
mod effects;
mod expected;
mod group;
mod health;
mod hub;
mod login_rules;
mod metrics;
mod opening;
mod orders;
mod peers;
mod plan;
mod protocol;
mod quota;
mod room;
mod server;
mod session;
mod settings;
mod statements;
mod told;
mod totals;
mod users;

pub use config::{
    ClusterUser, Console, Credential, Deployment, LimitedUser, Login, LoginConnection, LoginMatch, LoginMethod,
    LoginQuery, LoginRule, Pool, PoolMode, PostgresCluster, PostgresLimits, PostgresListener, Route, SystemUser,
    Timeouts, User, UserSuffix, UserTimeouts,
};
pub use login_rules::{Applicant, LoginRules, Rule as ReadyLoginRule, RuleMistake};
pub use orders::Orders;
pub use peers::{PeerView, Peers, PostgresPeer};
pub use plan::{PlanMistake, PostgresPlan, targets};
pub use protocol::Postgres;
pub use totals::Totals;
