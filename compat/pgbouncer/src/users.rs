use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_postgres_wire::user_list;

use crate::ini::is_space;
use crate::place::{Notes, Place};

/// The longest name and secret, without the byte that ends them (`bouncer.h`, `MAX_USERNAME`, `MAX_PASSWORD`).
const LONGEST: [usize; 2] = [127, 2047];

/// Reads an `auth_file`: `"user" "secret"` on each line, and nothing of the line beyond. PgBouncer stops reading at what
/// is none, and goes on without the users behind it; here that is a mistake.
pub(crate) fn read(file: &Arc<str>, text: &str, notes: &mut Notes) -> BTreeMap<String, String> {
    let mut users = BTreeMap::new();
    for (number, line) in text.split('\n').enumerate() {
        let line = line.trim_matches(is_space);
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        let place = Place::new(file, number + 1, 1);
        match user_list::pair(line) {
            Some((user, secret)) if user.len() > LONGEST[0] || secret.len() > LONGEST[1] => {
                notes.wrong(&place, "the name is longer than 127 bytes, or the secret than 2047");
            }
            Some((user, _)) if user.is_empty() => notes.wrong(&place, "the name is empty"),
            Some((user, secret)) => drop(users.insert(user, secret)),
            None => notes.wrong(&place, "a line of the form `\"user\" \"secret\"` is expected"),
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_their_secrets() {
        let mut notes = Notes::default();
        let text = "; all of them\n\"app\" \"secret\" and more\n  \"a\"\"b\"\t\"\"\r\n\n\"app\" \"later\"";
        let users = read(&"u.txt".into(), text, &mut notes);
        assert!(notes.mistakes.is_empty(), "{:?}", notes.mistakes);
        let expected = [("a\"b", ""), ("app", "later")];
        let found: Vec<_> = users
            .iter()
            .map(|(user, secret)| (user.as_str(), secret.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_line_that_is_none_is_told() {
        let mut notes = Notes::default();
        let long = format!("\"{}\" \"\"", "x".repeat(128));
        let text = format!("app secret\n\"app\"\n# comment\n{long}\n\"\" \"x\"\n");
        let users = read(&"u.txt".into(), &text, &mut notes);
        assert!(users.is_empty());
        let lines: Vec<_> = notes
            .mistakes
            .iter()
            .filter_map(|mistake| mistake.span)
            .map(|span| span.line)
            .collect();
        assert_eq!(lines, [1, 2, 3, 4, 5]);
    }
}
