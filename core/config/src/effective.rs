use serde_json::{Map, Value as Json};

use crate::document::Document;
use crate::emit::yaml;
use crate::node::{Node, Source, Span, Value};
use crate::select::{Selection, select};
use crate::shape::{Additional, Schema, Shape};

const MASK: &str = "***";
const MAX_DEPTH: usize = 64;

/// The configuration as it works: defaults filled in, secrets and everything that the schema does not know masked.
pub fn effective(document: &Document, schema: &Json) -> String {
    let schema = Schema(schema);
    yaml(&fill(schema, schema.root(), document.root(), 0))
}

fn fill(schema: Schema<'_>, shape: Shape, node: &Node, depth: usize) -> Json {
    if depth > MAX_DEPTH {
        return Json::from(MASK);
    }
    if node.value == Value::Null {
        return Json::Null;
    }
    let shape = match select(schema, shape, node) {
        Selection::One(shape) => *shape,
        Selection::Several(shapes) => first_public(shapes),
        _ => return Json::from(MASK),
    };
    match &node.value {
        Value::Map(_) if shape.is_map() => Json::Object(fill_map(schema, &shape, node, depth)),
        Value::List(nodes) if shape.is_list() => {
            let items = schema.shape(shape.items.as_ref().unwrap_or(&Json::Bool(true)));
            nodes
                .iter()
                .map(|node| fill(schema, items.clone(), node, depth + 1))
                .collect()
        }
        _ if shape.is_secret() => Json::from(MASK),
        _ if shape.is_any() && node.source != Source::File => Json::from(MASK),
        _ => node.to_json(),
    }
}

/// Where nothing tells which alternative a value is, one that hides it is taken first.
fn first_public(mut shapes: Vec<Shape>) -> Shape {
    let index = shapes.iter().position(Shape::is_secret).unwrap_or(0);
    shapes.swap_remove(index)
}

fn fill_map(schema: Schema<'_>, shape: &Shape, node: &Node, depth: usize) -> Map<String, Json> {
    let mut filled = Map::new();
    for (key, inner) in &shape.properties {
        let inner = schema.shape(inner);
        let value = match (node.get(key), &inner.default) {
            (Some(node), _) => Some(fill(schema, inner, node, depth + 1)),
            (None, Some(default)) if !default.is_null() => {
                let node = Node::from_json(default);
                Some(fill(schema, inner, &node, depth + 1))
            }
            (None, _) => fill_absent(schema, shape, key, inner, depth),
        };
        filled.extend(value.map(|value| (key.clone(), value)));
    }
    for entry in node
        .entries()
        .iter()
        .filter(|entry| !shape.properties.contains_key(&entry.key))
    {
        let value = match &shape.additional {
            Additional::Of(inner) => fill(schema, schema.shape(inner), &entry.node, depth + 1),
            Additional::Open if entry.node.source == Source::File => entry.node.to_json(),
            _ => Json::from(MASK),
        };
        filled.insert(entry.key.clone(), value);
    }
    filled
}

/// A struct whose every field has a default is there even when nobody wrote it.
fn fill_absent(schema: Schema<'_>, parent: &Shape, key: &str, shape: Shape, depth: usize) -> Option<Json> {
    let is_struct = !shape.properties.is_empty() && shape.alternatives.is_empty();
    if !is_struct || shape.nullable || parent.required.iter().any(|name| name == key) {
        return None;
    }
    let empty = Node::new(Span::default(), Value::Map(Vec::new()));
    match fill(schema, shape, &empty, depth + 1) {
        Json::Object(map) if map.is_empty() => None,
        filled => Some(filled),
    }
}
