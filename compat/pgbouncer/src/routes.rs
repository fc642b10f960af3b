use tidegate_config::quoted;

use crate::clusters::Clusters;
use crate::place::{Notes, Place};
use crate::read::Ini;

/// The routes of all databases, each as a line of YAML; the fallback is the last.
pub(crate) fn routes(ini: &Ini, clusters: &Clusters<'_>, notes: &mut Notes) -> Vec<(String, Place)> {
    let routes = ini.entries().map(|entry| {
        let (name, place) = (&entry.name.value, &entry.name.place);
        let to = clusters.destination(entry);
        if name == "*" {
            return (format!("- {{ {to} }}"), place.clone());
        }
        if name.contains(['*', '?']) {
            let text =
                format!("`{name}`: in a route `*` and `?` stand for other characters, so that this name cannot be had");
            notes.wrong(place, text);
        }
        (
            format!("- {{ match: {{ database: {} }}, {to} }}", quoted(name)),
            place.clone(),
        )
    });
    routes.collect()
}
