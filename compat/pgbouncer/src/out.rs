use std::fmt::Write as _;

use tidegate_config::quoted;

use crate::place::{Place, Warning};

/// The lines of a configuration, each with the place that it comes from.
#[derive(Debug, Default)]
pub(crate) struct Out(Vec<Line>);

#[derive(Debug)]
struct Line {
    depth: usize,
    text: String,
    place: Option<Place>,
    /// Whether comments about the place stand above it.
    is_main: bool,
}

impl Out {
    /// A line of its own making.
    pub(crate) fn line(&mut self, depth: usize, text: impl Into<String>) {
        self.from(depth, text, None);
    }

    /// A line that comes from somewhere.
    pub(crate) fn from(&mut self, depth: usize, text: impl Into<String>, place: Option<&Place>) {
        self.push(depth, text.into(), place, true);
    }

    /// A line that comes from somewhere that another line says more of.
    pub(crate) fn also(&mut self, depth: usize, text: impl Into<String>, place: Option<&Place>) {
        self.push(depth, text.into(), place, false);
    }

    fn push(&mut self, depth: usize, text: String, place: Option<&Place>, is_main: bool) {
        self.0.push(Line {
            depth,
            text,
            place: place.cloned(),
            is_main,
        });
    }

    /// The text, and the place of each of its lines. Warnings stand above the first line that comes from the same
    /// place, and the others at the top.
    pub(crate) fn finish(self, title: &str, warnings: &[Warning]) -> (String, Vec<Option<Place>>) {
        let mut text = format!("# {title}\n");
        let mut places = vec![None];
        let comment = |depth: usize, warning: &Warning, places: &mut Vec<_>, text: &mut String| {
            let told: String = warning.text.chars().filter(|char| is_shown(*char)).collect();
            let _ = writeln!(text, "{}# {}: {told}", "  ".repeat(depth), shown(&warning.place));
            places.push(None);
        };
        let mut left: Vec<&Warning> = warnings.iter().collect();
        let is_free = |warning: &&Warning| !self.0.iter().any(|line| line.is_about(warning));
        for warning in left.extract_if(.., |warning| is_free(warning)) {
            comment(0, warning, &mut places, &mut text);
        }
        for line in self.0 {
            for warning in left.extract_if(.., |warning| line.is_about(warning)) {
                comment(line.depth, warning, &mut places, &mut text);
            }
            let _ = writeln!(text, "{}{}", "  ".repeat(line.depth), line.text);
            places.push(line.place);
        }
        (text, places)
    }
}

impl Line {
    fn is_about(&self, warning: &Warning) -> bool {
        self.is_main && self.place.as_ref() == Some(&warning.place)
    }
}

/// A place without the folders, so that what is written is the same wherever the file lies.
pub(crate) fn shown(place: &Place) -> String {
    format!("{}:{}", last(&place.file), place.span.line)
}

/// The last part of a file's name, without what would break a comment.
pub(crate) fn last(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.chars().filter(|char| is_shown(*char)).collect()
}

/// Whether YAML lets a comment have it.
fn is_shown(char: char) -> bool {
    !char.is_control() && !['\u{feff}', '\u{fffe}', '\u{ffff}'].contains(&char)
}

/// A name as a key, in which nothing is a variable.
pub(crate) fn key(name: &str) -> String {
    quoted(name).replace("$$", "$")
}
