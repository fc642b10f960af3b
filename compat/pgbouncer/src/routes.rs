use tidegate_cluster::literal_pattern;
use tidegate_config::quoted;

use crate::clusters::Clusters;
use crate::place::Place;
use crate::read::Ini;

/// The routes of all databases, each as a line of YAML; the fallback is the last.
pub(crate) fn routes(ini: &Ini, clusters: &Clusters<'_>) -> Vec<(String, Place)> {
    let routes = ini.entries().map(|entry| {
        let to = clusters.destination(entry);
        let line = match entry.name.value.as_str() {
            "*" => format!("- {{ {to} }}"),
            name => format!(
                "- {{ match: {{ database: {} }}, {to} }}",
                quoted(&literal_pattern(name))
            ),
        };
        (line, entry.name.place.clone())
    });
    routes.collect()
}
