use std::path::Path as FilePath;

use crate::mistake::Mistake;
use crate::node::{Node, Span, Value};
use crate::path::{Path, Step};
use crate::{toml_text, yaml_text};

/// Bounds on what a document may cost to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget;

impl Budget {
    /// Bytes of text.
    pub(crate) const BYTES: usize = 4 << 20;
    /// Nodes, with every alias counted at its full size.
    pub(crate) const NODES: usize = 200_000;
    /// Levels of maps and lists.
    pub(crate) const DEPTH: usize = 64;
}

/// A configuration as it was written: a tree in which everything knows its line and column.
#[derive(Debug, Clone)]
pub struct Document {
    name: String,
    text: String,
    root: Node,
}

impl Document {
    /// Reads a file: TOML when its name ends in `.toml`, YAML otherwise.
    pub fn open(path: &FilePath) -> Result<Self, Vec<Mistake>> {
        let name = path.display().to_string();
        let wrong = |message: String| vec![Mistake::in_text(&name, None, message)];
        let too_large = || wrong(format!("the file is larger than {} MiB", Budget::BYTES >> 20));
        let length = std::fs::metadata(path)
            .map_err(|error| wrong(format!("cannot read the file: {error}")))?
            .len();
        if usize::try_from(length).map_or(true, |length| length > Budget::BYTES) {
            return Err(too_large());
        }
        let bytes = std::fs::read(path).map_err(|error| wrong(format!("cannot read the file: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            wrong(format!("the file is not UTF-8: byte {at} is wrong"))
        })?;
        Self::parse(&name, text)
    }

    /// Reads a text; the name is what mistakes call it, and its ending chooses the language.
    pub fn parse(name: &str, text: impl Into<String>) -> Result<Self, Vec<Mistake>> {
        let text = text.into();
        if text.len() > Budget::BYTES {
            let message = format!("the text is larger than {} MiB", Budget::BYTES >> 20);
            return Err(vec![Mistake::in_text(name, None, message)]);
        }
        let is_toml = FilePath::new(name)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        let read = if is_toml {
            toml_text::read(name, &text)
        } else {
            yaml_text::read(name, &text)
        };
        let mut root = read?;
        if root.value == Value::Null {
            root = Node::new(Span::new(1, 1), Value::Map(Vec::new()));
        }
        Ok(Self {
            name: name.to_owned(),
            text,
            root,
        })
    }

    /// What mistakes call this document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    pub(crate) fn root_mut(&mut self) -> &mut Node {
        &mut self.root
    }

    /// The value at a path, if there is one.
    pub fn node(&self, path: impl Into<Path>) -> Option<&Node> {
        path.into()
            .steps()
            .iter()
            .try_fold(&self.root, |node, step| Some(descend(node, step)?.1))
    }

    /// Where a path stands: its key, its value where it is a list element, or the nearest parent that exists.
    pub fn span_of(&self, path: impl Into<Path>) -> Span {
        self.locate(&path.into()).0
    }

    pub(crate) fn locate(&self, path: &Path) -> (Span, &Node) {
        let mut found = (self.root.span, &self.root);
        for step in path.steps() {
            match descend(found.1, step) {
                Some(next) => found = next,
                None => break,
            }
        }
        found
    }

    /// The whole document as JSON, without places.
    pub fn to_json(&self) -> serde_json::Value {
        self.root.to_json()
    }

    /// A line of the source that is safe to print: cut before the first value on it that may be a secret, which is
    /// everything that the schema does not know. `None` when the line begins inside such a value.
    pub(crate) fn safe_line(&self, line: usize) -> Option<String> {
        let text = self.text.lines().nth(line.checked_sub(1)?)?;
        let mut first = usize::MAX;
        let mut cut = usize::MAX;
        self.root.each_place(&mut |span, is_secret| {
            if span.line == line {
                first = first.min(span.column - 1);
                if is_secret {
                    cut = cut.min(span.column - 1);
                }
            }
        });
        let begins_inside = text
            .chars()
            .take(first)
            .any(|c| !c.is_whitespace() && !"-{}[],\"'".contains(c));
        if begins_inside {
            return None;
        }
        Some(if cut == usize::MAX {
            text.to_owned()
        } else {
            text.chars().take(cut).chain("***".chars()).collect()
        })
    }
}

fn descend<'n>(node: &'n Node, step: &Step) -> Option<(Span, &'n Node)> {
    match (step, &node.value) {
        (Step::Key(key), _) => node.entry(key).map(|entry| (entry.span, &entry.node)),
        (Step::Index(index), Value::List(nodes)) => nodes.get(*index).map(|node| (node.span, node)),
        (Step::Index(_), _) => None,
    }
}
