use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::emit::{indented, listed, pair, text};
use crate::node::Node;
use crate::select::{Selection, select};
use crate::shape::{Schema, Shape};

const MAX_DEPTH: usize = 12;

/// A configuration file to start from: every key with what it means. Keys with a default or an example stand as
/// they are, the others commented out with a value of the right kind.
pub fn default_file(schema: &Json) -> String {
    let schema = Schema(schema);
    let root = schema.root();
    let title = root.description.as_deref().map(comment).unwrap_or_default();
    let body = keys(schema, &root, None, 0).text;
    if title.is_empty() {
        body
    } else {
        format!("{title}\n{body}")
    }
}

/// Lines, and whether at least one is more than a comment and none that is needed is missing.
struct Block {
    text: String,
    is_live: bool,
}

/// Every key of a map; `given` is the default of the map itself, which wins over its keys' own.
fn keys(schema: Schema<'_>, shape: &Shape, given: Option<&Json>, depth: usize) -> Block {
    let mut text = String::new();
    let (mut any_live, mut all_needed) = (false, true);
    for (key, inner) in &shape.properties {
        let mut inner = schema.shape(inner);
        if let Some(value) = given.and_then(|given| given.get(key)) {
            inner.default = Some(value.clone());
        }
        let is_needed = shape.required.contains(key);
        let mut block = one(schema, key, &inner, is_needed, depth);
        any_live |= block.is_live;
        all_needed &= block.is_live || !is_needed;
        if !block.is_live {
            block.text = indented(&block.text, "# ");
        }
        text.push_str(&meaning(&inner));
        text.push_str(&block.text);
        if depth == 0 {
            text.push('\n');
        }
    }
    if depth == 0 {
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    Block {
        text,
        is_live: any_live && all_needed,
    }
}

fn one(schema: Schema<'_>, key: &str, shape: &Shape, is_needed: bool, depth: usize) -> Block {
    let live = |text| Block { text, is_live: true };
    if let Some(example) = &shape.example {
        return live(example_of(schema, key, shape, example, depth));
    }
    let default = shape.default.as_ref().filter(|default| !default.is_null());
    let is_struct = !shape.properties.is_empty() && shape.alternatives.is_empty();
    if is_struct && depth < MAX_DEPTH {
        let inner = keys(schema, shape, default, depth + 1);
        let is_live = inner.is_live && (!shape.nullable || default.is_some());
        let text = if inner.is_live {
            inner.text
        } else {
            uncommented(schema, shape, depth + 1)
        };
        return Block {
            text: format!("{}:\n{}", self::text(key), indented(&text, "  ")),
            is_live,
        };
    }
    let is_empty = |value: &Json| {
        matches!(value, Json::Object(map) if map.is_empty()) || value.as_array().is_some_and(Vec::is_empty)
    };
    match default {
        Some(default) if !is_empty(default) && !shape.is_secret() => live(pair(key, default)),
        _ => Block {
            text: format!("{}:{}", text(key), sample(schema, shape, depth)),
            // A fixed word, such as a discriminator, is the one thing that is known without a default.
            is_live: is_needed && shape.choices.len() == 1,
        },
    }
}

/// An example; one of a map by name is told key by key, like everything else.
fn example_of(schema: Schema<'_>, key: &str, shape: &Shape, example: &Json, depth: usize) -> String {
    let (Json::Object(names), Some(entry)) = (example, shape.entry_schema()) else {
        return pair(key, example);
    };
    let mut out = String::new();
    for (name, value) in names {
        let chosen = select(schema, schema.shape(entry), &Node::from_json(value));
        let text = match chosen {
            Selection::One(shape) if !shape.properties.is_empty() && depth < MAX_DEPTH => {
                let inner = keys(schema, &shape, Some(value), depth + 1).text;
                format!("{}:\n{}", text(name), indented(&inner, "  "))
            }
            _ => pair(name, value),
        };
        out.push_str(&text);
    }
    format!("{}:\n{}", text(key), indented(&out, "  "))
}

/// The keys of a map that stands commented out as a whole: what it requires, and the rest as comments.
fn uncommented(schema: Schema<'_>, shape: &Shape, depth: usize) -> String {
    if depth > MAX_DEPTH {
        return String::new();
    }
    shape.properties.iter().fold(String::new(), |mut out, (key, inner)| {
        let inner = schema.shape(inner);
        let is_needed = shape.required.contains(key);
        let block = one(schema, key, &inner, is_needed, depth);
        out.push_str(&meaning(&inner));
        out.push_str(&if is_needed || block.is_live {
            block.text
        } else {
            indented(&block.text, "# ")
        });
        out
    })
}

/// A value of the right kind, with the space or line end that goes before it.
fn sample(schema: Schema<'_>, shape: &Shape, depth: usize) -> String {
    let branches = schema.branches(shape);
    let Some(shape) = branches.first().filter(|_| depth < MAX_DEPTH) else {
        return " {}\n".to_owned();
    };
    if let Some(items) = &shape.items {
        let value = sample(schema, &schema.shape(items), depth + 1);
        return format!("\n{}", indented(&listed(value.trim_start_matches([' ', '\n'])), "  "));
    }
    if !shape.properties.is_empty() {
        return format!("\n{}", indented(&uncommented(schema, shape, depth + 1), "  "));
    }
    if let Some(entry) = shape.entry_schema() {
        let value = sample(schema, &schema.shape(entry), depth + 1);
        return format!("\n{}", indented(&format!("name:{value}"), "  "));
    }
    format!(" {}\n", scalar(shape))
}

fn scalar(shape: &Shape) -> String {
    if let Some(word) = shape.words().first() {
        return text(word);
    }
    let by_format = match shape.format.as_deref() {
        Some("address") => Some("127.0.0.1:5432"),
        Some("period") => Some("30s"),
        Some("size") => Some("64KiB"),
        Some("secret") => Some("\"${SECRET}\""),
        _ => None,
    };
    if let Some(word) = by_format {
        return word.to_owned();
    }
    match shape.types.first().map(String::as_str) {
        Some("boolean") => "false".to_owned(),
        Some("integer" | "number") => {
            let least = shape.minimum.as_ref().map(ToString::to_string);
            least.unwrap_or_else(|| "0".to_owned())
        }
        Some("object") => "{}".to_owned(),
        Some("string") => "\"…\"".to_owned(),
        _ => "null".to_owned(),
    }
}

fn meaning(shape: &Shape) -> String {
    let mut text = shape.description.as_deref().map(comment).unwrap_or_default();
    if shape.choices.len() > 1 {
        let _ = writeln!(text, "# One of: {}.", shape.words().join(", "));
    }
    text
}

fn comment(description: &str) -> String {
    indented(description, "# ")
}
