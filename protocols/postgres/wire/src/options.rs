/// What the `options` start-up parameter asks for: command-line switches of the backend, of which only settings are
/// understood (`-c name=value`, `-cname=value`, `--name=value`), as in PostgreSQL's `process_postgres_switches`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Name and value of each setting, in order. Dashes in names are underscores, as PostgreSQL reads them.
    pub settings: Vec<(String, String)>,
    /// The words that are no setting. They must be refused or at least logged, never dropped silently.
    pub unknown: Vec<String>,
}

impl Options {
    /// Reads the parameter's value. White space parts words; a backslash takes the next character as it is.
    pub fn parse(options: &str) -> Self {
        let mut found = Self::default();
        let mut words = words(options).into_iter();
        while let Some(word) = words.next() {
            if word == "-c" {
                match words.next() {
                    Some(pair) => found.setting(&pair, word + " " + &pair),
                    None => found.unknown.push(word),
                }
            } else if let Some(pair) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
                found.setting(pair, word.clone());
            } else {
                found.unknown.push(word);
            }
        }
        found
    }

    fn setting(&mut self, pair: &str, written: String) {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => self.settings.push((name.replace('-', "_"), value.to_owned())),
            _ => self.unknown.push(written),
        }
    }
}

/// PostgreSQL's `pg_split_opts`.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(letters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &str, settings: &[(&str, &str)], unknown: &[&str]) {
        let found = Options::parse(options);
        let read: Vec<(&str, &str)> = found
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(read, settings, "{options}");
        assert_eq!(found.unknown, unknown, "{options}");
    }

    #[test]
    fn reads_settings() {
        check("", &[], &[]);
        check(
            "-c search_path=a,b -cwork_mem=4MB",
            &[("search_path", "a,b"), ("work_mem", "4MB")],
            &[],
        );
        check("--statement-timeout=5s", &[("statement_timeout", "5s")], &[]);
        check(r"-c search_path=a,\ b\\c", &[("search_path", r"a, b\c")], &[]);
        check(r"-c x=\-y", &[("x", "-y")], &[]);
        check("-c geqo=", &[("geqo", "")], &[]);
        check("  -c\tgeqo=off \n", &[("geqo", "off")], &[]);
    }

    #[test]
    fn says_what_it_does_not_know() {
        check("-B 5 -c geqo=off", &[("geqo", "off")], &["-B", "5"]);
        check("-c geqo", &[], &["-c geqo"]);
        check("-c", &[], &["-c"]);
        check("--=x -c =y", &[], &["--=x", "-c =y"]);
    }
}
