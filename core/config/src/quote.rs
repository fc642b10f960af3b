use std::fmt::Write as _;

/// A text as YAML that Tidegate reads as this text: what stands in quotes is no number, and a `$` begins no variable.
pub fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "_-".contains(char))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    let mut out = "\"".to_owned();
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '$' => out.push_str("$$"),
            char if char.is_control() || !char.is_ascii() => drop(write!(out, "\\U{:08X}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Document, Path};

    proptest! {
        #[test]
        fn what_is_quoted_is_read_as_it_was(text in ".*") {
            let document = Document::parse("t.yaml", format!("key: {}\n", quoted(&text))).unwrap();
            let read = document.node(Path::root().key("key")).unwrap();
            prop_assert_eq!(read.text().map(str::to_owned), Some(text.replace('$', "$$")));
        }
    }
}
