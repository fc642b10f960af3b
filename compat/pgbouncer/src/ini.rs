use std::sync::Arc;

use crate::files::Files;
use crate::place::{At, Notes, Place};

/// How deep files may include files (`cfparser.c`, `MAX_INCLUDE`).
const DEEPEST: usize = 10;

/// One thing that an ini file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A section begins.
    Section(At<String>),
    /// A key and its value.
    Pair { key: At<String>, value: String },
}

/// Everything that a file and those that it includes say, in order (`cfparser.c`, `parse_ini_file_internal`). PgBouncer
/// stops at the first line that it does not understand; here the next one is read, so that all are told.
pub(crate) fn read(name: &str, files: &mut Files<'_>, notes: &mut Notes) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some((file, text)) = files.first(name, notes) {
        Scanner::new(file, &text, 0).all(&mut items, files, notes);
    }
    items
}

struct Scanner<'t> {
    file: Arc<str>,
    text: &'t str,
    /// Where it reads, in bytes.
    at: usize,
    line: usize,
    depth: usize,
}

impl<'t> Scanner<'t> {
    fn new(file: Arc<str>, text: &'t str, depth: usize) -> Self {
        Self {
            file,
            text,
            at: 0,
            line: 1,
            depth,
        }
    }

    fn all(&mut self, items: &mut Vec<Item>, files: &mut Files<'_>, notes: &mut Notes) {
        loop {
            self.skip(is_space);
            let Some(first) = self.rest().chars().next() else {
                return;
            };
            let place = self.place();
            let after = self.rest().strip_prefix("%include");
            if after.is_some_and(|rest| rest.starts_with([' ', '\t'])) {
                self.include(&place, items, files, notes);
            } else if first == '#' || first == ';' {
                self.to_end_of_line();
            } else if first == '[' {
                match self.section() {
                    Some(name) => items.push(Item::Section(At { value: name, place })),
                    None => self.syntax(&place, "a section is written `[name]`", notes),
                }
            } else {
                match self.pair() {
                    Ok((key, value)) => items.push(Item::Pair {
                        key: At { value: key, place },
                        value,
                    }),
                    Err(message) => self.syntax(&place, &message, notes),
                }
            }
        }
    }

    fn include(&mut self, place: &Place, items: &mut Vec<Item>, files: &mut Files<'_>, notes: &mut Notes) {
        let line = self.to_end_of_line();
        let name = line.strip_prefix("%include").unwrap_or_default().trim();
        if self.depth >= DEEPEST {
            return notes.wrong(place, format!("files may include files {DEEPEST} deep, and no deeper"));
        }
        if let Some((file, text)) = files.named(name, place, notes) {
            Scanner::new(file, &text, self.depth + 1).all(items, files, notes);
        }
    }

    fn section(&mut self) -> Option<String> {
        let rest = &self.rest()[1..];
        let end = rest.find([']', '\n']).filter(|end| rest[*end..].starts_with(']'))?;
        let name = rest[..end].to_owned();
        self.step(end + 2);
        Some(name)
    }

    fn pair(&mut self) -> Result<(String, String), String> {
        let key = self.key()?;
        self.skip(is_blank);
        if !self.rest().starts_with('=') {
            return Err(format!("`=` is expected behind `{key}`"));
        }
        self.step(1);
        self.skip(is_blank);
        let value = self.to_end_of_line().trim_end_matches(is_space).to_owned();
        Ok((key, value))
    }

    /// A name of letters, digits and `_.-*`, or any in single quotes.
    fn key(&mut self) -> Result<String, String> {
        if let Some(quoted) = self.rest().strip_prefix('\'') {
            let end = quoted.find(['\'', '\n']).filter(|end| quoted[*end..].starts_with('\''));
            let end = end.ok_or("the quote around the name is not closed")?;
            if end == 0 {
                return Err("the name is empty".to_owned());
            }
            let key = quoted[..end].to_owned();
            self.step(end + 2);
            return Ok(key);
        }
        let is_name = |char: char| char.is_ascii_alphanumeric() || "_.-*".contains(char);
        let key = self.skip(is_name).to_owned();
        match (key.is_empty(), self.rest().chars().next()) {
            (false, _) => Ok(key),
            (true, Some('=')) => Err("a name is expected before `=`".to_owned()),
            (true, char) => Err(format!(
                "`{}` begins no name: names are of letters, digits and `_.-*`; write others in single quotes",
                char.unwrap_or_default()
            )),
        }
    }

    fn syntax(&mut self, place: &Place, message: &str, notes: &mut Notes) {
        notes.wrong(place, message);
        self.to_end_of_line();
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Goes on by so many bytes, none of which ends a line.
    fn step(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|char| !what(char)).unwrap_or(rest.len());
        let skipped = &rest[..length];
        self.line += skipped.matches('\n').count();
        self.at += length;
        skipped
    }

    fn to_end_of_line(&mut self) -> &'t str {
        self.skip(|char| char != '\n')
    }

    fn place(&self) -> Place {
        let begin = self.text[..self.at].rfind('\n').map_or(0, |end| end + 1);
        let column = self.text[begin..self.at].chars().count() + 1;
        Place::new(&self.file, self.line, column)
    }
}

/// C's `isspace`.
pub(crate) fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn scan(text: &str) -> (Vec<String>, Vec<String>) {
        let read = |name: &str| match name {
            "p.ini" => Ok(text.to_owned()),
            "more" => Ok("x = 1\n%include p.ini\n".to_owned()),
            "users" => Ok("[users]\nu = pool_size=1".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let (mut files, mut notes) = (Files::new(&read), Notes::default());
        let items = super::read("p.ini", &mut files, &mut notes);
        let shown = items.iter().map(|item| match item {
            Item::Section(name) => format!("{} [{}]", name.place, name.value),
            Item::Pair { key, value } => format!("{} {}|{value}", key.place, key.value),
        });
        (
            shown.collect(),
            notes.mistakes.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn lines_are_read_as_pgbouncer_reads_them() {
        let (items, mistakes) = scan(
            "; comment\n  # comment\n[databases] a.b-c*=x\n* =\t a = b ; not a comment \r\n\
             'odd name' = host=h\n\n\n%include users\nv =\n%included = 1\n[pgbouncer] ; comment\nlisten_port=1",
        );
        let expected = [
            "p.ini:3 [databases]",
            "p.ini:3 a.b-c*|x",
            "p.ini:4 *|a = b ; not a comment",
            "p.ini:5 odd name|host=h",
            "users:1 [users]",
            "users:2 u|pool_size=1",
            "p.ini:9 v|",
            "p.ini:11 [pgbouncer]",
            "p.ini:12 listen_port|1",
        ];
        assert_eq!(items, expected);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(
            mistakes[0].starts_with("p.ini:10:1: `%` begins no name"),
            "{mistakes:?}"
        );
    }

    #[test]
    fn every_line_that_is_none_is_told() {
        let (items, mistakes) = scan("[open\nkey value\n= v\n'a\n'' = x\n\"q\" = x\n%include none\nok = 1\n");
        assert_eq!(items, ["p.ini:8 ok|1"]);
        let expected = [
            "p.ini:1:1: a section is written `[name]`",
            "p.ini:2:1: `=` is expected behind `key`",
            "p.ini:3:1: a name is expected before `=`",
            "p.ini:4:1: the quote around the name is not closed",
            "p.ini:5:1: the name is empty",
            "p.ini:6:1: `\"` begins no name: names are of letters, digits and `_.-*`; write others in single quotes",
            "p.ini:7:1: `none`: cannot read the file: entity not found",
        ];
        assert_eq!(mistakes, expected);
    }

    #[test]
    fn a_circle_of_files_has_an_end() {
        let (_, mistakes) = scan("%include more\n");
        assert_eq!(mistakes, ["p.ini:1:1: files may include files 10 deep, and no deeper"]);
    }
}
