/// A Rust file, and its code without comments and without tests.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, relative to the root.
    pub path: String,
    /// How many lines it has.
    pub length: usize,
    /// Its lines up to the tests, comments blanked out.
    code: Vec<String>,
}

impl Source {
    /// A file with this text.
    pub fn new(path: &str, text: &str) -> Self {
        let code = uncommented(text);
        Self {
            path: path.to_owned(),
            length: text.lines().count(),
            code: untested(&code),
        }
    }

    /// Whether it is only built for tests, benches or examples.
    pub fn is_test(&self) -> bool {
        let mut folders = self.path.split('/');
        folders.any(|f| matches!(f, "tests" | "benches" | "examples" | "fuzz" | "tests.rs"))
    }

    /// Numbered lines of code.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.iter().map(String::as_str))
    }

    /// `path:line`
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }
}

/// Whether the line holds `word` as a whole identifier, in any case.
pub(super) fn names(line: &str, word: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let part = |c: char| c.is_ascii_alphanumeric();
    lower.match_indices(word).any(|(at, _)| {
        let before = lower[..at].chars().next_back().is_some_and(part);
        let after = lower[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

/// Blanks out comments, and keeps strings and line numbers. Char literals that hold a quote are
/// told from lifetimes by the quote two characters on.
fn uncommented(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            skip(rest, &mut out, rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            skip(rest, &mut out, block(rest), false)
        } else if let Some(raw) = raw_string(rest) {
            skip(rest, &mut out, raw, true)
        } else if c == '"' {
            skip(rest, &mut out, string(rest), true)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            skip(rest, &mut out, rest[1..].find('\'').map_or(1, |at| at + 2), true)
        } else {
            skip(rest, &mut out, c.len_utf8(), true)
        };
        rest = &rest[length..];
    }
    out
}

fn skip(rest: &str, out: &mut String, length: usize, keep: bool) -> usize {
    let piece = &rest[..length];
    if keep {
        out.push_str(piece);
    } else {
        out.extend(piece.chars().filter(|c| *c == '\n'));
    }
    length
}

/// The length of a block comment, which nests.
fn block(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?;
    let quoted = hashes.trim_start_matches('#');
    let count = hashes.len() - quoted.len();
    let body = quoted.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(count));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// Blanks out what stands behind `#[cfg(test)]`: to the end for a module with a body (tests come
/// last), or one item.
fn untested(code: &str) -> Vec<String> {
    let mut lines: Vec<String> = code.lines().map(str::to_owned).collect();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim_start().starts_with("#[cfg(test)]") {
            let end = item_end(&lines, at + 1);
            for line in lines.iter_mut().take(end).skip(at) {
                line.clear();
            }
            at = end;
        } else {
            at += 1;
        }
    }
    lines
}

/// The line behind the item that starts at `start`: behind its closing brace, or its semicolon.
fn item_end(lines: &[String], start: usize) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let depth = lines.get(start).map_or(0, |line| indent(line));
    for (at, line) in lines.iter().enumerate().skip(start) {
        let same = indent(line) == depth;
        let closed = same && line.trim_start().starts_with('}');
        let one_line = at == start && (line.ends_with(';') || line.ends_with('}'));
        if closed || one_line {
            return at + 1;
        }
    }
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Vec<String> {
        Source::new("a.rs", text).code
    }

    #[test]
    fn comments_go_and_strings_stay() {
        let text = "a // b\n/* c /* d */\ne */ f \"// g\" '\"' // h\nr#\"/* \" i\"# j";
        assert_eq!(code(text), ["a ", "", " f \"// g\" '\"' ", "r#\"/* \" i\"# j"]);
    }

    #[test]
    fn tests_go_and_line_numbers_stay() {
        let text = "a\n#[cfg(test)]\nmod tests {\n    b\n}\nc\n#[cfg(test)]\nuse d;\ne";
        assert_eq!(code(text), ["a", "", "", "", "", "c", "", "", "e"]);
        let inside = "impl X {\n    #[cfg(test)]\n    fn a() {\n        b\n    }\n    c\n}";
        assert_eq!(code(inside), ["impl X {", "", "", "", "", "    c", "}"]);
    }

    #[test]
    fn words_are_whole() {
        assert!(names("use tidegate_postgres;", "postgres"));
        assert!(names("Postgres::new()", "postgres"));
        assert!(!names("redistribute()", "redis"));
    }
}
