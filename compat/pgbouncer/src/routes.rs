use std::collections::BTreeSet;

use tidegate_config::quoted;

use crate::access::{Access, Grant};
use crate::clusters::Clusters;
use crate::place::{Notes, Place};
use crate::read::{Entry, Ini};

/// The most routes that are made of an HBA file.
const MOST_ROUTES: usize = 4096;

/// The routes of all databases, each as a line of YAML. Those with a name come first.
pub(crate) fn routes(ini: &Ini, clusters: &Clusters<'_>, access: &Access, notes: &mut Notes) -> Vec<(String, Place)> {
    let mut routes = Vec::new();
    for entry in &ini.databases {
        let name = Some(entry.name.value.as_str());
        add_routes(entry, name, clusters, access, &mut routes, notes);
    }
    if let Some(entry) = &ini.fallback {
        let is_named = |name: &String| ini.databases.iter().any(|entry| entry.name.value == *name);
        let granted: BTreeSet<&String> = access
            .grants
            .iter()
            .flatten()
            .filter_map(|grant| grant.databases.as_ref())
            .flatten()
            .collect();
        for name in granted
            .into_iter()
            .filter(|name| !is_named(name) && *name != "pgbouncer")
        {
            add_routes(entry, Some(name), clusters, access, &mut routes, notes);
        }
        add_routes(entry, None, clusters, access, &mut routes, notes);
    }
    if let Some((_, place)) = routes.get(MOST_ROUTES) {
        let text = format!("databases, users and addresses of the HBA file make more than {MOST_ROUTES} routes");
        notes.wrong(&place.clone(), text);
    }
    routes
}

fn add_routes(
    entry: &Entry,
    database: Option<&str>,
    clusters: &Clusters<'_>,
    access: &Access,
    routes: &mut Vec<(String, Place)>,
    notes: &mut Notes,
) {
    let place = &entry.name.place;
    let to = clusters.destination(entry);
    let mut add = |grant: Option<&Grant>| {
        let user = grant.and_then(|grant| grant.user.as_deref());
        let certificate = grant.and_then(|grant| grant.certificate.as_deref());
        let network = grant.and_then(|grant| grant.network).map(|network| network.to_string());
        let wanted = [
            ("database", database),
            ("user", user),
            ("client", network.as_deref()),
            ("certificate", certificate),
        ];
        let mut conditions = Vec::new();
        for (key, text) in wanted {
            let Some(text) = text else { continue };
            if text.contains(['*', '?']) {
                notes.wrong(
                    place,
                    format!(
                        "`{text}`: in a route `*` and `?` stand for other characters, so that this name cannot be had"
                    ),
                );
            }
            conditions.push(format!("{key}: {}", quoted(text)));
        }
        let matches = match conditions.as_slice() {
            [] => String::new(),
            conditions => format!("match: {{ {} }}, ", conditions.join(", ")),
        };
        let route = format!("- {{ {matches}{to} }}");
        if !routes.iter().any(|(known, _)| *known == route) {
            routes.push((route, place.clone()));
        }
    };
    let Some(grants) = &access.grants else {
        return add(None);
    };
    let is_meant = |grant: &&Grant| match (&grant.databases, database) {
        (None, _) => true,
        (Some(databases), Some(name)) => databases.contains(name),
        (Some(_), None) => false,
    };
    let meant: Vec<&Grant> = grants.iter().filter(is_meant).collect();
    let of_all = meant
        .iter()
        .find(|grant| grant.user.is_none() && grant.network.is_none() && grant.certificate.is_none());
    match of_all {
        Some(all) => add(Some(all)),
        None => meant.into_iter().for_each(|grant| add(Some(grant))),
    }
}
