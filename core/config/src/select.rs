//! Which alternative of a `oneOf` or `anyOf` a value is meant to be.

use crate::node::{Entry, Node, Value};
use crate::shape::{Schema, Shape};

/// The outcome.
pub(crate) enum Selection {
    /// This one; checks go on against it.
    One(Box<Shape>),
    /// Told apart by a key such as `method`, which is missing.
    NoTag { tag: String, words: Vec<String> },
    /// Told apart by a key such as `method`, whose value is none of these.
    WrongTag { tag: String, words: Vec<String> },
    /// Told apart by their only key, and this key is none of these.
    WrongKey { index: usize, words: Vec<String> },
    /// Told apart by their only key, and there is not exactly one.
    NotOneKey { words: Vec<String> },
    /// None takes this kind of value.
    WrongKind { expected: String },
    /// Several take this kind of value, and nothing tells them apart.
    Several(Vec<Shape>),
}

/// Chooses by the value's discriminator, or else by its kind.
pub(crate) fn select(schema: Schema<'_>, shape: Shape, node: &Node) -> Selection {
    if shape.alternatives.is_empty() {
        return Selection::One(Box::new(shape));
    }
    let branches: Vec<Shape> = schema
        .branches(&shape)
        .into_iter()
        .flat_map(|branch| schema.branches(&branch))
        .collect();
    if let Value::Map(entries) = &node.value {
        if let Some(tag) = tag_of(&branches) {
            return by_tag(branches, node, &tag);
        }
        if let Some(words) = single_keys(&branches) {
            return by_single_key(branches, entries, words);
        }
    }
    by_kind(branches, node)
}

/// The key whose fixed value tells all the map-like branches apart.
pub(crate) fn tag_of(branches: &[Shape]) -> Option<String> {
    let maps: Vec<&Shape> = branches.iter().filter(|branch| branch.is_map()).collect();
    let first = maps.first()?;
    let is_tag = |key: &&String| maps.iter().all(|branch| branch.fixed(key).is_some());
    first.properties.keys().find(is_tag).cloned()
}

/// The only key of each map-like branch, where every one has exactly one that it requires.
pub(crate) fn single_keys(branches: &[Shape]) -> Option<Vec<String>> {
    let maps = branches.iter().filter(|branch| branch.is_map());
    let keys: Option<Vec<String>> = maps
        .map(
            |branch| match (branch.properties.len(), branch.properties.keys().next()) {
                (1, Some(key)) if branch.required.contains(key) => Some(key.clone()),
                _ => None,
            },
        )
        .collect();
    keys.filter(|keys| !keys.is_empty())
}

fn by_tag(branches: Vec<Shape>, node: &Node, tag: &str) -> Selection {
    let words = branches
        .iter()
        .filter_map(|branch| branch.fixed(tag))
        .map(ToOwned::to_owned)
        .collect();
    let tag = tag.to_owned();
    let Some(value) = node.get(&tag) else {
        return Selection::NoTag { tag, words };
    };
    let chosen = value
        .text()
        .and_then(|text| branches.into_iter().find(|branch| branch.fixed(&tag) == Some(text)));
    match chosen {
        Some(branch) => Selection::One(Box::new(branch)),
        None => Selection::WrongTag { tag, words },
    }
}

fn by_single_key(branches: Vec<Shape>, entries: &[Entry], words: Vec<String>) -> Selection {
    let has = |branch: &Shape, key: &str| branch.is_map() && branch.properties.contains_key(key);
    let unknown = entries.iter().position(|entry| !words.contains(&entry.key));
    if let Some(index) = unknown {
        return Selection::WrongKey { index, words };
    }
    let [only] = entries else {
        return Selection::NotOneKey { words };
    };
    match branches.into_iter().find(|branch| has(branch, &only.key)) {
        Some(branch) => Selection::One(Box::new(branch)),
        None => Selection::NotOneKey { words },
    }
}

fn by_kind(branches: Vec<Shape>, node: &Node) -> Selection {
    let expected = expected(&branches);
    let mut fitting: Vec<Shape> = branches.into_iter().filter(|branch| fits(branch, node)).collect();
    let is_word = |branch: &Shape| branch.choices.iter().any(|choice| choice.value == node.to_json());
    if let Some(index) = fitting.iter().position(is_word) {
        return Selection::One(Box::new(fitting.swap_remove(index)));
    }
    if fitting.len() > 1 && fitting.iter().all(|branch| !branch.choices.is_empty()) {
        // Words of one enumeration, split over several alternatives.
        let mut all = fitting.swap_remove(0);
        all.choices
            .extend(fitting.into_iter().flat_map(|branch| branch.choices));
        return Selection::One(Box::new(all));
    }
    match fitting.len() {
        0 => Selection::WrongKind { expected },
        1 => Selection::One(Box::new(fitting.swap_remove(0))),
        _ => Selection::Several(fitting),
    }
}

fn expected(branches: &[Shape]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for branch in branches {
        let part = match single_keys(std::slice::from_ref(branch)) {
            Some(keys) => format!("a map with the key `{}`", keys.join("`")),
            None => branch.expected(),
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(", or ")
}

fn fits(shape: &Shape, node: &Node) -> bool {
    match node.value {
        Value::Null => shape.nullable,
        Value::Bool(_) => shape.takes("boolean"),
        Value::Int(_) => shape.takes("integer"),
        Value::Float(_) => shape.takes("number"),
        Value::Text(_) => shape.takes("string"),
        Value::List(_) => shape.takes("array"),
        Value::Map(_) => shape.takes("object"),
    }
}
