//! TOML 1.1 to a tree, through the `toml` crate's spanned values.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::document::Budget;
use crate::mistake::Mistake;
use crate::node::{Entry, Node, Span, Value};

/// Reads one TOML document; every syntax error is reported.
pub(crate) fn read(name: &str, text: &str) -> Result<Node, Vec<Mistake>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let range = table.span();
    let root = Spanned::new(range, DeValue::Table(table.into_inner()));
    let mut mistakes: Vec<Mistake> = errors
        .iter()
        .map(|error| {
            let span = error.span().map(|range| lines.span(&range));
            Mistake::in_text(name, span, format!("this is not TOML: {}", error.message()))
        })
        .collect();
    let mut reader = Reader {
        lines,
        wrong: Vec::new(),
        nodes: 0,
    };
    let node = reader.node(&root, 0);
    mistakes.extend(
        reader
            .wrong
            .into_iter()
            .map(|(span, message)| Mistake::in_text(name, Some(span), message)),
    );
    if mistakes.is_empty() { Ok(node) } else { Err(mistakes) }
}

struct Reader<'t> {
    lines: Lines<'t>,
    wrong: Vec<(Span, String)>,
    nodes: usize,
}

impl Reader<'_> {
    fn node(&mut self, spanned: &Spanned<DeValue<'_>>, depth: usize) -> Node {
        let span = self.lines.span(&spanned.span());
        self.nodes += 1;
        if depth > Budget::DEPTH || self.nodes > Budget::NODES {
            if self.wrong.is_empty() {
                let (levels, values) = (Budget::DEPTH, Budget::NODES);
                self.wrong
                    .push((span, format!("more than {levels} levels or {values} values")));
            }
            return Node::new(span, Value::Null);
        }
        let value = match spanned.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(number) => self.integer(number.as_str(), number.radix(), span),
            DeValue::Float(number) => self.float(number.as_str(), span),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item, depth + 1)).collect()),
            DeValue::Table(table) => Value::Map(
                table
                    .iter()
                    .map(|(key, item)| Entry {
                        key: key.get_ref().to_string(),
                        span: self.lines.span(&key.span()),
                        node: self.node(item, depth + 1),
                    })
                    .collect(),
            ),
        };
        Node::new(span, value)
    }

    fn integer(&mut self, text: &str, radix: u32, span: Span) -> Value {
        if let Ok(number) = i64::from_str_radix(&text.replace('_', ""), radix) {
            return Value::Int(number);
        }
        self.wrong.push((span, "this number does not fit in 64 bits".into()));
        Value::Null
    }

    fn float(&mut self, text: &str, span: Span) -> Value {
        if let Ok(number) = text.replace('_', "").parse() {
            return Value::Float(number);
        }
        self.wrong.push((span, "this is no number".into()));
        Value::Null
    }
}

/// Byte offsets to lines and columns.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    fn span(&self, range: &Range<usize>) -> Span {
        let line = self.starts.partition_point(|start| *start <= range.start);
        let start = line
            .checked_sub(1)
            .and_then(|index| self.starts.get(index))
            .copied()
            .unwrap_or(0);
        let column = self.text.get(start..range.start).map_or(0, |lead| lead.chars().count());
        Span::new(line.max(1), column + 1)
    }
}
