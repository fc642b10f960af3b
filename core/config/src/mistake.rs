use std::cmp::Reverse;
use std::fmt::{self, Write as _};

use crate::document::Document;
use crate::node::{Node, Source, Span};
use crate::path::Path;

/// One thing that is wrong with a configuration, and what to do about it. It never holds a secret's text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file, or the environment variable that set the value.
    pub origin: String,
    /// Where in the file; `None` for a variable, and for a file that could not be read at all.
    pub span: Option<Span>,
    /// The path of the value, for machines; `None` when the text is no document.
    pub path: Option<Path>,
    /// What is wrong, with the nearest valid word and what was expected.
    pub message: String,
}

impl Mistake {
    /// A mistake about the value at a path: the span of its key, of its value where it is a list element, or of the
    /// nearest parent that exists.
    pub fn at(document: &Document, path: impl Into<Path>, message: impl Into<String>) -> Self {
        let path = path.into();
        let (span, node) = document.locate(&path);
        Self::on(document, node, span, &path, message)
    }

    pub(crate) fn on(document: &Document, node: &Node, span: Span, path: &Path, message: impl Into<String>) -> Self {
        let (origin, span) = match &node.source {
            Source::Variable(name) => (name.to_string(), None),
            _ => (document.name().to_owned(), Some(span)),
        };
        Self {
            origin,
            span,
            path: Some(path.clone()),
            message: message.into(),
        }
    }

    pub(crate) fn in_text(name: &str, span: Option<Span>, message: impl Into<String>) -> Self {
        Self {
            origin: name.to_owned(),
            span,
            path: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.origin)?;
        if let Some(span) = self.span {
            write!(out, "{}:{}:", span.line, span.column)?;
        }
        write!(out, " {}", self.message)
    }
}

impl std::error::Error for Mistake {}

/// One line per mistake: `tidegate.yaml:12:5: unknown key …`.
pub fn report(mistakes: &[Mistake]) -> String {
    mistakes.iter().fold(String::new(), |mut text, mistake| {
        let _ = writeln!(text, "{mistake}");
        text
    })
}

/// The same for people: with the source line of each mistake and a caret under its column.
///
/// The rest of a line that holds a secret would be printed too, so the line is shown only up to its key.
pub fn report_with_source(mistakes: &[Mistake], document: &Document) -> String {
    mistakes.iter().fold(String::new(), |mut text, mistake| {
        let _ = writeln!(text, "{mistake}");
        let span = mistake.span.filter(|_| mistake.origin == document.name());
        if let Some((span, line)) = span.and_then(|span| Some((span, document.safe_line(span.line)?))) {
            let number = span.line.to_string();
            let gutter = " ".repeat(number.len());
            let tabs = line.chars().map(|c| if c == '\t' { '\t' } else { ' ' });
            let lead = tabs.chain(std::iter::repeat(' ')).take(span.column.saturating_sub(1));
            let lead: String = lead.collect();
            let _ = writeln!(text, " {number} | {line}\n {gutter} | {lead}^");
        }
        text
    })
}

/// The candidate that a misspelt word most likely means; `None` when nothing is near.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let folded = fold(word);
    let allowed = (folded.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed || is_prefix(&folded, &fold(candidate)))
        .min_by_key(|(distance, candidate)| (*distance, Reverse(candidate.len())))
        .map(|(_, candidate)| candidate)
}

/// Names are compared without case, and `-` is `_`.
pub(crate) fn fold(word: &str) -> String {
    word.to_lowercase().replace(['-', '.'], "_")
}

/// `; did you mean `x`?` or, where nothing is near and the choice is small, what there is.
pub(crate) fn suggest(word: &str, candidates: &[&str]) -> String {
    const SHORT_LIST: usize = 16;
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if candidates.is_empty() => String::new(),
        None if candidates.len() <= SHORT_LIST => {
            format!("; expected one of: {}", candidates.join(", "))
        }
        None => String::new(),
    }
}

fn is_prefix(word: &str, candidate: &str) -> bool {
    const TELLING: usize = 3;
    word.len() >= TELLING && candidate.starts_with(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_word() {
        let keys = ["address", "protocol", "max_clients", "tls"];
        for (word, near) in [
            ("adress", Some("address")),
            ("Max-Clients", Some("max_clients")),
            ("proto", Some("protocol")),
            ("tsl", Some("tls")),
            ("zebra", None),
        ] {
            assert_eq!(nearest(word, keys), near, "{word}");
        }
    }
}
