//! Gives values that came as text the type that the schema asks for, and marks what may be printed.

use crate::node::{Node, Source, Value, core_scalar};
use crate::select::{Selection, select};
use crate::shape::{Schema, Shape};

/// Settles a tree against its schema.
pub(crate) fn settle(schema: Schema<'_>, shape: &Shape, node: &mut Node) {
    if !matches!(node.value, Value::Map(_) | Value::List(_)) {
        // A text from outside may become any alternative's type, so none is chosen by what it is now.
        return settle_scalar(&schema.branches(shape), node);
    }
    let shapes = match select(schema, shape.clone(), node) {
        Selection::One(shape) => vec![*shape],
        Selection::Several(shapes) => shapes,
        Selection::WrongKind { .. } => schema.branches(shape),
        _ => return,
    };
    match &mut node.value {
        Value::Map(entries) => {
            for entry in entries {
                let inner = shapes
                    .iter()
                    .find_map(|shape| shape.properties.get(&entry.key).or_else(|| shape.entry_schema()));
                if let Some(inner) = inner {
                    settle(schema, &schema.shape(inner), &mut entry.node);
                }
            }
        }
        Value::List(nodes) => {
            if let Some(items) = shapes.iter().find_map(|shape| shape.items.as_ref()) {
                for node in nodes {
                    settle(schema, &schema.shape(items), node);
                }
            }
        }
        _ => {}
    }
}

fn settle_scalar(shapes: &[Shape], node: &mut Node) {
    let is_secret = shapes.iter().any(Shape::is_secret);
    node.secret = is_secret || node.source != Source::File;
    let takes = |kind: &str| shapes.iter().any(|shape| shape.takes(kind));
    if let (Value::Text(text), true) = (&node.value, node.source != Source::File) {
        let is_word = shapes.iter().any(|shape| shape.words().contains(text));
        let read = core_scalar(text);
        let fits = match read {
            Value::Int(_) => takes("integer"),
            Value::Float(_) => takes("number"),
            Value::Bool(_) => takes("boolean"),
            Value::Null => shapes.iter().any(|shape| shape.nullable) && !takes("string"),
            _ => false,
        };
        let wants_text = takes("string") && shapes.iter().all(|shape| shape.choices.is_empty());
        if fits && !is_word && !wants_text {
            node.value = read;
        }
    }
    // `queue_timeout: 0` is what people write for off.
    let is_period = shapes.iter().any(|shape| shape.format.as_deref() == Some("period"));
    if let (Value::Int(number), true) = (&node.value, is_period && !takes("integer")) {
        node.value = Value::Text(number.to_string());
    }
}
