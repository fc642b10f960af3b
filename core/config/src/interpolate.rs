//! `${NAME}`, `${NAME:-default}`, `${file:/path}` and `$$` inside texts. Any other `$` is itself.

use crate::environment::{Environment, secret_file};
use crate::node::{Node, Source, Span, Value};
use crate::path::Path;

/// Replaces every reference in the tree; what cannot be replaced stays and is told to `wrong`.
pub(crate) fn interpolate(
    node: &mut Node,
    path: &Path,
    environment: &dyn Environment,
    wrong: &mut Vec<(Span, Path, String)>,
) {
    match &mut node.value {
        Value::Text(text) if text.contains('$') => match expand(text, environment) {
            Ok(None) => {}
            Ok(Some(expanded)) => {
                if expanded.is_foreign {
                    node.source = Source::Interpolated;
                }
                *text = expanded.text;
            }
            Err(message) => wrong.push((node.span, path.clone(), message)),
        },
        Value::List(nodes) => {
            for (index, node) in nodes.iter_mut().enumerate() {
                interpolate(node, &path.index(index), environment, wrong);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                interpolate(&mut entry.node, &path.key(&entry.key), environment, wrong);
            }
        }
        _ => {}
    }
}

struct Expanded {
    text: String,
    /// Some of it does not stand in the file.
    is_foreign: bool,
}

fn expand(text: &str, environment: &dyn Environment) -> Result<Option<Expanded>, String> {
    let mut expanded = Expanded {
        text: String::with_capacity(text.len()),
        is_foreign: false,
    };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.text.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (reference, after) = after
                .split_once('}')
                .ok_or("`${` without its `}`; write `$$` for a dollar sign")?;
            expanded.text.push_str(&value_of(reference, environment)?);
            expanded.is_foreign = true;
            rest = after;
        } else {
            expanded.text.push('$');
            rest = after;
        }
    }
    expanded.text.push_str(rest);
    Ok((expanded.text != text).then_some(expanded))
}

fn value_of(reference: &str, environment: &dyn Environment) -> Result<String, String> {
    if let Some(path) = reference.strip_prefix("file:") {
        return secret_file(environment, path);
    }
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_name(name) {
        return Err("`${…}` holds no variable name; write `${NAME}`, `${NAME:-default}`, `${file:/path}`, or `$$` for a dollar sign".into());
    }
    let value = environment
        .variable(name)
        .filter(|value| default.is_none() || !value.is_empty());
    value
        .or_else(|| default.map(ToOwned::to_owned))
        .ok_or_else(|| format!("environment variable `{name}` is not set; set it, or write `${{{name}:-default}}`"))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
