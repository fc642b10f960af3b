use std::sync::{Arc, OnceLock};

use tidegate_chain::Verb;
use tidegate_telemetry::{Counter, Family, OVERFLOW, Registry, SharedCounter};

/// How many code classes one chain tells apart; the rest count as [`OVERFLOW`].
const MOST_CLASSES: usize = 64;
/// The length of the SQLSTATEs of ISO 9075, whose first two characters are their class.
const SQLSTATE: usize = 5;
/// The most of any other code that goes into a label.
const LONGEST_CLASS: usize = 16;

/// The families, registered once per chain.
#[derive(Debug, Clone)]
pub(crate) struct Families {
    requests: Family<Counter>,
    errors: Family<Counter>,
}

impl Families {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            requests: registry.counter(
                "tidegate_count_requests_total",
                "Exchanges by what they do, counted when the request comes",
                &["chain", "verb"],
            ),
            errors: registry.counter(
                "tidegate_count_errors_total",
                "Exchanges that ended with an error, by the class of its native code",
                &["chain", "code_class"],
            ),
        }
    }
}

/// The counters of one chain on one core. Sessions of the core share them, so nobody else's cache line is written.
#[derive(Debug)]
pub(crate) struct Shard {
    requests: [SharedCounter; Verb::ALL.len()],
    /// Filled from the front as classes appear, without a lock.
    classes: [OnceLock<Class>; MOST_CLASSES],
    others: OnceLock<SharedCounter>,
    errors: Family<Counter>,
    chain: Arc<str>,
}

#[derive(Debug)]
struct Class {
    name: Box<str>,
    counter: SharedCounter,
}

impl Shard {
    pub(crate) fn new(families: &Families, chain: Arc<str>) -> Self {
        Self {
            requests: Verb::ALL.map(|verb| families.requests.shared(&[&chain, verb.label()])),
            classes: [const { OnceLock::new() }; MOST_CLASSES],
            others: OnceLock::new(),
            errors: families.errors.clone(),
            chain,
        }
    }

    /// A request came.
    pub(crate) fn asked(&self, verb: Verb) {
        if let Some(counter) = self.requests.get(verb.index()) {
            counter.inc();
        }
    }

    /// An exchange ended with this native code. Allocates only when the code's class is seen for the first time.
    pub(crate) fn failed(&self, code: &str) {
        let name = class(code);
        for place in &self.classes {
            let class = place.get_or_init(|| Class {
                name: name.into(),
                counter: self.errors.shared(&[&self.chain, name]),
            });
            if *class.name == *name {
                return class.counter.inc();
            }
        }
        let others = || self.errors.shared(&[&self.chain, OVERFLOW]);
        self.others.get_or_init(others).inc();
    }
}

/// The first two characters of an SQLSTATE; any other code up to a length.
fn class(code: &str) -> &str {
    let is_sqlstate = code.len() == SQLSTATE && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let longest = if is_sqlstate { 2 } else { LONGEST_CLASS.min(code.len()) };
    let end = (0..=longest).rev().find(|end| code.is_char_boundary(*end));
    match code.get(..end.unwrap_or(0)) {
        None | Some("") => "none",
        Some(class) => class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (code, expected) in [
            ("23505", "23"),
            ("57P01", "57"),
            ("WRONGTYPE", "WRONGTYPE"),
            ("", "none"),
            ("abcde", "abcde"),
            ("a code that is much too long", "a code that is m"),
            ("ääääääääää", "ääääääää"),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }

    #[test]
    fn a_flood_of_codes_is_bounded() {
        let registry = Registry::new();
        let shard = Shard::new(&Families::new(&registry), Arc::from("main"));
        for number in 0..1000 {
            shard.failed(&format!("CODE-{number}"));
        }
        let text = registry.render();
        let series = text.lines().filter(|l| l.starts_with("tidegate_count_errors_total{"));
        assert_eq!(series.count(), MOST_CLASSES + 1);
        assert!(text.contains("code_class=\"other\"} 936\n"), "{text}");
    }
}
