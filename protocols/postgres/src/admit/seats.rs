use std::sync::Arc;

use tidegate_base::{Reason, Refusal};
use tidegate_limit::Permit;

use super::Route;
use crate::Postgres;
use crate::plan::{ListenerRules, PostgresPlan};

/// What clients are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Seat {
    /// A user.
    User(String),
    /// A cluster, and a database there.
    Database(Arc<str>, String),
}

/// Counts a client in, by the name that it came by and where it goes; or says which limit is reached.
pub(super) fn take_seats(
    postgres: &Postgres,
    rules: &ListenerRules,
    plan: &PostgresPlan,
    route: &Route,
) -> Result<Vec<Permit<Seat>>, Refusal> {
    let user = &route.user;
    let of_user = [
        (rules.max_clients_per_user, "max_clients_per_user"),
        (plan.limits.clients(user), "limits.postgres"),
    ];
    let of_user = of_user.into_iter().filter(|(most, _)| *most > 0);
    let mut permits = Vec::new();
    if let Some((most, key)) = of_user.min_by_key(|(most, _)| *most) {
        let permit = postgres.clients().take(Seat::User(user.clone()), most);
        let text = || format!("too many connections for role \"{user}\" ({key})");
        permits.push(permit.ok_or_else(|| Refusal::new(Reason::Overloaded, text()))?);
    }
    let rules = plan.clusters.get(&route.cluster);
    let most = rules.map_or(0, |rules| rules.max_clients_per_database);
    if most > 0 {
        let seat = Seat::Database(Arc::clone(&route.cluster), route.database.clone());
        let text = || {
            let database = &route.database;
            format!("too many connections for database \"{database}\" (max_clients_per_database)")
        };
        let permit = postgres.clients().take(seat, most);
        permits.push(permit.ok_or_else(|| Refusal::new(Reason::Overloaded, text()))?);
    }
    Ok(permits)
}
