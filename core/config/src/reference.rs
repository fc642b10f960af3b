use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::emit::inline;
use crate::select::{single_keys, tag_of};
use crate::shape::{Schema, Shape};

const MAX_DEPTH: usize = 12;

/// A reference page in Markdown: a table for each map, in the order of the schema.
pub fn reference(schema: &Json) -> String {
    let schema = Schema(schema);
    let mut page = Page {
        schema,
        text: String::new(),
    };
    page.shape("", &schema.root(), 0);
    page.text
}

struct Page<'s> {
    schema: Schema<'s>,
    text: String,
}

impl Page<'_> {
    /// What stands at a path, if it is more than its row in the parent's table tells.
    fn shape(&mut self, path: &str, shape: &Shape, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        if shape.alternatives.is_empty() {
            return self.plain(path, "", shape, depth);
        }
        let branches = self.schema.branches(shape);
        if single_keys(&branches).is_some() {
            let mut merged = Shape::default();
            for branch in &branches {
                merged.properties.extend(branch.properties.clone());
            }
            merged.description = Some("Exactly one of these keys.".to_owned());
            return self.plain(path, "", &merged, depth);
        }
        let tag = tag_of(&branches);
        for branch in &branches {
            let word = tag
                .as_ref()
                .and_then(|tag| Some(format!(" with `{tag}: {}`", branch.fixed(tag)?)));
            self.plain(path, &word.unwrap_or_default(), branch, depth);
        }
    }

    fn plain(&mut self, path: &str, variant: &str, shape: &Shape, depth: usize) {
        if let Some(items) = &shape.items {
            return self.shape(&format!("{path}[]"), &self.schema.shape(items), depth + 1);
        }
        if !shape.properties.is_empty() {
            self.table(path, variant, shape);
        }
        for (key, inner) in &shape.properties {
            let below = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            self.shape(&below, &self.schema.shape(inner), depth + 1);
        }
        if let Some(entry) = shape.entry_schema() {
            self.shape(&format!("{path}.<name>"), &self.schema.shape(entry), depth + 1);
        }
    }

    fn table(&mut self, path: &str, variant: &str, shape: &Shape) {
        let title = if path.is_empty() {
            "Top level".to_owned()
        } else {
            format!("`{path}`{variant}")
        };
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let _ = write!(self.text, "{gap}## {title}\n\n");
        if let Some(description) = &shape.description {
            let _ = write!(self.text, "{}\n\n", description.trim());
        }
        self.text
            .push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        for (key, inner) in &shape.properties {
            let inner = self.schema.shape(inner);
            let default = match &inner.default {
                Some(default) if inner.is_secret() && !default.is_null() => "`***`".to_owned(),
                Some(default) if !default.is_null() && is_short(default) => {
                    format!("`{}`", inline(default))
                }
                _ if shape.required.contains(key) => "required".to_owned(),
                _ => String::new(),
            };
            let kind = cell(&self.kind(&inner, 0));
            let meaning = cell(&full_meaning(&inner));
            let _ = writeln!(self.text, "| `{key}` | {kind} | {} | {meaning} |", cell(&default));
        }
    }

    /// A type in a few words.
    fn kind(&self, shape: &Shape, depth: usize) -> String {
        if depth > MAX_DEPTH {
            return "…".to_owned();
        }
        if !shape.choices.is_empty() {
            let words: Vec<String> = shape.words().iter().map(|word| format!("`{word}`")).collect();
            return words.join(" or ");
        }
        if let Some(format @ ("address" | "period" | "size" | "secret")) = shape.format.as_deref() {
            return format.to_owned();
        }
        if !shape.alternatives.is_empty() {
            let branches = self.schema.branches(shape);
            let mut kinds: Vec<String> = branches.iter().map(|branch| self.kind(branch, depth + 1)).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
        if let Some(items) = &shape.items {
            return format!("list of {}", self.kind(&self.schema.shape(items), depth + 1));
        }
        match shape.entry_schema() {
            Some(entry) => format!("map of {}", self.kind(&self.schema.shape(entry), depth + 1)),
            None if shape.is_map() => "map".to_owned(),
            None => shape.expected().trim_start_matches("a ").to_owned(),
        }
    }
}

fn is_short(value: &Json) -> bool {
    match value {
        Json::Object(map) => map.is_empty(),
        Json::Array(items) => items.iter().all(|item| !item.is_object()),
        _ => true,
    }
}

fn full_meaning(shape: &Shape) -> String {
    let mut text = shape.description.clone().unwrap_or_default();
    for choice in &shape.choices {
        if let Some(meaning) = &choice.meaning {
            let word = crate::shape::word(&choice.value);
            let _ = write!(text, "\n`{word}`: {meaning}");
        }
    }
    text
}

/// A text inside a table.
fn cell(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("<br>").replace('|', "\\|")
}
