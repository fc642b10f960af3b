use tidegate_config::{Document, Entry, Mistake, Node, Path, Value};

/// A document, and what is found to be wrong with it.
pub(crate) struct Reader<'d> {
    pub(crate) document: &'d Document,
    text: &'d str,
    pub(crate) mistakes: Vec<Mistake>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d Document, text: &'d str) -> Self {
        Self {
            document,
            text,
            mistakes: Vec::new(),
        }
    }

    /// Notes what is wrong at a path.
    pub(crate) fn wrong(&mut self, path: &Path, message: impl Into<String>) {
        let found = Mistake::at(self.document, path.clone(), message);
        self.mistakes.push(found);
    }

    /// A scalar as it was written: twemproxy knows texts only, so `007` is no number, and `True` is not `true`.
    pub(crate) fn scalar(&mut self, path: &Path, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::List(_) | Value::Map(_) => {
                self.wrong(path, "must be one value");
                None
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                let line = self
                    .text
                    .lines()
                    .nth(node.span.line.saturating_sub(1))
                    .unwrap_or_default();
                let rest: String = line.chars().skip(node.span.column.saturating_sub(1)).collect();
                // What is read as none of the texts was written plainly, and ends where a comment begins.
                let plain = rest.split(" #").next().unwrap_or_default().trim();
                if node.value == Value::Null && plain != "~" && !plain.eq_ignore_ascii_case("null") {
                    self.wrong(path, "has no value");
                    return None;
                }
                Some(plain.to_owned())
            }
        }
    }

    /// A number as twemproxy reads it: digits, and nothing else (`nc_util.c`, `_nc_atoi`).
    pub(crate) fn number(&mut self, path: &Path, node: &Node) -> Option<u32> {
        let text = self.scalar(path, node)?;
        let number = digits(&text);
        if number.is_none() {
            self.wrong(path, format!("`{text}` is not a number"));
        }
        number
    }

    pub(crate) fn boolean(&mut self, path: &Path, node: &Node) -> Option<bool> {
        match self.scalar(path, node)?.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let message = format!("`{other}` is not `true` or `false`");
                self.wrong(path, message);
                None
            }
        }
    }
}

/// A whole number without a sign that a C `int` holds.
pub(crate) fn digits(text: &str) -> Option<u32> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok())?;
    number.filter(|number| i32::try_from(*number).is_ok())
}

/// The line of an entry.
pub(crate) fn line(entry: &Entry) -> usize {
    entry.span.line
}
