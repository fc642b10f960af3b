use serde::de::DeserializeOwned;

use crate::document::Document;
use crate::mistake::Mistake;
use crate::node::Value;
use crate::path::{Path, Step};

/// Turns a checked document into the struct that its schema was made from. What only the struct can refuse is
/// reported at the nearest place.
pub fn decode<T: DeserializeOwned>(document: &Document) -> Result<T, Vec<Mistake>> {
    serde_path_to_error::deserialize(document.to_json()).map_err(|error| {
        let path = path_of(error.path());
        let message = error.inner().to_string();
        let message = hide_secrets(document, &path, message);
        let place = if path.steps().is_empty() {
            String::new()
        } else {
            format!("{path}: ")
        };
        vec![Mistake::at(document, &path, format!("{place}{message}"))]
    })
}

fn path_of(path: &serde_path_to_error::Path) -> Path {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Serde quotes the value that it refuses.
fn hide_secrets(document: &Document, path: &Path, mut message: String) -> String {
    let (_, node) = document.locate(path);
    node.each_leaf(&mut |leaf| {
        let text = match &leaf.value {
            Value::Text(text) => text.clone(),
            Value::Int(_) | Value::Float(_) => leaf.to_json().to_string(),
            _ => return,
        };
        if leaf.secret && !text.is_empty() {
            message = message.replace(&text, "***");
        }
    });
    message
}
