//! One scalar against its shape.

use serde_json::{Number, Value as Json};
use tidegate_base::{Address, Period, Size};

use crate::mistake::suggest;
use crate::node::{Node, Source, Value};
use crate::path::Path;
use crate::shape::Shape;

/// What is wrong with a scalar, if anything is. The value itself is only shown when it was typed into the file and
/// is no secret.
pub(crate) fn judge(shape: &Shape, node: &Node, path: &Path) -> Option<String> {
    let value = node.to_json();
    if !shape.choices.is_empty() {
        let is_word = shape.choices.iter().any(|choice| choice.value == value);
        return (!is_word).then(|| no_such_word(node, path, &shape.words()));
    }
    match &node.value {
        Value::Text(text) if shape.takes("string") => judge_text(shape, node, path, text),
        Value::Int(_) if shape.takes("integer") => judge_bounds(shape, &value, path),
        Value::Float(_) | Value::Int(_) if shape.takes("number") => judge_bounds(shape, &value, path),
        Value::Bool(_) if shape.takes("boolean") => None,
        _ => Some(wrong_kind(shape, node, path)),
    }
}

/// A word that is none of an enumeration's.
pub(crate) fn no_such_word(node: &Node, path: &Path, words: &[String]) -> String {
    let Some(shown) = shown(node) else {
        return format!(
            "the value of {path} is not valid; expected one of: {}",
            words.join(", ")
        );
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let hint = suggest(&shown, &words);
    let all = if hint.contains("did you mean") && words.len() > 1 {
        format!(" (one of: {})", words.join(", "))
    } else {
        String::new()
    };
    format!("`{shown}` is no valid value of {path}{hint}{all}")
}

fn judge_text(shape: &Shape, node: &Node, path: &Path, text: &str) -> Option<String> {
    let is_well_formed = match shape.format.as_deref() {
        Some("address") => text.parse::<Address>().is_ok(),
        Some("period") => text.parse::<Period>().is_ok(),
        Some("size") => text.parse::<Size>().is_ok(),
        _ => true,
    };
    if !is_well_formed {
        let what = shown(node).map_or_else(|| "the value".to_owned(), |text| format!("`{text}`"));
        return Some(format!("{what} of {path} is not {}", shape.expected()));
    }
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if shape.min_length.is_some_and(|least| length < least) {
        return Some(if length == 0 {
            format!("{path} must not be empty")
        } else {
            format!(
                "{path} is too short: at least {} characters",
                shape.min_length.unwrap_or(0)
            )
        });
    }
    let most = shape.max_length.filter(|most| length > *most)?;
    Some(format!("{path} is too long: at most {most} characters"))
}

fn judge_bounds(shape: &Shape, value: &Json, path: &Path) -> Option<String> {
    let number = value.as_f64()?;
    let bound = |bound: &Option<Number>| bound.as_ref().and_then(Number::as_f64);
    let (format_least, format_most) = format_bounds(shape.format.as_deref());
    let least = bound(&shape.minimum).or(format_least);
    let most = bound(&shape.maximum).or(format_most);
    if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
        return None;
    }
    Some(match (least, most) {
        (Some(least), Some(most)) => format!("{path} must be between {least} and {most}"),
        (Some(least), None) => format!("{path} must be at least {least}"),
        (None, most) => format!("{path} must be at most {}", most.unwrap_or(f64::INFINITY)),
    })
}

/// Bounds of the Rust integer types, which `schemars` only names.
fn format_bounds(format: Option<&str>) -> (Option<f64>, Option<f64>) {
    match format {
        Some("uint8") => (Some(0.0), Some(f64::from(u8::MAX))),
        Some("uint16") => (Some(0.0), Some(f64::from(u16::MAX))),
        Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
        Some("uint" | "uint64") => (Some(0.0), None),
        Some("int8") => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
        Some("int16") => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        _ => (None, None),
    }
}

fn wrong_kind(shape: &Shape, node: &Node, path: &Path) -> String {
    let hint = match (&node.value, shape.takes("string")) {
        (Value::Int(_) | Value::Float(_) | Value::Bool(_), true) => "; put it in quotes",
        (Value::Text(text), _) if node.source == Source::File && shape.takes("boolean") => {
            match text.to_lowercase().as_str() {
                "yes" | "on" => "; write true",
                "no" | "off" => "; write false",
                _ => "",
            }
        }
        _ => "",
    };
    format!("{path} must be {}, but is {}{hint}", shape.expected(), node.kind())
}

/// The value, where it may be shown.
fn shown(node: &Node) -> Option<String> {
    const LONGEST: usize = 60;
    if node.source != Source::File {
        return None;
    }
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Map(_) | Value::List(_) => return None,
        _ => node.to_json().to_string(),
    };
    (text.chars().count() <= LONGEST).then_some(text)
}
