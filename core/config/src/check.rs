use serde_json::Value as Json;

use crate::document::Document;
use crate::mistake::{Mistake, suggest};
use crate::node::{Entry, Node, Span, Value};
use crate::path::Path;
use crate::scalar;
use crate::select::{Selection, select};
use crate::shape::{Additional, Schema, Shape};

/// Holds a document against its schema and finds everything that is wrong with it, in the order of the file.
///
/// [`Document::resolve`] comes first, or texts that stand for numbers are reported.
pub fn check(document: &Document, schema: &Json) -> Vec<Mistake> {
    let schema = Schema(schema);
    let mut checker = Checker {
        document,
        schema,
        mistakes: Vec::new(),
    };
    let root = document.root();
    let place = Place {
        path: Path::root(),
        span: root.span,
    };
    checker.node(schema.root(), root, &place);
    checker
        .mistakes
        .sort_by(|one, other| (&one.span, &one.origin).cmp(&(&other.span, &other.origin)));
    checker.mistakes
}

/// Where a value stands: its path, and the span of what leads to it (its key, or itself in a list).
struct Place {
    path: Path,
    span: Span,
}

struct Checker<'d> {
    document: &'d Document,
    schema: Schema<'d>,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    fn node(&mut self, shape: Shape, node: &Node, place: &Place) {
        if node.value == Value::Null && shape.nullable {
            return;
        }
        match select(self.schema, shape, node) {
            Selection::One(shape) => self.against(&shape, node, place),
            Selection::Several(shapes) => self.nearest_of(shapes, node, place),
            Selection::WrongKind { expected } => self.wrong_kind(&expected, node, place),
            other => self.wrong_alternative(other, node, place),
        }
    }

    fn wrong_alternative(&mut self, selection: Selection, node: &Node, place: &Place) {
        let path = &place.path;
        match selection {
            Selection::NoTag { tag, words } => {
                let message = format!("{path} needs the key `{tag}`: one of {}", words.join(", "));
                self.wrong(node, place.span, path, message);
            }
            Selection::WrongTag { tag, words } => {
                if let Some(value) = node.get(&tag) {
                    let message = scalar::no_such_word(value, &path.key(&tag), &words);
                    self.wrong(value, value.span, &path.key(&tag), message);
                }
            }
            Selection::WrongKey { index, words } => {
                if let Some(entry) = node.entries().get(index) {
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    self.unknown_key(entry, path, &words);
                }
            }
            Selection::NotOneKey { words } => {
                let message = format!("{path} takes exactly one key of: {}", words.join(", "));
                self.wrong(node, place.span, path, message);
            }
            Selection::One(_) | Selection::Several(_) | Selection::WrongKind { .. } => {}
        }
    }

    /// Nothing tells these apart: the one with the fewest mistakes was meant.
    fn nearest_of(&mut self, shapes: Vec<Shape>, node: &Node, place: &Place) {
        let fewest = shapes
            .into_iter()
            .map(|shape| {
                let mut trial = Checker {
                    document: self.document,
                    schema: self.schema,
                    mistakes: Vec::new(),
                };
                trial.against(&shape, node, place);
                trial.mistakes
            })
            .min_by_key(Vec::len);
        self.mistakes.extend(fewest.into_iter().flatten());
    }

    fn against(&mut self, shape: &Shape, node: &Node, place: &Place) {
        if shape.is_any() {
            return;
        }
        match &node.value {
            Value::Map(entries) if shape.is_map() => self.map(shape, node, entries, place),
            Value::List(nodes) if shape.is_list() => self.list(shape, node, nodes, place),
            Value::Map(_) | Value::List(_) | Value::Null => {
                self.wrong_kind(&shape.expected(), node, place);
            }
            _ => {
                if let Some(message) = scalar::judge(shape, node, &place.path) {
                    self.wrong(node, node.span, &place.path, message);
                }
            }
        }
    }

    fn map(&mut self, shape: &Shape, node: &Node, entries: &[Entry], place: &Place) {
        for entry in entries {
            let inner = shape.properties.get(&entry.key).or_else(|| shape.entry_schema());
            if let Some(inner) = inner {
                let place = Place {
                    path: place.path.key(&entry.key),
                    span: entry.span,
                };
                self.node(self.schema.shape(inner), &entry.node, &place);
            } else if shape.additional == Additional::Closed {
                let known: Vec<&str> = shape.properties.keys().map(String::as_str).collect();
                self.unknown_key(entry, &place.path, &known);
            }
        }
        for key in shape.required.iter().filter(|key| node.entry(key).is_none()) {
            let what = shape
                .properties
                .get(key)
                .map(|inner| self.schema.shape(inner).expected());
            let what = what.map_or_else(String::new, |what| format!(": {what}"));
            let message = format!("{} needs the key `{key}`{what}", place.path);
            self.wrong(node, place.span, &place.path, message);
        }
    }

    fn list(&mut self, shape: &Shape, node: &Node, nodes: &[Node], place: &Place) {
        if let Some(least) = shape.min_items.filter(|least| usize_of(*least) > nodes.len()) {
            let message = format!("{} needs at least {least} element(s)", place.path);
            self.wrong(node, place.span, &place.path, message);
        }
        let Some(items) = &shape.items else { return };
        for (index, node) in nodes.iter().enumerate() {
            let place = Place {
                path: place.path.index(index),
                span: node.span,
            };
            self.node(self.schema.shape(items), node, &place);
        }
    }

    fn unknown_key(&mut self, entry: &Entry, path: &Path, known: &[&str]) {
        let place = if path.steps().is_empty() {
            "at the top level".to_owned()
        } else {
            format!("in {path}")
        };
        let message = format!("unknown key `{}` {place}{}", entry.key, suggest(&entry.key, known));
        self.wrong(&entry.node, entry.span, &path.key(&entry.key), message);
    }

    fn wrong_kind(&mut self, expected: &str, node: &Node, place: &Place) {
        let span = if node.value == Value::Null {
            place.span
        } else {
            node.span
        };
        let message = format!("{} must be {expected}, but is {}", place.path, node.kind());
        self.wrong(node, span, &place.path, message);
    }

    fn wrong(&mut self, node: &Node, span: Span, path: &Path, message: String) {
        self.mistakes
            .push(Mistake::on(self.document, node, span, path, message));
    }
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
