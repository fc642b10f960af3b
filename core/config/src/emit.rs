//! YAML out of JSON values.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::node::{Value, core_scalar};

/// A value as YAML in block style, with a line end after each line; a scalar as one line.
pub(crate) fn yaml(value: &Json) -> String {
    match value {
        Json::Object(map) if !map.is_empty() => map.iter().map(|(key, value)| pair(key, value)).collect(),
        Json::Array(items) if !items.is_empty() => items.iter().map(element).collect(),
        scalar => format!("{}\n", inline(scalar)),
    }
}

/// `key: value`, the value on lines of its own where it needs them.
pub(crate) fn pair(key: &str, value: &Json) -> String {
    if is_block(value) {
        format!("{}:\n{}", text(key), indented(&yaml(value), "  "))
    } else {
        format!("{}: {}\n", text(key), inline(value))
    }
}

/// Every line with something before it; empty lines stay empty.
pub(crate) fn indented(block: &str, lead: &str) -> String {
    block.lines().fold(String::new(), |mut out, line| {
        let _ = match line {
            "" => writeln!(out, "{}", lead.trim_end()),
            line => writeln!(out, "{lead}{line}"),
        };
        out
    })
}

/// A block as an element of a list.
pub(crate) fn listed(block: &str) -> String {
    indented(block, "  ").replacen("  ", "- ", 1)
}

/// A text, in quotes where YAML 1.1 or 1.2 would read it as anything else.
pub(crate) fn text(text: &str) -> String {
    let first_is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_');
    let all_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_./@+-:".contains(c));
    let is_word = matches!(core_scalar(text), Value::Text(_)) && !is_old_boolean(text);
    let is_sexagesimal = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == ':' || c == '.');
    if first_is_plain && all_plain && is_word && !text.ends_with(':') && !is_sexagesimal {
        text.to_owned()
    } else {
        // A JSON string is a YAML double-quoted scalar (YAML 1.2.2, 7.3.1).
        Json::from(text).to_string()
    }
}

pub(crate) fn inline(value: &Json) -> String {
    match value {
        Json::String(string) => text(string),
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        other => other.to_string(),
    }
}

fn is_block(value: &Json) -> bool {
    match value {
        Json::Object(map) => !map.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn element(value: &Json) -> String {
    listed(&yaml(value))
}

fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}
