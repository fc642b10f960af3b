use std::sync::Arc;

use serde_json::Number;

/// A place in a source text, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Span {
    /// A place.
    pub const fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}

/// Where a value's text was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Written in the file.
    File,
    /// Written in the file with `${…}` inside, so its text may be a secret and is never printed.
    Interpolated,
    /// Set by this environment variable; never printed either.
    Variable(Arc<str>),
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub span: Span,
    /// What it says.
    pub value: Value,
    /// Who said it.
    pub source: Source,
    /// It may be a secret, as everything may until a schema says otherwise.
    pub(crate) secret: bool,
}

/// What a node says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Keys in the order of the file; no key twice.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub span: Span,
    /// Its value.
    pub node: Node,
}

impl Node {
    pub(crate) fn new(span: Span, value: Value) -> Self {
        Self {
            span,
            value,
            source: Source::File,
            secret: true,
        }
    }

    /// The value under a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of a key, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value this is, in the words of a message.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// A tree without places.
    pub(crate) fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => number
                .as_i64()
                .map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Self::from_json).collect()),
            Json::Object(map) => {
                let entry = |(key, value): (&String, &Json)| Entry {
                    key: key.clone(),
                    span: Span::default(),
                    node: Self::from_json(value),
                };
                Value::Map(map.iter().map(entry).collect())
            }
        };
        Self::new(Span::default(), value)
    }

    /// The same tree without places, as JSON; a number that JSON cannot hold becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// Calls `visit` on every scalar below, itself included.
    pub(crate) fn each_leaf(&self, visit: &mut impl FnMut(&Self)) {
        match &self.value {
            Value::List(nodes) => nodes.iter().for_each(|node| node.each_leaf(visit)),
            Value::Map(entries) => entries.iter().for_each(|entry| entry.node.each_leaf(visit)),
            _ => visit(self),
        }
    }

    /// Calls `visit` with the place of every key and value below, and whether it may be a secret.
    pub(crate) fn each_place(&self, visit: &mut impl FnMut(Span, bool)) {
        match &self.value {
            Value::List(nodes) => nodes.iter().for_each(|node| node.each_place(visit)),
            Value::Map(entries) => entries.iter().for_each(|entry| {
                visit(entry.span, false);
                entry.node.each_place(visit);
            }),
            _ => visit(self.span, self.secret && self.value != Value::Null),
        }
    }
}

/// Reads a plain scalar by the rules of the YAML 1.2 core schema (YAML 1.2.2, 10.3.2): `off` and `no` are texts.
pub(crate) fn core_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    whole_number(text)
        .map(Value::Int)
        .or_else(|| number(text).map(Value::Float))
        .unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn whole_number(text: &str) -> Option<i64> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let plain = digits.starts_with(|first: char| first.is_ascii_alphanumeric());
            return plain.then(|| i64::from_str_radix(digits, radix).ok())?;
        }
    }
    text.parse().ok()
}

fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    is_number.then(|| text.parse().ok())?
}
