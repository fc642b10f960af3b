//! Values set from outside: by environment variables, `TIDEGATE_LISTENERS__MAIN__ADDRESS`, and one by one by their paths.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::Document;
use crate::environment::{Environment, secret_file};
use crate::mistake::{Mistake, fold, nearest};
use crate::node::{Entry, Node, Source, Value};
use crate::path::{Path, Step};
use crate::settle::settle;
use crate::shape::{Schema, Shape};

/// Which variables set values.
#[derive(Debug, Clone, Copy)]
pub struct Overrides<'a> {
    /// What their names begin with: `TIDEGATE_`.
    pub prefix: &'a str,
    /// Variables that begin so and mean something else, such as `TIDEGATE_CONFIG`.
    pub reserved: &'a [&'a str],
}

const LEVEL: &str = "__";
const FILE: &str = "_FILE";

/// How the path of a value is written.
#[derive(Debug, Clone, Copy)]
struct Spelling<'a> {
    prefix: &'a str,
    level: &'a str,
    is_upper: bool,
}

impl Document {
    /// Sets one value of a document that is resolved, by its path as `clusters.shop.pool.size`. `by` is what mistakes call
    /// its origin. The error names the nearest path that there is. No element of a list is set: what stands at a position is
    /// another thing as soon as the file is.
    pub fn set(&mut self, schema: &Json, by: &str, path: &str, text: &str) -> Result<(), Mistake> {
        let schema = Schema(schema);
        let plain = path.replace('[', ".").replace(']', "");
        let words: Vec<&str> = plain.split('.').collect();
        let spelling = Spelling {
            prefix: "",
            level: ".",
            is_upper: false,
        };
        let found = find(schema, self.root(), &words, spelling);
        let path = found.map_err(|message| Mistake::in_text(by, None, message))?;
        if path.steps().iter().any(|step| matches!(step, Step::Index(_))) {
            let message = format!("{path} is in a list, whose order the file may change: write it there");
            return Err(Mistake::in_text(by, None, message));
        }
        let mut node = Node::new(self.span_of(&path), Value::Text(text.to_owned()));
        node.source = Source::Variable(Arc::from(by));
        put(self.root_mut(), path.steps(), node);
        settle(schema, &schema.root(), self.root_mut());
        Ok(())
    }
}

/// Sets every value that a variable names. A variable that names none is a mistake.
pub(crate) fn apply(
    document: &mut Document,
    schema: Schema<'_>,
    environment: &dyn Environment,
    overrides: Overrides<'_>,
) -> Vec<Mistake> {
    let mut names: Vec<String> = environment
        .names()
        .into_iter()
        .filter(|name| name.starts_with(overrides.prefix) && !overrides.reserved.contains(&name.as_str()))
        .collect();
    // Elements are appended in order, so `__10` must come after `__2`.
    names.sort_by_cached_key(|name| name.split(LEVEL).map(|part| format!("{part:0>20}")).collect::<Vec<_>>());
    let mut mistakes = Vec::new();
    for name in names {
        let Some(text) = environment.variable(&name) else {
            continue;
        };
        if let Err(message) = set(document, schema, environment, &name, overrides.prefix, text) {
            mistakes.push(Mistake::in_text(&name, None, message));
        }
    }
    mistakes
}

fn set(
    document: &mut Document,
    schema: Schema<'_>,
    environment: &dyn Environment,
    name: &str,
    prefix: &str,
    text: String,
) -> Result<(), String> {
    let words: Vec<&str> = name.strip_prefix(prefix).unwrap_or(name).split(LEVEL).collect();
    let spelling = Spelling {
        prefix,
        level: LEVEL,
        is_upper: true,
    };
    let whole = find(schema, document.root(), &words, spelling);
    let (path, text) = match (whole, as_file(&words)) {
        (Ok(path), _) => (path, text),
        (Err(message), None) => return Err(message),
        (Err(message), Some(words)) => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let path = find(schema, document.root(), &words, spelling).map_err(|_| message)?;
            (path, secret_file(environment, &text)?)
        }
    };
    let mut node = Node::new(document.span_of(&path), Value::Text(text));
    node.source = Source::Variable(Arc::from(name));
    put(document.root_mut(), path.steps(), node);
    Ok(())
}

fn as_file(words: &[&str]) -> Option<Vec<String>> {
    let (last, lead) = words.split_last()?;
    let cut = last.len().checked_sub(FILE.len())?;
    let is_file = last.get(cut..)?.eq_ignore_ascii_case(FILE) && cut > 0;
    let name = last.get(..cut)?;
    is_file.then(|| {
        lead.iter()
            .chain(std::iter::once(&name))
            .map(|word| (*word).to_owned())
            .collect()
    })
}

/// The path that the words name, as far as the schema and the file know it.
fn find(schema: Schema<'_>, root: &Node, words: &[&str], spelling: Spelling<'_>) -> Result<Path, String> {
    let mut shapes = schema.branches(&schema.root());
    let mut node = Some(root);
    let mut path = Path::root();
    let mut taken = 0;
    while taken < words.len() {
        let (step, count) = step(&shapes, node, &words[taken..], spelling.level)
            .map_err(|near| no_such_key(words, taken, spelling, &path, near))?;
        shapes = below(schema, &shapes, &step);
        (node, path) = match &step {
            Step::Key(key) => (node.and_then(|node| node.get(key)), path.key(key)),
            Step::Index(index) => (node.and_then(|node| element(node, *index)), path.index(*index)),
        };
        taken += count;
    }
    let takes_scalar = |shape: &Shape| {
        ["string", "integer", "number", "boolean"]
            .iter()
            .any(|kind| shape.takes(kind))
    };
    if shapes.iter().any(takes_scalar) {
        return Ok(path);
    }
    let keys: Vec<String> = shapes
        .iter()
        .flat_map(|shape| shape.properties.keys().cloned())
        .collect();
    let name = keys.first().map_or("name", String::as_str);
    let so_far: Vec<&str> = words.iter().copied().chain([name]).collect();
    Err(format!(
        "{path} is no single value; name one below it, such as {}",
        spelling.of(&so_far)
    ))
}

impl Spelling<'_> {
    /// A path, as it is written so.
    fn of(self, words: &[&str]) -> String {
        let path = words.join(self.level);
        let path = if self.is_upper {
            path.to_uppercase().replace(['-', '.'], "_")
        } else {
            path
        };
        format!("{}{path}", self.prefix)
    }
}

/// The next step and how many words it took, or the nearest key there is.
fn step(shapes: &[Shape], node: Option<&Node>, words: &[&str], level: &str) -> Result<(Step, usize), Option<String>> {
    let first = words.first().copied().unwrap_or_default();
    if shapes.iter().any(Shape::is_list) {
        let length = match node.map(|node| &node.value) {
            Some(Value::List(nodes)) => nodes.len(),
            _ => 0,
        };
        return match first.parse::<usize>() {
            Ok(index) if index <= length => Ok((Step::Index(index), 1)),
            _ => Err(Some(length.saturating_sub(1).to_string())),
        };
    }
    let written = node
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.key.as_str());
    let known = shapes
        .iter()
        .flat_map(|shape| shape.properties.keys().map(String::as_str));
    let keys: Vec<&str> = written.chain(known).collect();
    for count in 1..=words.len() {
        // A name may itself hold what stands between levels, so more words are tried together.
        let wanted = fold(&words.get(..count).unwrap_or_default().join(level));
        if let Some(key) = keys.iter().find(|key| fold(key) == wanted) {
            return Ok((Step::Key((*key).to_owned()), count));
        }
    }
    Err(nearest(first, keys.iter().copied()).map(ToOwned::to_owned))
}

fn no_such_key(words: &[&str], taken: usize, spelling: Spelling<'_>, path: &Path, near: Option<String>) -> String {
    let wrong = words.get(taken).copied().unwrap_or_default();
    let place = if path.steps().is_empty() {
        "the configuration".to_owned()
    } else {
        path.to_string()
    };
    let hint = near.map_or_else(
        || "; names of maps must be written in the file first".to_owned(),
        |near| {
            let mut words = words.to_vec();
            if let Some(word) = words.get_mut(taken) {
                *word = &near;
            }
            format!("; did you mean `{}`?", spelling.of(&words))
        },
    );
    format!("`{wrong}` names no key of {place}{hint}")
}

fn below(schema: Schema<'_>, shapes: &[Shape], step: &Step) -> Vec<Shape> {
    let next = |shape: &Shape| {
        let inner = match step {
            Step::Key(key) => shape.properties.get(key).or_else(|| shape.entry_schema()),
            Step::Index(_) => shape.items.as_ref(),
        };
        inner.map(|inner| schema.branches(&schema.shape(inner)))
    };
    shapes
        .iter()
        .filter_map(next)
        .flatten()
        .flat_map(|shape| schema.branches(&shape))
        .collect()
}

fn element(node: &Node, index: usize) -> Option<&Node> {
    match &node.value {
        Value::List(nodes) => nodes.get(index),
        _ => None,
    }
}

/// Puts a node at a path, making the maps and lists on the way. Values in the way give place.
fn put(parent: &mut Node, steps: &[Step], node: Node) {
    let Some((step, rest)) = steps.split_first() else {
        let span = parent.span;
        *parent = Node { span, ..node };
        return;
    };
    let span = node.span;
    match step {
        Step::Key(key) => {
            if !matches!(parent.value, Value::Map(_)) {
                parent.value = Value::Map(Vec::new());
            }
            let Value::Map(entries) = &mut parent.value else {
                return;
            };
            let index = entries.iter().position(|entry| &entry.key == key).unwrap_or_else(|| {
                let mut empty = Node::new(span, Value::Null);
                empty.source = node.source.clone();
                entries.push(Entry {
                    key: key.clone(),
                    span,
                    node: empty,
                });
                entries.len() - 1
            });
            if let Some(entry) = entries.get_mut(index) {
                put(&mut entry.node, rest, node);
            }
        }
        Step::Index(index) => {
            if !matches!(parent.value, Value::List(_)) {
                parent.value = Value::List(Vec::new());
            }
            let Value::List(nodes) = &mut parent.value else {
                return;
            };
            if *index == nodes.len() {
                let mut empty = Node::new(span, Value::Null);
                empty.source = node.source.clone();
                nodes.push(empty);
            }
            if let Some(element) = nodes.get_mut(*index) {
                put(element, rest, node);
            }
        }
    }
}
