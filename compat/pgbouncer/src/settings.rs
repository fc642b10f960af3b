use std::collections::BTreeMap;

use tidegate_config::nearest;

use crate::connection;
use crate::keys::{Fate, Key};
use crate::place::{At, Notes, Place};
use crate::value::Value;

/// The keys of a section or of a connection string that are set; the others have their defaults.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    keys: &'static [Key],
    given: BTreeMap<&'static str, At<Value>>,
}

impl Settings {
    pub(crate) fn new(keys: &'static [Key]) -> Self {
        Self {
            keys,
            given: BTreeMap::new(),
        }
    }

    /// The pairs of a connection string that stands at a place.
    pub(crate) fn of_pairs(keys: &'static [Key], text: &str, place: &Place, notes: &mut Notes) -> Self {
        let mut settings = Self::new(keys);
        match connection::pairs(text) {
            Ok(pairs) => {
                for (key, value) in pairs {
                    settings.take(&key, &value, place, notes);
                }
            }
            Err(message) => notes.wrong(place, message),
        }
        settings
    }

    /// Takes a key; the last one of a name counts.
    pub(crate) fn take(&mut self, name: &str, text: &str, place: &Place, notes: &mut Notes) {
        let Some(key) = self.keys.iter().find(|key| key.name == name) else {
            let near = nearest(name, self.keys.iter().map(|key| key.name));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return notes.wrong(place, format!("`{name}` is no key of PgBouncer here{near}"));
        };
        match key.kind.read(text) {
            Ok((value, rest)) => {
                if !rest.is_empty() {
                    notes.warn(
                        place,
                        format!("{name}: only the digits are read, and `{rest}` is left out"),
                    );
                }
                if let Fate::Warned { instead, unless } = key.fate
                    && text != unless
                {
                    notes.warn(place, format!("{name}: {}", plain(instead)));
                }
                let place = place.clone();
                self.given.insert(key.name, At { value, place });
            }
            Err(message) => notes.wrong(place, format!("{name}: {message}")),
        }
    }

    /// Where a key is set, if it is.
    pub(crate) fn place(&self, name: &str) -> Option<&Place> {
        self.given.get(name).map(|given| &given.place)
    }

    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// A text; empty when it is absent and has no default.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => String::new(),
        }
    }

    /// A text that is set and is not empty.
    pub(crate) fn some_text(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Number(number)) => number,
            _ => 0,
        }
    }

    /// A number that is set and is not below 0, which stands for "not set" (`loader.c`).
    pub(crate) fn some_number(&self, name: &str) -> Option<i64> {
        let given = self.is_given(name).then(|| self.number(name));
        given.filter(|number| *number >= 0)
    }

    /// A time, in microseconds.
    pub(crate) fn time(&self, name: &str) -> u64 {
        match self.value(name) {
            Some(Value::Time(micros)) => micros,
            _ => 0,
        }
    }

    pub(crate) fn word(&self, name: &str) -> &'static str {
        match self.value(name) {
            Some(Value::Word(word)) => word,
            _ => "",
        }
    }

    /// A value as PgBouncer shows it; empty when there is none.
    pub(crate) fn shown(&self, name: &str) -> String {
        self.value(name).map(|value| value.to_string()).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<Value> {
        if let Some(given) = self.given.get(name) {
            return Some(given.value.clone());
        }
        let key = self.keys.iter().find(|key| key.name == name);
        debug_assert!(key.is_some(), "there is no key `{name}`");
        let (value, _) = key?.kind.read(key?.default).ok()?;
        Some(value)
    }
}

/// A text of the guide without the links.
pub(crate) fn plain(markdown: &str) -> String {
    let mut out = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        out.push_str(before);
        let (text, behind) = link.split_once("](").unwrap_or((link, ""));
        out.push_str(text);
        rest = behind.split_once(')').map_or("", |(_, behind)| behind);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_taken_out() {
        assert_eq!(plain("use [the API](a.md), or [b](b.md#c)"), "use the API, or b");
        assert_eq!(plain("nothing"), "nothing");
    }
}
