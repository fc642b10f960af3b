use tidegate_base::{Reason, Refusal};
use tidegate_cluster::Subject;
use tidegate_postgres_wire::{Startup, sqlstate};

use super::Route;
use super::greeting::Hello;
use crate::config::UserSuffix;
use crate::plan::{Destination, ListenerRules, Rule};

/// `connection_does_not_exist` and its kin: the code that xdatabase-proxy answers with where no deployment is found.
const NO_ROUTE: &str = "08001";

/// Where a client goes: the first rule that holds.
pub(super) fn find_route(rules: &ListenerRules, startup: &Startup, hello: &Hello) -> Result<Route, Refusal> {
    let identity = hello.identity.as_ref();
    let mut certificate: Vec<String> = Vec::new();
    if let Some(identity) = identity {
        certificate.extend(identity.common_name.clone());
        certificate.extend(identity.alternative_names.iter().cloned());
    }
    let subject = Subject {
        database: startup.database(),
        user: startup.user(),
        application_name: startup.get("application_name").unwrap_or_default(),
        client: hello.peer.ip(),
        sni: identity.and_then(|identity| identity.server_name.as_deref()),
        certificate: &certificate,
    };
    let rule = rules.routes.iter().find(|rule| rule.conditions.hold(&subject));
    match rule {
        None => {
            let text = format!(
                "no route for database \"{}\" and user \"{}\"",
                subject.database, subject.user
            );
            Err(Refusal::new(Reason::Denied, text).with_code(sqlstate::INVALID_CATALOG_NAME))
        }
        Some(rule) => match &rule.to {
            Destination::Cluster(cluster) => Ok(Route {
                cluster: cluster.clone(),
                role: rule.role,
                database: rule.database.clone().unwrap_or_else(|| startup.database().to_owned()),
                user: startup.user().to_owned(),
            }),
            Destination::UserSuffix(suffix) => by_suffix(rule, suffix, startup),
        },
    }
}

/// `user.deployment[.pool]`; the user may hold dots of its own.
fn by_suffix(rule: &Rule, suffix: &UserSuffix, startup: &Startup) -> Result<Route, Refusal> {
    let full = startup.user();
    let no = |text: String| Refusal::new(Reason::Denied, text).with_code(NO_ROUTE);
    let (rest, is_pooled) = match full.strip_suffix(".pool") {
        Some(rest) => (rest, true),
        None => (full, false),
    };
    let parts = rest
        .rsplit_once('.')
        .filter(|(user, id)| !user.is_empty() && !id.is_empty());
    let Some((user, id)) = parts else {
        return Err(no(format!(
            "the user name \"{full}\" names no deployment: write user.deployment or user.deployment.pool"
        )));
    };
    let deployment = suffix
        .deployments
        .get(id)
        .ok_or_else(|| no(format!("there is no deployment \"{id}\"")))?;
    let (wanted, what) = if is_pooled {
        (&deployment.pooled, "pooled")
    } else {
        (&deployment.direct, "direct")
    };
    let cluster = wanted
        .as_ref()
        .ok_or_else(|| no(format!("deployment \"{id}\" has no {what} service")))?;
    let asked = startup.get("database").filter(|name| !name.is_empty() && *name != full);
    let database = rule.database.clone().or_else(|| asked.map(str::to_owned));
    Ok(Route {
        cluster: cluster.as_str().into(),
        role: rule.role,
        database: database.unwrap_or_else(|| suffix.default_database.clone()),
        user: user.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidegate_cluster::{Conditions, Role};
    use tidegate_postgres_wire::Version;

    use super::*;
    use crate::config::Deployment;

    fn check(user: &str, database: Option<&str>, expected: Result<(&str, &str, &str), &str>) {
        let deployment = Deployment {
            direct: Some("orders_direct".to_owned()),
            pooled: Some("orders_pool".to_owned()),
        };
        let only_direct = Deployment {
            direct: Some("d".to_owned()),
            pooled: None,
        };
        let deployments = BTreeMap::from([("orders".to_owned(), deployment), ("bare".to_owned(), only_direct)]);
        let suffix = UserSuffix {
            deployments,
            default_database: "postgres".to_owned(),
        };
        let rule = Rule {
            conditions: Conditions::default(),
            to: Destination::UserSuffix(suffix.clone()),
            role: Role::Primary,
            database: None,
        };
        let mut parameters = vec![("user".to_owned(), user.to_owned())];
        parameters.extend(database.map(|name| ("database".to_owned(), name.to_owned())));
        let version = Version::V3_0;
        let found = by_suffix(&rule, &suffix, &Startup { version, parameters });
        let found = found
            .as_ref()
            .map(|r| (r.user.as_str(), &*r.cluster, r.database.as_str()));
        match expected {
            Ok(expected) => assert_eq!(found, Ok(expected)),
            Err(code) => assert_eq!(found.unwrap_err().code.as_deref(), Some(code)),
        }
    }

    #[test]
    fn suffixes() {
        check("app.orders", Some("shop"), Ok(("app", "orders_direct", "shop")));
        check("app.orders.pool", Some("shop"), Ok(("app", "orders_pool", "shop")));
        check("a.b.orders", None, Ok(("a.b", "orders_direct", "postgres")));
        check(
            "app.orders",
            Some("app.orders"),
            Ok(("app", "orders_direct", "postgres")),
        );
        check("app.orders", Some(""), Ok(("app", "orders_direct", "postgres")));
        for wrong in ["app", "app.", ".orders", "app.pool", "app.unknown", "app.bare.pool"] {
            check(wrong, None, Err("08001"));
        }
    }
}
