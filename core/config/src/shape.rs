use std::collections::HashSet;

use serde_json::{Map, Number, Value as Json};

/// A JSON Schema (draft 2020-12, as `schemars` makes it).
#[derive(Clone, Copy)]
pub(crate) struct Schema<'s>(pub(crate) &'s Json);

/// One place of a schema with its `$ref`s followed and its parts merged: what may stand there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) types: Vec<String>,
    pub(crate) nullable: bool,
    pub(crate) properties: Map<String, Json>,
    pub(crate) required: Vec<String>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Json>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) alternatives: Vec<Json>,
    pub(crate) format: Option<String>,
    pub(crate) minimum: Option<Number>,
    pub(crate) maximum: Option<Number>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) default: Option<Json>,
    pub(crate) example: Option<Json>,
    pub(crate) description: Option<String>,
    pub(crate) title: Option<String>,
}

/// What keys a map may have beside its properties.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Additional {
    /// None. Also what a schema that only names properties is taken to mean: a key that nobody reads is a mistake.
    #[default]
    Closed,
    /// Any, with any value.
    Open,
    /// Any, with a value of this schema.
    Of(Json),
}

/// One word of an enumeration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) value: Json,
    pub(crate) meaning: Option<String>,
}

const MAX_REFERENCES: usize = 64;

impl<'s> Schema<'s> {
    pub(crate) fn root(self) -> Shape {
        self.shape(self.0)
    }

    /// What a schema value means, in full.
    pub(crate) fn shape(self, schema: &Json) -> Shape {
        let mut shape = Shape::default();
        self.absorb(&mut shape, schema, 0);
        shape
    }

    /// A shape narrowed to one of its alternatives.
    pub(crate) fn narrowed(self, shape: &Shape, alternative: &Json) -> Shape {
        let mut narrow = Shape {
            alternatives: Vec::new(),
            ..shape.clone()
        };
        self.absorb(&mut narrow, alternative, 0);
        narrow.nullable |= shape.nullable;
        narrow
    }

    /// All narrowed alternatives, or the shape itself when it has none.
    pub(crate) fn branches(self, shape: &Shape) -> Vec<Shape> {
        if shape.alternatives.is_empty() {
            return vec![shape.clone()];
        }
        let narrow = |alternative| self.narrowed(shape, alternative);
        shape.alternatives.iter().map(narrow).collect()
    }

    fn absorb(self, shape: &mut Shape, schema: &Json, depth: usize) {
        let Json::Object(map) = schema else {
            if schema == &Json::Bool(true) {
                shape.additional = Additional::Open;
            }
            return;
        };
        if depth > MAX_REFERENCES {
            return;
        }
        if map.is_empty() {
            shape.additional = Additional::Open;
        }
        if let Some(target) = map
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|name| self.target(name))
        {
            self.absorb(shape, target, depth + 1);
        }
        for part in map.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            self.absorb(shape, part, depth + 1);
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(parts) = map.get(keyword).and_then(Json::as_array) {
                self.absorb_alternatives(shape, parts, depth);
            }
        }
        absorb_words(shape, map);
        absorb_structure(shape, map);
    }

    fn target(self, reference: &str) -> Option<&'s Json> {
        self.0.pointer(reference.strip_prefix('#')?)
    }

    fn absorb_alternatives(self, shape: &mut Shape, parts: &[Json], depth: usize) {
        let is_null = |part: &&Json| part.get("type").and_then(Json::as_str) == Some("null");
        shape.nullable |= parts.iter().any(|part| is_null(&part));
        let real: Vec<&Json> = parts.iter().filter(|part| !is_null(part)).collect();
        let choices: Vec<Choice> = real.iter().flat_map(|part| choices_of(part)).collect();
        let only_words = real
            .iter()
            .all(|part| part.get("const").is_some() || part.get("enum").is_some());
        match real.as_slice() {
            [single] => self.absorb(shape, single, depth + 1),
            _ if only_words => shape.choices = choices,
            _ => shape.alternatives = real.into_iter().cloned().collect(),
        }
    }
}

impl Shape {
    /// Whether a map may stand here.
    pub(crate) fn is_map(&self) -> bool {
        self.types.iter().any(|name| name == "object")
            || !self.properties.is_empty()
            || matches!(self.additional, Additional::Of(_))
    }

    /// Whether a list may stand here.
    pub(crate) fn is_list(&self) -> bool {
        self.types.iter().any(|name| name == "array") || self.items.is_some()
    }

    /// Whether anything may stand here.
    pub(crate) fn is_any(&self) -> bool {
        self.types.is_empty()
            && !self.is_map()
            && !self.is_list()
            && self.choices.is_empty()
            && self.alternatives.is_empty()
    }

    /// Whether a value of this JSON type may stand here.
    pub(crate) fn takes(&self, kind: &str) -> bool {
        let of_choice = |choice: &Choice| match kind {
            "string" => choice.value.is_string(),
            "boolean" => choice.value.is_boolean(),
            "integer" => choice.value.is_i64(),
            _ => false,
        };
        self.types
            .iter()
            .any(|name| name == kind || (kind == "integer" && name == "number"))
            || self.is_any()
            || self.choices.iter().any(of_choice)
            || (kind == "object" && self.is_map())
            || (kind == "array" && self.is_list())
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.format.as_deref() == Some("secret")
    }

    /// What keys may stand in a map beside its properties, as a schema.
    pub(crate) fn entry_schema(&self) -> Option<&Json> {
        match &self.additional {
            Additional::Of(schema) => Some(schema),
            Additional::Open | Additional::Closed => None,
        }
    }

    /// The words of an enumeration.
    pub(crate) fn words(&self) -> Vec<String> {
        self.choices.iter().map(|choice| word(&choice.value)).collect()
    }

    /// The word that the property of this name must have, if it is fixed.
    pub(crate) fn fixed(&self, key: &str) -> Option<&str> {
        let property = self.properties.get(key)?;
        let fixed = property
            .get("const")
            .or_else(|| match property.get("enum")?.as_array()?.as_slice() {
                [single] => Some(single),
                _ => None,
            });
        fixed?.as_str()
    }

    /// What is expected here, in the words of a message.
    pub(crate) fn expected(&self) -> String {
        if !self.choices.is_empty() {
            return match self.words().as_slice() {
                [single] => format!("`{single}`"),
                words => format!("one of: {}", words.join(", ")),
            };
        }
        let by_format = match self.format.as_deref() {
            Some("address") => Some("an address (host:port, [ipv6]:port or unix:/path)"),
            Some("period") => Some("a length of time (250ms, 5s, 1m 30s, 2h, or 0 for off)"),
            Some("size") => Some("a size (512B, 16KiB, 64MiB, 1GiB)"),
            _ => None,
        };
        if let Some(words) = by_format {
            return words.to_owned();
        }
        let kinds: Vec<&str> = [
            ("boolean", "true or false"),
            ("integer", "a whole number"),
            ("number", "a number"),
            ("string", "text"),
            ("array", "a list"),
            ("object", "a map"),
        ]
        .into_iter()
        .filter(|(kind, _)| {
            self.types.iter().any(|name| name == kind) || (!self.is_any() && self.types.is_empty() && self.takes(kind))
        })
        .map(|(_, words)| words)
        .collect();
        if kinds.is_empty() {
            "any value".to_owned()
        } else {
            kinds.join(" or ")
        }
    }
}

/// A schema's constant as one writes it.
pub(crate) fn word(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn choices_of(part: &Json) -> Vec<Choice> {
    let meaning = part.get("description").and_then(Json::as_str).map(ToOwned::to_owned);
    let values = part
        .get("const")
        .into_iter()
        .chain(part.get("enum").and_then(Json::as_array).into_iter().flatten());
    values
        .map(|value| Choice {
            value: value.clone(),
            meaning: meaning.clone(),
        })
        .collect()
}

fn absorb_words(shape: &mut Shape, map: &Map<String, Json>) {
    let text = |key: &str| map.get(key).and_then(Json::as_str).map(ToOwned::to_owned);
    shape.description = text("description").or(shape.description.take());
    shape.title = text("title").or(shape.title.take());
    shape.format = text("format").or(shape.format.take());
    shape.default = map.get("default").cloned().or(shape.default.take());
    let example = map.get("examples").and_then(|list| list.get(0)).cloned();
    shape.example = example.or(shape.example.take());
    for (key, number) in [("minimum", &mut shape.minimum), ("maximum", &mut shape.maximum)] {
        if let Some(Json::Number(bound)) = map.get(key) {
            *number = Some(bound.clone());
        }
    }
    for (key, length) in [
        ("minLength", &mut shape.min_length),
        ("maxLength", &mut shape.max_length),
        ("minItems", &mut shape.min_items),
    ] {
        *length = map.get(key).and_then(Json::as_u64).or(*length);
    }
}

fn absorb_structure(shape: &mut Shape, map: &Map<String, Json>) {
    match map.get("type") {
        Some(Json::String(name)) => shape.types = vec![name.clone()],
        Some(Json::Array(names)) => {
            shape.types = names.iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect();
        }
        _ => {}
    }
    shape.nullable |= shape.types.iter().any(|name| name == "null");
    shape.types.retain(|name| name != "null");
    let choices = choices_of(&Json::Object(map.clone()));
    if !choices.is_empty() {
        shape.nullable |= choices.iter().any(|choice| choice.value.is_null());
        shape.choices = choices
            .into_iter()
            .filter(|choice| !choice.value.is_null())
            .map(|choice| Choice {
                meaning: None,
                ..choice
            })
            .collect();
    }
    for (key, property) in map.get("properties").and_then(Json::as_object).into_iter().flatten() {
        shape.properties.insert(key.clone(), property.clone());
    }
    let known: HashSet<String> = shape.required.iter().cloned().collect();
    let required = map.get("required").and_then(Json::as_array).into_iter().flatten();
    shape.required.extend(
        required
            .filter_map(Json::as_str)
            .filter(|key| !known.contains(*key))
            .map(ToOwned::to_owned),
    );
    if let Some(items) = map.get("items") {
        shape.items = Some(items.clone());
    }
    let by_pattern = map
        .get("patternProperties")
        .and_then(Json::as_object)
        .and_then(|patterns| patterns.values().next());
    match map.get("additionalProperties") {
        Some(Json::Bool(true)) => shape.additional = Additional::Open,
        Some(schema @ Json::Object(_)) => shape.additional = Additional::Of(schema.clone()),
        _ => {}
    }
    if let Some(schema) = by_pattern {
        shape.additional = Additional::Of(schema.clone());
    }
}
