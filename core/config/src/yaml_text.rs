//! YAML 1.2 to a tree. `saphyr-parser` gives events with markers, so spans, aliases and duplicate keys stay ours to
//! judge; `serde-saphyr` was passed over because a tree of values is wanted here, not a typed struct.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::document::Budget;
use crate::mistake::Mistake;
use crate::node::{Entry, Node, Span, Value, core_scalar};

/// Reads one YAML document.
pub(crate) fn read(name: &str, text: &str) -> Result<Node, Vec<Mistake>> {
    let mut builder = Builder::default();
    let mut mistakes = Vec::new();
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let fed = match event {
            Ok((event, at)) => {
                let span = Span::new(at.start.line(), at.start.col() + 1);
                builder.feed(event, span, &mut mistakes)
            }
            Err(error) => {
                let at = Span::new(error.marker().line(), error.marker().col() + 1);
                Err((at, format!("this is not YAML: {}", error.info())))
            }
        };
        if let Err((span, message)) = fed {
            mistakes.push((span, message));
            break;
        }
    }
    if mistakes.is_empty() {
        let empty = || Node::new(Span::new(1, 1), Value::Null);
        return Ok(builder.root.unwrap_or_else(empty));
    }
    let name_it = |(span, message)| Mistake::in_text(name, Some(span), message);
    Err(mistakes.into_iter().map(name_it).collect())
}

type Wrong = (Span, String);

/// A map or list that is still open.
struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashSet<String>,
        key: Option<(String, Span)>,
    },
}

/// What an anchor stands for, with what an alias to it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

impl Builder {
    fn feed(&mut self, event: Event<'_>, span: Span, mistakes: &mut Vec<Wrong>) -> Result<(), Wrong> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((span, "a second document begins here; write one per file".into()));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), span, mistakes)?;
            }
            Event::Alias(anchor) => self.alias(anchor, span, mistakes)?,
            Event::SequenceStart(anchor, tag) => {
                no_tag(tag.as_deref(), span)?;
                self.begin(span, anchor, Content::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                no_tag(tag.as_deref(), span)?;
                let (entries, seen) = (Vec::new(), HashSet::new());
                self.begin(
                    span,
                    anchor,
                    Content::Map {
                        entries,
                        seen,
                        key: None,
                    },
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(mistakes)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn spend(&mut self, nodes: usize, depth: usize, span: Span) -> Result<(), Wrong> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > Budget::NODES {
            let limit = Budget::NODES;
            return Err((span, format!("more than {limit} values, aliases counted in full")));
        }
        if self.open.len() + depth > Budget::DEPTH {
            return Err((span, format!("nested deeper than {} levels", Budget::DEPTH)));
        }
        Ok(())
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), Wrong> {
        self.spend(1, 1, span)?;
        if let Some(Open {
            content: Content::Map { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err((span, "a key must be a text, not a map or a list".into()));
        }
        self.open.push(Open { span, anchor, content });
        Ok(())
    }

    fn end(&mut self, mistakes: &[Wrong]) -> Result<(), Wrong> {
        let Some(Open { span, anchor, content }) = self.open.pop() else {
            return Ok(());
        };
        let value = match content {
            Content::List(nodes) => Value::List(nodes),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node::new(span, value);
        self.anchor(anchor, &node);
        self.place(node, mistakes)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
        mistakes: &mut Vec<Wrong>,
    ) -> Result<(), Wrong> {
        self.spend(1, 0, span)?;
        let is_text = match tag {
            None => style != ScalarStyle::Plain,
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => true,
            Some(_) => return no_tag(tag, span),
        };
        if let Some(Open {
            content:
                Content::Map {
                    entries,
                    seen,
                    key: key @ None,
                },
            ..
        }) = self.open.last_mut()
        {
            if !seen.insert(text.to_owned()) {
                let first = entries.iter().find(|entry| entry.key == text);
                let line = first.map_or(span.line, |entry| entry.span.line);
                mistakes.push((span, format!("key `{text}` stands twice; the first is on line {line}")));
            }
            *key = Some((text.to_owned(), span));
            return Ok(());
        }
        let value = if is_text {
            Value::Text(text.to_owned())
        } else {
            core_scalar(text)
        };
        let node = Node::new(span, value);
        self.anchor(anchor, &node);
        self.place(node, mistakes)
    }

    fn alias(&mut self, anchor: usize, span: Span, mistakes: &[Wrong]) -> Result<(), Wrong> {
        let Some(found) = self.anchors.get(&anchor) else {
            return Err((span, "this alias names an anchor that is not complete yet".into()));
        };
        // The cost is paid before the copy is made, so a billion laughs cost nothing.
        let (nodes, depth) = (found.nodes, found.depth);
        self.spend(nodes, depth, span)?;
        let Some(found) = self.anchors.get(&anchor) else {
            return Ok(());
        };
        let mut node = found.node.clone();
        if matches!(
            node.value,
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_)
        ) {
            node.span = span;
        }
        self.place(node, mistakes)
    }

    fn anchor(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            let (nodes, depth) = cost(node);
            let node = node.clone();
            // The copy counts too, or nested anchors would be kept for nothing.
            self.nodes = self.nodes.saturating_add(nodes);
            self.anchors.insert(anchor, Anchored { node, nodes, depth });
        }
    }

    fn place(&mut self, node: Node, mistakes: &[Wrong]) -> Result<(), Wrong> {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map { entries, key, .. } => {
                let Some((key, span)) = key.take() else {
                    return Err((node.span, "a key must be a text, not an alias".into()));
                };
                // A key that stands twice is already a mistake; keeping the first keeps later messages sane.
                if mistakes.is_empty() || !entries.iter().any(|entry| entry.key == key) {
                    entries.push(Entry { key, span, node });
                }
            }
        }
        Ok(())
    }
}

fn no_tag(tag: Option<&Tag>, span: Span) -> Result<(), Wrong> {
    match tag {
        None => Ok(()),
        Some(tag) => Err((span, format!("tag `{tag}` is not understood; remove it"))),
    }
}

fn cost(node: &Node) -> (usize, usize) {
    let sum = |(nodes, depth): (usize, usize), child: &Node| {
        let (more, deeper) = cost(child);
        (nodes + more, depth.max(deeper + 1))
    };
    match &node.value {
        Value::List(nodes) => nodes.iter().fold((1, 1), sum),
        Value::Map(entries) => entries.iter().map(|entry| &entry.node).fold((1, 1), sum),
        _ => (1, 0),
    }
}
