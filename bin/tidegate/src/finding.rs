use std::fmt::Write as _;

use tidegate_config::{Document, Mistake, Node, Path, Value, nearest};

/// How many names a message lists when none is near.
const SHORT_LIST: usize = 16;

/// A mistake that only shows when the parts are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Where, as in `listeners.main.routes.0.cluster`.
    pub(crate) path: String,
    /// What is wrong, and what to do.
    pub(crate) message: String,
    /// The names that would be right.
    pub(crate) candidates: Vec<String>,
}

impl Finding {
    /// Something that no other name would put right.
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            candidates: Vec::new(),
        }
    }

    /// The mistake with its place in the document, and the nearest name that would be right.
    pub(crate) fn in_document(&self, document: &Document) -> Mistake {
        let path = walk(document, &self.path);
        let mut message = format!("{path}: {}", self.message);
        let word = document.node(&path).and_then(Node::text).unwrap_or_default();
        match nearest(word, self.candidates.iter().map(String::as_str)) {
            Some(near) => drop(write!(message, "; did you mean `{near}`?")),
            None if self.candidates.is_empty() => {}
            None if self.candidates.len() <= SHORT_LIST => {
                let _ = write!(message, "; expected one of: {}", self.candidates.join(", "));
            }
            None => {}
        }
        Mistake::at(document, path, message)
    }
}

/// The path that dotted words name in this document: a name may itself hold dots, and a number may be an element.
fn walk(document: &Document, dotted: &str) -> Path {
    let words: Vec<&str> = dotted.split('.').collect();
    let mut path = Path::root();
    let mut node = Some(document.root());
    let mut taken = 0;
    while taken < words.len() {
        let rest = &words[taken..];
        let (next, count) = match node.map(|node| &node.value) {
            Some(Value::List(_)) if rest[0].parse::<usize>().is_ok() => {
                (path.index(rest[0].parse().unwrap_or_default()), 1)
            }
            Some(Value::Map(_)) => {
                let known = |count: &usize| node.is_some_and(|node| node.get(&rest[..*count].join(".")).is_some());
                let count = (1..=rest.len()).rev().find(known).unwrap_or(1);
                (path.key(rest[..count].join(".")), count)
            }
            _ => (path.key(rest[0]), 1),
        };
        taken += count;
        node = document.node(&next);
        path = next;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, message: &str, candidates: &[&str], expected: &str) {
        let text = "listeners:\n  eu.main:\n    routes:\n      - cluster: ap\nclusters: {}\n";
        let document = Document::parse("t.yaml", text).unwrap();
        let finding = Finding {
            path: path.to_owned(),
            message: message.to_owned(),
            candidates: candidates.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(finding.in_document(&document).to_string(), expected);
    }

    #[test]
    fn stands_at_its_place_with_the_nearest_name() {
        check(
            "listeners.eu.main.routes.0.cluster",
            "there is no cluster `ap`",
            &["app", "other"],
            "t.yaml:4:9: listeners.\"eu.main\".routes[0].cluster: there is no cluster `ap`; did you mean `app`?",
        );
        check(
            "listeners.eu.main.routes.0.cluster",
            "there is no cluster `ap`",
            &["zebra", "other"],
            "t.yaml:4:9: listeners.\"eu.main\".routes[0].cluster: there is no cluster `ap`; expected one of: zebra, other",
        );
        check(
            "listeners.eu.main.tls",
            "no",
            &[],
            "t.yaml:2:3: listeners.\"eu.main\".tls: no",
        );
    }
}
