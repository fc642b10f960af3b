/// A page of documentation.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file, relative to the root.
    pub path: String,
    text: String,
}

impl Document {
    /// A file with this text.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Numbered lines outside of fenced blocks.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fenced = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            fenced ^= is_fence;
            !fenced && !is_fence
        })
    }

    /// What links may name behind `#`: the headings, as GitHub makes anchors of them.
    pub fn anchors(&self) -> impl Iterator<Item = String> {
        let headings = self.prose().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim()))
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_blocks() {
        let page = Document::new("a.md", "# A `b`, (C)\ntext\n```sh\n# not one\n```\n## d-e_f\n");
        assert_eq!(page.anchors().collect::<Vec<_>>(), ["a-b-c", "d-e_f"]);
        let lines: Vec<_> = page.prose().map(|(number, _)| number).collect();
        assert_eq!(lines, [1, 2, 6]);
    }
}
