use serde_json::Value as Json;

use crate::path::Path;

/// One difference between two configurations. It holds no value, so it can be logged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Where.
    pub path: Path,
    /// What happened there.
    pub kind: ChangeKind,
}

/// What happened to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// What changed from one configuration to the next, in the order of the old one, new keys last.
///
/// Lists of the same length are compared element by element; a list that grew or shrank changed as a whole, because
/// the order of routes and chain steps is their meaning.
pub fn diff(old: &Json, new: &Json) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(old, new, &Path::root(), &mut changes);
    changes
}

fn compare(old: &Json, new: &Json, path: &Path, changes: &mut Vec<Change>) {
    let mut note = |path: Path, kind| changes.push(Change { path, kind });
    match (old, new) {
        (Json::Object(before), Json::Object(after)) => {
            for (key, value) in before {
                match after.get(key) {
                    Some(now) => compare(value, now, &path.key(key), changes),
                    None => changes.push(Change {
                        path: path.key(key),
                        kind: ChangeKind::Removed,
                    }),
                }
            }
            for key in after.keys().filter(|key| !before.contains_key(*key)) {
                changes.push(Change {
                    path: path.key(key),
                    kind: ChangeKind::Added,
                });
            }
        }
        (Json::Array(before), Json::Array(after)) if before.len() == after.len() => {
            for (index, (value, now)) in before.iter().zip(after).enumerate() {
                compare(value, now, &path.index(index), changes);
            }
        }
        _ if old != new => note(path.clone(), ChangeKind::Changed),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_what_changed() {
        let old = json!({"a": {"x": 1, "y": [1, 2]}, "b": true, "c": [1]});
        let new = json!({"a": {"x": 2, "y": [1, 3]}, "c": [1, 2], "d": null});
        let told: Vec<String> = diff(&old, &new)
            .iter()
            .map(|change| format!("{} {:?}", change.path, change.kind))
            .collect();
        assert_eq!(
            told,
            ["a.x Changed", "a.y[1] Changed", "b Removed", "c Changed", "d Added"]
        );
        assert!(diff(&old, &old).is_empty());
    }
}
