use std::collections::BTreeMap;
use std::sync::Arc;

use crate::place::{Notes, Place};
use crate::tokens::{Token, tokens};

/// Who a name of a certificate, or of the system, may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) system: String,
    /// None is everybody.
    pub(crate) user: Option<String>,
    pub(crate) place: Place,
}

/// The maps of a file, by name. A line that is none is left out with a warning, as PgBouncer does (`hba.c`,
/// `ident_load_map`).
pub(crate) fn read(file: &Arc<str>, text: &str, notes: &mut Notes) -> BTreeMap<String, Vec<Mapping>> {
    let mut maps: BTreeMap<String, Vec<Mapping>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let place = Place::new(file, number + 1, 1);
        let user = match tokens(line).as_slice() {
            [] => continue,
            [Token::Word(map), Token::Word(system) | Token::Quoted(system), user] => {
                let user = match user {
                    Token::Word(all) if all == "all" => Some(None),
                    Token::Word(name) | Token::Quoted(name) => Some(Some(name.clone())),
                    Token::Comma | Token::Broken => None,
                };
                user.map(|user| (map.clone(), system.clone(), user))
            }
            _ => None,
        };
        match user {
            Some((map, system, user)) => maps.entry(map).or_default().push(Mapping { system, user, place }),
            None => notes.warn(
                &place,
                "`map system-user database-user` is expected; the line is left out, as PgBouncer does",
            ),
        }
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read() {
        let mut notes = Notes::default();
        let text = "# maps\none a.org someuser\none \"b c\" \"all\"\ntwo x all # everybody\ntwo x\ntwo x y z\n";
        let maps = read(&"i".into(), text, &mut notes);
        let lines = |map: &str| {
            let of = |mapping: &Mapping| (mapping.system.clone(), mapping.user.clone(), mapping.place.span.line);
            maps[map].iter().map(of).collect::<Vec<_>>()
        };
        let line = |system: &str, user: Option<&str>, line| (system.to_owned(), user.map(str::to_owned), line);
        assert_eq!(
            lines("one"),
            [line("a.org", Some("someuser"), 2), line("b c", Some("all"), 3)]
        );
        assert_eq!(lines("two"), [line("x", None, 4)]);
        let lines: Vec<_> = notes.warnings.iter().map(|warning| warning.place.span.line).collect();
        assert_eq!(lines, [5, 6]);
    }
}
